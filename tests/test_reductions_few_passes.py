"""Generalised linear models, linear support vector machines and Huber's regression against scikit-learn."""

import pickle
import warnings

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import helmert
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import GammaRegressor, HuberRegressor, LogisticRegression, PoissonRegressor, TweedieRegressor
from sklearn.svm import LinearSVC, LinearSVR

from skdist_gpu import autoscale
from skdist_gpu.engines.reductions.linear import linear
from skdist_gpu.engines.reductions.linear.glm import TweedieLoss
from skdist_gpu.engines.reductions.linear.linear import Design, ScoreReduction
from skdist_gpu.engines.reductions.linear.linear_svm import SquaredEpsilonInsensitive, SquaredHinge
from skdist_gpu.engines.reductions.linear.logistic import BinomialLoss
from skdist_gpu.testing import assert_ran_on

PLACES = ["reductions:cpu", "reductions:dask"]
GLMS = [
    PoissonRegressor(),
    PoissonRegressor(alpha=0, fit_intercept=False),
    GammaRegressor(alpha=0.1),
    TweedieRegressor(power=0, alpha=0.1),
    TweedieRegressor(power=0, link="log"),
    TweedieRegressor(power=1.5, alpha=0.01),
    TweedieRegressor(power=3, alpha=0.01),
    TweedieRegressor(power=1, link="identity", alpha=1e-3),
]
SVMS = [
    LinearSVC(),
    LinearSVC(C=0.01, intercept_scaling=10.0, dual=False),
    LinearSVC(fit_intercept=False, class_weight="balanced"),
    LinearSVC(class_weight={0: 3.0, 1: 0.5}),
    LinearSVR(loss="squared_epsilon_insensitive"),
    LinearSVR(loss="squared_epsilon_insensitive", C=0.01, epsilon=0.5, intercept_scaling=3.0),
    LinearSVR(loss="squared_epsilon_insensitive", fit_intercept=False),
]
HUBERS = [HuberRegressor(), HuberRegressor(epsilon=2.0, alpha=10.0, fit_intercept=False)]


def make_data(estimator, n_rows=3000, n_columns=5, n_classes=2):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n_rows, n_columns)) / 3
    score = X @ generator.normal(size=n_columns)
    weights = generator.uniform(size=n_rows)
    if isinstance(estimator, (LinearSVC, LogisticRegression)):
        y = np.digitize(
            score + generator.normal(size=n_rows) / 2, np.quantile(score, np.arange(1, n_classes) / n_classes)
        )
    elif isinstance(estimator, (LinearSVR, HuberRegressor)):
        y = 5 + score + generator.standard_t(2, size=n_rows) / 3
    elif getattr(estimator, "link", "log") == "identity":
        y = generator.poisson(np.maximum(8 + score, 0)).astype(float)
    elif isinstance(estimator, PoissonRegressor) or getattr(estimator, "power", 2) in (0, 1.5):
        y = generator.poisson(np.exp(score)).astype(float)
    else:
        y = generator.gamma(2.0, np.exp(score) / 2) + 1e-3
    return X, y, weights


def precise(estimator):
    """Return the estimator with scikit-learn's strictest stopping rule."""
    options = {"tol": 1e-10, "max_iter": 100_000}
    if isinstance(estimator, (LinearSVC, LinearSVR)):
        options |= {"dual": False}
    if isinstance(estimator, (PoissonRegressor, GammaRegressor, TweedieRegressor, LogisticRegression)):
        options |= {"solver": "newton-cholesky"}
    return clone(estimator).set_params(**options)


def objective(model, X, y, weight):
    """Return what scikit-learn minimises."""
    score = np.asarray(X) @ np.ravel(model.coef_) + model.intercept_
    squares = (model.coef_**2).sum()
    if isinstance(model, HuberRegressor):
        residual, sigma, epsilon = np.abs(y - score), model.scale_, model.epsilon
        outside = 2 * epsilon * residual - sigma * epsilon**2
        loss = sigma + np.where(residual <= epsilon * sigma, residual**2 / sigma, outside)
        return weight @ loss + model.alpha * squares
    if isinstance(model, LinearSVR):
        constant = np.sum((model.intercept_ / model.intercept_scaling) ** 2)
        slack = np.maximum(np.abs(y - score) - model.epsilon, 0)
        return model.C * weight @ slack**2 + (squares + constant) / 2
    mean = model._base_loss.link.inverse(score)
    loss = model._base_loss.loss(y_true=y, raw_prediction=score) + model._base_loss.constant_to_optimal_zero(y)
    assert np.isfinite(mean).all()
    return np.average(loss, weights=weight) + model.alpha / 2 * squares


