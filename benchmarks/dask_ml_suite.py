"""dask_ml's own tests of its wrappers, run with this package behind their names and with dask_ml itself.

python benchmarks/dask_ml_suite.py TESTS_OF_DASK_ML [--output FILE]

`TESTS_OF_DASK_ML` is the folder `tests` of dask_ml's source, https://github.com/dask/dask-ml.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

from measure import report

FILES = ("test_parallel_post_fit.py", "test_incremental.py", "test_partial.py")
_FRAMES = "a Dask frame gives a frame with its index; the test wants an array"
_LAZY = "fit and score compute, as scikit-learn's do; there is no compute=False"
# why a test fails with this package, by the test's name or the start of it
REASONS = {
    "test_predict[dask.dataframe]": _FRAMES,
    "test_transform[dask.dataframe]": _FRAMES,
    "test_dataframes": _FRAMES,
    "test_laziness": _LAZY,
    "test_no_compute": _LAZY,
    "test_no_method_raises": "an AttributeError, as wanted, with Python's text and not dask_ml's",
    "test_fit_shuffle_blocks": "the order of blocks is drawn with the estimator's random_state, whose error is "
    "scikit-learn's; the test's other assertions hold",
    "test_scoring[": "estimators have no parameter `scoring`; get_scorer refuses a metric when it is asked for it",
    "test_replace_scoring": "wants pytest-mock, and counts calls of a function inside dask_ml",
    "test_bag": "a Dask bag is no input",
    "test_multiclass": "gives LogisticRegression multi_class, which scikit-learn no longer has",
    "test_incremental_text_pipeline[series]": "dask_ml's HashingVectorizer fails on Dask's missing strings",
}


def run(folder: pathlib.Path, *options: str) -> dict[str, tuple[str, str]]:
    """Return the outcome of each test, and the first line of what went wrong."""
    here = pathlib.Path(__file__).parent
    paths = os.pathsep.join([str(here.parent), str(here), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as scratch:
        results = pathlib.Path(scratch, "results.xml")
        quiet = ["-q", "-c", os.devnull, "-p", "no:cacheprovider", f"--rootdir={folder}", f"--junitxml={results}"]
        tests = [str(folder / name) for name in FILES]
        command = [sys.executable, "-m", "pytest", *quiet, *options, *tests]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.DEVNULL, check=False)
        cases = ElementTree.parse(results).iter("testcase")
        return {f"{case.get('classname')}::{case.get('name')}": _outcome(case) for case in cases}


def _outcome(case: ElementTree.Element) -> tuple[str, str]:
    for kind, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        found = case.find(kind)
        if found is not None:
            return outcome, (found.get("message") or "").split("\n")[0][:200]
    return "passed", ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    ours, theirs = run(folder, "-p", "dask_ml_adapters"), run(folder)
    rows = []
    for test, (outcome, message) in ours.items():
        row = {"test": test, "skdist_gpu": outcome, "dask_ml": theirs[test][0]}
        if outcome == "failed":
            name = test.rpartition("::")[2]
            reasons = [reason for start, reason in REASONS.items() if name.startswith(start)]
            row |= {"message": message, "reason": reasons[0] if reasons else "unexplained"}
        rows.append(row)
    passed = {name: sum(row[name] == "passed" for row in rows) for name in ("skdist_gpu", "dask_ml")}
    report(rows, arguments.output, n_tests=len(rows), passed=passed)
    print(passed, "of", len(rows))
    if any(row.get("reason") == "unexplained" for row in rows):
        sys.exit("A test fails for a reason that is not known.")


if __name__ == "__main__":
    main()
