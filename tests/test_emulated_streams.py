"""How rows come to GPUs, shown where there is none: CuPy is NumPy with copies that somebody must wait for."""

from emulated.process import run_emulated_tests


def test_rows_come_to_emulated_gpus():
    run_emulated_tests("streams.py")
