"""Where scikit-learn decides by the class of an estimator, it is told that of the plain one.

``SelectFromModel`` chooses its threshold by the name of the class and by its penalty, ``RANSACRegressor`` its sample by
whether it is a LinearRegression, ``partial_dependence`` its method by whether it is a tree. An object cannot answer
for another class, as ``clone`` and pickle ask for it too; so these functions are handed the plain estimator of ours,
and anything else as it is. A module is looked at once it is there, since to import it takes time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

# module -> what its functions call, with an estimator first
_QUESTIONS = {
    "sklearn.feature_selection._from_model": ("_calculate_threshold",),
    "sklearn.linear_model._ransac": ("isinstance",),
    "sklearn.inspection._partial_dependence": ("isinstance", "_partial_dependence_recursion"),
}


def answer_with_the_plain() -> None:
    """Let the modules of scikit-learn that have been imported ask about the plain estimator."""
    for name, functions in _QUESTIONS.items():
        module = sys.modules.get(name)
        if module is None or hasattr(vars(module).get(functions[0]), "asks_the_plain"):
            continue
        for function in functions:
            default = isinstance if function == "isinstance" else None
            question = vars(module).get(function, default)
            if question is not None:  # another version asks otherwise
                setattr(module, function, _of_the_plain(question))


def _of_the_plain(question: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(question)
    def asked(estimator: Any, *others: Any, **options: Any) -> Any:
        plain = getattr(type(estimator), "_plain_estimator", None)
        return question(estimator if plain is None else plain(estimator), *others, **options)

    asked.asks_the_plain = True  # type: ignore[attr-defined]
    return asked
