"""A clip whose file is no use says so in an error of its own: the run goes on without it."""

from pathlib import Path

import numpy as np
import pytest
from support.limits import files_of_at_most
from support.video.clip_maker import write_clip

from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec, Image
from training.data import cache
from training.data.clip import Clip, Sampling, UnreadableClipError, VideoClip

SPEC = ClipSpec(n_frames=8, height_px=24, width_px=32, sample_hz=5.0)


@pytest.mark.parametrize("sampling", [Sampling(SPEC), Sampling(SPEC, how="spread")])
def test_a_file_that_is_no_video_is_unreadable(tmp_path: Path, sampling: Sampling) -> None:
    (tmp_path / "text.avi").write_text("no video")
    for name in ("text.avi", "gone.avi"):
        with pytest.raises(UnreadableClipError, match=f"{name}: "):
            VideoClip(tmp_path / name, "A", "1").frames(sampling)


def test_a_clip_with_fewer_frames_than_a_spread_window_is_unreadable(tmp_path: Path) -> None:
    clip = VideoClip(write_clip(tmp_path / "short.avi", n_frames=5), "A", "1")
    with pytest.raises(UnreadableClipError, match=r"short\.avi: 5 frames, fewer than the 8 of a"):
        clip.frames(Sampling(SPEC, how="spread"))
    assert len(clip.frames(Sampling(SPEC))) > 0, "streaming repeats its last frame"


class CountedClip(Clip):
    """Counts how many clips are read."""

    n_read = 0

    def frames(self, sampling: Sampling) -> Image:
        """Black frames, and one more counted."""
        CountedClip.n_read += 1
        return np.zeros((40, sampling.spec.height_px, sampling.spec.width_px, 3), np.uint8)


def test_a_full_disk_is_no_fault_of_a_clip_and_the_rest_is_not_read(tmp_path: Path) -> None:
    CountedClip.n_read, n_clips = 0, 1000
    (tmp_path / "footage").touch()
    clips = [CountedClip(tmp_path / "footage", "A", str(n)) for n in range(n_clips)]
    with files_of_at_most(1000), pytest.raises(InputError, match="cache cannot be written") as full:
        cache.read_clips(clips, Sampling(SPEC), folder=tmp_path / "cache")
    assert not isinstance(full.value, UnreadableClipError)
    assert CountedClip.n_read < n_clips / 2
