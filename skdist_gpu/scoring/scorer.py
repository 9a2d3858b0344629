"""Scorers by scikit-learn's names, for data in any container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Scorer:
    """A scorer of scikit-learn that takes data in any container.

    Attributes
    ----------
    name : str
        scikit-learn's name of it.
    """

    name: str

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the score of an estimator's predictions for `X`."""
        from skdist_gpu.scoring.score import named_score

        return named_score(self.name, estimator, X, y, sample_weight)


def get_scorer(name: str) -> Scorer:
    """Return a scorer by scikit-learn's name, for data in any container.

    Over Dask and files, means over rows (``"accuracy"``, ``"neg_log_loss"``, the errors and
    deviances), ``"r2"`` and ``"explained_variance"`` are computed where the predictions are. For any
    other, predictions are collected, equal ones as one, up to the configuration's ``collect_limit``.

    Parameters
    ----------
    name : str
        One of :func:`sklearn.metrics.get_scorer_names`.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, sample_weight=None)``, which scikit-learn's searches and
        cross-validation take as `scoring`.

    Raises
    ------
    ValueError
        If there is no such scorer.
    TypeError
        If `name` is a metric or a scorer, and not a name.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skdist_gpu import get_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> model = GaussianNB().fit(X, y)
    >>> score = get_scorer("neg_log_loss")(model, da.from_array(X, chunks=50), da.from_array(y, chunks=50))
    >>> round(score, 4)
    -0.1112
    """
    from sklearn.metrics import get_scorer as check_name

    if not isinstance(name, str):  # scikit-learn's would return it as it is
        raise TypeError(f"get_scorer() takes a name such as 'accuracy', not {name!r}.")
    check_name(name)
    return Scorer(name)
