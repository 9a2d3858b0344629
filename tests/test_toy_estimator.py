"""What the recipe of an estimator says: a file in a folder of the reductions is all that it takes."""

import shutil
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import dask.array as da
import numpy as np
from numpy.testing import assert_allclose
from sklearn.dummy import DummyRegressor
from skdist_gpu import autoscale
from skdist_gpu.engines.reductions import linear

linear.__path__.append(sys.argv[1])  # as if the file lay there
X = np.random.default_rng(0).normal(size=(500, 3))
y, weight = X[:, 0] + 2, np.abs(X[:, 1])
model = autoscale(DummyRegressor(), backend="reductions")
for rows, target in ((X, y), (da.from_array(X, chunks=100), da.from_array(y, chunks=100))):
    assert model.fit(rows, target).plan_.backend == "reductions"
    assert_allclose(model.constant_, DummyRegressor().fit(X, y).constant_, rtol=1e-14)
weighted = model.fit(X, y, sample_weight=weight)
assert_allclose(weighted.predict(X), DummyRegressor().fit(X, y, sample_weight=weight).predict(X), rtol=1e-14)
refused = autoscale(DummyRegressor(strategy="median"), backend="reductions").plan(X, y)
assert refused.chosen is None and "strategy" in str(refused), refused
"""


def test_one_file_is_all_that_a_new_estimator_takes(tmp_path):
    shutil.copy(Path(__file__).parent / "toy_estimator.py", tmp_path / "dummy.py")
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
