"""One scikit-learn estimator, any scale."""

from typing import Any

import sklearn.base  # noqa: F401  first: other orders run one more full garbage collection, 60 ms

from skdist_gpu.compose.autoscale import autoscale
from skdist_gpu.compose.plain import unwrap
from skdist_gpu.config import config_context, get_config, set_config
from skdist_gpu.estimators import (
    AutoScaleClassifier,
    AutoScaleClusterer,
    AutoScaleEstimator,
    AutoScaleNeighbors,
    AutoScaleOutlierDetector,
    AutoScaleRegressor,
    AutoScaleTransformer,
)
from skdist_gpu.info.capabilities import capabilities
from skdist_gpu.info.versions import show_versions
from skdist_gpu.persistence import load, save
from skdist_gpu.programs.calls import Profile
from skdist_gpu.programs.explain import explain
from skdist_gpu.programs.install import install, install_as_parent, installed, uninstall
from skdist_gpu.scoring.files import predict_batches, predict_to_parquet
from skdist_gpu.scoring.scorer import get_scorer
from skdist_gpu.xgb.estimators import AutoScaleXGB, AutoScaleXGBClassifier, AutoScaleXGBRanker, AutoScaleXGBRegressor

__version__ = "0.2.0"
__all__ = [
    "AutoScaleClassifier",
    "AutoScaleClusterer",
    "AutoScaleEstimator",
    "AutoScaleNeighbors",
    "AutoScaleOutlierDetector",
    "AutoScaleRegressor",
    "AutoScaleTransformer",
    "AutoScaleXGB",
    "AutoScaleXGBClassifier",
    "AutoScaleXGBRanker",
    "AutoScaleXGBRegressor",
    "Profile",
    "autoscale",
    "capabilities",
    "config_context",
    "explain",
    "get_config",
    "get_scorer",
    "install",
    "installed",
    "load",
    "predict_batches",
    "predict_to_parquet",
    "save",
    "set_config",
    "show_versions",
    "uninstall",
    "unwrap",
]


def load_ipython_extension(shell: Any) -> None:
    """Do what ``%load_ext skdist_gpu`` asks for: install, and add the magic ``%%skdist_gpu.profile``."""
    from skdist_gpu.programs.notebook import extend

    extend(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Do what ``%unload_ext skdist_gpu`` asks for."""
    uninstall()


install_as_parent()
