"""What a trained model of XGBoost answers."""

from __future__ import annotations

from typing import Any

from skdist_gpu.base import AutoScaleBase


class XGBoostModel(AutoScaleBase):
    """XGBoost's own methods, answered by the fitted estimator."""

    def get_booster(self) -> Any:
        """Return the trained :class:`xgboost.Booster`, which predicts on the CPU until it is told otherwise.

        Returns
        -------
        xgboost.Booster
            The trained model.
        """
        return self._fitted().get_booster()

    def get_xgb_params(self) -> dict[str, Any]:
        """Return the parameters that XGBoost's own training takes, before `fit`, too.

        Returns
        -------
        params : dict
        """
        return self._make_estimator().get_xgb_params()

    def get_num_boosting_rounds(self) -> int:
        """Return the number of rounds that `fit` boosts for, unless it stops early; before `fit`, too.

        Returns
        -------
        n_rounds : int
        """
        return self._make_estimator().get_num_boosting_rounds()

    def save_model(self, fname: Any) -> None:
        """Write the trained model to a file of XGBoost's own, which holds neither parameters nor labels.

        :func:`skdist_gpu.save` keeps those, too.

        Parameters
        ----------
        fname : str or path-like
            Name of the file; ``.ubj`` or ``.json`` at its end names the format.
        """
        self._fitted().save_model(fname)

    def load_model(self, fname: Any) -> None:
        """Read a model that `save_model`, of this class or of XGBoost's, has written; this estimator is fitted then.

        A classifier predicts the numbers of the classes, since the file does not hold their labels.

        Parameters
        ----------
        fname : str, path-like or bytearray
            The file, or what it holds.
        """
        estimator = self._make_estimator()
        estimator.load_model(fname)
        for name in ("plan_", "report_", "backend_", "classes_", "_labels", "_answers"):
            self.__dict__.pop(name, None)
        self.estimator_ = estimator

    def evals_result(self) -> dict[str, dict[str, list[float]]]:
        """Return the values of each metric after each round, for each evaluation set.

        Returns
        -------
        dict of dict of list of float
            Evaluation set -> metric -> a value for each round.
        """
        return self._fitted().evals_result()

    def apply(self, X: Any, **params: Any) -> Any:
        """Return the leaf of each tree that each row ends in, shape (n_samples, n_trees); lazily for Dask.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, in any container that `fit` takes.
        **params : dict
            Further arguments of the plain estimator's method.

        Returns
        -------
        container of shape (n_samples, n_trees)
            Numbers of leaves.
        """
        return self._call("apply", X, **params)

    @property
    def best_iteration(self) -> int:
        """Round with the best metric, counted from 0; after early stopping, `predict` uses the trees up to it."""
        return self._fitted().best_iteration

    @property
    def best_score(self) -> float:
        """The metric of that round."""
        return self._fitted().best_score