def assert_same_model(model, reference, rtol=1e-6):
    for name in vars(reference):
        if not name.endswith("_"):
            continue
        assert np.shape(getattr(model, name)) == np.shape(getattr(reference, name)), name
        assert np.asarray(getattr(model, name)).dtype == np.asarray(getattr(reference, name)).dtype, name
    scale = np.abs(reference.coef_).max()
    assert_allclose(model.coef_, reference.coef_, rtol=0, atol=rtol * scale)
    assert_allclose(model.intercept_, reference.intercept_, rtol=rtol, atol=rtol * max(1, scale))


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("estimator", [*GLMS, *SVMS, *HUBERS], ids=repr)
def test_answer_is_scikit_learns(estimator, weighted, backend):
    X, y, weights = make_data(estimator)
    sample_weight = weights if weighted else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = precise(estimator).fit(X, y, sample_weight=sample_weight)
    model = autoscale(estimator, backend=backend).fit(X, y, sample_weight=sample_weight)
    assert_ran_on(model, backend)
    # scikit-learn's L-BFGS-B stops early for Huber's loss; the objective below tells
    assert_same_model(model.estimator_, reference, rtol=1e-3 if isinstance(estimator, HuberRegressor) else 1e-6)
    if not isinstance(estimator, LinearSVC):
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        ours, theirs = (objective(m, X, y, weight) for m in (model.estimator_, reference))
        assert ours <= theirs * (1 + 1e-9)
    plain = pickle.loads(pickle.dumps(model.estimator_))
    assert_array_equal(plain.predict(X), model.predict(X))
    assert_allclose(plain.score(X, y), reference.score(X, y), rtol=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 2: 0.3}])
def test_one_against_all_others(class_weight, weighted):
    estimator = LinearSVC(class_weight=class_weight)
    X, y, weights = make_data(estimator, n_classes=4)
    sample_weight = weights if weighted else None
    reference = precise(estimator).fit(X, y, sample_weight=sample_weight)
    model = autoscale(estimator, backend="reductions:cpu").fit(X, y, sample_weight=sample_weight)
    assert_same_model(model.estimator_, reference)
    assert_array_equal(model.predict(X), reference.predict(X))


@pytest.mark.parametrize("sampled", [500, 20_000])
@pytest.mark.parametrize("estimator", [PoissonRegressor(), LinearSVC(), LinearSVR(loss=SVMS[-1].loss), HUBERS[0]])
def test_more_rows_than_the_sample_has_and_uneven_blocks(estimator, sampled, monkeypatch):
    monkeypatch.setattr(linear, "SAMPLED_ROWS", sampled)
    X, y, weights = make_data(estimator, n_rows=50_000, n_columns=3)
    chunks = (1, 0, 40_000, 0, 9_999)
    dX, (dy, dw) = da.from_array(X, chunks=(chunks, (2, 1))), (da.from_array(p, chunks=(chunks,)) for p in (y, weights))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = precise(estimator).fit(X, y, sample_weight=weights)
    tolerance = 1e-4 if isinstance(estimator, HuberRegressor) else 1e-6
    model = autoscale(estimator).fit(dX, dy, sample_weight=dw)
    assert_ran_on(model, "reductions:dask")
    assert_same_model(model.estimator_, reference, rtol=tolerance)
    if isinstance(estimator, HuberRegressor):
        assert isinstance(model.outliers_, np.ndarray)
        assert np.mean(model.outliers_ != reference.outliers_) < 1e-3


@pytest.mark.parametrize("estimator", [GammaRegressor(), LinearSVC(), LinearSVR(loss=SVMS[-1].loss)])
def test_sparse_float32_and_scaled_columns(estimator):
    X, y, _ = make_data(estimator)
    X[np.abs(X) < 0.1] = 0
    X *= np.geomspace(1e-2, 1e2, X.shape[1])
    reference = precise(estimator).fit(X, y)
    for variant in (X, sp.csr_array(X), sp.csr_array(X.astype(np.float32)), X.astype(np.float32)):
        model = autoscale(estimator, backend="reductions:cpu").fit(variant, y)
        assert_allclose(model.coef_ * X.std(axis=0), reference.coef_ * X.std(axis=0), rtol=0, atol=1e-5)


