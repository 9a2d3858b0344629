"""
An unchanged program, and where its seconds went
================================================

``python -m skdist_gpu --profile script.py`` runs a program that knows nothing of this package. Here the same within a
``with`` block, so that the profile can be drawn.
"""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from skdist_gpu import installed
from skdist_gpu.plots import plot_profile


def program():
    """Use scikit-learn alone."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100_000, 30))
    y = X[:, 0] + rng.standard_normal(len(X))
    scaled = StandardScaler().fit(X).transform(X)
    components = PCA(n_components=5).fit(scaled).transform(scaled)
    Ridge().fit(scaled, y)
    LogisticRegression().fit(scaled, y > 0)
    return KMeans(3, random_state=0).fit(components)


with installed() as profile:
    model = program()
print(type(model))

# %%
# What ran where:

print(profile)

# %%

plot_profile(profile)
