"""Compare everything that a fit learned with what scikit-learn learned."""

import pickle

import dask.array as da
import numpy as np
from numpy.testing import assert_allclose
from sklearn.base import clone

from skdist_gpu import autoscale
from skdist_gpu.engines.executors import threads
from skdist_gpu.testing import assert_ran_on

PLACES = ["reductions:cpu", "reductions:dask"]
# chunks of several sizes, some of them empty
BLOCKS = (1, 0, 1200, 0, 799, 1000)
N_ROWS = sum(BLOCKS)


STEP_BYTES = 2**12
# rows that several threads share, each in several steps
MANY_ROWS = 1000


class Counted:
    """A reduction that counts how often two partial results become one."""

    def __init__(self, reduction):
        self.reduction, self.n_combined = reduction, 0

    def __getattr__(self, name):
        return getattr(self.reduction, name)

    def combine(self, a, b):
        self.n_combined += 1
        return self.reduction.combine(a, b)


class SmallSteps(threads.ThreadsExecutor):
    """Three threads, each of which takes a few hundred rows a step."""

    n_made = 0

    def __init__(self, X, y, sample_weight, n_threads, progress):
        super().__init__(X, y, sample_weight, 3, progress, STEP_BYTES)
        SmallSteps.n_made += 1

    def reduce(self, reduction):
        counted = Counted(reduction)
        total = super().reduce(counted)
        assert counted.n_combined >= 2 or self.data["X"].shape[0] < MANY_ROWS, "no partial results were combined"
        return total


def use_small_steps(monkeypatch):
    """Let a few thousand rows in memory take several steps on several threads."""
    monkeypatch.setattr(threads, "ThreadsExecutor", SmallSteps)


def make_classes(n_columns=6, n_classes=3, offset=1000.0, seed=0):
    """Return rows around the centers of their classes, far from zero, and their labels."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, n_classes, N_ROWS)
    spread = generator.normal(size=(n_columns, n_columns)) + 2 * np.eye(n_columns)
    centers = offset + 3 * generator.normal(size=(n_classes, n_columns))
    return centers[labels] + generator.normal(size=(N_ROWS, n_columns)) @ spread, labels


def make_weights(seed=1):
    return np.random.default_rng(seed).uniform(0.1, 2.0, N_ROWS)


def fit_there(estimator, backend, X, y=None, **weights):
    """Fit with an engine that is forced; Dask sees the data in uneven blocks."""
    if backend == "reductions:dask":
        X = da.from_array(X, chunks=(BLOCKS, (X.shape[1],)))
        y = None if y is None else da.from_array(y, chunks=(BLOCKS,))
        weights = {name: da.from_array(w, chunks=(BLOCKS,)) for name, w in weights.items()}
    made = SmallSteps.n_made
    model = autoscale(estimator, backend=backend).fit(X, y, **weights)
    assert_ran_on(model, backend)
    if threads.ThreadsExecutor is SmallSteps and backend == "reductions:cpu":
        assert SmallSteps.n_made > made, "the engine did not take the small steps"
    return model


def assert_same_as_scikit_learn(estimator, backend, X, y=None, rtol=1e-8, **weights):
    """Fit both, and compare all fitted attributes and what the pickled plain estimators say."""
    reference = clone(estimator).fit(X, y, **weights)
    model = fit_there(estimator, backend, X, y, **weights)
    plain = pickle.loads(pickle.dumps(model.estimator_))
    assert type(plain) is type(reference)
    assert set(vars(plain)) == set(vars(reference))
    for name, value in vars(reference).items():
        if name.endswith("_"):
            learned = getattr(plain, name)
            if name == "scalings_" and hasattr(reference, "coef_"):
                n_kept = len(reference.classes_) - 1  # the directions after these separate nothing
                learned, value = learned[:, :n_kept], value[:, :n_kept]
            assert_same(learned, value, rtol, name)
    for method in ("transform", "predict_proba", "decision_function"):
        if hasattr(reference, method) and getattr(reference, "solver", None) != "lsqr":
            assert_same(getattr(plain, method)(X[:50]), getattr(reference, method)(X[:50]), 100 * rtol, method)
    return plain, reference


def assert_same(value, expected, rtol, name):
    """Compare type, dtype, shape and values relative to the largest; directions up to their sign."""
    if isinstance(expected, list):
        assert isinstance(value, list)
        assert len(value) == len(expected)
        for part, other in zip(value, expected, strict=True):
            assert_same(part, other, rtol, name)
    elif expected is None or isinstance(expected, str):
        assert value == expected, name
    elif isinstance(expected, np.ndarray) and expected.dtype.kind == "O":
        assert_same(list(value), list(expected), rtol, name)
    else:
        assert np.shape(value) == np.shape(expected), name
        assert np.asarray(value).dtype == np.asarray(expected).dtype, name
        if np.asarray(expected).dtype.kind in "iufb":
            if name in ("scalings_", "rotations_", "transform") and np.ndim(expected) == 2:
                value, expected = np.abs(value), np.abs(expected)
            scale = np.nanmax(np.abs(expected), initial=0)
            assert_allclose(value, expected, rtol=0, atol=rtol * scale, err_msg=name)


def assert_same_scores(ours, theirs, tolerance):
    """Compare all that two searches keep of their candidates, but for times."""
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    for key, values in theirs.cv_results_.items():
        if key == "params":
            assert ours.cv_results_[key] == values
        elif "time" not in key and values.dtype != object:
            np.testing.assert_allclose(ours.cv_results_[key], values, rtol=tolerance, atol=tolerance, err_msg=key)
