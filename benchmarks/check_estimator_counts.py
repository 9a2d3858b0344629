"""Count scikit-learn's checks: passed, failed and skipped for each estimator and engine.

SCIPY_ARRAY_API=1 python benchmarks/check_estimator_counts.py [--gpu] [--only cuml] [--part 1 4] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import warnings
from collections import Counter

from sklearn.utils.estimator_checks import check_estimator

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
from checked_estimators import cpu_estimators, expected_failures, gpu_estimators


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--only", default="", help="backends whose names begin so")
    parser.add_argument("--part", type=int, nargs=2, default=(1, 1), metavar=("K", "N"), help="the K-th of N parts")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    estimators = gpu_estimators() if arguments.gpu else cpu_estimators()
    chosen = [estimator for estimator in estimators if estimator.backend.startswith(arguments.only)]
    part, n_parts = arguments.part
    for estimator in chosen[part - 1 :: n_parts]:
        results = check_estimator(
            estimator, on_fail=None, on_skip=None, expected_failed_checks=expected_failures(estimator)
        )
        counts = Counter(result["status"] for result in results)
        failed = {r["check_name"]: repr(r["exception"])[:600] for r in results if r["status"] == "failed"}
        skipped = {r["check_name"]: str(r["exception"])[:200] for r in results if r["status"] == "skipped"}
        name = " ".join(repr(estimator).split())
        rows.append({"estimator": name, **counts, "failures": failed, "skips": skipped})
        if arguments.output:
            arguments.output.write_text(json.dumps(rows, indent=1))
        print(name, dict(counts), *(f"\n    {k}: {v}" for k, v in {**failed}.items()), flush=True)


if __name__ == "__main__":
    main()
