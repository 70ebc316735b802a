"""Frames become the pixels that FFmpeg's own command line makes of them, whatever the file is."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from support.video.video_source import ffmpeg

from har_stream.cameras.converter import ImageOptions, lay_out
from har_stream.cameras.video_file import read_file
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.frame import ClipSpec, Frame, Image, PictureSize
from har_stream.recognition.preprocessing import prepare

START = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
SMALL = PictureSize(64, 64)
EXACT = "full_chroma_int+full_chroma_inp+accurate_rnd"
H264 = ("-c:v", "libx264", "-crf", "12")


def tagged(matrix: str, tag: str, colour_range: str) -> tuple[str, ...]:
    to = f"scale=out_color_matrix={matrix}:out_range={colour_range},format=yuv420p"
    return ("-vf", to, "-colorspace", tag, "-color_range", colour_range, *H264)


FILES = {
    "bt601.mp4": tagged("bt601", "smpte170m", "tv"),
    "bt601_full.mp4": tagged("bt601", "bt470bg", "pc"),
    "bt709.mp4": tagged("bt709", "bt709", "tv"),
    "bt709_full.mp4": tagged("bt709", "bt709", "pc"),
    "untagged.mp4": H264,
    "ten_bit.mp4": ("-pix_fmt", "yuv420p10le", *H264),
    "odd.avi": ("-vf", "scale=213:161", "-c:v", "mjpeg", "-pix_fmt", "yuvj444p"),
    "interlaced.mp4": ("-flags", "+ildct+ilme", "-x264opts", "tff=1", *H264),
    "interlaced.mpg": ("-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ildct+ilme", "-top", "1"),
    "hevc.mp4": ("-c:v", "libx265", "-crf", "12", "-x265-params", "log-level=none"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-b:v", "2M"),
    "av1.mp4": ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-b:v", "2M"),
    "alpha.mov": ("-vf", "format=rgba,colorchannelmixer=aa=0.5", "-c:v", "png"),
    "mjpeg.avi": ("-c:v", "mjpeg", "-q:v", "2"),
}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second at 25 fps of something that moves, without loss."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    drawn = "testsrc2=size=320x240:rate=25:duration=1,gblur=sigma=2"
    ffmpeg("-f", "lavfi", "-i", drawn, "-pix_fmt", "yuv444p", "-c:v", "ffv1", path)
    return path


def by_ffmpeg(path: Path, *, filters: str, size_px: tuple[int, int], every: int = 5) -> list[Image]:
    """Every fifth frame as FFmpeg's command line gives it, BGR."""
    command = ["ffmpeg", "-v", "error", "-i", path, "-vf", filters, "-fps_mode", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    said = subprocess.run(command, check=True, capture_output=True).stdout
    width, height = size_px
    return list(np.frombuffer(said, np.uint8).reshape(-1, height, width, 3)[::every])


def small_by_ffmpeg(path: Path) -> list[Image]:
    return by_ffmpeg(path, filters=f"scale=64:64:flags=area+{EXACT}", size_px=(64, 64))


def read(path: Path, images: ImageOptions) -> list[Frame]:
    return list(read_file(path, sample_hz=5.0, start_at=START, images=images))


def apart(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("name", FILES)
def test_every_sampled_frame_is_the_one_that_ffmpeg_gives(
    tmp_path: Path, film: Path, name: str
) -> None:
    path = tmp_path / name
    ffmpeg(
        "-i",
        film,
        *(() if "-pix_fmt" in FILES[name] else ("-pix_fmt", "yuv420p")),
        *FILES[name],
        path,
    )
    frames, expected = read(path, ImageOptions(SMALL)), small_by_ffmpeg(path)
    assert [frame.captured_at - START for frame in frames] == [
        pytest.approx(timedelta(seconds=n / 5), abs=timedelta(milliseconds=1))
        for n in range(len(expected))
    ]
    assert max(apart(f.image, e) for f, e in zip(frames, expected, strict=True)) <= 2


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_film_is_read_upright(tmp_path: Path, film: Path, turn: int) -> None:
    stored, path = tmp_path / "stored.mp4", tmp_path / "turned.mp4"
    ffmpeg("-i", film, "-pix_fmt", "yuv420p", *H264, stored)
    ffmpeg("-i", stored, "-c", "copy", "-metadata:s:v", f"rotate={turn}", path)
    for frame, expected in zip(read(path, ImageOptions(SMALL)), small_by_ffmpeg(path), strict=True):
        assert apart(frame.image, expected) <= 2


def test_an_image_is_the_same_whether_somebody_looks_at_it_or_not(film: Path) -> None:
    alone, watched = read(film, ImageOptions(SMALL)), read(film, ImageOptions(SMALL, shows=True))
    assert all(frame.shown is None for frame in alone)
    for one, other in zip(alone, watched, strict=True):
        assert np.array_equal(one.image, other.image)
        assert other.shown is not None
        assert other.shown.shape == (240, 320, 3)


@pytest.mark.parametrize(
    ("picture", "filters", "size_px"),
    [
        (PictureSize(48, 48, "crop"), "crop=240:240", (48, 48)),
        (PictureSize(96, 30, "crop"), "crop=320:100", (96, 30)),
        (PictureSize(160, 160, "inside"), "null", (160, 120)),
    ],
)
def test_a_picture_is_cut_and_shrunk_as_it_is_wanted(
    film: Path, picture: PictureSize, filters: str, size_px: tuple[int, int]
) -> None:
    width, height = size_px
    scaled = f"{filters},scale={width}:{height}:flags=area+{EXACT}"
    expected = by_ffmpeg(film, filters=scaled, size_px=size_px)
    for frame, other in zip(read(film, ImageOptions(picture)), expected, strict=True):
        assert apart(frame.image, other) <= 2


def test_a_region_fills_the_picture_and_masks_cover_no_less_than_they_say(film: Path) -> None:
    region = (0.25, 0.5, 0.75, 1.0)
    camera = CameraSettings(source="x", region=region, masks=((0.5, 0.0, 1.0, 1.0),))
    scaled = f"crop=160:120:80:120,scale=64:64:flags=area+{EXACT}"
    expected = by_ffmpeg(film, filters=scaled, size_px=(64, 64))
    for frame, other in zip(read(film, ImageOptions(SMALL, camera)), expected, strict=True):
        assert not frame.image[:, 31:].any()
        assert apart(frame.image[:, :31], other[:, :31]) <= 2


@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_what_the_reader_shrank_is_prepared_already(
    film: Path, fit: Literal["squash", "crop"]
) -> None:
    spec = ClipSpec(n_frames=5, height_px=48, width_px=64, sample_hz=5.0, fit=fit)
    for frame in read(film, ImageOptions(spec.picture)):
        assert np.array_equal(prepare(frame.image, spec), frame.image)


def test_nothing_is_ever_enlarged() -> None:
    assert lay_out((48, 40), PictureSize(64, 64), (0, 0, 1, 1)).size_px == (48, 40)
    assert lay_out((320, 40), PictureSize(64, 64), (0, 0, 1, 1)).size_px == (64, 40)
    assert lay_out((320, 240), PictureSize(640, 640, "inside"), (0, 0, 1, 1)).size_px == (320, 240)
    rows, columns = lay_out((320, 240), PictureSize(64, 64), (0.4, 0.4, 0.5, 0.5)).part
    assert (columns.stop - columns.start, rows.stop - rows.start) == (32, 24)


def test_what_is_larger_than_4k_is_made_smaller_at_once() -> None:
    assert lay_out((7680, 4320), None, (0, 0, 1, 1)).size_px == (3840, 2160)
