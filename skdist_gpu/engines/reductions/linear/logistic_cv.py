"""LogisticRegressionCV: the models of all folds and penalties from the same few passes over the data.

Each model begins where a sample of its training rows leads, along the path of penalties; then all
search their minimum together, and one pass evaluates what they ask for. A last pass gives the scores.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import numpy as np
import sklearn
from sklearn.model_selection import check_cv

from skdist_gpu.engines.reductions.classes.class_weights import check_classes, class_weights
from skdist_gpu.engines.reductions.core.newton import MOST_UNKNOWNS, Minimum, Search, Sums, minimise_together, search
from skdist_gpu.engines.reductions.core.protocol import SAMPLED_ROWS, Passes, fold
from skdist_gpu.engines.reductions.core.sample import Rows, check_finite, look
from skdist_gpu.engines.reductions.entries import everywhere
from skdist_gpu.engines.reductions.linear.linear import (
    Design,
    Model,
    free_design,
    warn_if_hidden,
    warn_if_unfinished,
)
from skdist_gpu.engines.reductions.linear.logistic import ACCEPTED, coefficients, make_model
from skdist_gpu.engines.reductions.linear.logistic_folds import (
    Models,
    TargetsReduction,
    TestReduction,
    TrainingReduction,
)
from skdist_gpu.exceptions import EngineRefusal
from skdist_gpu.hardware.threads import one_blas_thread

# second derivatives of all models together
MOST_BYTES = 2**30


@dataclass
class Grid:
    """The models of a fit: for each fold, each ratio of penalties, each C, in this order.

    Attributes
    ----------
    ratios, Cs : ndarray
        Shares of the penalty that are for absolute coefficients, and inverse penalties.
    design : Design
        How rows become rows of numbers.
    class_weight : ndarray or None
        Weight of each class.
    totals : ndarray of shape (n_folds,)
        Weight of the rows outside each fold.
    n_scores : int
        One for two classes.
    """

    ratios: np.ndarray
    Cs: np.ndarray
    design: Design
    class_weight: np.ndarray | None
    totals: np.ndarray
    n_scores: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of folds, ratios and Cs."""
        return len(self.totals), len(self.ratios), len(self.Cs)

    def model(self, total: float, ratio: float, C: float) -> Model:
        """Return what to minimise over rows of a total weight."""
        return make_model(self.class_weight, self.design, self.n_scores, total, 1 / (C * total), ratio)


