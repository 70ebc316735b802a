"""Frames that nobody needs are not decoded, and the samples stay the very same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.video.video_source import ffmpeg

from har_stream.cameras import decoder
from har_stream.cameras.camera import read_camera
from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.sampling import N_AHEAD, Sampler, look_ahead
from har_stream.cameras.video_file import VideoFile, read_file
from har_stream.config.camera_settings import CameraSettings, DecodeOn
from har_stream.core.frame import Frame, PictureSize

START = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
SMALL = ImageOptions(PictureSize(32, 32))
FILES = {
    "pyramid.mp4": ("-c:v", "libx264", "-bf", "8", "-x264opts", "b-pyramid=normal"),
    "open.mkv": ("-c:v", "libx264", "-bf", "3", "-x264opts", "open-gop=1", "-g", "24"),
    "transport.ts": ("-c:v", "libx264", "-bf", "3"),
    "variable.mp4": ("-vf", "select='mod(n,7)*mod(n,11)'", "-fps_mode", "vfr", "-c:v", "libx264"),
    "hevc.mp4": ("-c:v", "libx265", "-x265-params", "bframes=4:log-level=none"),
    "mpeg2.mpg": ("-c:v", "mpeg2video", "-bf", "2"),
    "mpeg4.avi": ("-c:v", "mpeg4", "-bf", "2"),
    "fields.mp4": ("-c:v", "libx264", "-bf", "2", "-flags", "+ildct+ilme"),
    "no_b.mp4": ("-c:v", "libx264", "-bf", "0"),
}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of noise and shapes at 30 fps."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    drawn = "testsrc2=size=64x48:rate=30:duration=4,noise=alls=10:allf=t"
    ffmpeg("-f", "lavfi", "-i", drawn, "-pix_fmt", "yuv420p", "-c:v", "ffv1", path)
    return path


@pytest.mark.parametrize("name", FILES)
def test_what_is_needed_gives_the_samples_of_all(tmp_path: Path, film: Path, name: str) -> None:
    path = tmp_path / name
    ffmpeg("-i", film, *FILES[name], path)
    for sample_hz in (2.0, 5.0, 7.3, 40.0):
        every, needed = (
            list(read_file(path, sample_hz=sample_hz, start_at=START, images=SMALL, decode=decode))
            for decode in ("all", "needed")
        )
        assert [(f.captured_at, f.n_ticks, f.resets) for f in needed] == [
            (f.captured_at, f.n_ticks, f.resets) for f in every
        ]
        assert all(np.array_equal(f.image, e.image) for f, e in zip(needed, every, strict=True))


def test_frames_that_nobody_refers_to_are_left_out(tmp_path: Path, film: Path) -> None:
    path, counts = tmp_path / "b.mp4", SourceCounts()
    ffmpeg("-i", film, "-c:v", "libx264", "-bf", "3", "-x264opts", "b-adapt=0", path)
    video = VideoFile(path, counts)
    assert len(list(video.samples(Sampler(5.0), START, decode="needed"))) == 20
    assert video.n_decoded < 0.7 * 120
    assert counts.n_in == 120


def test_key_frames_alone_answer_for_the_time_between_them(tmp_path: Path, film: Path) -> None:
    path = tmp_path / "keys.mp4"
    ffmpeg("-i", film, "-c:v", "libx264", "-g", "30", "-sc_threshold", "0", path)
    camera = CameraSettings(source=str(path), decode="keyframes")
    items = list(read_camera(camera, ReadOptions(sample_hz=5, start_at=START)))
    frames = [item for item in items if isinstance(item, Frame)]
    assert [frame.captured_at - START for frame in frames] == [
        timedelta(seconds=n) for n in range(4)
    ]
    assert [frame.n_ticks for frame in frames] == [1, 5, 5, 5]
    assert [frame.resets for frame in frames] == [True, False, False, False]


@pytest.mark.parametrize("decode_on", ["auto", "cuda", "vaapi"])
def test_without_the_hardware_the_processor_decodes_and_that_is_said_once(
    film: Path, decode_on: DecodeOn, caplog: pytest.LogCaptureFixture
) -> None:
    if any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dri").exists():
        pytest.skip("this machine has a video decoder")
    camera = CameraSettings(source=str(film), decode_on=decode_on)
    for _ in range(2):
        items = list(read_camera(camera, ReadOptions(sample_hz=5, start_at=START)))
        assert len(items) == 21
    assert caplog.text.count(f"decode_on: {decode_on}: nothing here decodes so") == 1


def test_a_card_that_knows_a_codec_and_not_its_pixels_is_said_once(
    tmp_path: Path,
    film: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "every_colour.mp4"
    ffmpeg("-i", film, "-t", "1", "-pix_fmt", "yuv444p", "-c:v", "libx264", path)
    for _ in range(2):
        video = VideoFile(path, SourceCounts(), decode_on="cuda")
        with monkeypatch.context() as patched:  # a card takes H.264, and the processor decodes it
            patched.setattr(decoder, "_hardware", lambda _: "cuda")
            assert len(list(video.frames())) == 30
    said = "decode_on: cuda cannot decode h264 (yuv444p); the processor does"
    assert caplog.text.count(said) == 1


def test_a_card_that_decodes_is_not_spoken_of(
    film: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "_hardware", lambda _: "cuda")
    container, stream = decoder.open_video(str(film))
    with container:
        copied = next(container.decode(stream)).reformat(format="nv12")  # as from a card's memory
        decoder.check_decoder("cuda", stream, copied)
    assert caplog.text == ""


class Stamp(NamedTuple):
    """A packet, as far as its time goes."""

    pts: int | None


@given(st.integers(0, 2**32), st.integers(0, 200))
def test_every_time_is_told_once_in_order_and_before_its_packet(seed: int, n_packets: int) -> None:
    late = Random(seed)
    order = sorted(range(n_packets), key=lambda n: n + late.uniform(0, N_AHEAD / 2))
    told: list[int] = []
    given_back = []
    for packet, times in look_ahead(Stamp(n) for n in order):
        told += times
        given_back.append(packet.pts)
        assert packet.pts in told
    assert given_back == order
    assert told == sorted(order)
