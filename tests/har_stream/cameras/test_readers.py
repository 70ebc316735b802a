"""Many cameras at once: files lose nothing, live ones keep the newest, none starves another."""

import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support.video.video_source import MjpegServer, grey, write_clock_clip

from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.readers import N_AHEAD, Arrival, EndOfSource, Readers
from har_stream.cameras.video_file import read_file
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import CameraState, CameraStatus
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame, PictureSize

START = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three clips of one, four and eight seconds."""
    folder = tmp_path_factory.mktemp("clips")
    return [write_clock_clip(folder / f"{s}s.mp4", seconds=s) for s in (1, 4, 8)]


def cameras(clips: list[Path]) -> list[CameraSettings]:
    return [CameraSettings(source=str(clip), name=clip.stem) for clip in clips]


def take_all(readers: Readers) -> list[list[Arrival]]:
    taken = []
    while not readers.ended:
        taken.append(readers.next_arrivals(5.0))
    return taken


def test_each_file_arrives_whole_in_order_and_then_ends(clips: list[Path]) -> None:
    with Readers(cameras(clips), ReadOptions(sample_hz=5, start_at=START)) as readers:
        arrivals = [arrival for taken in take_all(readers) for arrival in taken]
        assert readers.next_arrivals(5.0) == []  # at once
    for clip in clips:
        items = [arrival.item for arrival in arrivals if arrival.camera == clip.stem]
        assert isinstance(items[0], CameraStatus)
        assert items[0].state is CameraState.ONLINE
        assert items[-1] == EndOfSource()
        expected = [frame.captured_at for frame in read_file(clip, sample_hz=5, start_at=START)]
        assert [item.captured_at for item in items if isinstance(item, Frame)] == expected
    assert {name: counts.n_in for name, counts in readers.counts.items()} == {
        "1s": 25,
        "4s": 100,
        "8s": 200,
    }
    assert sum(counts.n_dropped for counts in readers.counts.values()) == 0


def test_another_pace_and_size_hold_at_once_and_a_film_goes_on(clips: list[Path]) -> None:
    """As where another bundle comes into use."""
    hz, wanted = 5.0, PictureSize(32, 24)
    options = ReadOptions(sample_hz=lambda: hz, picture=lambda: wanted, start_at=START)
    film: list[Frame] = []
    with Readers(cameras(clips)[2:], options) as readers:
        while not readers.ended:
            items = [arrival.item for arrival in readers.next_arrivals(5.0)]
            film += [item for item in items if isinstance(item, Frame)]
            if len(film) == 15:
                hz, wanted = 12.5, PictureSize(64, 48)
    sizes = [frame.image.shape[1] for frame in film]
    assert sizes == sorted(sizes), "first the small ones, then the large ones"
    assert 15 <= sizes.index(64) <= 15 + N_AHEAD + 2
    begun = [n for n, frame in enumerate(film) if frame.resets]
    assert len(begun) == 2, "its windows begin anew"
    seconds = [(frame.captured_at - START).total_seconds() for frame in film]
    steps = np.diff(seconds).round(2)
    assert set(steps[: begun[1] - 1]) == {0.2}
    assert set(steps[begun[1] :]) == {0.08}
    assert 0 < steps[begun[1] - 1] <= 0.2, "nothing of the film is missing"


def test_nobody_gets_two_turns_in_one(clips: list[Path]) -> None:
    with Readers(cameras(clips), ReadOptions(sample_hz=5, start_at=START)) as readers:
        for taken in take_all(readers):
            assert max(Counter(arrival.camera for arrival in taken).values()) == 1


def test_a_file_is_read_only_a_little_ahead_of_its_taker(clips: list[Path]) -> None:
    with Readers(cameras(clips), ReadOptions(sample_hz=5, start_at=START)) as readers:
        n_taken = 0
        while not readers.ended:
            n_taken += sum(arrival.camera == "8s" for arrival in readers.next_arrivals(5.0))
            assert readers.counts["8s"].n_in / 5 <= n_taken + N_AHEAD + 2


def test_a_live_camera_keeps_its_newest_frame_for_a_slow_taker() -> None:
    with (
        MjpegServer(lambda n: grey(n % 250)) as server,
        Readers(
            [CameraSettings(source=server.url, name="hall")], ReadOptions(sample_hz=5)
        ) as readers,
    ):
        frames: list[Frame] = []
        while len(frames) < 3:
            frames += [a.item for a in readers.next_arrivals(5.0) if isinstance(a.item, Frame)]
        while readers.counts["hall"].n_dropped < 3:
            threading.Event().wait(0.01)
        asked_at = datetime.now(UTC)
        (late,) = readers.next_arrivals(1.0)
        assert isinstance(late.item, Frame)
        assert abs((late.item.captured_at - asked_at).total_seconds()) < 0.4
        assert readers.counts["hall"].n_dropped >= 3
        passed_s = (late.item.captured_at - frames[-1].captured_at).total_seconds()
        assert late.item.n_ticks == pytest.approx(passed_s * 5, abs=1)


def test_a_live_camera_and_a_file_do_not_hold_each_other_up(clips: list[Path]) -> None:
    n_frames: Counter[str] = Counter()
    with MjpegServer(grey) as server:
        both = [CameraSettings(source=server.url, name="live"), *cameras(clips[2:])]
        with Readers(both, ReadOptions(sample_hz=5, start_at=START)) as readers:
            while n_frames["live"] < 5:
                for arrival in readers.next_arrivals(5.0):
                    n_frames[arrival.camera] += isinstance(arrival.item, Frame)
            assert not readers.ended
    assert n_frames["8s"] == 40


def test_leaving_is_prompt_and_leaves_no_thread(clips: list[Path]) -> None:
    with Readers(cameras(clips), ReadOptions(sample_hz=5, realtime=True)) as readers:
        assert readers.next_arrivals(5.0)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 1.0
    assert not [each for each in threading.enumerate() if each.name.startswith("reader ")]


def test_cameras_that_are_switched_off_are_left_out(clips: list[Path]) -> None:
    off = CameraSettings(source="rtsp://127.0.0.1:9/live", name="off", enabled=False)
    with Readers([off, *cameras(clips[:1])], ReadOptions(sample_hz=5)) as readers:
        assert {a.camera for taken in take_all(readers) for a in taken} == {"1s"}


def test_a_missing_file_is_refused_before_anything_starts(clips: list[Path]) -> None:
    with pytest.raises(InputError, match=r"gone\.mp4"):
        Readers([*cameras(clips), CameraSettings(source="gone.mp4")], ReadOptions(sample_hz=5))


def test_what_turns_out_to_be_unusable_is_raised_by_take(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no video")
    with (
        Readers(
            [CameraSettings(source=str(tmp_path), name="x")], ReadOptions(sample_hz=5)
        ) as readers,
        pytest.raises(InputError, match="none of its 1 files"),
    ):
        take_all(readers)
