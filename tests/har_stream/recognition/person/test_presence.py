"""Who is still there: somebody stays until seen going, or until the room is empty again."""

import pytest

from har_stream.recognition.person.presence import N_GOES, Presence

MIDDLE, EDGE = (0.4, 0.3, 0.6, 0.8), (0.0, 0.3, 0.1, 0.8)


def _seen(
    box: tuple[float, float, float, float], *, lies: bool = False, stands: bool = False
) -> Presence:
    presence = Presence()
    for _ in range(3):
        presence.observe(0.9, box=box, lies=lies, stands=stands)
    return presence


def _miss(presence: Presence, n: int = N_GOES) -> Presence:
    for _ in range(n):
        presence.observe(0.1, box=None)
    return presence


def _is_gone(presence: Presence, *, is_empty: bool = False, is_dark: bool = False) -> bool:
    presence.leave(is_empty=is_empty, is_dark=is_dark)
    return not presence.is_there


def test_one_decision_is_nobody_yet() -> None:
    presence = Presence()
    presence.observe(0.9, box=MIDDLE)
    assert not presence.is_there


def test_whoever_is_not_seen_for_hours_but_did_not_go_is_there() -> None:
    presence = _miss(_seen(MIDDLE, lies=True), n=5 * 3600 * 8)
    assert not _is_gone(presence, is_dark=True)
    assert presence.n_missed > 0


def test_whoever_went_by_the_edge_on_their_feet_is_gone() -> None:
    presence = _miss(_seen(EDGE))
    assert _is_gone(presence)
    assert presence.box is None


def test_whoever_went_through_a_door_that_is_drawn_is_gone() -> None:
    presence = Presence()
    for in_door in (False, False, True):
        presence.observe(0.9, box=MIDDLE, in_door=in_door)
    assert _is_gone(_miss(presence))
    back = _seen(MIDDLE)
    back.observe(0.9, box=MIDDLE, in_door=True)
    back.observe(0.9, box=MIDDLE)  # came back from the door
    assert not _is_gone(_miss(back))


def test_whoever_lies_at_the_edge_stays() -> None:
    assert not _is_gone(_miss(_seen(EDGE, lies=True)))


@pytest.mark.parametrize("box", [EDGE, MIDDLE])
def test_in_the_dark_only_whoever_was_on_their_feet_goes(
    box: tuple[float, float, float, float],
) -> None:
    assert not _is_gone(_miss(_seen(box)), is_empty=True, is_dark=True)
    assert not _is_gone(_miss(_seen(box, lies=True)), is_empty=True, is_dark=True)
    assert _is_gone(_miss(_seen(box, stands=True)), is_empty=True, is_dark=True)
    assert _is_gone(_miss(_seen(box, lies=True)), is_empty=True)


def test_who_was_never_seen_in_the_dark_may_be_there_until_it_is_light() -> None:
    presence = _miss(Presence(), n=5 * 3600 * 8)
    presence.leave(is_empty=False, is_dark=True)
    assert presence.may_be_there(is_dark=True)
    presence.leave(is_empty=False, is_dark=False)
    assert not presence.may_be_there(is_dark=False)
    presence.leave(is_empty=False, is_dark=True)  # the lamp is switched off in an empty room
    assert not presence.may_be_there(is_dark=True)


def test_who_was_seen_going_is_not_there_in_the_dark() -> None:
    presence = _miss(_seen(EDGE, stands=True))
    presence.leave(is_empty=False, is_dark=True)
    assert not _miss(presence).may_be_there(is_dark=True)


def test_one_missed_decision_lets_nobody_go() -> None:
    assert not _is_gone(_miss(_seen(EDGE), n=1), is_empty=True)
