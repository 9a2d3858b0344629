"""Partial sums become the sum of all rows, however the rows are cut and in whatever order parts are combined.

The reductions are those that fits really run, with the rows they ran on; every class of the package must be among them.
"""

import dataclasses
import importlib
import pkgutil
import warnings
from contextlib import nullcontext, suppress
from copy import deepcopy
from functools import cache, reduce
from itertools import pairwise

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, chi2, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import CategoricalNB, GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

import skdist_gpu.engines.reductions as package
from skdist_gpu import autoscale, model_selection
from skdist_gpu.compose import folding
from skdist_gpu.data import gather
from skdist_gpu.data.blocks import MemoryBlocks, given_columns
from skdist_gpu.engines.executors import dask as over_dask
from skdist_gpu.engines.executors import threads
from skdist_gpu.engines.reductions.columns import quantiles

N_ROWS = 240
# for one, a block is all rows; what the other gives is exact only in rank, as tests/test_reductions_quantiles.py says
OTHER_TESTS = {"SortReduction", "SketchReduction"}


def make_rows():
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 3, N_ROWS)
    X = 20 + generator.integers(0, 4, (N_ROWS, 4)).astype(np.float64) + codes[:, None]
    X[:, 1] += generator.normal(size=N_ROWS)
    target = X @ [1.0, -2.0, 0.5, 0.0] + generator.normal(size=N_ROWS)
    return X, codes, target, generator.uniform(0.5, 2.0, N_ROWS)


def fits():
    """Yield estimators and data that together run every reduction."""
    X, codes, target, weight = make_rows()
    near = np.column_stack([X, X[:, 0] + 1e-9 * X[:, 1]])  # whose squares lose digits
    apart = np.vstack([X, X[:1] + 1e4])
    gaps = np.where(X > 22, X, np.nan)
    for estimator in (Ridge(), LinearRegression(), LinearSVR(loss="squared_epsilon_insensitive"), HuberRegressor()):
        yield estimator, X, target, {"sample_weight": weight}
    for estimator in (Ridge(1e-8), RidgeCV(), LinearRegression(), HuberRegressor(), PCA(svd_solver="full")):
        yield estimator, near, target, {}
    yield Ridge(1e-9), np.column_stack([X, X[:, 0] + 1e-4 * X[:, 1] ** 2]), target, {}
    for estimator in (
        *(LogisticRegression(), LogisticRegressionCV(cv=3, Cs=2, scoring="accuracy", use_legacy_attributes=False)),
        *(LinearSVC(), GaussianNB(), RidgeClassifier(class_weight="balanced"), RidgeClassifierCV()),
        *(MultinomialNB(), CategoricalNB()),
    ):
        yield estimator, np.trunc(X), codes, {"sample_weight": weight}
    for estimator in (LinearDiscriminantAnalysis(), QuadraticDiscriminantAnalysis(reg_param=0.1)):
        yield estimator, near, codes, {}
        yield estimator, X, codes, {}
    yield LinearDiscriminantAnalysis("eigen", shrinkage="auto"), X, codes, {}
    yield PoissonRegressor(), X, np.abs(target), {"sample_weight": weight}
    yield SelectKBest(chi2, k=2), X, codes, {}
    yield SelectKBest(f_regression, k=2), X, target, {}
    for estimator in (SimpleImputer(), SimpleImputer(strategy="constant"), SimpleImputer(strategy="most_frequent")):
        yield estimator, gaps, None, {}
    yield PCA(), gaps, None, {}  # refused, after a count of what is missing
    for estimator in (StandardScaler(), RobustScaler(), QuantileTransformer(n_quantiles=9), LedoitWolf()):
        yield estimator, X, None, {}
    yield OneHotEncoder(), pd.DataFrame({"word": np.where(codes == 1, "one", "other"), "n": codes}), None, {}
    yield KMeans(3, init=np.vstack([X[:2], X[:1] + 1e6]), n_init=1), apart, None, {}
    yield GaussianMixture(2, covariance_type="full", max_iter=2), X, None, {}
    yield make_pipeline(StandardScaler(), LogisticRegression()), X, codes, {}  # whose steps are passed over together


@cache
def reductions_that_run():
    """Return, by class, a reduction that a fit ran, and the rows it ran on."""
    found = {}

    class Recorder(threads.ThreadsExecutor):
        def reduce(self, reduction):
            for one in (reduction, *getattr(reduction, "reductions", ())):
                found.setdefault(type(one), (one, self.data))
            return super().reduce(reduction)

    class LazyRecorder(over_dask.DaskExecutor):
        def reduce(self, reduction):
            found.setdefault(type(reduction), (reduction, given_columns(*dask.compute(*self.data))))
            return super().reduce(reduction)

    for sorted_at_once in (True, False):
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
            patch.setattr(threads, "ThreadsExecutor", Recorder)
            patch.setattr(folding, "FEWEST_VALUES", 0)
            if not sorted_at_once:
                patch.setattr(quantiles, "MOST_VALUES", 50)
                patch.setattr(quantiles, "SAMPLE_VALUES", 100)
            for estimator, X, y, weights in fits():
                with suppress(ValueError) if isinstance(estimator, PCA) else nullcontext():
                    autoscale(estimator, backend="reductions:cpu").fit(X, y, **weights)
    X, codes, _, _ = make_rows()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(over_dask, "DaskExecutor", LazyRecorder)
        patch.setattr(gather, "COPIES", 1e12)  # nothing fits in memory
        model_selection.cross_val_score(GaussianNB(), da.from_array(X, chunks=(80, -1)), codes, cv=3)
    return found


