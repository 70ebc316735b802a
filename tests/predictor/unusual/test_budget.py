"""The bound keeps to its budget of false alarms on days that are like those before."""

import numpy as np
import pytest

from predictor.unusual.budget import DAYS_PER_MONTH, HIGHEST, Budget


@pytest.mark.parametrize("n_tests", [1, 20])
@pytest.mark.parametrize("n_past", [30, 120])
def test_days_like_those_before_are_told_as_often_as_is_allowed(n_tests: int, n_past: int) -> None:
    """Over 300 homes whose probabilities are honest, however many are asked for in a day."""
    random = np.random.default_rng(0)
    allowed, told, n_homes, n_days = 0.5, 0, 300, 60
    for _ in range(n_homes):
        budget = Budget(allowed)
        for lowest in random.random((n_past, n_tests)).min(axis=1):
            budget.add(float(lowest))
        told += int((random.random((n_days, n_tests)).min(axis=1) < budget.bound).sum())
    a_month = told / n_homes / n_days * DAYS_PER_MONTH
    assert 0.2 * allowed < a_month < 1.3 * allowed


def test_without_a_past_or_a_budget_nothing_is_told() -> None:
    assert Budget(1.0).bound == 0.0
    silent = Budget(0.0)
    for _ in range(50):
        silent.add(0.5)
    assert silent.bound == 0.0


def test_a_quiet_past_makes_nothing_ordinary_unusual() -> None:
    budget = Budget(1.0)
    for _ in range(100):
        budget.add(0.9)
    assert budget.bound == HIGHEST
    assert budget.told() == [False] * 100


def test_a_life_less_regular_than_its_bound_supposes_does_not_go_on_beyond_the_budget() -> None:
    """Probabilities whose logarithms are spread widely: the lowest few say too little."""
    steady, told, n_days = Budget(1.0), 0, 600
    random = np.random.default_rng(0)
    for lowest in 10.0 ** -random.exponential(2.0, n_days):
        told += lowest < steady.bound
        steady.add(float(lowest))
    assert told <= 1.5 * n_days / DAYS_PER_MONTH
