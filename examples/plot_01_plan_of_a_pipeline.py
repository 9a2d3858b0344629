"""
The plan of a pipeline
======================

Each step of a pipeline chooses an engine of its own. Ask before the fit what each would do; nothing is computed.
"""

from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdist_gpu import autoscale
from skdist_gpu.plots import plot_plan

# %%
# ``autoscale`` wraps each step, and what comes out is a scikit-learn pipeline.

model = autoscale(make_pipeline(StandardScaler(), PCA(n_components=20), LogisticRegression()))
model

# %%
# The data need not exist: a shape is enough. The last step sees the 20 components.

shapes = {"standardscaler": (2_000_000, 100), "pca": (2_000_000, 100), "logisticregression": (2_000_000, 20)}
plans = {name: model.named_steps[name].plan(shape=shape) for name, shape in shapes.items()}
print(plans["pca"])

# %%
# Green is what would run.

figure, axes = plt.subplots(len(plans), figsize=(7, 6), layout="constrained")
for ax, plan in zip(axes, plans.values(), strict=True):
    plot_plan(plan, ax)
