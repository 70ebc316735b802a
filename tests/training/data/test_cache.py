"""Training reads the very windows that streaming sees, and decodes a clip once."""

import logging
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.limits import files_of_at_most
from support.video.clip_maker import write_clip
from support.window_oracle import windows

from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.video_file import read_file
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from har_stream.recognition.preprocessing import prepare
from training.data import cache
from training.data.clip import EPOCH, Clip, Sampling, VideoClip

SPEC = ClipSpec(n_frames=8, height_px=24, width_px=32, sample_hz=5.0)
IMAGES = ImageOptions(SPEC.picture)


def _clip(path: Path) -> Clip:
    return VideoClip(path, "A", "1")


@pytest.mark.parametrize("fps", [10.0, 12.5, 25.0, 29.97, 3.0])
@pytest.mark.parametrize("ticks", [1, 3, 4])
def test_windows_equal_those_of_streaming(tmp_path: Path, fps: float, ticks: int) -> None:
    clip = _clip(write_clip(tmp_path / "a.avi", fps=fps, n_frames=70))
    captured = read_file(clip.path, sample_hz=SPEC.sample_hz, start_at=EPOCH, images=IMAGES)
    streamed = [window for _, window in windows(captured, SPEC, hop_frames=3)]
    sampling = Sampling(SPEC, ticks=ticks)
    frames = cache.read_clips([clip], sampling, folder=tmp_path / "cache").frames[clip][::ticks]
    assert len(streamed) == (len(frames) - SPEC.n_frames) // 3 + 1
    for n, window in enumerate(streamed):
        np.testing.assert_array_equal(window, frames[3 * n : 3 * n + SPEC.n_frames])


def test_real_windows_equal_those_of_streaming(shared: Path, tmp_path: Path) -> None:
    clip = _clip(shared / "data/ucf/HorseRace/v_HorseRace_g08_c01.mp4")
    spec = ClipSpec(n_frames=20, height_px=64, width_px=64, sample_hz=5.0, colour="rgb")
    frames = cache.read_clips([clip], Sampling(spec, ticks=3), folder=tmp_path).frames[clip][::3]
    captured = read_file(
        clip.path, sample_hz=5.0, start_at=EPOCH, images=ImageOptions(spec.picture)
    )
    streamed = [window for _, window in windows(captured, spec, hop_frames=1)]
    assert len(streamed) == len(frames) - 19
    assert all(np.array_equal(w, frames[n : n + 20]) for n, w in enumerate(streamed))


