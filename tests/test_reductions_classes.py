"""Naive Bayes, discriminants and NearestCentroid from sums over the rows of each class, against scikit-learn."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from fits import N_ROWS, PLACES, assert_same_as_scikit_learn, fit_there, make_classes, make_weights, use_small_steps
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid

from skdist_gpu import AutoScaleClassifier

PRIORS = [0.2, 0.5, 0.3]
LDA, QDA = LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
CONTINUOUS = [
    GaussianNB(),
    GaussianNB(priors=PRIORS, var_smoothing=1e-3),
    LDA(),
    LDA(n_components=1, store_covariance=True),
    LDA(priors=PRIORS, store_covariance=True),
    LDA(solver="lsqr"),
    LDA(solver="lsqr", shrinkage=0.3, priors=PRIORS),
    LDA(solver="eigen"),
    LDA(solver="eigen", shrinkage="auto", n_components=1),
    QDA(),
    QDA(reg_param=0.1, priors=PRIORS, store_covariance=True),
    QDA(solver="eigen", shrinkage="auto", store_covariance=True),
    QDA(solver="eigen", shrinkage=0.2),
    NearestCentroid(),
    NearestCentroid(shrink_threshold=0.4, priors="empirical"),
    NearestCentroid(priors=PRIORS),
]
COUNTS = [
    MultinomialNB(),
    MultinomialNB(alpha=0.3, fit_prior=False),
    MultinomialNB(class_prior=PRIORS),
    ComplementNB(),
    ComplementNB(norm=True),
    BernoulliNB(binarize=2.0),
    BernoulliNB(binarize=None, alpha=0.5),
    CategoricalNB(),
    CategoricalNB(min_categories=12, alpha=0.1),
]


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch):
    use_small_steps(monkeypatch)


def make_counts(estimator):
    _, labels = make_classes()
    X = np.random.default_rng(0).poisson(1 + np.arange(5) * (1 + labels[:, None]) / 2)
    return (X > 3 if getattr(estimator, "binarize", 0) is None else X).astype(float), labels


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("estimator", CONTINUOUS, ids=repr)
def test_answer_is_scikit_learns(estimator, backend):
    # the mean is far from zero, where scikit-learn's own centred rows lose a few digits
    assert_same_as_scikit_learn(estimator, backend, *make_classes(), rtol=1e-7)
    assert_same_as_scikit_learn(estimator, backend, *make_classes(offset=0.0))


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("estimator", COUNTS, ids=repr)
@pytest.mark.parametrize("weighted", [False, True])
def test_counts_are_scikit_learns(estimator, weighted, backend):
    given = {"sample_weight": make_weights()} if weighted else {}
    assert_same_as_scikit_learn(estimator, backend, *make_counts(estimator), rtol=1e-10, **given)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("estimator", CONTINUOUS[:2], ids=repr)
def test_weights(estimator, backend):
    assert_same_as_scikit_learn(estimator, backend, *make_classes(), sample_weight=make_weights())


@pytest.mark.parametrize("estimator", [*CONTINUOUS, *COUNTS], ids=repr)
def test_float32_is_summed_in_float64(estimator):
    X, y = make_counts(estimator) if estimator in COUNTS else make_classes(offset=0.0)
    reference = type(estimator)(**estimator.get_params()).fit(X.astype(np.float32), y)
    model = fit_there(estimator, "reductions:cpu", X.astype(np.float32), y)
    for name, expected in vars(reference).items():
        value = getattr(model.estimator_, name)
        if name.endswith("_") and isinstance(expected, np.ndarray):
            assert value.dtype == expected.dtype, name
    exact = type(estimator)(**estimator.get_params()).fit(X.astype(np.float32).astype(np.float64), y)
    said, expected = model.estimator_.predict_proba(X), exact.predict_proba(X)
    np.testing.assert_allclose(said, expected, atol=1e-4)


@pytest.mark.parametrize(
    "estimator",
    [*COUNTS, GaussianNB(), LDA(), QDA(), NearestCentroid(), RidgeClassifier(), RidgeClassifierCV()],
    ids=repr,
)
def test_labels_are_python_text(estimator):
    X, codes = make_classes()
    labels = np.array(["b", "c", "a"], dtype=object)[codes]
    classes = type(estimator)(**estimator.get_params()).fit(np.abs(X), labels).classes_
    found = fit_there(estimator, "reductions:cpu", np.abs(X), labels).classes_
    assert found.dtype == classes.dtype
    assert found.tolist() == classes.tolist()


@pytest.mark.parametrize("estimator", [RidgeClassifier(), RidgeClassifier(fit_intercept=False)], ids=repr)
def test_one_class_for_a_ridge_classifier(estimator):
    X = make_classes()[0]
    assert_same_as_scikit_learn(estimator, "reductions:cpu", X, np.full(len(X), "only"))


def test_a_class_of_one_row():
    X, y = make_classes()
    with pytest.warns(UserWarning, match="Only one sample available"):
        assert_same_as_scikit_learn(LDA(solver="lsqr"), "reductions:cpu", X, np.r_[3, y[1:]])


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_class_without_weight():
    X, y = make_classes()
    weight = (y != 1).astype(float)
    model, _ = assert_same_as_scikit_learn(GaussianNB(), "reductions:cpu", X, y, sample_weight=weight)
    assert not model.theta_[1].any()


@pytest.mark.parametrize("backend", PLACES)
def test_labels_are_text_and_many(backend):
    X, codes = make_classes(n_classes=70)
    labels = np.array([f"class {code}" for code in codes])
    for estimator in (GaussianNB(), LDA(), NearestCentroid()):
        assert_same_as_scikit_learn(estimator, backend, X, labels, rtol=1e-7)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("condition", [1e3, 1e6])
@pytest.mark.parametrize("estimator", [LDA(tol=1e-9), QDA(tol=0.0)], ids=repr)
def test_small_directions_keep_their_digits(estimator, condition, backend):
    X, y = make_classes(n_columns=4, offset=0.0)
    V, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))
    X = X * np.geomspace(1, 1 / condition, 4) @ V.T
    reference = type(estimator)(**estimator.get_params()).fit(X, y)
    model = fit_there(estimator, backend, X, y)
    np.testing.assert_allclose(model.estimator_.predict_proba(X), reference.predict_proba(X), atol=1e-6)


def test_dependent_columns():
    X, y = make_classes(offset=0.0)
    X = np.hstack([X, X[:, :2], np.full((N_ROWS, 1), 3.0)])
    reference, model = LDA().fit(X, y), fit_there(LDA(), "reductions:cpu", X, y)
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=1e-7)
    with pytest.raises(np.linalg.LinAlgError, match="Increase the value of `reg_param`"):
        fit_there(QDA(), "reductions:cpu", X, y)


def test_sparse_dask_blocks():
    X = sp.random(N_ROWS, 9, density=0.2, random_state=0, format="csr")
    y = make_classes()[1]
    for estimator in (MultinomialNB(), ComplementNB(), BernoulliNB(), NearestCentroid()):
        blocks = da.from_array(X.toarray(), chunks=(700, 9)).map_blocks(sp.csr_matrix)
        model = AutoScaleClassifier(estimator).fit(blocks, da.from_array(y, chunks=700))
        reference = type(estimator)().fit(X, y)
        np.testing.assert_array_equal(model.estimator_.predict(X), reference.predict(X))


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize(
    "estimator", [GaussianNB(), LDA(), QDA(), NearestCentroid(), *COUNTS[::3], COUNTS[-2]], ids=repr
)
def test_bad_values_are_refused(estimator, backend):
    X, y = make_counts(estimator)
    for value, text in ((np.nan, "NaN"), (np.inf, "infinity")):
        X[2500, 1] = value
        with pytest.raises(ValueError, match=text):
            fit_there(estimator, backend, X, y)
    X[2500, 1] = -2
    if isinstance(estimator, (MultinomialNB, ComplementNB, CategoricalNB)):
        with pytest.raises(ValueError, match="Negative values in data passed to"):
            fit_there(estimator, backend, X, y)


@pytest.mark.parametrize(
    ("estimator", "text"),
    [
        (GaussianNB(priors=[0.5, 0.5]), "Number of priors must match"),
        (GaussianNB(priors=[0.5, 0.2, 0.2]), "sum of the priors"),
        (LDA(shrinkage=0.5), "shrinkage not supported"),
        (LDA(n_components=3), "n_components cannot be larger"),
        (LDA(priors=[-1, 1, 1]), "priors must be non-negative"),
        (QDA(shrinkage=0.5), "shrinkage not supported"),
        (NearestCentroid(priors=[-1, 1, 1]), "priors must be non-negative"),
    ],
    ids=repr,
)
def test_errors_are_scikit_learns(estimator, text):
    with pytest.raises((ValueError, NotImplementedError), match=text):
        fit_there(estimator, "reductions:cpu", *make_classes())


@pytest.mark.parametrize("layout", ["csr", "csc"])
@pytest.mark.parametrize("shrink", [None, 0.5])
def test_nearest_centroid_of_sparse_rows_in_memory(shrink, layout):
    X = sp.random(N_ROWS, 9, density=0.3, random_state=0, format=layout)
    y = np.random.default_rng(0).integers(0, 3, N_ROWS)
    model = fit_there(NearestCentroid(shrink_threshold=shrink), "reductions:cpu", X, y)
    reference = NearestCentroid(shrink_threshold=shrink).fit(X.toarray(), y)
    for name in ("centroids_", "deviations_", "within_class_std_dev_"):
        np.testing.assert_allclose(getattr(model, name), getattr(reference, name), rtol=1e-9, atol=1e-12)
    assert (model.predict(X) == reference.predict(X.toarray())).all()


def test_one_shift_for_all_classes_costs_no_digits():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, N_ROWS)
    far_apart = 1e7 * labels[:, None] + generator.normal(size=(N_ROWS, 3))
    model = fit_there(GaussianNB(var_smoothing=0.0), "reductions:cpu", far_apart, labels)
    expected = [far_apart[labels == label].var(axis=0) for label in (0, 1)]
    np.testing.assert_allclose(model.var_, expected, rtol=1e-7)
