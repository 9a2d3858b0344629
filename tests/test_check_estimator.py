"""scikit-learn's own checks for every public estimator, on every engine that runs here."""

from __future__ import annotations

import pytest
from checked_estimators import cpu_estimators, expected_failures
from sklearn.utils.estimator_checks import parametrize_with_checks


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(cpu_estimators(), expected_failed_checks=expected_failures)
def test_check_estimator(estimator, check):
    check(estimator)
