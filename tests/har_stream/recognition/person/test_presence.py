"""Who is still there: somebody stays until seen going, or until the room is empty again."""

import pytest

from har_stream.recognition.person.presence import N_GOES, Presence

MIDDLE, EDGE = (0.4, 0.3, 0.6, 0.8), (0.0, 0.3, 0.1, 0.8)


def _seen(box: tuple[float, float, float, float], *, lies: bool = False) -> Presence:
    presence = Presence()
    for _ in range(3):
        presence.observe(0.9, box=box, lies=lies)
    return presence


def _miss(presence: Presence, n: int = N_GOES) -> Presence:
    for _ in range(n):
        presence.observe(0.1, box=None, lies=False)
    return presence


def test_one_decision_is_nobody_yet() -> None:
    presence = Presence()
    presence.observe(0.9, box=MIDDLE, lies=False)
    assert not presence.is_there


def test_whoever_is_not_seen_for_hours_but_did_not_go_is_there() -> None:
    presence = _miss(_seen(MIDDLE, lies=True), n=5 * 3600 * 8)
    assert not presence.leave(is_empty=False, is_dark=True)
    assert presence.is_there
    assert presence.is_held


def test_whoever_went_by_the_edge_on_their_feet_is_gone() -> None:
    presence = _miss(_seen(EDGE))
    assert presence.leave(is_empty=False, is_dark=False)
    assert not presence.is_there
    assert presence.box is None


def test_whoever_went_through_a_door_that_is_drawn_is_gone() -> None:
    presence = Presence()
    for in_door in (False, False, True):
        presence.observe(0.9, box=MIDDLE, lies=False, in_door=in_door)
    assert _miss(presence).leave(is_empty=False, is_dark=False)
    back = _seen(MIDDLE)
    back.observe(0.9, box=MIDDLE, lies=False, in_door=True)
    back.observe(0.9, box=MIDDLE, lies=False)  # came back from the door
    assert not _miss(back).leave(is_empty=False, is_dark=False)


def test_whoever_lies_at_the_edge_stays() -> None:
    presence = _miss(_seen(EDGE, lies=True))
    assert not presence.leave(is_empty=False, is_dark=False)


@pytest.mark.parametrize(("lies", "is_dark", "goes"), [(False, True, True), (True, True, False)])
def test_the_empty_room_is_believed_but_not_at_night_of_one_who_lay(
    lies: bool, is_dark: bool, goes: bool
) -> None:
    presence = _miss(_seen(MIDDLE, lies=lies))
    assert presence.leave(is_empty=True, is_dark=is_dark) is goes


def test_one_missed_decision_lets_nobody_go() -> None:
    presence = _miss(_seen(EDGE), n=1)
    assert not presence.leave(is_empty=True, is_dark=False)
