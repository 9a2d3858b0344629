"""
A plan for eight GPUs that are not there
========================================

Is it worth to rent the large machine? A plan is pure: it takes the shape of data that do not exist and a machine
that you describe.
"""

from matplotlib import pyplot as plt
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from skdist_gpu import autoscale
from skdist_gpu.plots import plot_crossover
from skdist_gpu.testing import make_resources

laptop = make_resources(cpus=8, memory="16GB")
server = make_resources(cpus=64, memory="1TB", gpus=8, gpu_memory="80GB")

for name, machine in {"laptop": laptop, "server": server}.items():
    for estimator in (LogisticRegression(), RandomForestClassifier()):
        plan = autoscale(estimator).plan(shape=(100_000_000, 100), dtype="float32", resources=machine)
        print(f"{name}: {type(estimator).__name__}, {plan!r}")
        print(f"    {(plan.reasons or plan.candidates[-1].reasons)[0]}")

# %%
# The predicted seconds of each engine over the number of rows, on both machines:

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
for ax, (name, machine) in zip(axes, {"laptop": laptop, "server": server}.items(), strict=True):
    plot_crossover(LogisticRegression(), n_features=100, dtype="float32", resources=machine, ax=ax)
    ax.set_title(name)
