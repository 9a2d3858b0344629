"""scikit-learn's own checks for every public estimator, on every engine that runs here."""

from __future__ import annotations

import re
from typing import Any

import pytest
from checked_estimators import (
    counted_family,
    cpu_estimators,
    expected_failures,
    few_pass_family,
    least_squares_family,
    one_pass_family,
    onedal_family,
)
from sklearn.utils.estimator_checks import check_estimator

from skdist_gpu.engines.onedal.info import INFO as ONEDAL
from skdist_gpu.engines.reductions.info import INFO


def test_every_estimator_of_the_reductions_is_checked():
    families = least_squares_family() + one_pass_family() + counted_family() + few_pass_family()
    assert {entry.estimator for entry in INFO.entries()} == {type(estimator).__name__ for estimator in families}


def test_every_estimator_of_onedal_is_checked():
    entries = {entry.estimator for entry in ONEDAL.entries() if not entry.refusal}
    assert entries == {type(estimator).__name__ for estimator in onedal_family()}


def _name(estimator: Any) -> str:
    """Return what an estimator is, without addresses, which differ from process to process."""
    return re.sub(r" at 0x\w+|\s", "", repr(estimator))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", cpu_estimators(), ids=_name)
def test_check_estimator(estimator):
    expected = expected_failures(estimator)
    results = check_estimator(estimator, expected_failed_checks=expected, on_skip=None, on_fail=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    for name, error in failed.items():
        error.add_note(f"in {name}")
    if failed:
        raise ExceptionGroup("failed checks", list(failed.values()))
    passed = {result["check_name"] for result in results if result["status"] == "passed"}
    assert not passed & set(expected), "checks that are listed as failing pass"
