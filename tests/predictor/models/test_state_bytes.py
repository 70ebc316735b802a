"""State as bytes: what comes back is equal, and what is not understood is refused."""

import zlib
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from predictor.models import state_bytes
from predictor.models.state_bytes import StateError, pack, unpack


@dataclass
class Counted:
    """A dataclass with a field that it derives."""

    counts: Any
    derived: list[str] = field(init=False, default_factory=list)


class Plain:
    """An ordinary class."""

    def __init__(self) -> None:
        self.by_camera = {("n1", "cam1"): "kitchen"}


CLASSES = (Counted, Plain)
AT = datetime(2026, 3, 2, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1, 0.1, float("inf"), "a", True, (1, {2, 3})],
        {("n1", 1): {"a": AT, None: 2.5}},
        Counter({"a": 2, None: 1}),
    ],
)
def test_plain_values_come_back(value: Any) -> None:
    assert unpack(pack(value, ()), (), zone=UTC) == value


def test_arrays_objects_and_bounds_come_back() -> None:
    counted = Counted(np.arange(6, dtype=np.int32).reshape(2, 3))
    counted.derived = ["a"]
    value = [counted, Plain(), deque([1.0, 2.0], maxlen=2), np.zeros((0, 4)), np.float64(0.5)]
    found, plain, newest, empty, number = unpack(pack(value, CLASSES), CLASSES, zone=UTC)
    np.testing.assert_array_equal(found.counts, counted.counts)
    assert (found.counts.dtype, found.derived) == (np.int32, ["a"])
    found.counts += 1  # in memory of its own
    assert vars(plain) == vars(Plain())
    assert (newest.maxlen, empty.shape, number) == (2, (0, 4), 0.5)


def test_instants_are_in_the_zone_of_whoever_reads() -> None:
    zone = ZoneInfo("Europe/Berlin")
    found = unpack(pack(AT, ()), (), zone=zone)
    assert (found, found.tzinfo) == (AT, zone)
    assert found + timedelta(days=30) == AT.astimezone(zone) + timedelta(days=30)  # summer time


def test_what_is_damaged_or_of_other_classes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = pack([Counted(1), Plain()], CLASSES)
    turned = bytearray(content)
    turned[len(content) // 2] ^= 1
    for damaged in (content[:-1], bytes(turned), content[:10], b""):
        with pytest.raises(StateError, match="it is damaged"):
            unpack(damaged, CLASSES, zone=UTC)
    for other in (content[4:], zlib.compress(content[4:]), b"har\x03" + content[4:]):
        with pytest.raises(StateError, match=r"by another version of har-stream$"):
            unpack(other, CLASSES, zone=UTC)
    with pytest.raises(StateError, match="made by another version of har-stream: 'Counted'"):
        unpack(content, (Plain,), zone=UTC)

    @dataclass
    class Other:
        something: int

    Other.__name__ = "Counted"
    with pytest.raises(StateError, match="Counted has other fields today"):
        unpack(content, (Other, Plain), zone=UTC)
    with pytest.raises(TypeError, match="Plain is no state"):
        pack(Plain(), ())
    monkeypatch.setattr(state_bytes, "_KINDS", "f")
    with pytest.raises(StateError, match="no kind of number"):
        unpack(pack(np.zeros(1, np.int64), ()), (), zone=UTC)
