"""Classes of scikit-learn and XGBoost by their names."""

from __future__ import annotations

from difflib import get_close_matches

from skdist_gpu.engines.registry import catalogue


def find_class(name: str) -> tuple[str, str]:
    """Return the class that has this name, or the one nearest to it, and its module; empty without one.

    The name may stand behind that of a module. XGBoost is not imported.

    Examples
    --------
    >>> find_class("Ridge"), find_class("LinearRegresion"), find_class("?")
    (('Ridge', 'sklearn.linear_model'), ('LinearRegression', 'sklearn.linear_model'), ('', ''))
    >>> find_class("XGBRegresor"), find_class("sklearn.svm.SVC")
    (('XGBRegressor', 'xgboost'), ('SVC', 'sklearn.svm'))
    """
    from sklearn.utils import all_estimators

    modules = {entry.estimator: "xgboost" for entry in catalogue() if entry.estimator.startswith("XGB")}
    modules |= {name: cls.__module__.partition("._")[0] for name, cls in all_estimators()}
    name = name.rpartition(".")[2]
    near = name if name in modules else next(iter(get_close_matches(name, modules, n=1)), "")
    return near, modules.get(near, "")
