"""The picture of the empty room: learned beside the person, and recognised again."""

import numpy as np
from numpy.typing import NDArray

from har_stream.recognition.person.room import Room

BOX = (0.25, 0.25, 0.5, 0.75)


def _empty(level: int = 120) -> NDArray[np.uint8]:
    image = np.full((96, 128, 3), level, np.uint8)
    image[60:] = level // 2
    return image


def _with_person(level: int = 120) -> NDArray[np.uint8]:
    image = _empty(level)
    image[24:72, 32:64] = 255 - level
    return image


def _watched(n_empty: int, n_person: int) -> Room:
    room = Room()
    for _ in range(n_empty):
        room.see(_empty())
        room.learn(None)
    for _ in range(n_person):
        room.see(_with_person())
        room.learn(BOX)
    return room


def test_somebody_who_comes_differs_from_the_room_for_as_long_as_they_stay() -> None:
    room = _watched(3, 500)
    box, is_dark = room.see(_with_person())
    change = room.learn(BOX)
    assert not is_dark
    assert box is not None
    assert np.allclose(box, BOX, atol=0.05)
    assert change.known == 1.0
    assert change.in_box > 0.5
    assert change.elsewhere == 0.0
    assert not room.is_empty(BOX)


def test_the_room_is_empty_again_once_they_went() -> None:
    room = _watched(3, 20)
    room.see(_empty())
    assert room.is_empty(BOX)


def test_nobody_knows_what_is_behind_whoever_was_there_from_the_start() -> None:
    room = _watched(0, 20)
    room.see(_with_person())
    assert room.learn(BOX).known == 0.0
    assert not room.is_empty(BOX)


def test_a_lamp_that_is_switched_off_is_nobody() -> None:
    room = _watched(5, 0)
    box, is_dark = room.see(_empty(20))
    assert box is None
    assert is_dark


def test_what_moved_is_told() -> None:
    room = _watched(3, 1)
    room.see(_with_person())
    assert room.learn(BOX).moved == 0.0
    room.see(_empty())
    assert room.learn(BOX).moved > 0.5
