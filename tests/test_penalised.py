"""Penalised and Bayesian least squares, and their cross-validated forms, against scikit-learn."""

import pickle

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    Lars,
    Lasso,
    LassoCV,
    LassoLars,
    LinearRegression,
    OrthogonalMatchingPursuit,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.model_selection import KFold

from skdist_gpu import autoscale
from skdist_gpu.exceptions import BackendError
from skdist_gpu.testing import assert_ran_on

generator = np.random.default_rng(0)
X = generator.normal(size=(3001, 12)) @ generator.normal(size=(12, 12)) + 5
truth = generator.normal(size=12) * (generator.uniform(size=12) < 0.6)
y = X @ truth + 3 * generator.normal(size=len(X)) + 2
weights = generator.uniform(0.5, 2, size=len(X))
labels = np.array(["low", "middle", "high"])[np.digitize(y, np.quantile(y, [0.3, 0.7]))]

TIGHT = {"tol": 1e-12, "max_iter": 100_000}
PENALTIES = np.logspace(-3, 5, 20)
WITH_WEIGHTS = [
    Lasso(0.3, **TIGHT),
    Lasso(0.3, fit_intercept=False, positive=True, **TIGHT),
    ElasticNet(0.2, **TIGHT),
    BayesianRidge(compute_score=True),
    BayesianRidge(fit_intercept=False),
    RidgeCV(PENALTIES),
    RidgeCV(PENALTIES, fit_intercept=False),
    RidgeClassifier(),
    RidgeClassifier(class_weight="balanced"),
    RidgeClassifierCV(PENALTIES, class_weight={"low": 2.0}),
]
WITHOUT_WEIGHTS = [
    Lars(),
    Lars(n_nonzero_coefs=4),
    LassoLars(0.05),
    OrthogonalMatchingPursuit(n_nonzero_coefs=5),
    OrthogonalMatchingPursuit(tol=1e5),
    ARDRegression(compute_score=True),
    LassoCV(cv=4, **TIGHT),
    ElasticNetCV(l1_ratio=[0.3, 0.9], alphas=20, **TIGHT),
    ElasticNetCV(alphas=[0.1, 1.0, 0.5], cv=KFold(3), **TIGHT),
    RidgeCV(PENALTIES, cv=5),
]
CASES = [(e, w) for e in WITH_WEIGHTS for w in (None, weights)] + [(e, None) for e in WITHOUT_WEIGHTS]


def fit_both(estimator, sample_weight, backend, data=X):
    target = labels if "Classifier" in type(estimator).__name__ else y
    fit_params = {} if sample_weight is None else {"sample_weight": sample_weight}
    reference = type(estimator)(**estimator.get_params()).fit(data, target, **fit_params)
    model = autoscale(estimator, backend=backend).fit(data, target, **fit_params)
    assert_ran_on(model, backend)
    return model, reference


@pytest.mark.parametrize("backend", ["reductions:cpu", "reductions:dask"])
@pytest.mark.parametrize(("estimator", "sample_weight"), CASES, ids=lambda v: "weighted" if v is weights else None)
def test_every_fitted_attribute_is_scikit_learns(estimator, sample_weight, backend):
    model, reference = fit_both(estimator, sample_weight, backend)
    for name, expected in vars(reference).items():
        if not name.endswith("_") or name == "dual_gap_":  # how far a solver stopped from the end
            continue
        found = getattr(model.estimator_, name)
        assert np.shape(found) == np.shape(expected), name
        if np.asarray(expected).dtype.kind in "fi":
            scale = np.max(np.abs(expected), initial=0)
            assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * scale, err_msg=name)
        else:
            assert_array_equal(found, expected, err_msg=name)
    plain = pickle.loads(pickle.dumps(model.estimator_))
    assert type(plain) is type(estimator)
    assert_array_equal(plain.predict(X), model.predict(X))


