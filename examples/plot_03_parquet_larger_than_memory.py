"""
Parquet larger than memory
==========================

A folder of Parquet files is `X`, the name of a column is `y`. A few blocks of rows are in memory at a time, so
that the table may
be larger than what the fit is allowed.
"""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from matplotlib import pyplot as plt
from sklearn.linear_model import LinearRegression

from skdist_gpu import autoscale, predict_to_parquet

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
truth = rng.standard_normal(40)
for part in range(8):
    X = rng.standard_normal((50_000, 40))
    columns = {f"x{i}": column for i, column in enumerate(X.T)}
    columns["target"] = X @ truth + rng.standard_normal(len(X))
    pq.write_table(pa.table(columns), folder / f"part-{part}.parquet")
table = ds.dataset(folder)

# %%
# The rows would take 131 MB in memory. This fit is allowed 60 MB.

model = autoscale(LinearRegression(), memory_budget="60MB")
plan = model.plan(table, "target")
print(plan)

# %%

model.fit(table, "target")
print(model.explain().report)
n_rows = predict_to_parquet(model, table, folder.with_suffix(".parquet"))
print(n_rows, "predictions written, batch after batch")

# %%
# What it takes, against what the table takes:

bytes_of = {"table in memory": 8 * 50_000 * 41 * 8, "allowed": 60e6, "predicted by the plan": plan.chosen.n_bytes}
plt.figure(figsize=(7, 2.4), layout="constrained")
bars = plt.barh(list(bytes_of), [n / 1e6 for n in bytes_of.values()], color=["#8da0cb", "gray", "#1a9850"])
plt.gca().bar_label(bars, fmt="%.0f MB", padding=3)
plt.gca().invert_yaxis()
plt.margins(x=0.15)
plt.xlabel("MB")
