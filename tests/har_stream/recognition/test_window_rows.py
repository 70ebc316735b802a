"""Ages and ending rows are those of windows that are followed one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from har_stream.recognition.window_rows import NONE, WindowRows


def _open_windows(tick: int, *, n_frames: int, hop_frames: int) -> dict[int, int]:
    """Start and age of every window that holds this tick."""
    starts = range(0, tick + 1, hop_frames)
    return {start: tick - start for start in starts if tick - start < n_frames}


@given(n_frames=st.integers(1, 30), hop_frames=st.integers(1, 40), tick=st.integers(0, 200))
def test_every_open_window_has_a_row_of_its_age(n_frames: int, hop_frames: int, tick: int) -> None:
    window_rows = WindowRows("staggered", n_frames, hop_frames)
    ages = window_rows.ages(np.array([tick]))[0]
    opened = _open_windows(tick, n_frames=n_frames, hop_frames=hop_frames)
    expected = [0] * window_rows.n_rows
    for start, age in opened.items():
        expected[start // hop_frames % window_rows.n_rows] = age
    assert ages.tolist() == expected
    assert len(opened) <= window_rows.n_rows == -(-n_frames // hop_frames)


@given(n_frames=st.integers(1, 30), hop_frames=st.integers(1, 40))
def test_a_row_grows_by_one_frame_a_tick_from_zero_to_its_end(
    n_frames: int, hop_frames: int
) -> None:
    window_rows = WindowRows("staggered", n_frames, hop_frames)
    ticks = np.arange(120)
    ages, ending = window_rows.ages(ticks), window_rows.ending(ticks)
    ends = np.flatnonzero(ending != NONE)
    assert ends.tolist() == list(range(n_frames - 1, 120, hop_frames))
    for tick in ends:
        row = ages[tick - n_frames + 1 : tick + 1, ending[tick]]
        assert row.tolist() == list(range(n_frames))


def test_cameras_are_independent() -> None:
    window_rows = WindowRows("staggered", 20, 5)
    ticks = np.array([0, 19, 24])
    assert window_rows.ages(ticks).tolist() == [[0, 0, 0, 0], [19, 14, 9, 4], [4, 19, 14, 9]]
    assert window_rows.ending(ticks).tolist() == [NONE, 0, 1]


@pytest.mark.parametrize("memory", ["ring", "running"])
def test_one_row_decides_once_full_and_then_every_hop(memory: str) -> None:
    window_rows = WindowRows(memory, 4, 3)  # type: ignore[arg-type] # a literal behind parametrize
    ticks = np.arange(12)
    assert window_rows.n_rows == 1
    assert window_rows.ages(ticks)[:, 0].tolist() == list(range(12))
    assert np.flatnonzero(window_rows.ending(ticks) != NONE).tolist() == [3, 6, 9]


def test_a_running_state_begins_anew_after_reset_frames() -> None:
    window_rows = WindowRows("running", 3, 1, reset_frames=5)
    ticks = np.arange(10)
    assert window_rows.ages(ticks)[:, 0].tolist() == [0, 1, 2, 3, 4] * 2
    assert np.flatnonzero(window_rows.ending(ticks) != NONE).tolist() == [2, 3, 4, 7, 8, 9]