def test_float32_and_large_offsets():
    data = (X + 1000).astype(np.float32)
    reference = Lasso(0.3, **TIGHT).fit(data.astype(np.float64), y)
    model = autoscale(Lasso(0.3, **TIGHT), backend="reductions").fit(data, y)
    assert_allclose(model.coef_, reference.coef_, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("estimator", [Lasso(1e-3, **TIGHT), BayesianRidge(), OrthogonalMatchingPursuit()], ids=repr)
def test_dependent_columns(estimator):
    data = np.hstack([X, X[:, :2], np.ones((len(X), 1))])
    model, reference = fit_both(estimator, None, "reductions:cpu", data)
    assert_allclose(model.predict(data), reference.predict(data), rtol=1e-6)


def test_several_targets():
    Y = np.column_stack([y, -2 * y + X[:, 0]])
    for estimator in (Lasso(0.3, **TIGHT), RidgeCV(PENALTIES), RidgeCV(PENALTIES, alpha_per_target=True)):
        reference = type(estimator)(**estimator.get_params()).fit(X, Y)
        model = autoscale(estimator, backend="reductions").fit(X, Y)
        assert_allclose(model.coef_, reference.coef_, atol=1e-8)
        assert_allclose(model.intercept_, reference.intercept_, rtol=1e-7)


@pytest.mark.parametrize(
    "estimator",
    [
        Ridge(),
        RidgeCV(),
        RidgeCV(alpha_per_target=True),
        RidgeCV(cv=3),
        Lasso(0.3),
        ElasticNet(0.3),
        Lars(),
        LassoLars(0.3),
        OrthogonalMatchingPursuit(),
    ],
    ids=repr,
)
def test_one_target_in_two_dimensions(estimator):
    reference = type(estimator)(**estimator.get_params()).fit(X, y[:, None])
    model = autoscale(estimator, backend="reductions:cpu").fit(X, y[:, None])
    for name in ("coef_", "intercept_", "alpha_", "n_iter_"):
        assert np.shape(getattr(model, name, None)) == np.shape(getattr(reference, name, None)), name
    assert_allclose(model.predict(X), reference.predict(X), rtol=1e-7)


@pytest.mark.parametrize("backend", ["reductions:cpu", "reductions:dask"])
@pytest.mark.parametrize(("scale", "offset"), [([1e-8, 1.0, 1e8], 0.0), (1.0, 1e8)])
def test_leave_one_out_of_columns_far_from_each_other_in_size(scale, offset, backend):
    # scikit-learn's own squares lose the small columns here, and it chooses by noise
    data = np.random.default_rng(0).normal(size=(40, 3))
    target = data @ [1.0, -2.0, 0.5] + 0.3 * np.random.default_rng(1).normal(size=40) + 1
    data, alphas = data * scale + offset, np.array([0.1, 1.0, 10.0])

    def error(row, alpha):
        rows = np.vstack([np.delete(data, row, axis=0), np.sqrt(alpha) * np.eye(3)])
        coef = np.linalg.lstsq(rows, np.append(np.delete(target, row), np.zeros(3)), rcond=0)[0]
        return (target[row] - data[row] @ coef) ** 2

    scores = [-np.mean([error(row, alpha) for row in range(40)]) for alpha in alphas]
    model = autoscale(RidgeCV(alphas, fit_intercept=False), backend=backend).fit(data, target)
    assert model.alpha_ == alphas[np.argmax(scores)]
    assert_allclose(model.best_score_, max(scores), rtol=1e-6)


@pytest.mark.parametrize(
    ("target", "weight"),
    [
        (np.r_[np.ones(1001), y[:2000]], None),
        (np.full(3001, 0.25), None),
        (y, np.r_[np.zeros(1001), np.ones(2000)]),
        (y, np.r_[np.ones(1001), np.zeros(2000)]),
    ],
    ids=["constant in a fold", "constant", "a fold without weight", "weight in one fold"],
)
@pytest.mark.filterwarnings("ignore")
def test_folds_without_a_score(target, weight):
    reference = RidgeCV(PENALTIES, cv=3).fit(X, target, weight)
    model = autoscale(RidgeCV(PENALTIES, cv=3), backend="reductions:cpu").fit(X, target, sample_weight=weight)
    assert model.alpha_ == reference.alpha_
    assert_allclose(model.best_score_, reference.best_score_, rtol=1e-6)
    assert_allclose(model.predict(X), reference.predict(X), rtol=1e-8)


def test_folds_of_one_row_have_no_score():
    with pytest.warns(UserWarning, match="test scores are non-finite"):
        model = autoscale(RidgeCV(cv=3), backend="reductions:cpu").fit(X[:3], y[:3])
    assert np.isnan(model.best_score_)


def test_relevance_needs_two_rows():
    message = r"1 sample\(s\).*minimum of 2 is required by ARDRegression"
    with pytest.raises(ValueError, match=message) as ours:
        autoscale(ARDRegression(), backend="reductions:cpu").fit(X[:1], y[:1])
    with pytest.raises(ValueError, match=message) as plain:
        ARDRegression().fit(X[:1], y[:1])
    assert str(ours.value) == str(plain.value)


def test_folds_over_dask_need_known_rows():
    blocks = da.from_array(X, chunks=(700, 12))
    model = autoscale(LassoCV(cv=4)).fit(blocks, da.from_array(y, chunks=700))
    assert_ran_on(model, "reductions:dask")
    assert_allclose(model.mse_path_, LassoCV(cv=4).fit(X, y).mse_path_, rtol=1e-4)
    unknown = blocks[blocks[:, 0] > -1e9]
    target = da.from_array(y, chunks=700)[blocks[:, 0] > -1e9]
    with pytest.raises(BackendError, match="compute_chunk_sizes"):
        autoscale(LassoCV(), backend="reductions").fit(unknown, target)


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (RidgeCV(cv=KFold(3, shuffle=True)), "cv="),
        (RidgeCV(scoring="r2"), "scoring='r2' is not supported"),
        (Lasso(warm_start=True), "warm_start=True goes on from the last fit"),
        (Lars(jitter=1e-3), "jitter=0.001 is not supported"),
    ],
    ids=lambda v: "" if isinstance(v, str) else type(v).__name__,
)
def test_what_sums_cannot_do_is_refused_with_the_reason(estimator, reason):
    with pytest.raises(BackendError, match=reason):
        autoscale(estimator, backend="reductions").fit(X, y)
    assert autoscale(estimator).fit(X, y).backend_ == "sklearn"