def all_reductions():
    """Return the classes of the package that have both halves of a reduction."""
    classes = set()
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            is_one = isinstance(value, type) and hasattr(value, "map") and hasattr(value, "combine")
            if is_one and value.__module__.startswith(package.__name__) and not getattr(value, "_is_protocol", False):
                classes.add(value)
    return sorted(classes, key=lambda cls: cls.__name__)


REDUCTIONS = [cls for cls in all_reductions() if cls.__name__ not in OTHER_TESTS]


def meaning(reduction, total):
    """Return what a total means, where several totals mean the same: parts of a list behind each other, R as R'R."""
    name = type(reduction).__name__
    if "Triangle" in name:
        return [part.T @ part for part in (total if isinstance(total, list) else [total])]
    if name == "TallyReduction":
        counts = [dict(zip(map(repr, values.tolist()), n.tolist(), strict=True)) for values, n in total.columns]
        return [total.n_rows, *counts]
    if name == "GatherReduction":
        pieces = pd.DataFrame(dict(enumerate(map(np.concatenate, zip(*total[1], strict=True)))))
        return [total[0], pieces.groupby([0, 1])[2].sum().reset_index().to_numpy()]
    if name == "BehindSteps":
        return meaning(reduction.reduction, total)
    if name == "PartsReduction":
        return [None if part is None else meaning(reduction.reduction, part) for part in total]
    if name == "Together":
        return [meaning(*each) for each in zip(reduction.reductions, total, strict=True)]
    return plain(total)


def plain(value):
    """Return dataclasses as lists, and lists of blocks as one."""
    if dataclasses.is_dataclass(value):
        return [plain(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, dict):
        return [[name, plain(part)] for name, part in sorted(value.items())]
    arrays = isinstance(value, list) and value and isinstance(value[0], np.ndarray) and value[0].ndim
    if arrays and len({part.shape[1:] for part in value}) == 1:
        return np.concatenate(value)
    if isinstance(value, list) and value and dataclasses.is_dataclass(value[0]):
        blocks = [[getattr(part, field.name) for part in value] for field in dataclasses.fields(value[0])]
        return [None if b[0] is None else plain(b) if isinstance(b[0], np.ndarray) else sum(b) for b in blocks]
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def assert_alike(a, b, parts):
    """Compare two totals; sums that cancel are as exact as their parts are large."""
    if isinstance(b, (list, tuple)):
        assert len(a) == len(b)
        for i, (one, other) in enumerate(zip(a, b, strict=True)):
            # a part that has no row of a set says nothing of it
            assert_alike(one, other, [part[i] for part in parts if part[i] is not None])
    elif isinstance(b, (np.ndarray, np.generic, float)):
        scale = max(np.nanmax(np.abs(np.asarray(part, np.float64)), initial=0.0) for part in (b, *parts))
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * scale)
    else:
        assert a == b or (a != a and b != b)


def test_fits_run_every_reduction():
    missed = {cls.__name__ for cls in REDUCTIONS} - {cls.__name__ for cls in reductions_that_run()}
    assert not missed, "add a fit that runs these to fits()"


@pytest.mark.parametrize("cls", REDUCTIONS, ids=lambda cls: cls.__name__)
@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, N_ROWS - 1), min_size=2, max_size=6, unique=True))
def test_parts_in_any_grouping_give_the_whole(cls, cuts):
    reduction, data = reductions_that_run()[cls]
    n_rows = data["X"].shape[0]
    bounds = [0, *sorted(cuts), n_rows]

    def rows(start, stop):
        (block,) = MemoryBlocks(data, [slice(start, stop)])
        with np.errstate(invalid="ignore"):
            return reduction.map(block["X"], block.get("y"), block.get("sample_weight"))

    parts = [rows(start, stop) for start, stop in pairwise(bounds)]
    from_left = reduce(reduction.combine, deepcopy(parts))
    from_right = reduce(lambda a, b: reduction.combine(b, a), deepcopy(parts[::-1]))
    whole, of_parts = meaning(reduction, rows(0, n_rows)), [meaning(reduction, part) for part in parts]
    assert_alike(meaning(reduction, from_left), whole, of_parts)
    assert_alike(meaning(reduction, from_right), whole, of_parts)
