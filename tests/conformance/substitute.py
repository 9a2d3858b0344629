"""A pytest plugin: scikit-learn's own tests, with this package's engines under scikit-learn's own classes.

The classes are those of a program under ``skdist_gpu.install()``: the same replacement of their methods, by the same
plans. With an engine forced, each fit that its plan does not refuse runs there, however small, and the engine's own
errors are the test's; with ``auto`` all is as a program has it.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sklearn
import yaml
from outcomes import Outcomes

from skdist_gpu.programs.calls import Call, Profile
from skdist_gpu.programs.classes import FITS
from skdist_gpu.programs.fits import OWN_NAME
from skdist_gpu.programs.installation import Installation

ROOT = Path(sklearn.__file__).parent
REFUSED, ADDED = "fits that the plan left to scikit-learn", "fits by the engine"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this plugin."""
    group = parser.getgroup("autoscale", "scikit-learn's tests on the engines of skdist_gpu")
    group.addoption("--autoscale-backend", default="reductions", help="engine to force, or 'auto'; 'none' for none")
    group.addoption("--autoscale-floor", type=int, default=0, help="fail if fewer fits ran on the engine")
    group.addoption("--autoscale-report", type=Path, help="JSON file to write: tests by outcome, failures, fits")
    group.addoption("--autoscale-exceptions", type=Path, help="YAML file of tests that cannot apply, with reasons")


def pytest_configure(config: pytest.Config) -> None:
    """Replace `fit` in this process, which is one of several under pytest-xdist."""
    config.pluginmanager.register(Substitution(config.getoption("--autoscale-backend"), config), "substitution")


class _Counting(Profile):
    """Counts the fits of each class, on engines and by scikit-learn."""

    def __init__(self, counts: Counter[tuple[str, str]]) -> None:
        super().__init__()
        self.counts = counts

    def add(self, call: Call) -> None:
        if call.method in FITS:
            self.counts[REFUSED if call.engine == OWN_NAME else ADDED, call.estimator] += 1


class _Strict(Installation):
    """Raises the errors of engines, and has scikit-learn's own fit leave what it leaves where it raises the same."""

    def _fit(self, estimator: Any, name: str, original: Any, args: Any, kwargs: Any) -> Any:
        try:
            return super()._fit(estimator, name, original, args, kwargs)
        except Exception as error:
            try:
                with self._within(), warnings.catch_warnings(action="ignore"):
                    original(estimator, *args, **kwargs)
            except Exception as own:
                if (type(own), str(own)) == (type(error), str(error)):
                    raise own from None
            raise


class Substitution:
    """The replaced classes, what was counted, and the list of tests that cannot apply."""

    def __init__(self, backend: str, config: pytest.Config) -> None:
        self.backend = backend
        self.counts: Counter[tuple[str, str]] = Counter()
        if backend != "none":
            kind = Installation if backend == "auto" else _Strict
            installation = kind(backend, _Counting(self.counts), strict=backend != "auto")
            installation.classes.start()
        file = config.getoption("--autoscale-exceptions")
        groups = yaml.safe_load(file.read_text()) if file else []
        self.reasons = {
            test: group["reason"]
            for group in groups
            if backend.partition(":")[0] in group["backends"]
            for test in group["tests"]
        }
        self.outcomes = Outcomes(self.reasons)
        self.pytest_runtest_logreport = self.outcomes.pytest_runtest_logreport

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Let no test be listed that is not there."""
        names = {_name(item) for item in items}
        modules = {name.partition("::")[0] for name in names}
        unknown = [test for test in self.reasons if test not in names and test.partition("::")[0] in modules]
        if unknown and not any("::" in argument for argument in config.args):
            raise pytest.UsageError(f"listed as exceptions, but there are no such tests: {unknown}")

    # inside pytest's own, which looks at the markers once the test has run
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Expect a listed test to fail; of those under the plan's own choice, each with a fit on an engine."""
        n_before = self._total(ADDED)
        try:
            return (yield)
        finally:
            reason = self.reasons.get(_name(item))
            if reason is not None and (self.backend != "auto" or self._total(ADDED) > n_before):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand the counts of a worker of pytest-xdist to the process that reports, or judge them."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["fits"] = [[*key, n] for key, n in self.counts.items()]
            return
        if report := session.config.getoption("--autoscale-report"):
            self.outcomes.write(report, {"backend": self.backend, "fits": self._by_class()})
        if self._total(ADDED) < session.config.getoption("--autoscale-floor") and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add the counts of a worker of pytest-xdist."""
        for what, name, n in getattr(node, "workeroutput", {}).get("fits", []):
            self.counts[what, name] += n

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """Print how many tests and fits there were, of which kinds, and how many fits ran on the engine."""
        terminalreporter.section(f"fits on {self.backend}")
        floor = config.getoption("--autoscale-floor")
        for what, counts in self._by_class().items():
            classes = ", ".join(f"{name} {n}" for name, n in counts.items())
            terminalreporter.line(f"{self._total(what)} {what}: {classes}")
        terminalreporter.line(self.outcomes.line())
        if self._total(ADDED) < floor:
            terminalreporter.line(f"FAILED: at least {floor} were expected", red=True)

    def _by_class(self) -> dict[str, dict[str, int]]:
        counts = sorted(self.counts.items())
        return {what: {name: n for (kind, name), n in counts if kind == what} for what in (ADDED, REFUSED)}

    def _total(self, what: str) -> int:
        return sum(n for (kind, _), n in self.counts.items() if kind == what)


def _name(item: pytest.Item) -> str:
    """Return the file under scikit-learn's folder, and the test's name."""
    file, _, test = item.nodeid.partition("::")
    path = item.path
    return f"{path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else file}::{test}"