def test_spread_takes_frames_evenly_as_the_study_does(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", n_frames=37)
    captured = read_file(path, sample_hz=1000, start_at=EPOCH, images=IMAGES)
    every = [prepare(frame.image, SPEC) for frame in captured]
    assert len(every) == 37
    spread = _clip(path).frames(Sampling(SPEC, how="spread"))
    np.testing.assert_array_equal(spread, np.stack([every[n] for n in range(0, 32, 4)]))
    with pytest.raises(InputError, match="7 frames, fewer than the 8 of a window"):
        _clip(write_clip(tmp_path / "b.avi", n_frames=7)).frames(Sampling(SPEC, how="spread"))


def test_a_clip_is_decoded_once(tmp_path: Path) -> None:
    clip = _clip(write_clip(tmp_path / "a.avi"))
    first = cache.read_clips([clip], Sampling(SPEC), folder=tmp_path / "cache").frames[clip]
    assert isinstance(first[:], np.memmap)
    kept = [path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()]
    again = cache.read_clips([clip], Sampling(SPEC), folder=tmp_path / "cache").frames[clip]
    assert [path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()] == kept
    np.testing.assert_array_equal(first, again)


def test_another_file_or_another_spec_is_another_entry(tmp_path: Path) -> None:
    clip, folder = _clip(write_clip(tmp_path / "a.avi")), tmp_path / "cache"
    first = cache.read_clips([clip], Sampling(SPEC), folder=folder).frames[clip]
    denser = cache.read_clips([clip], Sampling(SPEC, ticks=2), folder=folder).frames[clip]
    assert len(denser) == 2 * len(first)
    write_clip(clip.path, seed=5)
    other = cache.read_clips([clip], Sampling(SPEC), folder=folder).frames[clip]
    assert not np.array_equal(first, other)
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("damage", ["cut", "flip", "garbage", "empty"])
def test_a_corrupt_entry_is_rebuilt_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    clip, folder = _clip(write_clip(tmp_path / "a.avi")), tmp_path / "cache"
    right = np.array(cache.read_clips([clip], Sampling(SPEC), folder=folder).frames[clip])
    (entry,) = folder.iterdir()
    content = bytearray(entry.read_bytes())
    content[-5] ^= 255
    damaged = {"cut": content[:-100], "flip": content, "garbage": b"no array", "empty": b""}
    entry.write_bytes(damaged[damage])
    with caplog.at_level(logging.WARNING):
        rebuilt = cache.read_clips([clip], Sampling(SPEC), folder=folder).frames[clip]
    np.testing.assert_array_equal(rebuilt, right)
    assert "corrupt; reading the clip again" in caplog.text


def test_unreadable_and_short_clips_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = _clip(write_clip(tmp_path / "good.avi"))
    short = _clip(write_clip(tmp_path / "short.avi", n_frames=6))
    broken, empty = _clip(tmp_path / "broken.avi"), _clip(tmp_path / "empty.avi")
    broken.path.write_text("this is no video")
    empty.path.touch()
    with caplog.at_level(logging.WARNING):
        cached = cache.read_clips(
            [good, broken, short, empty], Sampling(SPEC), folder=tmp_path / "cache"
        )
    assert set(cached.frames) == {good, short}
    assert set(cached.unreadable) == {broken, empty}
    assert cached.short == (short,)
    assert "broken.avi" in caplog.text
    assert "1 of 2 clips are shorter than a window of 1.4 s" in caplog.text
    with pytest.raises(InputError, match="none of 1 clips can be read"):
        cache.read_clips([broken], Sampling(SPEC), folder=tmp_path / "cache")
    with pytest.raises(InputError, match=r"none of 2 clips can be read; the first: .*broken\.avi"):
        cache.read_clips([broken, empty], Sampling(SPEC), folder=tmp_path / "cache")


def test_a_full_disk_is_said_and_leaves_no_half_entry(tmp_path: Path) -> None:
    small = _clip(write_clip(tmp_path / "small.avi", n_frames=12))
    large = _clip(write_clip(tmp_path / "large.avi", n_frames=70))
    said = pytest.raises(InputError, match=r"cache cannot be written \(.+\); .*--cache elsewhere")
    with files_of_at_most(40_000), said:
        cache.read_clips([small, large], Sampling(SPEC), folder=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.stat().st_size < 40_000


READS_MORE_THAN_IT_MAY_OPEN = """
import resource, sys
from pathlib import Path
from har_stream.core.frame import ClipSpec
from training.data import cache
from training.data.clip import Sampling, VideoClip

resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
sampling = Sampling(ClipSpec(n_frames=2, height_px=24, width_px=32, sample_hz=5.0))
clips = [VideoClip(path, "A", "1") for path in sorted(Path(sys.argv[1]).iterdir())]
for _ in ("builds the cache", "finds it there"):
    frames = cache.read_clips(clips, sampling, folder=Path(sys.argv[2])).frames
    print(sum(len(frames[clip][[0, 1]]) for clip in clips))
"""


def test_there_may_be_more_clips_than_files_that_a_process_may_open(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "clips/0.avi", n_frames=6)
    for n in range(1, 60):
        shutil.copy(first, first.with_name(f"{n}.avi"))
    arguments = [str(tmp_path / "clips"), str(tmp_path / "cache")]
    ran = subprocess.run(
        [sys.executable, "-c", READS_MORE_THAN_IT_MAY_OPEN, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert [line for line in ran.stdout.splitlines() if line.isdecimal()] == ["120", "120"]
    assert "corrupt" not in ran.stderr


def test_an_entry_that_cannot_be_opened_is_not_called_corrupt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip, folder = _clip(write_clip(tmp_path / "a.avi")), tmp_path / "cache"
    frames = cache.read_clips([clip], Sampling(SPEC), folder=folder).frames[clip]
    (entry,) = folder.iterdir()
    whole = entry.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = r"the cached frames cannot be read \(Too many open files\)"
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(InputError, match=said):
            cache.read_clips([clip], Sampling(SPEC), folder=folder)
        with pytest.raises(InputError, match=said):
            frames[[0]]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "corrupt" not in caplog.text
    assert entry.read_bytes() == whole
