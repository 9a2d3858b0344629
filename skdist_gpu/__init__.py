"""One scikit-learn estimator, any scale."""

import sklearn.base  # noqa: F401  first: other orders run one more full garbage collection, 60 ms

from skdist_gpu.compose.autoscale import autoscale
from skdist_gpu.compose.plain import unwrap
from skdist_gpu.config import config_context, get_config, set_config
from skdist_gpu.estimators import AutoScaleClassifier, AutoScaleClusterer, AutoScaleRegressor, AutoScaleTransformer
from skdist_gpu.info.capabilities import capabilities
from skdist_gpu.info.versions import show_versions
from skdist_gpu.persistence import load, save
from skdist_gpu.scoring.files import predict_batches, predict_to_parquet
from skdist_gpu.scoring.scorers import get_scorer
from skdist_gpu.unsupervised import AutoScaleEstimator, AutoScaleNeighbors, AutoScaleOutlierDetector
from skdist_gpu.xgb.estimators import AutoScaleXGB, AutoScaleXGBClassifier, AutoScaleXGBRanker, AutoScaleXGBRegressor

__version__ = "0.1.0"
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
    "autoscale",
    "capabilities",
    "config_context",
    "get_config",
    "get_scorer",
    "load",
    "predict_batches",
    "predict_to_parquet",
    "save",
    "set_config",
    "show_versions",
    "unwrap",
]
