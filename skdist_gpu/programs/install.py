"""Any program on whatever the machine has, unchanged: scikit-learn's own classes plan their fits and predictions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from skdist_gpu.config import check_option
from skdist_gpu.programs.calls import Profile
from skdist_gpu.programs.installation import Installation

# tells workers, which have this environment, to do as this process does: 1, or the engine to force
VARIABLE = "SKDIST_GPU_INSTALL"
# scikit-learn's classes are those of the whole process, so that there is one installation
_installed: list[Installation] = []


def install(*, backend: str = "auto", profile: Profile | None = None) -> None:
    """Let scikit-learn's own classes choose, at each fit and prediction, the engine that serves best.

    Programs stay as they are: classes, parameters, fitted attributes, pickles, errors and warnings are
    scikit-learn's own. Subclasses are not touched. Workers of joblib and of Dask that start later do the same, since
    ``SKDIST_GPU_INSTALL`` is in their environment: 1, or the engine to force. Called again, it changes the options.

    Parameters
    ----------
    backend : str, default="auto"
        ``"auto"`` chooses; the name of an engine forces it wherever it does not refuse.
    profile : Profile, default=None
        What counts the calls; see :func:`installed`.

    Raises
    ------
    BackendError
        If no engine has that name.

    Examples
    --------
    >>> import skdist_gpu
    >>> from sklearn.linear_model import Ridge
    >>> skdist_gpu.install(backend="reductions")
    >>> model = Ridge(alpha=1e-3).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    >>> type(model) is Ridge
    True
    >>> skdist_gpu.uninstall()
    """
    check_option("backend", backend)
    os.environ[VARIABLE] = "1" if backend == "auto" else backend
    if _installed:
        _installed[0].backend, _installed[0].profile = backend, profile
        return
    installation = Installation(backend, profile)
    installation.classes.start()
    _installed.append(installation)


def install_as_parent() -> None:
    """Install what the environment of a worker asks for, if it does."""
    wanted = os.environ.get(VARIABLE, "0")
    if wanted not in ("", "0"):
        install(backend="auto" if wanted == "1" else wanted)


def uninstall() -> None:
    """Give scikit-learn's classes their own methods back; what was fitted stays as it is.

    Examples
    --------
    >>> import skdist_gpu
    >>> skdist_gpu.uninstall()  # nothing was installed
    """
    if _installed:
        _installed.pop().classes.stop()
        os.environ.pop(VARIABLE, None)


@contextmanager
def installed(*, backend: str = "auto", profile: Profile | None = None) -> Iterator[Profile]:
    """Install inside a ``with`` block, and count what ran where.

    Parameters
    ----------
    backend : str, default="auto"
        As of :func:`install`.
    profile : Profile, default=None
        What counts the calls; a new one if None.

    Yields
    ------
    Profile
        With `rows`, `to_dict`, `to_json` and `to_html`; it prints as a table.

    Examples
    --------
    >>> import skdist_gpu
    >>> from sklearn.linear_model import Ridge
    >>> with skdist_gpu.installed() as profile:
    ...     model = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
    >>> [(row.estimator, row.method, row.engine) for row in profile.rows]
    [('Ridge', 'fit', 'sklearn:cpu')]
    """
    before = (_installed[0].backend, _installed[0].profile) if _installed else None
    profile = profile or Profile()
    install(backend=backend, profile=profile)
    try:
        yield profile
    finally:
        if before is None:
            uninstall()
        else:
            install(backend=before[0], profile=before[1])
