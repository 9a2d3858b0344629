"""scikit-learn's own classes, from where they are defined: with cuml.accel active, the public modules hold proxies."""

from sklearn.cluster._kmeans import KMeans
from sklearn.linear_model._coordinate_descent import ElasticNet, Lasso
from sklearn.linear_model._ridge import Ridge
from sklearn.preprocessing._label import LabelBinarizer

__all__ = ["ElasticNet", "KMeans", "LabelBinarizer", "Lasso", "Ridge"]
