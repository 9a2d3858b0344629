"""scikit-learn's classes by their names."""

from __future__ import annotations

from difflib import get_close_matches


def find_class(name: str) -> tuple[str, str]:
    """Return the class of scikit-learn that has this name, or the one nearest to it, and its module; empty without one.

    Examples
    --------
    >>> find_class("Ridge"), find_class("LinearRegresion"), find_class("?")
    (('Ridge', 'sklearn.linear_model'), ('LinearRegression', 'sklearn.linear_model'), ('', ''))
    """
    from sklearn.utils import all_estimators

    classes = dict(all_estimators())
    near = name if name in classes else next(iter(get_close_matches(name, classes, n=1)), "")
    return near, classes[near].__module__.partition("._")[0] if near else ""
