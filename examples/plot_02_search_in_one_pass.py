"""
A search in one pass
====================

The sums of a table answer for every penalty and, kept apart for each fold, for every fold. RidgeCV with 50
penalties and five folds
reads the rows once, where a search fits 250 models.
"""

import time

import numpy as np
from matplotlib import pyplot as plt
from sklearn.linear_model import LassoCV, Ridge
from sklearn.model_selection import GridSearchCV

from skdist_gpu import autoscale

rng = np.random.default_rng(0)
X = rng.standard_normal((50_000, 40))
y = X[:, :5].sum(axis=1) + 3 * rng.standard_normal(len(X))

# %%
# All folds and penalties of a Lasso from one reading of the rows:

start = time.perf_counter()
lasso = autoscale(LassoCV(alphas=50, cv=5)).fit(X, y)
seconds = time.perf_counter() - start
print(f"{lasso.backend_}: {seconds:.2f} s for 250 fits, alpha = {lasso.alpha_:.4f}")
print(lasso.explain())

# %%
# A search by GridSearchCV tries each one apart. Here it tries five.

start = time.perf_counter()
search = autoscale(GridSearchCV(Ridge(), {"alpha": np.logspace(-1, 5, 5)}, cv=5)).fit(X, y)
print(f"{time.perf_counter() - start:.2f} s for 25 fits, {search.best_params_}")

# %%
# The error of each fold over the penalty, and their mean:

plt.figure(figsize=(7, 4), layout="constrained")
plt.plot(lasso.alphas_, lasso.mse_path_, color="#8da0cb", lw=0.8)
plt.plot(lasso.alphas_, lasso.mse_path_.mean(axis=1), color="#1a9850", lw=2, label="mean of the folds")
plt.axvline(lasso.alpha_, color="gray", ls="--", label="chosen")
plt.xscale("log")
plt.xlabel("alpha")
plt.ylabel("mean squared error")
plt.legend()
