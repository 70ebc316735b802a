"""Of frames that nobody took in time only the newest is kept; whatever else came is not lost."""

from datetime import UTC, datetime, timedelta

import numpy as np

from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.driver_thread import NewestFrame
from har_stream.core.frame import Frame

START = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)


def frame(at_s: float) -> Frame:
    return Frame(np.zeros((2, 2, 3), np.uint8), START + timedelta(seconds=at_s))


def test_a_newer_frame_takes_the_place_of_one_that_waits_and_answers_for_it() -> None:
    counts = SourceCounts()
    waiting = NewestFrame[str](counts)
    for n in range(3):
        waiting.append((frame(n), float(n)))
    ((item, arrived_s),) = waiting
    assert isinstance(item, Frame)
    assert (item.captured_at, item.n_ticks, arrived_s) == (START + timedelta(seconds=2), 3, 2.0)
    assert counts.n_dropped == 2


def test_what_is_no_frame_is_kept_in_its_place() -> None:
    counts = SourceCounts()
    waiting = NewestFrame[str](counts)
    for n, item in enumerate([frame(0), "lost", "back", frame(1)]):
        waiting.append((item, float(n)))
    assert [item for item, _ in waiting if isinstance(item, str)] == ["lost", "back"]
    assert [type(item) for item, _ in waiting] == [Frame, str, str, Frame]
    assert counts.n_dropped == 0
