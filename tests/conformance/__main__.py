"""Run scikit-learn's own tests with an engine under its classes: ``python tests/conformance [options of pytest]``.

Without the name of a module, such as ``linear_model/tests/test_ridge.py``, those run that fit what the engine knows;
with ``--fast`` those of them that take less than a minute each, with ``--all`` scikit-learn's whole suite. The
reductions are forced on each fit that they do not refuse, or another engine, as by ``--autoscale-backend=cuml``.
``--autoscale-backend=auto`` leaves the choice to the plan, ``--autoscale-backend=none`` leaves scikit-learn as it is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
BACKEND = "--autoscale-backend="
# the folders and files of scikit-learn's tests in which a class that the engine knows is fitted
MODULES = {
    "reductions": [
        "linear_model/tests/test_base.py",
        "linear_model/tests/test_bayes.py",
        "linear_model/tests/test_common.py",
        "linear_model/tests/test_coordinate_descent.py",
        "linear_model/tests/test_huber.py",
        "linear_model/tests/test_least_angle.py",
        "linear_model/tests/test_logistic.py",
        "linear_model/tests/test_omp.py",
        "linear_model/tests/test_ridge.py",
        "linear_model/tests/test_sparse_coordinate_descent.py",
        "linear_model/_glm/tests/test_glm.py",
        "preprocessing/tests/test_common.py",
        "preprocessing/tests/test_data.py",
        "preprocessing/tests/test_discretization.py",
        "preprocessing/tests/test_encoders.py",
        "decomposition/tests/test_incremental_pca.py",
        "decomposition/tests/test_pca.py",
        "decomposition/tests/test_truncated_svd.py",
        "cluster/tests/test_k_means.py",
        "mixture/tests/test_gaussian_mixture.py",
        "tests/test_naive_bayes.py",
        "tests/test_discriminant_analysis.py",
        "covariance/tests/test_covariance.py",
        "impute/tests/test_impute.py",
        "feature_selection/tests",
        "svm/tests/test_svm.py",
        "neighbors/tests/test_nearest_centroid.py",
    ],
    "onedal": [
        "svm/tests",
        "neighbors/tests",
        "ensemble/tests/test_forest.py",
        "cluster/tests/test_dbscan.py",
        "cluster/tests/test_k_means.py",
    ],
    "cuml": [
        "linear_model/tests/test_base.py",
        "linear_model/tests/test_common.py",
        "linear_model/tests/test_coordinate_descent.py",
        "linear_model/tests/test_logistic.py",
        "linear_model/tests/test_ridge.py",
        "linear_model/tests/test_sparse_coordinate_descent.py",
        "svm/tests",
        "neighbors/tests",
        "ensemble/tests/test_forest.py",
        "ensemble/tests/test_iforest.py",
        "cluster/tests/test_dbscan.py",
        "cluster/tests/test_hdbscan.py",
        "cluster/tests/test_hierarchical.py",
        "cluster/tests/test_k_means.py",
        "cluster/tests/test_spectral.py",
        "covariance/tests/test_covariance.py",
        "decomposition/tests/test_incremental_pca.py",
        "decomposition/tests/test_pca.py",
        "decomposition/tests/test_truncated_svd.py",
        "manifold/tests/test_spectral_embedding.py",
        "manifold/tests/test_t_sne.py",
        "preprocessing/tests",
        "impute/tests/test_impute.py",
        "feature_extraction/tests/test_text.py",
        "tests/test_kernel_ridge.py",
        "tests/test_naive_bayes.py",
        "tests/test_random_projection.py",
    ],
}
SLOW = {
    "linear_model/tests/test_coordinate_descent.py",
    "linear_model/tests/test_logistic.py",
    "linear_model/tests/test_ridge.py",
    "linear_model/_glm/tests/test_glm.py",
    "cluster/tests/test_k_means.py",
    "decomposition/tests/test_pca.py",
}
# fits on engines: a few less than the modules give; half of the plan's own choices, since rates are measured anew, and
# the tests' small data are mostly scikit-learn's
FLOORS = {
    ("auto", "--fast"): 10,
    ("reductions", "--fast"): 8500,
    ("reductions", ""): 16_900,
    ("auto", "--all"): 80,
    ("reductions", "--all"): 45_000,
    ("onedal", ""): 600,
    ("cuml", ""): 1000,
}


def main(arguments: list[str]) -> int:
    """Run pytest in scikit-learn's folder, with none of this project's settings."""
    # `fit` is replaced on every core at once, and the tests' own data are small
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import pytest
    import sklearn

    root = Path(sklearn.__file__).parent
    named = [
        argument for argument in arguments if "tests" in argument and (root / argument.partition("::")[0]).exists()
    ]
    which = next((argument for argument in arguments if argument in ("--fast", "--all")), "")
    options = [argument for argument in arguments if argument not in (*named, which)]
    backend = next((option.partition("=")[2] for option in options if option.startswith(BACKEND)), "reductions")
    modules = MODULES.get(backend.partition(":")[0], MODULES["reductions"])
    if which == "--fast":
        modules = [module for module in modules if module not in SLOW]
    elif which == "--all":
        modules = ["."]
    floor = 0 if named or "-k" in options else FLOORS.get((backend, which), 0)
    settings = [f"--rootdir={root}", f"-c{HERE / 'pytest.ini'}", "-psubstitute", f"--autoscale-floor={floor}"]
    settings += [f"--autoscale-exceptions={HERE / 'exceptions.yaml'}"]
    return pytest.main([*settings, *options, *(str(root / module) for module in named or modules)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
