"""Run scikit-learn's own tests with an engine under its classes: ``python tests/conformance [options of pytest]``.

Without the name of a module, such as ``linear_model/tests/test_ridge.py``, all run that fit what the reductions know;
with ``--fast`` those of them that take less than a minute each.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
# the folders and files of scikit-learn's tests in which a class that the reductions know is fitted
MODULES = [
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
]
SLOW = {
    "linear_model/tests/test_coordinate_descent.py",
    "linear_model/tests/test_logistic.py",
    "linear_model/tests/test_ridge.py",
    "linear_model/_glm/tests/test_glm.py",
    "cluster/tests/test_k_means.py",
    "decomposition/tests/test_pca.py",
}
# a few less than the modules give, without the slow ones and with them
FAST_FLOOR, FLOOR = 8000, 9000


def main(arguments: list[str]) -> int:
    """Run pytest in scikit-learn's folder, with none of this project's settings."""
    # `fit` is replaced on every core at once, and the tests' own data are small
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import pytest
    import sklearn

    root = Path(sklearn.__file__).parent
    chosen = [
        argument for argument in arguments if "tests" in argument and (root / argument.partition("::")[0]).exists()
    ]
    fast = "--fast" in arguments
    options = [argument for argument in arguments if argument not in chosen and argument != "--fast"]
    forced = any(option.startswith("--autoscale-backend") for option in options)
    floor = [] if chosen or forced or "-k" in options else [f"--autoscale-floor={FAST_FLOOR if fast else FLOOR}"]
    exceptions = [] if forced else [f"--autoscale-exceptions={HERE / 'exceptions.yaml'}"]
    modules = chosen or [module for module in MODULES if not (fast and module in SLOW)]
    settings = [f"--rootdir={root}", f"-c{HERE / 'pytest.ini'}", "-psubstitute", *floor, *exceptions]
    return pytest.main([*settings, *options, *(str(root / module) for module in modules)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
