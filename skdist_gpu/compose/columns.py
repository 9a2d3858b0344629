"""ColumnTransformer and FeatureUnion on rows that are not in memory: each part is fitted where its columns are."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from sklearn.base import clone

from skdist_gpu._compat.sklearn import column_indices, transform_output
from skdist_gpu.base import AutoScaleBase
from skdist_gpu.data.containers import container_of, find
from skdist_gpu.data.convert import to_pandas

# rows that show scikit-learn names, dtypes and how many values are stored
SHOWN = 200


def fit_columns(holder: Any, X: Any, y: Any = None, **params: Any) -> bool:
    """Fit a ColumnTransformer of AutoScale transformers in place, lazily; tell whether that was possible.

    Each transformer is fitted to its own columns of the lazy rows. scikit-learn's class, given these fitted ones and
    the first rows, finds everything else: names, positions, and whether the result is sparse.

    Parameters
    ----------
    holder : ColumnTransformer
        Its transformers are wrapped.
    X, y : rows and target
        Where `X` is read from files, `y` is the name of a column.
    **params :
        Further arguments, which need rows in memory.
    """
    if params:
        return False
    rows, targets = _shown(X, y)
    names = list(getattr(rows, "columns", range(rows.shape[1])))
    asked = [columns(rows) if callable(columns) else columns for _, _, columns in holder.transformers]
    if any(isinstance(columns, (str, int)) for columns in asked):  # one column, which is handed on as a vector
        return False
    chosen = [column_indices(rows, columns) for columns in asked]
    taken = {i for indices in chosen for i in indices}
    remaining = [i for i in range(len(names)) if i not in taken]

    def fitted(part: Any, indices: list[int]) -> Any:
        if isinstance(part, str) or not indices:
            return part
        return _fitted_to(part, find(X).select(X, [*(names[i] for i in indices), *targets]), y)

    parts = [
        (name, fitted(part, indices), columns)
        for (name, part, _), indices, columns in zip(holder.transformers, chosen, asked, strict=True)
    ]
    shown = _show(holder, rows, transformers=parts, remainder=fitted(holder.remainder, remaining))
    # where columns were asked for by a function, scikit-learn keeps what it answered
    holder.transformers_ = [(name, _thawed(part), columns) for name, part, columns in shown.transformers_]
    return True


def fit_union(holder: Any, X: Any, y: Any = None, **params: Any) -> bool:
    """Fit a FeatureUnion of AutoScale transformers in place, lazily, as :func:`fit_columns` does."""
    if params:
        return False
    rows, _ = _shown(X, y)
    parts = [
        (name, part if isinstance(part, str) else _fitted_to(part, X, y)) for name, part in holder.transformer_list
    ]
    shown = _show(holder, rows, transformer_list=parts)
    holder.transformer_list = [(name, _thawed(part)) for name, part in shown.transformer_list]
    return True


def forget_names_between(pipeline: Any) -> None:
    """Let the steps of a pipeline that was fitted lazily know no names of what the steps before them made.

    Lazy frames have names throughout; scikit-learn hands arrays from step to step, unless `set_output` asks for frames.
    """
    steps = [step for _, step in pipeline.steps if step not in (None, "passthrough")]
    for before, step in pairwise(steps):
        learned = vars(step).get("estimator_") if isinstance(step, AutoScaleBase) else None
        made_by = vars(before).get("estimator_", before)
        if learned is not None and "default" == transform_output(made_by) == transform_output(before):
            vars(learned).pop("feature_names_in_", None)


def as_selectors_take(holder: Any, X: Any) -> Any:
    """Return rows as `make_column_selector` takes them where a ColumnTransformer has one: it knows pandas only."""
    if container_of(X) != "polars":
        return X
    from sklearn.compose import make_column_selector  # takes time to import

    return to_pandas(X) if any(isinstance(c, make_column_selector) for *_, c in holder.transformers) else X


def _shown(X: Any, y: Any) -> tuple[Any, list[str]]:
    """Return the first rows, without targets, and the names of the columns of X that are targets."""
    targets = [y] if isinstance(y, str) else list(y) if isinstance(y, list) else []
    rows = find(X).first_rows(X, SHOWN)
    return rows.drop(columns=targets) if targets else rows, targets


def _fitted_to(part: Any, X: Any, y: Any) -> Any:
    from sklearn.frozen import FrozenEstimator

    return FrozenEstimator(clone(part).fit(X, y))


def _thawed(part: Any) -> Any:
    from sklearn.frozen import FrozenEstimator

    return part.estimator if isinstance(part, FrozenEstimator) else part


def _show(holder: Any, rows: Any, **parts: Any) -> Any:
    """Return scikit-learn's object with fitted parts, fitted to the first rows; the holder learns what it has found."""
    parameters = holder.get_params(deep=False)
    shown = holder.plain_class(**parameters | parts | {"n_jobs": None, "verbose": False}).fit(rows)
    vars(holder).update({name: value for name, value in vars(shown).items() if name not in parameters})
    return shown
