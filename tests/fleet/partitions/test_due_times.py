"""Who is due next, and whose turn it is when."""

import math

import pytest

from fleet.partitions.due_times import DueTimes, next_turn_s, share_of


def test_the_first_one_due_comes_first_by_what_was_said_last() -> None:
    due = DueTimes()
    assert math.isinf(due.next_s)
    for name, at_s in (("a", 5.0), ("b", 3.0), ("a", 1.0), ("b", 4.0), ("c", 9.0)):
        due.set(name, at_s)
    assert due.next_s == 1.0
    assert due.pop(0.5) is None
    assert [due.pop(8.0) for _ in range(3)] == [("a", 1.0), ("b", 4.0), None]
    assert due.next_s == 9.0


def test_who_is_due_already_waits_no_longer_as_something_is_heard() -> None:
    due = DueTimes()
    due.set("a", 1.0)
    for name, heard_s in (("a", 5.0), ("b", 3.0), ("b", 4.0), ("c", 2.0)):
        due.hasten(name, heard_s)
    assert [due.pop(9.0) for _ in range(4)] == [("a", 1.0), ("c", 2.0), ("b", 3.0), None]


def test_turns_lie_evenly_and_are_the_same_in_every_process() -> None:
    shares = sorted(share_of(f"home-{number}") for number in range(1000))
    assert all(abs(share - number / 1000) < 0.05 for number, share in enumerate(shares))
    first_s = next_turn_s("home-1", every_s=60.0, after_s=1e9)
    assert 1e9 <= first_s < 1e9 + 60
    assert next_turn_s("home-1", every_s=60.0, after_s=first_s + 1) == pytest.approx(first_s + 60)
