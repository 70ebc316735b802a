"""The forecast message says the model's outlook; enough data means days and starts."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from support.event_builder import EIGHT

from har_stream.mqtt.messages import Forecast, Score
from predictor.outlook import Outlook
from predictor.service.forecast_message import (
    LONGEST_S,
    Evidence,
    activity_of,
    attributes_of,
    forecast_of,
    has_enough,
)

OUTLOOK = Outlook(
    at=EIGHT,
    current={"cooking": 0.93, "eating": 0.07000000000000006},
    next={**{f"a{n}": 0.1 + 0.01 * n for n in range(7)}, "unknown": 1e-9},
    next_room={"kitchen": 0.3, "lounge": 0.7},
    next_start_s=(300.04, 900.0, 2400.0),
    within={"15min": {"eating": 1.0000000000000002}, "60min": {}, "180min": {}},
    sequence=("eating", "relaxing"),
)


def _forecast(
    activity: str = "cooking", outlook: Outlook = OUTLOOK, *, fresh: bool = True
) -> Forecast:
    return forecast_of(
        outlook,
        activity=activity_of(outlook, activity if fresh else None),
        model="hmm",
        n_days=34,
        enough_data=True,
        evidence=Evidence(timedelta(seconds=29.96), fresh=fresh),
        residents=[],
    )


def test_every_field() -> None:
    forecast = _forecast()
    assert forecast.at == EIGHT
    assert (forecast.activity.label, forecast.activity.probability) == ("cooking", 0.93)
    assert forecast.next[0] == ("a6", pytest.approx(0.16))
    assert forecast.next_room == [("lounge", 0.7), ("kitchen", 0.3)]
    assert forecast.next_start.p10_s == 300.0
    assert forecast.next_start.p50_at == EIGHT + timedelta(minutes=15)
    assert forecast.within["15min"] == {"eating": 1.0}
    assert forecast.sequence == ["eating", "relaxing"]
    assert (forecast.model, forecast.training_days, forecast.enough_data) == ("hmm", 34, True)
    assert (forecast.evidence_age_s, forecast.fresh) == (30.0, True)
    assert Forecast.decode(forecast.encode()) == forecast


def test_an_endless_tail_is_bounded() -> None:
    endless = _forecast(outlook=replace(OUTLOOK, next_start_s=(-1e-9, math.inf, math.nan)))
    start = endless.next_start
    assert (start.p10_s, start.p50_s, start.p90_s) == (0.0, LONGEST_S, LONGEST_S)
    assert start.p50_at == EIGHT + timedelta(days=30)


def test_unknown_keeps_its_place_among_the_ranked() -> None:
    ranked = [label for label, _ in _forecast().next]
    assert ranked == ["a6", "a5", "a4", "a3", "a2", "unknown"]


def test_the_filter_may_overrule_the_camera_but_not_its_silence() -> None:
    assert _forecast("eating").activity.label == "cooking"
    for silence in ("idle", "unknown"):
        assert _forecast(silence).activity.label == silence
        assert _forecast(silence, fresh=False).activity.label == "cooking", "nobody sees it"


def test_attributes_hold_everything() -> None:
    scores = {"hmm": Score(log_loss=1.2, top1=0.5)}
    attributes = attributes_of(OUTLOOK, scores=scores, n_scored=9)
    assert attributes.next.keys() == OUTLOOK.next.keys()
    assert attributes.current == {"cooking": 0.93, "eating": 0.07}
    assert (attributes.scores, attributes.n_scored) == (scores, 9)


@pytest.mark.parametrize(
    ("n_days", "n_starts", "enough"), [(7, 50, True), (6, 500, False), (70, 49, False)]
)
def test_enough_data(n_days: int, n_starts: int, enough: bool) -> None:
    assert has_enough(n_days=n_days, n_starts=n_starts) is enough