@pytest.mark.parametrize("backend", ["reductions:cpu", "reductions:dask"])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("columns", ["once", "twice", "both signs"])
def test_paths_end_at_the_minimum(columns, positive, backend):
    # scikit-learn's path misses it after columns that stand twice, and with positive=True where none is left to enter
    more = {"once": X[:, :0], "twice": X[:, ::2], "both signs": -X[:, ::2]}[columns]
    data = np.hstack([X, more])
    Y = np.column_stack([y, -y])

    def objective(model, target, alpha):
        loss = np.mean((Y[:, target] - model.predict(data).reshape(len(X), -1)[:, target]) ** 2) / 2
        return loss + alpha * np.abs(model.coef_.reshape(-1, data.shape[1])[target]).sum()

    for alpha in (0.01, 0.5):
        truth = Lasso(alpha, positive=positive, **TIGHT).fit(data, Y)
        for estimator in (LassoLars(alpha, positive=positive), LassoLars(alpha, positive=positive, fit_path=False)):
            both = autoscale(estimator, backend=backend).fit(data, Y)
            assert both.coef_.shape == (2, data.shape[1])
            for target in (0, 1):
                assert_allclose(objective(both, target, alpha), objective(truth, target, alpha), rtol=1e-9)
        path = autoscale(LassoLars(alpha, positive=positive), backend=backend).fit(data, y)
        assert_allclose(objective(path, 0, alpha), objective(truth, 0, alpha), rtol=1e-9)
        assert path.coef_path_.shape == (data.shape[1], len(path.alphas_))
        assert_array_equal(path.coef_path_[:, -1], path.coef_)
        assert set(np.flatnonzero(path.coef_)) <= set(path.active_)


def test_least_angles_of_columns_that_stand_twice_end_at_least_squares():
    data = np.hstack([X, X[:, ::2]])
    model = autoscale(Lars(), backend="reductions:cpu").fit(data, y)
    assert_allclose(model.predict(data), LinearRegression().fit(X, y).predict(X), rtol=1e-7)


def test_a_column_that_stands_twice_leaves_no_coefficient_of_rounding():
    model = autoscale(Lasso(alpha=0.1), backend="reductions").fit([[0, 0], [1, 1], [2, 2]], [0, 1, 2])
    assert model.coef_[1] == 0.0  # as in scikit-learn's own example
    assert_allclose(model.coef_, [0.85, 0.0])
    for seed in range(40):
        generator = np.random.default_rng(seed)
        columns = generator.integers(0, 4, size=(generator.integers(3, 30), 3)).astype(float)
        y = columns @ [2.0, -1.0, 0.0] + generator.integers(0, 3, size=len(columns))
        estimator = Lasso(alpha=0.1, fit_intercept=bool(seed % 2), tol=1e-10)
        coefficients = autoscale(estimator, backend="reductions").fit(np.hstack([columns, columns]), y).coef_
        assert not np.any((coefficients != 0.0) & (np.abs(coefficients) < 1e-12)), coefficients
