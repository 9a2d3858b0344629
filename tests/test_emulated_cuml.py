"""What the engine mends of cuML's fits, shown where there is no GPU: cuML is scikit-learn with cuML's own habits."""

from emulated.process import run_emulated_tests


def test_fits_where_cuml_is_emulated():
    run_emulated_tests("cuml_fits.py")
