"""Plots of a fitted XGBoost model; matplotlib is imported when one is drawn."""

from __future__ import annotations

from typing import Any

from skdist_gpu._compat.matplotlib import axes_or_new


class XGBoostPlots:
    """Methods that draw what the rounds and the trees tell."""

    def plot_importance(self, ax: Any = None, *, importance_type: str = "gain", max_num_features: int = 20) -> Any:
        """Draw the most important features as bars.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a new figure.
        importance_type : {"gain", "weight", "cover", "total_gain", "total_cover"}, default="gain"
            What to measure, as in XGBoost.
        max_num_features : int, default=20
            Number of bars.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        axes = axes_or_new(ax)
        scores = self._fitted().get_booster().get_score(importance_type=importance_type)  # type: ignore[attr-defined]
        best = sorted(scores.items(), key=lambda item: item[1])[-max_num_features:]
        axes.barh([name for name, _ in best], [score for _, score in best])
        axes.set(xlabel=importance_type, title="Feature importance")
        return axes

    def plot_evaluation(self, ax: Any = None, *, metric: str | None = None) -> Any:
        """Draw a metric over the rounds for each evaluation set, and the best round after early stopping.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a new figure.
        metric : str, default=None
            Name of the metric; None for the last one, which early stopping reads.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            If nothing was evaluated during `fit`.
        """
        estimator = self._fitted()  # type: ignore[attr-defined]
        history = getattr(estimator, "evals_result_", None)
        if not history:
            raise ValueError(
                "There is no evaluation to draw: fit had neither eval_set nor validation_fraction. Fit again with one."
            )
        axes = axes_or_new(ax)
        for data, metrics in history.items():
            name = metric or list(metrics)[-1]
            axes.plot(range(len(metrics[name])), metrics[name], label=data)
        best = getattr(estimator, "best_iteration", None) if estimator.get_booster().attr("best_iteration") else None
        if best is not None:
            axes.axvline(best, linestyle="--", color="gray", label=f"best round, {best}")
        axes.set(xlabel="round", ylabel=name, title="Evaluation")
        axes.legend()
        return axes