def fit_logistic_regression_cv(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``LogisticRegressionCV`` in place.

    Parameters
    ----------
    estimator : LogisticRegressionCV
        Unfitted, with valid parameters; the folds of its `cv` share no row.
    data : Passes
        The rows to fit on.

    Raises
    ------
    EngineRefusal
        If metadata routing is on, or second derivatives of all models take too much memory.
    ValueError
        scikit-learn's own, if there is one class only or `class_weight` names others.
    """
    ratios = _l1_ratios(estimator)
    classes = check_classes(data)
    _check_class_weight(estimator.class_weight, classes)
    Cs = np.logspace(-4, 4, estimator.Cs) if isinstance(estimator.Cs, (int, np.integer)) else np.asarray(estimator.Cs)
    if sklearn.get_config()["enable_metadata_routing"]:
        raise EngineRefusal("metadata routing is on, which our scores do not follow")
    by_fold, n_folds = _split(estimator.cv, data)
    view, sample = look(by_fold, SAMPLED_ROWS, n_classes=len(classes) * n_folds)
    weights = view.class_weight.reshape(len(classes), n_folds)
    class_weight = class_weights(estimator.class_weight, classes, replace(view, class_weight=weights.sum(axis=1)))
    by_class = weights if class_weight is None else class_weight[:, None] * weights
    totals = by_class.sum() - by_class.sum(axis=0)
    design = free_design(sample, estimator.fit_intercept, absolute=bool(ratios.any()))
    grid = Grid(ratios, Cs, design, class_weight, totals, 1 if len(classes) == 2 else len(classes))
    _check_memory(grid)
    found = _minimise_all(estimator, grid, by_fold, sample)
    scores = _scores(estimator, grid, by_fold, found)
    estimator.classes_, estimator.Cs_ = classes, Cs
    paths = np.array([_with_intercept(estimator, design, minimum.coef) for minimum in found])
    paths = paths.reshape(*grid.shape, grid.n_scores, -1)
    best = _best(estimator, scores)
    if estimator.refit:
        _, ratio, C = best[0]
        all_rows = replace(sample, y=np.asarray(sample.y) // n_folds)
        minimum = grid.model(by_class.sum(), ratios[ratio], Cs[C]).fit(
            data, all_rows, estimator.max_iter, estimator.tol
        )
        final = _with_intercept(estimator, design, minimum.coef)
    else:
        final = np.mean([paths[one] for one in best], axis=0)
    estimator.coef_, estimator.intercept_ = final[:, : data.n_features], np.zeros(grid.n_scores)
    if estimator.fit_intercept:
        estimator.intercept_ = final[:, -1]
    n_iter = np.array([minimum.n_iter for minimum in found], dtype=np.int32).reshape(grid.shape)
    _set_attributes(estimator, best, paths, scores, n_iter)


def _check_class_weight(class_weight: Any, classes: np.ndarray) -> None:
    if isinstance(class_weight, dict) and not set(class_weight) <= set(classes.tolist()):
        raise ValueError(
            "The given class_weight dict must have the class labels as keys; "
            f"classes={classes} but key={class_weight.keys()}"
        )


def _l1_ratios(estimator: Any) -> np.ndarray:
    """Return the shares of the penalty that are for absolute coefficients."""
    if not _has_l1_ratios(estimator):
        return np.zeros(1)
    return np.asarray(estimator.l1_ratios, dtype=np.float64)


def _has_l1_ratios(estimator: Any) -> bool:
    return estimator.l1_ratios is not None and not isinstance(estimator.l1_ratios, str)


def _split(cv: Any, data: Passes) -> tuple[Passes, int]:
    """Return the passes over rows whose codes tell class and fold, as scikit-learn splits, and the number of folds."""
    assert data.relabel is not None, "the plan refuses rows without numbers"
    codes = np.concatenate(data.reduce(TargetsReduction()))
    folds, n_folds = np.zeros(len(codes), dtype=np.int32), 0
    splitter = check_cv(cv, codes, classifier=True)
    for n_folds, (_, test) in enumerate(splitter.split(np.empty((len(codes), 0)), codes), start=1):
        folds[test] = n_folds - 1
    return data.relabel(codes * n_folds + folds), n_folds


def _check_memory(grid: Grid) -> None:
    n_unknowns = grid.n_scores * grid.design.n_columns
    n_bytes = 8 * n_unknowns**2 * int(np.prod(grid.shape))
    if n_unknowns > MOST_UNKNOWNS or n_bytes > MOST_BYTES:
        raise EngineRefusal(
            f"the second derivatives of {np.prod(grid.shape)} models with {n_unknowns} coefficients take "
            f"{n_bytes / 1e9:.1f} GB, more than {MOST_BYTES / 1e9:.1f} GB"
        )


def _minimise_all(estimator: Any, grid: Grid, data: Passes, sample: Rows) -> list[Minimum]:
    """Return the minimum of each model of the grid."""
    models: list[Model] = []
    searches: list[Search] = []
    held_out: list[int] = []
    codes = np.asarray(sample.y)
    with one_blas_thread():
        for left_out, total in enumerate(grid.totals):
            kept = codes % len(grid.totals) != left_out
            rows = (sample.X[kept], codes[kept] // len(grid.totals), sample.weight[kept])
            for ratio in grid.ratios:
                start = None
                for C in grid.Cs:
                    model = grid.model(total, ratio, C)
                    start, steps = _begin(model, rows, start, estimator)
                    models.append(model)
                    searches.append(steps)
                    held_out.append(left_out)
    folds, n_folds, checked = np.array(held_out), len(grid.totals), False

    def objective(wanted: dict[int, tuple[np.ndarray, int]]) -> dict[int, Sums]:
        nonlocal checked
        which = list(wanted)
        coef = np.array([wanted[i][0] for i in which]).reshape(len(which), grid.n_scores, -1)
        second_order = [position for position, i in enumerate(which) if wanted[i][1]]
        some = Models(grid.design, n_folds, folds[which], coef)
        sums = data.reduce(TrainingReduction(some, grid.class_weight, second_order))
        if not checked:
            check_finite(sums.value.sum(), data)
            checked = True
        hessians = dict(zip(second_order, sums.hessian, strict=True)) if second_order else {}
        parts = [Sums(sums.value[k], sums.gradient[k], hessians.get(k)) for k in range(len(which))]
        return {i: models[i].penalised(wanted[i][0], part) for i, part in zip(which, parts, strict=True)}

    found = minimise_together(searches, objective)
    warn_if_hidden(max(found, key=attrgetter("hidden")))
    warn_if_unfinished(max(found, key=attrgetter("n_iter")), estimator.max_iter, estimator.tol)
    return found


def _begin(model: Model, rows: tuple[Any, ...], start: Minimum | None, estimator: Any) -> tuple[Minimum, Search]:
    """Return the minimum over sampled rows, from that of another penalty, and the search that begins there."""
    on_sample = model.objective(lambda reduction: fold(reduction, *rows))
    scale = max(on_sample(model.start, 0).value, np.finfo(np.float64).tiny)
    first = model.start if start is None else start.coef
    warm = model.minimise(on_sample, first, estimator.max_iter, estimator.tol, scale)
    steps = search(warm.coef, max_iter=estimator.max_iter, scale=scale, known=warm.known, kinks=model.absolute)
    return warm, steps


def _scores(estimator: Any, grid: Grid, data: Passes, found: list[Minimum]) -> np.ndarray:
    """Return the score of each model on the fold that it leaves out."""
    n_folds, per_fold = len(grid.totals), len(found) // len(grid.totals)
    coef = np.array([minimum.coef for minimum in found]).reshape(len(found), grid.n_scores, -1)
    sums = data.reduce(TestReduction(Models(grid.design, n_folds, np.repeat(np.arange(n_folds), per_fold), coef)))
    total = sums.log_likelihood if estimator.scoring == "neg_log_loss" else sums.right
    return (total / sums.weight).reshape(grid.shape)


def _best(estimator: Any, scores: np.ndarray) -> list[tuple[int, int, int]]:
    """Return the places of the best models: over all folds, or of each if there is no refit."""
    # scikit-learn takes the first of equals, by C and then by ratio
    by_C = scores.swapaxes(1, 2)
    tables = [by_C.sum(axis=0)] if estimator.refit else list(by_C)
    places = [np.unravel_index(np.argmax(table), table.shape) for table in tables]
    return [(fold_index, int(ratio), int(C)) for fold_index, (C, ratio) in enumerate(places)]


def _with_intercept(estimator: Any, design: Design, coef: np.ndarray) -> np.ndarray:
    """Return the coefficients for X itself, the intercept behind them if there is one."""
    slopes, intercepts = coefficients(design, coef)
    return np.hstack([slopes, intercepts[:, None]]) if estimator.fit_intercept else slopes


def _set_attributes(
    estimator: Any, best: list[tuple[int, int, int]], paths: np.ndarray, scores: np.ndarray, n_iter: np.ndarray
) -> None:
    """Set the fitted attributes in scikit-learn's present form, or in that of `use_legacy_attributes`."""
    ratios = np.asarray(estimator.l1_ratios if _has_l1_ratios(estimator) else [None])
    C = np.mean([estimator.Cs_[place[2]] for place in best])
    ratio = ratios[best[0][1]] if len(best) == 1 else _mean_ratio(ratios, best)
    estimator.l1_ratios_ = ratios
    if not estimator.use_legacy_attributes:
        estimator.C_, estimator.l1_ratio_ = float(C), 0.0 if ratio is None else float(ratio)
        estimator.coefs_paths_, estimator.scores_, estimator.n_iter_ = paths, scores, n_iter
        return
    n_scores = paths.shape[3]
    labels = estimator.classes_[-n_scores:]
    # by C, then by ratio; without ratios there is no dimension for them
    which: Any = slice(None) if _has_l1_ratios(estimator) else 0
    paths, scores, n_iter = (np.swapaxes(part, 1, 2)[:, :, which] for part in (paths, scores, n_iter))
    estimator.C_, estimator.l1_ratio_ = np.tile(C, n_scores), np.tile(ratio, n_scores)
    estimator.coefs_paths_ = {label: paths[..., k, :] for k, label in enumerate(labels)}
    estimator.scores_ = {label: scores.copy() for label in labels}
    estimator.n_iter_ = n_iter[None]


def _mean_ratio(ratios: np.ndarray, best: list[tuple[int, int, int]]) -> float:
    """Return the mean of the best ratios of all folds, which scikit-learn gives if there are several kinds."""
    mixed = ratios[0] is not None and not (np.all(ratios == 0) or np.all(ratios == 1))
    return float(np.mean([ratios[place[1]] for place in best])) if mixed else 0.0


def _disjoint_folds(cv: Any) -> bool:
    """Whether each row is left out by one fold, and the folds follow from the classes of the rows."""
    return cv is None or type(cv) is int or type(cv).__name__ in ("KFold", "StratifiedKFold")


ENTRIES = everywhere(
    "LogisticRegressionCV",
    fit_logistic_regression_cv,
    # scores that are sums over rows
    accepts={**ACCEPTED, "cv": _disjoint_folds, "scoring": (None, "warn", "accuracy", "neg_log_loss")},
    multi_target=False,
    tolerance=1e-6,
    numbered_passes=lambda estimator: 2,
    # measured while scikit-learn places the folds; 4 are kept
    row_bytes=52,
)
