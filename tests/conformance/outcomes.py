"""What became of each test of a run, counted by module, for the terminal and for a file."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from skdist_gpu.info.versions import describe_system

LISTED, EXPECTED = "listed", "expected to fail"


class Outcomes:
    """Counts tests: passed, skipped, failed, listed by this project, or expected to fail by scikit-learn itself.

    Parameters
    ----------
    reasons : dict of str to str
        The listed tests, and why each cannot apply.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        self.failures: dict[str, str] = {}
        self._outcomes: dict[str, str] = {}
        self._start = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what became of a test; one that fails before or after its call has failed."""
        test = report.nodeid
        if report.failed:
            self._outcomes[test] = "failed"
            self.failures[test] = _last_line(report)
        elif report.when == "call" or report.skipped:
            wasxfail = getattr(report, "wasxfail", None)
            expected = LISTED if wasxfail and wasxfail == self.reasons.get(test) else EXPECTED
            self._outcomes[test] = expected if wasxfail is not None and report.skipped else report.outcome

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, in all and by module, and the tests that failed with the last line of their errors."""
        by_module: dict[str, Counter[str]] = {}
        for test, outcome in self._outcomes.items():
            by_module.setdefault(test.partition("::")[0], Counter())[outcome] += 1
        return {
            "seconds": round(time.monotonic() - self._start),
            "tests": len(self._outcomes),
            **Counter(self._outcomes.values()),
            "failures": dict(sorted(self.failures.items())),
            "modules": {module: dict(counts) for module, counts in sorted(by_module.items())},
        }

    def line(self) -> str:
        """Return the counts in one line."""
        return f"{len(self._outcomes)} tests: " + ", ".join(
            f"{n} {outcome}" for outcome, n in Counter(self._outcomes.values()).most_common()
        )

    def write(self, path: Path, facts: dict[str, Any]) -> None:
        """Write the counts behind other facts of the run, with the date and the machine."""
        facts = {"date": time.strftime("%Y-%m-%d"), "script": "tests/conformance", **facts}
        path.write_text(json.dumps({**facts, **self.to_dict(), **describe_system()}, indent=1))


def _last_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return next(iter(text.strip().splitlines()), "")[:300]
