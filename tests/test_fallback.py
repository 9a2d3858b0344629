"""What happens when the first choice fails."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from skdist_gpu import AutoScaleRegressor, AutoScaleTransformer
from skdist_gpu.engines import registry as catalog
from skdist_gpu.engines.dask_ml import fit as dask_ml_engine
from skdist_gpu.exceptions import BackendError, FallbackWarning
from skdist_gpu.planning import planner

SCRIPT = """
import resource, warnings
import numpy as np
from sklearn.linear_model import LinearRegression
from skdist_gpu import AutoScaleRegressor
generator = np.random.default_rng(0)
X = generator.normal(size=(400_000, 50)); y = X.sum(axis=1)
AutoScaleRegressor(backend="reductions").fit(X[:1000], y[:1000])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {room}, -1))
model = AutoScaleRegressor(memory_budget="100GB", fallback={fallback!r}).set_params(backend={backend!r})
try:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    print(model.backend_, len(model.report_.failures), sorted({{w.category.__name__ for w in caught}}))
except MemoryError:
    print("MemoryError")
"""


def run(**values):
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(**values)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="the limit of address space is a Unix feature")
def test_out_of_memory_is_raised_when_nothing_else_may_run():
    # scikit-learn copies the 160 MB table
    assert run(room=100_000_000, fallback="warn", backend="sklearn") == "MemoryError"


FULL = """
import resource, sys, warnings
sys.path.insert(0, {tests!r})
import numpy as np
from sklearn.dummy import DummyRegressor
from skdist_gpu import autoscale
from skdist_gpu.engines.registry import register
from toy_engine import Toy

class Filling(Toy):
    rank = 5
    def __init__(self, name):
        self.name = name
    def fit(self, job):
        held = [np.ones(25_000_000)]  # two thirds of what is free
        began.append(self.name)
        while True:  # until memory is full, and nothing is let go
            held.append(np.ones(2**20))

began = []

X = np.random.default_rng(0).normal(size=(2_000_000, 2)); y = X[:, 0].copy()
autoscale(DummyRegressor()).fit(X[:10], y[:10])
register(Filling("one")), register(Filling("another"))
model = autoscale(DummyRegressor(quantile=0.5, strategy="mean"), fallback={fallback!r})
print([c.backend for c in model.plan(X, y).ladder])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 300_000_000, -1))
try:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    right = abs(model.constant_ - y.mean()).max() < 1e-12
    print(began, model.backend_, len(model.report_.failures), len(caught), right)
except MemoryError:
    print("MemoryError")
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="the limit of address space is a Unix feature")
@pytest.mark.parametrize(
    ("fallback", "ends"), [("warn", "['one', 'another'] sklearn 2 2 True"), ("raise", "MemoryError")]
)
def test_memory_that_is_really_full_moves_down_two_rungs(fallback, ends):
    program = FULL.format(tests=str(Path(__file__).parent), fallback=fallback)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["['one', 'another', 'sklearn']", ends]


def test_an_engine_that_refuses_at_run_time_hands_over(monkeypatch):
    import dask.array as da

    X = np.random.default_rng(0).normal(size=(100, 3))
    blocks = da.from_array(X, chunks=(50, 3))

    def broken(name):
        return "AttributeError: an incompatible release"

    monkeypatch.setattr(dask_ml_engine, "_probe", broken)
    # plans that were made before are of the engines as they are
    monkeypatch.setattr(planner, "plain_facts", lambda estimator: None)
    # without prices, blocks of Dask stay where they are
    monkeypatch.setattr(planner, "predict", lambda *args, **kwargs: None)
    entries = tuple(e for e in catalog.entries_named("StandardScaler") if e.backend in ("dask_ml", "sklearn"))
    monkeypatch.setattr(catalog, "entries_named", lambda estimator: entries)
    given = StandardScaler()
    with pytest.warns(FallbackWarning, match="an incompatible release"):
        model = AutoScaleTransformer(given).fit(blocks)
    assert model.backend_ == "sklearn"
    assert vars(given) == vars(StandardScaler())
    assert_allclose(model.mean_, X.mean(axis=0))
    assert "dask_ml:dask failed" in str(model.explain())
    with pytest.raises(BackendError, match="an incompatible release"):
        AutoScaleTransformer(fallback="raise").fit(blocks)
    with pytest.raises(BackendError, match="an incompatible release"):
        AutoScaleTransformer(backend="dask_ml").fit(blocks)


def test_user_errors_are_no_reason_to_fall_back():
    X = np.full((300_000, 2), np.nan)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        AutoScaleRegressor(LinearRegression()).fit(X, np.zeros(len(X)))
