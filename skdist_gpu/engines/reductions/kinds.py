"""What kinds there are among the estimators that are fitted from sums."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_classifier, is_regressor
from sklearn.utils import get_tags

# what is fitted from sums that no parameter changes
REGRESSORS = (
    *("LinearRegression", "Ridge", "Lasso", "ElasticNet", "Lars", "LassoLars", "OrthogonalMatchingPursuit"),
    *("BayesianRidge", "ARDRegression"),
)
CLASSIFIERS = (
    *("RidgeClassifier", "LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis", "NearestCentroid"),
    *("GaussianNB", "BernoulliNB", "MultinomialNB", "ComplementNB"),
)
# what changes rows linearly once it is fitted, whatever it has found in them
LINEAR_STEPS = (
    *("PCA", "IncrementalPCA", "TruncatedSVD", "StandardScaler", "MinMaxScaler", "MaxAbsScaler"),
    *("VarianceThreshold", "SelectKBest", "SelectPercentile"),
)
# transformers whose fit looks at the shape of X only
LOOKS_AT_NO_VALUES = ("PolynomialFeatures",)
# what changes each row by itself once it is fitted
ROW_STEPS = (*LINEAR_STEPS, *LOOKS_AT_NO_VALUES, "RobustScaler", "SimpleImputer")
# models of several passes that predict no target
CLUSTERS = ("KMeans", "MiniBatchKMeans")
ONE_PASS = frozenset((*REGRESSORS, *CLASSIFIERS, *LINEAR_STEPS))


def is_linear(step: Any) -> bool:
    """Whether an unfitted transformer will change rows linearly."""
    return type(step).__name__ in LINEAR_STEPS and not getattr(step, "clip", False)


def changes_rows(step: Any, dtype: str) -> bool:
    """Whether an unfitted transformer of dense numbers of a dtype will change each row by itself.

    An imputer counts values of any kind for its most frequent one, and keeps integers that it has nothing to fill in.
    """
    if type(step).__name__ == "SimpleImputer":
        numbers = step.strategy in ("mean", "median") or (step.strategy == "constant" and "float" in dtype)
        return bool(numbers)
    return type(step).__name__ in ROW_STEPS


def predicts(estimator: Any) -> bool:
    """Whether an estimator predicts a target."""
    return bool(is_classifier(estimator) or is_regressor(estimator))


def is_iterated(estimator: Any) -> bool:
    """Whether an estimator that predicts a target needs several passes over the rows."""
    return predicts(estimator) and type(estimator).__name__ not in ONE_PASS


def needs_target(estimator: Any) -> bool:
    """Whether an estimator's fit reads `y`; the tags of a selection by scores do not say so."""
    return bool(get_tags(estimator).target_tags.required or hasattr(estimator, "score_func"))


def takes_labels(estimator: Any) -> bool:
    """Whether `y` holds classes: of a classifier, or of a selection of features by classes."""
    score_function = getattr(getattr(estimator, "score_func", None), "__name__", "")
    return is_classifier(estimator) or score_function in ("f_classif", "chi2")
