"""Two residents of the simulated home: both are drawn, and the camera of a room sees it alone."""

from datetime import UTC, datetime

import numpy as np
import pytest

from har_stream.core.errors import InputError
from har_stream.core.frame import Image
from har_stream.simulation.renderer import Renderer
from har_stream.simulation.routine import PLACES, PlannedActivity
from har_stream.simulation.simulated_camera import SimulatedSource, parse_source, read_frames
from har_stream.simulation.truth import stay_at, truth

NOON_S = 12 * 3600.0
AT_S = np.array([NOON_S + 3.0])


def _doing(activity: str, resident: int) -> list[PlannedActivity]:
    place = PLACES.get(activity, "table")
    return [PlannedActivity(activity, place, NOON_S, NOON_S + 60, "sofa", 5 + resident, resident)]


def _differs(one: Image, other: Image) -> np.ndarray[tuple[int, ...], np.dtype[np.bool]]:
    return np.asarray(np.abs(one.astype(int) - other).max(axis=2) > 40)


@pytest.mark.parametrize("activities", [("sitting", "sitting"), ("eating", "eating")])
@pytest.mark.parametrize("seed", range(3))
def test_both_are_seen_beside_each_other(seed: int, activities: tuple[str, str]) -> None:
    renderer = Renderer(seed, n_residents=2)
    nobody = [_doing("idle", number) for number in (0, 1)]
    somebody = [_doing(activity, number) for number, activity in enumerate(activities)]
    (empty,), (first,), (second,), (both,) = (
        renderer.draw(AT_S, *lives)
        for lives in (nobody, [somebody[0], nobody[1]], [nobody[0], somebody[1]], somebody)
    )
    apart = [_differs(image, empty) for image in (first, second)]
    assert (apart[0] & ~apart[1]).sum() > 30
    assert (apart[1] & ~apart[0]).sum() > 30
    for image in (first, second):  # of each there is more to be seen than of the other alone
        assert _differs(both, image).sum() > 30


def test_a_camera_sees_its_room_and_nobody_elsewhere() -> None:
    start_at = datetime(2026, 1, 5, 2, tzinfo=UTC)  # both are asleep
    lives = [truth(7, start_at=start_at, days=0.001, resident=number) for number in (0, 1)]
    assert [stay_at(life, start_at).room for life in lives] == ["bedroom", "bedroom_2"]
    shown = {
        room: next(
            read_frames(
                SimulatedSource(7, days=0.001, residents=2, room=room),
                sample_hz=5.0,
                start_at=start_at,
            )
        ).image
        for room in ("bedroom", "bedroom_2", "kitchen", "hall")
    }
    assert not _differs(shown["kitchen"], shown["hall"]).any()
    assert _differs(shown["bedroom"], shown["hall"]).sum() > 30
    assert _differs(shown["bedroom_2"], shown["hall"]).sum() > 30
    assert _differs(shown["bedroom_2"], shown["bedroom"]).sum() > 30


def test_each_lives_a_life_of_their_own() -> None:
    start_at = datetime(2026, 1, 5, tzinfo=UTC)
    first, second = (truth(7, start_at=start_at, days=1, resident=number) for number in (0, 1))
    assert [stay.started_at for stay in first] != [stay.started_at for stay in second]
    assert "bedroom_2" not in {stay.room for stay in first}
    assert "bedroom" not in {stay.room for stay in second}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("sim:7?residents=3", "residents='3': 1 or 2 expected"),
        ("sim:7?residents=1.5", "1 or 2 expected"),
        ("sim:7?room=cellar", "room='cellar'; it has bedroom, kitchen, living_room, hall$"),
        ("sim:7?room=bedroom_2", "it has bedroom, kitchen, living_room, hall$"),
    ],
)
def test_who_does_not_live_there_and_rooms_that_are_not_are_refused(source: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_source(source)


def test_a_source_names_residents_and_room() -> None:
    parsed = parse_source("sim:7?residents=2&room=bedroom_2")
    assert parsed == SimulatedSource(7, residents=2, room="bedroom_2")
