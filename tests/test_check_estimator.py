"""scikit-learn's own checks for every public estimator, on every engine that runs here."""

from __future__ import annotations

import pytest
from checked_estimators import (
    counted_family,
    cpu_estimators,
    expected_failures,
    few_pass_family,
    least_squares_family,
    one_pass_family,
)
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdist_gpu.engines.reductions.info import INFO


def test_every_estimator_of_the_reductions_is_checked():
    families = least_squares_family() + one_pass_family() + counted_family() + few_pass_family()
    assert {entry.estimator for entry in INFO.entries()} == {type(estimator).__name__ for estimator in families}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(cpu_estimators(), expected_failed_checks=expected_failures)
def test_check_estimator(estimator, check):
    check(estimator)
