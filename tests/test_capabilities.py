"""The catalogue as a table."""

from skdist_gpu import capabilities
from skdist_gpu.testing import make_resources


def test_first_column_and_one_row_for_each_engine():
    table = capabilities()
    assert table.columns[0] == "estimator"
    assert not table.duplicated(["estimator", "engine", "device"]).any()
    assert (table.supported == (table.missing == "")).all()


def test_supported_follows_the_machine():
    laptop = capabilities(make_resources(packages=()))
    server = capabilities(make_resources(gpus=2, workers=2))
    assert set(laptop[laptop.supported].engine) == {"sklearn", "reductions", "incremental", "voting"}
    # what dask_ml does otherwise than scikit-learn, and what cuML does on the host, fails at or gets wrong
    left_out = server[~server.supported]
    assert set(left_out.engine) == {"dask_ml", "cuml", "cuml.dask", "onedal"}
    assert {"LinearRegression", "Ridge"} <= set(left_out[left_out.engine == "cuml.dask"].estimator)
    assert set(left_out[left_out.engine == "cuml"].estimator) == {"QuantileTransformer", "PowerTransformer"}
    assert "needs a GPU" in laptop[laptop.engine == "cuml"].missing.iloc[0]
