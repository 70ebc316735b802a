"""A rule goes on and off by the forecast, with hysteresis and a cool-down, and says why."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.event_builder import EIGHT

from har_stream.config.forecast_settings import RuleSettings
from har_stream.mqtt.messages import Forecast, Likely, NextStart, RuleState
from predictor.service.rules import decide, explain, payload_of

HEATING: dict[str, Any] = {
    "name": "heating",
    "activity": "sleeping",
    "within": "60min",
    "probability": 0.7,
    "topic": "home/bedroom/heating/set",
}


def rule(**fields: Any) -> RuleSettings:
    return RuleSettings(**(HEATING | fields))


def forecast(
    probability: float, *, minute: float = 0, activity: str = "relaxing", enough: bool = True
) -> Forecast:
    at = EIGHT + timedelta(minutes=minute)
    return Forecast(
        at=at,
        activity=Likely(label=activity, probability=1.0),
        next=[("sleeping", probability)],
        next_room=[],
        next_start=NextStart(p10_s=0, p50_s=0, p90_s=0, p50_at=at),
        within={"15min": {}, "60min": {"sleeping": probability}, "180min": {}},
        sequence=[],
        model="hmm",
        training_days=30,
        enough_data=enough,
    )


def _states(settings: RuleSettings, told: list[tuple[float, float]]) -> list[str]:
    """The states after each (minute, probability)."""
    state: RuleState | None = None
    states = []
    for minute, probability in told:
        state = decide(settings, state, forecast(probability, minute=minute)) or state
        states.append(state.state if state else "never")
    return states


def test_on_at_the_threshold_off_below_the_release() -> None:
    told = [(0, 0.69), (20, 0.7), (40, 0.65), (60, 0.6), (80, 0.59), (100, 0.69), (120, 0.9)]
    assert _states(rule(), told) == ["never", "on", "on", "on", "off", "off", "on"]


def test_the_release_can_be_set() -> None:
    told = [(0, 0.8), (20, 0.3), (40, 0.1)]
    assert _states(rule(release=0.2), told) == ["on", "on", "off"]


def test_between_two_changes_lies_the_cool_down() -> None:
    told = [(0, 0.8), (5, 0.1), (9.9, 0.1), (10, 0.1), (15, 0.9), (20, 0.9)]
    assert _states(rule(), told) == ["on", "on", "on", "off", "off", "on"]


def test_a_clock_that_went_back_does_not_lock_a_rule() -> None:
    on = decide(rule(), None, forecast(0.9, minute=600))
    assert on is not None
    off = decide(rule(), on, forecast(0.1, minute=0))
    assert off is not None
    assert off.state == "off"


def test_nothing_changes_before_there_is_enough_data_or_while_it_happens() -> None:
    assert decide(rule(), None, forecast(0.9, enough=False)) is None
    on = decide(rule(), None, forecast(0.9))
    assert decide(rule(), on, forecast(0.0, minute=60, activity="sleeping")) is None


def test_a_change_names_its_cause() -> None:
    cause = forecast(0.83)
    state = decide(rule(dry_run=True), None, cause)
    assert state == RuleState(state="on", changed_at=cause.at, dry_run=True, cause=cause)
    line = explain(rule(dry_run=True), state)
    for word in ("heating", "on", "sleeping within 60min", "0.83", "dry run", HEATING["topic"]):
        assert word in line


@pytest.mark.parametrize(
    ("fields", "probability", "payload"),
    [
        ({}, 0.9, "ON"),
        ({"payload_on": "21.5"}, 0.9, "21.5"),
        ({"payload_on": True}, 0.9, "ON"),  # as YAML reads a bare ON
    ],
)
def test_payloads(fields: dict[str, Any], probability: float, payload: str) -> None:
    state = decide(rule(**fields), None, forecast(probability))
    assert state is not None
    assert payload_of(rule(**fields), state) == payload


def test_a_rule_may_say_nothing_when_it_goes_off() -> None:
    quiet = rule(payload_off=None)
    off = decide(quiet, decide(quiet, None, forecast(0.9)), forecast(0.0, minute=30))
    assert off is not None
    assert payload_of(quiet, off) is None


@given(
    st.lists(st.tuples(st.floats(0.1, 30), st.floats(0, 1)), max_size=40),
    st.floats(0.2, 1),
    st.floats(0, 3600),
)
def test_it_never_flaps(
    told: list[tuple[float, float]], threshold: float, cool_down_s: float
) -> None:
    settings = rule(probability=threshold, cool_down_s=cool_down_s)
    state: RuleState | None = None
    changes: list[RuleState] = []
    minute = 0.0
    for passed, probability in told:
        minute += passed
        new = decide(settings, state, forecast(probability, minute=minute))
        if new is not None:
            changes.append(new)
            assert (probability >= threshold) == (new.state == "on")
            state = new
    assert [change.state for change in changes] == (["on", "off"] * 40)[: len(changes)]
    for earlier, later in pairwise(changes):
        assert (later.changed_at - earlier.changed_at).total_seconds() >= cool_down_s
