"""UMAP by cuML on one GPU, and with its graph of neighbours built on all of them.

python benchmarks/umap_gpus.py [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib

import cupy
import numpy as np
from cuml.manifold import UMAP
from measure import report, timed
from sklearn.datasets import make_blobs
from sklearn.neighbors import KNeighborsClassifier

SHAPES = ((1_000_000, 20), (2_000_000, 20), (4_000_000, 20), (200_000, 768), (500_000, 768), (1_000_000, 200))


def groups_of(X):
    """Return the number of groups of rows whose graphs are built apart."""
    return max(4, len(X) // 500_000)


def fit(X, spread):
    options = {}
    if spread:
        groups = {"knn_n_clusters": groups_of(X), "knn_overlap_factor": 2}
        options = {"device_ids": "all", "build_algo": "nn_descent", "build_kwds": groups}
    return UMAP(n_neighbors=15, output_type="numpy", **options).fit(X)


def separation(embedding, groups):
    """Return how well the neighbours of sampled rows in the embedding tell their group."""
    sampled = np.random.default_rng(0).permutation(len(groups))[:4000]
    known, asked = sampled[:2000], sampled[2000:]
    return KNeighborsClassifier().fit(embedding[known], groups[known]).score(embedding[asked], groups[asked])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    fit(make_blobs(20_000, 20, random_state=0)[0].astype(np.float32), spread=False)
    rows = []
    for shape in SHAPES:
        X, groups = make_blobs(*shape, centers=12, cluster_std=2.0, random_state=0)
        X = X.astype(np.float32)
        for spread in (False, True):
            seconds, model = timed(lambda X=X, spread=spread: fit(X, spread))
            n_gpus = cupy.cuda.runtime.getDeviceCount() if spread else 1
            row = {"rows": shape[0], "columns": shape[1], "gpus": n_gpus, "seconds": seconds}
            row |= {"groups": groups_of(X)} if spread else {}
            rows.append(row | {"separation": separation(model.embedding_, groups)})
            print(rows[-1], flush=True)
    report(rows, arguments.output)


if __name__ == "__main__":
    main()
