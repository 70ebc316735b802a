"""Several residents: one of them is the forecaster as it is; two are told apart by their places."""

from datetime import timedelta

import numpy as np
import pytest
from support.event_builder import EIGHT, living

from predictor.estimators.quantiles import TimeDistribution
from predictor.models import store
from predictor.models.residents import Residents, _first_shares
from predictor.outlook import Observation


@pytest.mark.parametrize("model", store.NAMES)
def test_one_resident_is_the_forecaster_as_it_is(model: str) -> None:
    alone, residents = store.create(model), Residents(store.create(model))
    for one in living(days=4):
        seen = Observation(one.activity, one.started_at, one.room)
        alone.observe(seen)
        residents.observe(seen, "")
    at = one.started_at + timedelta(minutes=30)
    assert residents.outlook(at) == alone.outlook(at)
    assert residents.next_activity(at) == alone.next_activity(at, 0.0)
    residents.end("", at)
    alone.end(at)
    assert residents.outlook(at) == alone.outlook(at)


def _live(residents: Residents, *, days: int) -> None:
    """One sleeps late and reads; the other cooks, eats and works. Both sleep at night."""
    for day in range(days):
        midnight = EIGHT.replace(hour=0) + timedelta(days=day)
        for hour, place, activity in (
            (7, "kitchen", "cooking"),
            (7.5, "kitchen", "eating"),
            (8, "office", "working"),
            (10, "lounge", "reading"),
            (18, "kitchen", "cooking"),
            (18.5, "kitchen", "eating"),
            (19, "office", "working"),
            (22, "bedroom", "sleeping"),
            (23, "second bedroom", "sleeping"),
        ):
            at = midnight + timedelta(hours=hour)
            left = {
                "office": "kitchen",
                "lounge": "bedroom",
                "bedroom": "lounge",
                "second bedroom": "office",
            }.get(place, "second bedroom" if hour == 7 else "office")
            residents.end(left, at - timedelta(seconds=30))
            residents.observe(Observation(activity, at, place), place)


@pytest.mark.parametrize("model", store.NAMES)
def test_two_are_followed_each_by_what_they_did_before(model: str) -> None:
    residents = Residents(store.create(model), 2)
    _live(residents, days=12)
    morning = EIGHT + timedelta(days=12)
    residents.end("second bedroom", morning.replace(hour=7))
    residents.observe(Observation("cooking", morning.replace(hour=7), "kitchen"), "kitchen")
    assert residents.places == ["bedroom", "kitchen"]
    assert residents.current("bedroom")["sleeping"] == pytest.approx(1.0)
    assert residents.current("kitchen")["cooking"] == pytest.approx(1.0)
    outlook = residents.outlook(morning.replace(hour=7, minute=10))
    assert outlook.current["cooking"] == pytest.approx(1.0), "what began last is the home's"
    assert max(outlook.next, key=outlook.next.__getitem__) == "eating"
    assert outlook.within["180min"]["reading"] > 0.5, "the sleeper's"
    assert outlook.within["60min"]["eating"] > 0.8, "the cook's"
    assert sum(outlook.next.values()) == pytest.approx(1.0)
    # Of neither is it known that the other's habits begin soon after one's own.
    assert outlook.within["60min"]["sleeping"] < 0.1
    moments = [residents.forecaster.soon.n_seen]
    residents.current("bedroom")
    moments.append(residents.forecaster.soon.n_seen)
    assert min(moments) > 40
    # One chain is asked alone what a chain alone would say, whoever was told of last.
    residents.observe(Observation("juggling", morning.replace(hour=9), "kitchen"), "kitchen")
    assert residents.current("bedroom") == {**residents.current("bedroom"), "juggling": 0.0}
    assert residents.current("kitchen")["juggling"] == pytest.approx(1.0)


def test_nobody_is_in_two_places() -> None:
    residents = Residents(store.create("hmm"), 2)
    for minute, place in enumerate(("kitchen", "lounge", "office", "hall")):
        at = EIGHT + timedelta(minutes=minute)
        residents.observe(Observation(f"activity{minute}", at, place), place)
        assert len(residents.places) == min(minute + 1, 2)
        assert residents.places[-1] == place
    residents.end("attic", at)
    residents.end("kitchen", at)
    assert residents.places[-1] == "hall", "its person has gone on before"


def test_who_starts_first_is_reckoned_from_both_waits() -> None:
    """Of two exponential waits with rates 2 and 1 the first wins in two thirds of cases."""
    shares = (np.arange(4000) + 0.5) / 4000
    waits = [TimeDistribution(-np.log1p(-shares) / rate, shares) for rate in (2.0, 1.0)]
    first, when = _first_shares(waits)
    assert first == pytest.approx([2 / 3, 1 / 3], abs=0.002)
    assert when.quantile(0.5) == pytest.approx(np.log(2) / 3, rel=0.01)
    sure = TimeDistribution(np.array([60.0]), np.array([0.5]))
    assert _first_shares([sure, sure])[0].tolist() == [0.5, 0.5]
