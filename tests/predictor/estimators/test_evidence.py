"""What sensors say is weighed once a session, as given or as learnt, and never beyond its bound."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from support.event_builder import EIGHT

from predictor.estimators.evidence import OTHERWISE, SENSOR_BOUND, SENSOR_PRIOR, Sensors
from predictor.models import store
from predictor.models.hmm import HmmForecaster
from predictor.outlook import Observation

DOUBT = {"carving": 0.5, "pottery": 0.5}


def _lived(forecaster: HmmForecaster, *, days: int) -> HmmForecaster:
    """Live by a camera that is sure, with a kiln that is on during pottery."""
    for day in range(days):
        for hour, activity in ((8, "carving"), (22, "pottery")):
            at = EIGHT.replace(hour=hour) + timedelta(days=day)
            forecaster.observe(Observation(activity, at))
            forecaster.sense("kiln", activity == "pottery", at + timedelta(minutes=5))
            forecaster.sense("kiln", False, at + timedelta(hours=7))
            forecaster.end(at + timedelta(hours=7))
    return forecaster


def _doubted(forecaster: HmmForecaster, *, is_on: bool) -> float:
    """Return p(pottery) where a camera cannot tell it from carving."""
    at = EIGHT + timedelta(days=60)
    forecaster.observe(Observation("juggling", at))
    forecaster.sense("kiln", False, at)
    forecaster.observe(Observation("carving", at + timedelta(hours=1), probabilities=DOUBT))
    before = forecaster.current()["pottery"]
    forecaster.sense("kiln", is_on, at + timedelta(hours=2))
    forecaster.end(at + timedelta(hours=3))
    assert forecaster.current()["pottery"] != before
    return forecaster.current()["pottery"]


def test_what_a_sensor_says_is_learnt_beside_a_camera_and_kept_with_the_model(
    tmp_path: Path,
) -> None:
    store.save(_lived(store.create("hmm"), days=20), tmp_path)
    on, off = (_doubted(store.load(tmp_path), is_on=is_on) for is_on in (True, False))
    # The hour speaks against pottery all the same.
    assert (on / (1.0 - on)) / (off / (1.0 - off)) > 50.0


def test_what_is_given_needs_no_learning() -> None:
    answers = []
    for is_on in (True, False):
        forecaster = store.create("hmm")
        forecaster.sensors.given = {"kiln": {"pottery": 0.95, OTHERWISE: 0.02}}
        for activity, hour in (("pottery", 0), ("carving", 1)):
            forecaster.observe(Observation(activity, EIGHT + timedelta(hours=hour)))
        answers.append(_doubted(forecaster, is_on=is_on))
    assert answers[0] > 0.9
    assert answers[1] < 0.1


def test_it_speaks_once_a_session() -> None:
    sensors = Sensors()
    sensors.grow(2)
    assert [sensors.read("motion", is_on) for is_on in (False, True, False, True)] == [
        *(False, True, False, False)
    ]
    sensors.add(np.array([0.75, 0.25]))
    sensors.begin()
    assert sensors.read("motion", None) is False
    sensors.add(np.array([1.0, 0.0]))
    assert sensors.counts[:, 0].tolist() == [[0.0, 1.75], [0.0, 0.25]]
    assert not sensors.readings


def test_shares_are_those_of_the_counts_within_their_bound() -> None:
    sensors = Sensors()
    sensors.grow(2)
    for n, belief, is_on in (
        (9, [1.0, 0.0], True),
        (1, [1.0, 0.0], False),
        (90, [0.0, 1.0], False),
    ):
        for _ in range(n):
            sensors.seen = {}
            sensors.read("kiln", is_on)
            sensors.add(np.array(belief))
    overall = 9.5 / 101
    expected = [(9 + SENSOR_PRIOR * overall) / (10 + SENSOR_PRIOR), SENSOR_BOUND]
    labels = ["pottery", "carving"]
    assert sensors.likelihood({"kiln": True}, labels) == pytest.approx(expected)
    assert sensors.likelihood({"kiln": False}, labels) == pytest.approx(1 - np.array(expected))
