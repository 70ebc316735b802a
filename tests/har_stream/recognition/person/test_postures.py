"""The one label map: postures become activities."""

import pytest

from har_stream.recognition.person.postures import (
    POSTURES,
    activities_of,
    doubt_sitting,
    labels_of,
    share_out_nobody,
)


def test_every_posture_has_its_activity() -> None:
    labels = ("idle", "walking", "standing", "sitting", "lying", "bending")
    assert labels_of(POSTURES) == labels


@pytest.mark.parametrize(("walks", "activity"), [(True, "walking"), (False, "standing")])
def test_upright_is_told_apart_by_motion(walks: bool, activity: str) -> None:
    said = activities_of(dict.fromkeys(POSTURES, 0.0) | {"upright": 1.0}, walks=walks)
    assert said == dict.fromkeys(labels_of(POSTURES), 0.0) | {activity: 1.0}


def test_lying_anywhere_is_lying_and_what_was_taught_stays() -> None:
    said = activities_of({"lying_bed": 0.25, "lying_floor": 0.5, "yoga": 0.25}, walks=False)
    assert said == {"lying": 0.75, "yoga": 0.25}


@pytest.mark.parametrize(("lay", "lying"), [(1.0, 0.9), (0.0, 0.225)])
def test_whoever_is_not_seen_lies_still_or_does_something_unknown(lay: float, lying: float) -> None:
    outputs = {"nobody": 0.9, "upright": 0.1, "sitting": 0.0, "lying_bed": 0.0, "bending": 0.0}
    said = share_out_nobody(outputs, lay)
    assert said["nobody"] == 0
    assert said["lying_bed"] == pytest.approx(lying)
    assert sum(said.values()) == pytest.approx(1)


def test_who_seems_to_sit_in_the_dark_may_lie() -> None:
    said = doubt_sitting({"nobody": 0.1, "sitting": 0.6, "lying_bed": 0.3})
    assert said == {"nobody": 0.1, "sitting": 0.3, "lying_bed": pytest.approx(0.6)}
    assert doubt_sitting({"sitting": 1.0}) == {"sitting": 1.0}  # a head that knows no bed
