"""The methods of AutoScale estimators that search for neighbours of rows."""

from __future__ import annotations

from typing import Any

from sklearn.utils.metaestimators import available_if

from skdist_gpu.data.containers import DASK, container_of
from skdist_gpu.delegation import estimator_has
from skdist_gpu.scoring.mixin import ScoringMixin

# an argument of the searches that is as by default
DISTANCES = ("return_distance", True)


class NeighborsMixin(ScoringMixin):
    """Search for neighbours as the plain estimator does."""

    @available_if(estimator_has("kneighbors"))
    def kneighbors(self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True) -> Any:
        """Find the nearest neighbours of each row.

        Parameters
        ----------
        X : container of shape (n_queries, n_features), default=None
            Rows in memory; None for the rows of `fit`, which are then no neighbours of themselves.
        n_neighbors : int, default=None
            Neighbours of each row; None for the estimator's own parameter.
        return_distance : bool, default=True
            Whether to return the distances, too.

        Returns
        -------
        distances : array of shape (n_queries, n_neighbors)
            Only with `return_distance`.
        indices : array of shape (n_queries, n_neighbors)
            Positions of the neighbours among the rows of `fit`.

        Raises
        ------
        TypeError
            If `X` is a Dask collection.
        """
        return self._query("kneighbors", X, n_neighbors=n_neighbors, return_distance=return_distance)

    @available_if(estimator_has("radius_neighbors"))
    def radius_neighbors(
        self, X: Any = None, radius: float | None = None, return_distance: bool = True, sort_results: bool = False
    ) -> Any:
        """Find the neighbours of each row within a radius.

        Parameters
        ----------
        X : container of shape (n_samples, n_features), default=None
            Rows; None for those that were fitted, each without itself.
        radius : float, default=None
            Largest distance; None for the estimator's own.
        return_distance : bool, default=True
            Whether distances are returned, too.
        sort_results : bool, default=False
            Whether the nearest come first.

        Returns
        -------
        distances : numpy.ndarray of shape (n_samples,) of arrays
            Only with ``return_distance``.
        indices : numpy.ndarray of shape (n_samples,) of arrays
            Numbers of the rows that were fitted.
        """
        options = {"radius": radius, "return_distance": return_distance, "sort_results": sort_results}
        return self._query("radius_neighbors", X, **options)

    @available_if(estimator_has("kneighbors_graph"))
    def kneighbors_graph(self, X: Any = None, n_neighbors: int | None = None, mode: str = "connectivity") -> Any:
        """Return the sparse graph of nearest neighbours.

        Parameters
        ----------
        X : container of shape (n_samples, n_features), default=None
            Rows; None for those that were fitted, each without itself.
        n_neighbors : int, default=None
            Number of neighbours; None for the estimator's own.
        mode : {"connectivity", "distance"}, default="connectivity"
            What the graph holds: ones, or distances.

        Returns
        -------
        scipy.sparse matrix of shape (n_samples, n_samples_fit)
            The graph, in the format CSR.
        """
        return self._query("kneighbors_graph", X, n_neighbors=n_neighbors, mode=mode)

    @available_if(estimator_has("radius_neighbors_graph"))
    def radius_neighbors_graph(
        self, X: Any = None, radius: float | None = None, mode: str = "connectivity", sort_results: bool = False
    ) -> Any:
        """Return the sparse graph of neighbours within a radius.

        Parameters
        ----------
        X : container of shape (n_samples, n_features), default=None
            Rows; None for those that were fitted, each without itself.
        radius : float, default=None
            Largest distance; None for the estimator's own.
        mode : {"connectivity", "distance"}, default="connectivity"
            What the graph holds: ones, or distances.
        sort_results : bool, default=False
            Whether the nearest come first.

        Returns
        -------
        scipy.sparse matrix of shape (n_samples, n_samples_fit)
            The graph, in the format CSR.
        """
        return self._query("radius_neighbors_graph", X, radius=radius, mode=mode, sort_results=sort_results)

    def _query(self, method: str, X: Any, **options: Any) -> Any:
        if X is None:
            return getattr(self._fitted(), method)(**options)
        if container_of(X) in DASK:
            raise TypeError(
                f"{method} gives two results for each row, which a Dask collection does not hold. Nothing was "
                f"computed. X.map_blocks(model.estimator_.{method}, return_distance=False) gives the indices lazily."
            )
        # what is as by default is no argument that only the estimator itself could know
        given = {name: value for name, value in options.items() if value is not None and (name, value) != DISTANCES}
        return self._call(method, X, **given)
