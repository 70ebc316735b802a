"""What begins soon: rates of past moments like the present one, blended with another forecast."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from predictor.estimators.soon import HALF_TRUSTED, N_KEPT, SHARE, Soon

START = datetime(2026, 3, 2, 7, tzinfo=UTC)
HORIZONS_S = (900.0, 3600.0)
NOTHING = np.zeros((2, 3))


def _lived(n_days: int) -> Soon:
    """At seven 0, which ends at ten past; half an hour later 1, and on every second day 2."""
    soon = Soon()
    soon.grow(3)
    for day in range(n_days):
        at = START + timedelta(days=day)
        soon.begin(0, at)
        soon.end(0, at + timedelta(minutes=10))
        soon.begin(1, at + timedelta(minutes=30))
        if day % 2:
            soon.begin(2, at + timedelta(minutes=60))
    return soon


def test_what_began_in_time_is_counted() -> None:
    soon = _lived(60)
    at = START + timedelta(days=60)
    soon.begin(0, at)
    near, far = soon.blended(NOTHING, at, HORIZONS_S)
    np.testing.assert_allclose(near, 0.0, atol=0.02)
    n_starts = 60 + 60 + 30
    share = SHARE * n_starts / (n_starts + HALF_TRUSTED)
    np.testing.assert_allclose(far / share, [0.0, 1.0, 0.5], atol=0.05)


def test_time_that_passes_moves_the_horizon() -> None:
    soon = _lived(60)
    at = START + timedelta(days=60)
    soon.begin(0, at)
    later = soon.blended(NOTHING, at + timedelta(minutes=20), HORIZONS_S)
    assert later[0, 1] > 0.4, "begins ten minutes from now"
    soon.end(0, at + timedelta(minutes=20))
    ended = soon.blended(NOTHING, at + timedelta(minutes=20), HORIZONS_S)
    assert ended[0, 1] < 0.1, "of its end it is known that nothing follows for twenty minutes"


def test_nothing_is_less_likely_within_a_longer_time() -> None:
    soon = _lived(7)
    at = START + timedelta(days=6, minutes=45)
    blended = soon.blended(np.array([[0.2] * 3, [0.3] * 3]), at, HORIZONS_S)
    assert (np.diff(blended, axis=0) >= 0).all()
    assert blended.min() >= 0
    assert blended.max() <= 1


def test_without_a_past_the_other_forecast_stands() -> None:
    soon = Soon()
    soon.grow(3)
    soon.begin(0, START)
    other = np.full((2, 3), 0.25)
    np.testing.assert_array_equal(soon.blended(other, START, HORIZONS_S), other)


def test_memory_stays_flat() -> None:
    soon = _lived(N_KEPT)
    assert soon.first_s.shape == (N_KEPT, 3)
    assert soon.n_seen > N_KEPT
    assert soon.blended(NOTHING, START + timedelta(days=N_KEPT), HORIZONS_S)[1, 1] == pytest.approx(
        0.0, abs=0.8
    )
