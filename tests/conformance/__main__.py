"""Run scikit-learn's own tests with an engine under its classes: ``python tests/conformance [options of pytest]``.

Without the name of a module, such as ``linear_model/tests/test_ridge.py``, all run that fit what the reductions know.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
MODULES = [
    *(
        f"linear_model/tests/test_{name}.py"
        for name in ("ridge", "logistic", "coordinate_descent", "sparse_coordinate_descent", "base", "least_angle")
    ),
    *(f"linear_model/tests/test_{name}.py" for name in ("bayes", "huber", "omp", "common")),
    "linear_model/_glm/tests",
    "preprocessing/tests",
    "decomposition/tests",
    "cluster/tests/test_k_means.py",
    "mixture/tests",
    "tests/test_naive_bayes.py",
    "tests/test_discriminant_analysis.py",
    "covariance/tests",
    "impute/tests",
    "feature_selection/tests",
    "svm/tests",
    "neighbors/tests",
]
# a few less than all modules give
FLOOR = 0


def main(arguments: list[str]) -> int:
    """Run pytest in scikit-learn's folder, with none of this project's settings."""
    # `fit` is replaced on every core at once, and the tests' own data are small
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import pytest
    import sklearn

    root = Path(sklearn.__file__).parent
    chosen = [argument for argument in arguments if argument.partition("::")[0].startswith(tuple(MODULES))]
    options = [argument for argument in arguments if argument not in chosen]
    forced = any(option.startswith("--autoscale-backend") for option in options)
    floor = [] if chosen or forced or "-k" in options else [f"--autoscale-floor={FLOOR}"]
    exceptions = [] if forced else [f"--autoscale-exceptions={HERE / 'exceptions.yaml'}"]
    settings = [f"--rootdir={root}", f"-c{HERE / 'pytest.ini'}", "-psubstitute", *floor, *exceptions]
    return pytest.main([*settings, *options, *(str(root / module) for module in chosen or MODULES)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