def test_errors_are_scikit_learns():
    X, y, _ = make_data(PoissonRegressor())
    for estimator, bad in ((PoissonRegressor(), y - 1), (GammaRegressor(), y), (TweedieRegressor(power=3), y)):
        for backend in ("sklearn", *PLACES):
            with pytest.raises(ValueError, match="out of the valid range of the loss"):
                autoscale(estimator, backend=backend).fit(X, bad)
    X[2222, 3] = np.inf
    for estimator in (PoissonRegressor(), HuberRegressor(), LinearSVR(loss=SVMS[-1].loss)):
        with pytest.raises(ValueError, match="infinity"):
            autoscale(estimator, backend="reductions:cpu").fit(X, y)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(fit_intercept=False),
        LogisticRegression(fit_intercept=False, C=np.inf),
        PoissonRegressor(fit_intercept=False, alpha=0.1),
        LinearSVC(),
        LinearSVC(fit_intercept=False),
        LinearSVR(loss="squared_epsilon_insensitive"),
        HuberRegressor(fit_intercept=False),
    ],
    ids=repr,
)
def test_a_large_value_in_all_columns_acts_as_an_intercept(estimator, backend):
    X, y, _ = make_data(estimator, n_columns=3)
    far = X + 1e8
    # an orthogonal change of the axes keeps squared coefficients; along the third one there is next to nothing but 1e8
    axes = helmert(3).T
    reference = precise(estimator).set_params(fit_intercept=True)
    if isinstance(estimator, (LinearSVC, LinearSVR)):
        reference.set_params(intercept_scaling=1e3)  # the larger, the smaller is the penalty of the intercept
    reference.fit((far - 1e8) @ axes, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = autoscale(estimator, backend=backend).fit(far, y)
    assert_ran_on(model, backend)
    tolerance = 1e-3 if isinstance(estimator, HuberRegressor) else 1e-5
    assert_allclose(np.ravel(model.coef_) @ axes, np.ravel(reference.coef_), rtol=tolerance, atol=tolerance)
    assert_allclose(1e8 * model.coef_.sum() + model.intercept_, np.ravel(reference.intercept_)[0], rtol=tolerance)


@pytest.mark.parametrize("estimator", [LinearSVC(), LogisticRegression(fit_intercept=False)])
def test_directions_lost_in_rounding_are_warned_of(estimator):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(400, 3))
    labels = X @ [1, -2, 0.5] + generator.normal(size=400) > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # columns that stand twice lose nothing
        autoscale(LogisticRegression(C=np.inf), backend="reductions:cpu").fit(np.hstack([X, X]), labels)
    with pytest.warns(ConvergenceWarning, match="directions are lost in rounding"):
        autoscale(estimator, backend="reductions:cpu").fit(X + np.linspace(1e8, 2e8, 400)[:, None], labels)


@pytest.mark.parametrize("n_rows", [36, 400])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_huber_on_columns_far_from_each_other_in_size(fit_intercept, n_rows):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n_rows, 3))
    y = X @ [1.0, -2.0, 0.5] + generator.standard_t(2, size=n_rows) / 3
    estimator = HuberRegressor(fit_intercept=fit_intercept, alpha=0.0)
    # without a penalty the size of a column divides its coefficient and changes nothing else
    reference, size = precise(estimator).fit(X, y), np.array([1e-8, 1.0, 1e8])
    model = autoscale(estimator, backend="reductions:cpu").fit(X * size, y).estimator_
    model.coef_ = model.coef_ * size
    # scikit-learn's L-BFGS-B stops early, and a lower objective tells
    assert_allclose(model.coef_, reference.coef_, rtol=1e-3)
    ours, theirs = (objective(m, X, y, np.ones(n_rows)) for m in (model, reference))
    assert ours <= theirs * (1 + 1e-12)


LOSSES = [
    BinomialLoss(None),
    SquaredHinge(1, 1.0, 1.0),
    SquaredEpsilonInsensitive(0.3),
    *(TweedieLoss(power, log_link=True) for power in (1.0, 1.5, 2.0)),
    TweedieLoss(0.0, log_link=False),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: f"{type(loss).__name__} {getattr(loss, 'power', '')}")
def test_derivatives_of_losses_are_their_differences(loss):
    score = np.random.default_rng(0).normal(size=1000)
    y = np.arange(1000) % 2 + (1.0 if isinstance(loss, TweedieLoss) else 0.0)
    step = 1e-5
    (below, slope_below), (above, slope_above) = loss(y, score - step), loss(y, score + step)
    assert_allclose(loss(y, score)[1], (above - below) / (2 * step), atol=1e-8)
    smooth = np.sign(slope_above) == np.sign(slope_below)  # no kink of the derivative between them
    assert smooth.mean() > 0.9
    assert_allclose(loss.curvature(y, score)[smooth], ((slope_above - slope_below) / (2 * step))[smooth], atol=1e-7)


@pytest.mark.parametrize(("n_rows", "every"), [(100_000, 8), (100_000, 1000), (1000, 20)])
@pytest.mark.parametrize("weighted", [False, True])
def test_second_derivatives_of_some_rows_stand_for_those_of_all(weighted, n_rows, every):
    generator = np.random.default_rng(0)
    X = np.sort(generator.normal(size=(n_rows, 3)), axis=0)
    y, weight = np.arange(n_rows) % 2, generator.uniform(size=n_rows) if weighted else None
    all_rows, some = (
        ScoreReduction(BinomialLoss(None), Design(3, 1.0), np.ones(4) / 2, e).map(X, y, weight) for e in (1, every)
    )
    assert_allclose(some.gradient, all_rows.gradient, rtol=1e-12)
    assert_allclose(some.hessian, all_rows.hessian, rtol=0, atol=0.3 * np.abs(all_rows.hessian).max())
    assert not np.allclose(some.hessian, all_rows.hessian, rtol=1e-6)
