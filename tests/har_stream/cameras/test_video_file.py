"""Files are read frame by frame, at their own times, and survive whatever is wrong with them."""

import json
import logging
import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.video.video_source import clock_s, ffmpeg, write_clock_clip

from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.sampling import Sampler
from har_stream.cameras.video_file import read_file, read_folder
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame

START = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
FASTSTART = ("-movflags", "faststart")


def read(path: Path, *, sample_hz: float = 5.0) -> list[Frame]:
    return list(read_file(path, sample_hz=sample_hz, start_at=START))


def offsets_s(frames: list[Frame]) -> list[float]:
    return [(frame.captured_at - START).total_seconds() for frame in frames]


def probed_times(path: Path) -> list[datetime]:
    """Presentation times of every frame, by ffprobe."""
    entries = "frame=best_effort_timestamp_time"
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", entries]
    said = subprocess.run([*command, "-of", "json", path], capture_output=True, check=True)
    seconds = [
        float(frame["best_effort_timestamp_time"]) for frame in json.loads(said.stdout)["frames"]
    ]
    return [START + timedelta(seconds=each - seconds[0]) for each in seconds]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds at 25 fps."""
    return write_clock_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=6)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds at 25 fps of a picture that compresses badly, its index in front."""
    path = tmp_path_factory.mktemp("noisy") / "noisy.mp4"
    source = "testsrc2=size=160x120:rate=25:duration=6,noise=alls=40:allf=t"
    ffmpeg("-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-g", "25", *FASTSTART, path)
    return path


def cut_off(path: Path, into: Path, *, share: float) -> Path:
    """Keep so much of a file's beginning."""
    into.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return into


def damage(path: Path, *, share: float = 0.2) -> Path:
    """Write noise over the middle of a file."""
    content = bytearray(path.read_bytes())
    middle, n_bytes = len(content) // 2, int(len(content) * share)
    content[middle : middle + n_bytes] = random.Random(0).randbytes(n_bytes)
    path.write_bytes(content)
    return path


def test_samples_are_the_frames_that_a_plain_decoder_shows(clip: Path) -> None:
    shown, capture = [], cv2.VideoCapture(str(clip))
    while (answer := capture.read())[0]:
        shown.append(answer[1])
    counts = SourceCounts()
    frames = list(read_file(clip, sample_hz=5.0, start_at=START, counts=counts))
    assert counts.n_in == len(shown) == 150
    assert offsets_s(frames) == [k / 5 for k in range(30)]
    assert [frame.resets for frame in frames] == [True] + [False] * 29
    for index, frame in enumerate(frames):
        assert np.abs(frame.image.astype(int) - shown[5 * index]).mean() < 1


def test_reading_twice_gives_the_same(noisy: Path) -> None:
    for once, again in zip(read(noisy), read(noisy), strict=True):
        assert np.array_equal(once.image, again.image)
        assert once.captured_at == again.captured_at


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_a_variable_frame_rate_is_honoured(
    tmp_path: Path, clip: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    varied = tmp_path / f"varied.{suffix}"
    ffmpeg("-i", clip, "-vf", "select='lt(n,40)+not(mod(n,9))'", "-fps_mode", "vfr", varied)
    frames = read(varied)
    sampler = Sampler(5.0)
    takes = [(at, sampler.sample(at)) for at in probed_times(varied)]
    expected = [(at, take.n_ticks) for at, take in takes if take.n_ticks]
    assert [frame.n_ticks for frame in frames] == [n_ticks for _, n_ticks in expected]
    for frame, (at, _) in zip(frames, expected, strict=True):
        assert abs(frame.captured_at - at) < timedelta(milliseconds=1)
        assert clock_s(frame.image) == pytest.approx((at - START).total_seconds(), abs=0.5)
    assert "damaged" not in caplog.text


def test_a_file_without_timestamps_runs_at_its_rate_and_says_so(
    tmp_path: Path, clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = tmp_path / "raw.h264"
    ffmpeg("-i", clip, "-c", "copy", "-bsf:v", "h264_mp4toannexb", raw)
    assert offsets_s(read(raw)) == pytest.approx([k / 5 for k in range(30)])
    assert caplog.text.count("no timestamps; 25 fps assumed") == 1


def test_jpegs_in_a_row_are_a_video(tmp_path: Path, clip: Path) -> None:
    ffmpeg("-i", clip, "-f", "mjpeg", tmp_path / "row.mjpeg")
    assert len(read(tmp_path / "row.mjpeg")) == 30


def test_rotation_metadata_turns_the_image(tmp_path: Path, noisy: Path) -> None:
    turned = tmp_path / "turned.mp4"
    ffmpeg("-i", noisy, "-c", "copy", "-metadata:s:v", "rotate=90", turned)
    upright, plain = read(turned)[3].image, read(noisy)[3].image
    assert upright.shape == (160, 120, 3)
    turns = [np.rot90(plain, k).astype(int) for k in (1, 3)]
    assert min(np.abs(upright - turn).mean() for turn in turns) < 5


def test_odd_sizes_are_read_whole(tmp_path: Path, clip: Path) -> None:
    odd = tmp_path / "odd.avi"
    ffmpeg("-i", clip, "-vf", "scale=63:47", "-c:v", "mjpeg", "-pix_fmt", "yuvj444p", odd)
    assert {frame.image.shape for frame in read(odd)} == {(47, 63, 3)}


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_damaged_middle_is_survived_and_said_once(
    tmp_path: Path, noisy: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"damaged.{suffix}"
    ffmpeg("-i", noisy, "-c", "copy", *(FASTSTART if suffix == "mp4" else ()), path)
    frames = read(damage(path))
    assert offsets_s(frames)[-1] > 5  # it reads on beyond the damage
    assert len(frames) < 30
    assert caplog.text.count("damaged or cut off") == 1


@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_a_file_that_is_cut_off_is_read_to_its_last_frame(
    tmp_path: Path, noisy: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"whole.{suffix}"
    ffmpeg("-i", noisy, "-c", "copy", *(FASTSTART if suffix == "mp4" else ()), path)
    frames = read(cut_off(path, tmp_path / f"cut.{suffix}", share=0.5))
    assert 2 < offsets_s(frames)[-1] < 4
    assert caplog.text.count("damaged or cut off") == 1


def test_three_frames_are_a_video(tmp_path: Path, clip: Path) -> None:
    ffmpeg("-i", clip, "-frames:v", "3", tmp_path / "short.mp4")
    assert offsets_s(read(tmp_path / "short.mp4")) == [0.0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.mp4", None, "No such file"),
        ("empty.mp4", b"", "empty"),
        ("noise.mp4", random.Random(1).randbytes(5000), "not a video"),
        ("notes.txt", b"a line of text\n" * 200, "not a video"),
        ("table.csv", b"start,end,activity\n" * 50, "not a video"),
        ("still.jpg", cv2.imencode(".jpg", np.ones((40, 40, 3)))[1].tobytes(), "not a video"),
        (
            "still.png",
            cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))[1].tobytes(),
            "not a video",
        ),
    ],
)
def test_what_is_no_video_is_refused_at_once_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=said) as refused:
        read_file(path, sample_hz=5, start_at=START)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_picture_that_pauses_while_the_sound_goes_on_is_no_damage(
    tmp_path: Path, clip: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"pausing.{suffix}"
    shown = "select='lt(t,1.5)+between(t,3.5,4.5)'"
    sound = ("-f", "lavfi", "-i", "sine=duration=6")
    ffmpeg("-i", clip, *sound, "-vf", shown, "-fps_mode", "vfr", "-bf", "2", path)
    frames = read(path)
    assert offsets_s(frames)[-1] > 4.3
    assert sum(frame.resets for frame in frames) == 2  # nobody saw what was between
    assert "damaged" not in caplog.text


@pytest.mark.parametrize("cover", [False, True])
def test_sound_alone_is_no_video(tmp_path: Path, clip: Path, cover: bool) -> None:
    path = tmp_path / "song.mp3"
    picture = ("-i", clip, "-frames:v", "1", "-c:v", "png", "-disposition:v", "attached_pic")
    sound = ("-f", "lavfi", "-i", "sine=duration=2")
    ffmpeg(*sound, *(picture if cover else ()), path)
    with pytest.raises(InputError, match="not a video"):
        read_file(path, sample_hz=5, start_at=START)


def test_a_file_whose_index_is_lost_is_refused(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(InputError, match=r"cut\.mp4: "):
        read(cut_off(clip, tmp_path / "cut.mp4", share=0.5))


def test_a_video_of_a_codec_that_nobody_knows_is_refused(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "strange.mkv"
    ffmpeg("-i", clip, "-c:v", "mjpeg", path)
    path.write_bytes(path.read_bytes().replace(b"V_MJPEG", b"V_WHICH"))
    with pytest.raises(InputError, match=r"strange\.mkv: not a video that can be read"):
        read_file(path, sample_hz=5, start_at=START)


def test_a_stream_that_begins_in_the_middle_of_a_recording_ends_with_it(
    tmp_path: Path, clip: Path
) -> None:
    path = tmp_path / "late.ts"
    ffmpeg("-i", clip, "-c", "copy", path)
    parts = bytearray(path.read_bytes())
    middle = next(
        at
        for at in range(len(parts) // 2 // 188 * 188, len(parts), 188)
        if parts[at + 1 : at + 3] == b"\x41\x00"  # the beginning of a frame, by its stream's number
    )
    parts[middle + 2] = 0x58
    path.write_bytes(parts)
    assert len(read(path)) == len(read(clip))


def test_a_folder_of_folders_is_called_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for day in ("2026-11-21", "2026-11-22"):
        (tmp_path / day).mkdir()
    with pytest.raises(InputError, match=r"folders alone \(2026-11-21, 2026-11-22\); give one"):
        read_folder(tmp_path, sample_hz=5, start_at=START)
    write_clock_clip(tmp_path / "a.mp4", seconds=1)
    assert list(read_folder(tmp_path, sample_hz=5, start_at=START))
    assert "its folders are not read: 2026-11-21, 2026-11-22" in caplog.text


def test_a_folder_is_read_by_name_back_to_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, seconds in (("b.mp4", 2), ("a.mp4", 1), ("c.mkv", 1)):
        write_clock_clip(folder / name, seconds=seconds)
    (folder / "ab.txt").write_text("no video")
    frames = list(read_folder(folder, sample_hz=5, start_at=START))
    assert offsets_s(frames) == pytest.approx([k / 5 for k in range(20)], abs=1e-3)
    assert [n for n, frame in enumerate(frames) if frame.resets] == [0, 5, 15]
    shown = [clock_s(frame.image) for frame in frames]
    assert shown[4] == pytest.approx(0.8, abs=0.5)
    assert shown[14] == pytest.approx(1.8, abs=0.5)
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        f"skipped: {folder / 'ab.txt'}: not a video that can be read, or one that was cut off; "
        "try to play it with ffplay"
    ]


def test_a_clip_without_one_readable_frame_does_not_end_its_folder(
    tmp_path: Path, noisy: Path, clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = noisy.read_bytes()
    frames_at = content.index(b"mdat") + 4
    blank = bytes(len(content) - frames_at)  # its index is whole, and not one frame
    (tmp_path / "a.mp4").write_bytes(content[:frames_at] + blank)
    (tmp_path / "b.mp4").write_bytes(clip.read_bytes())
    assert len(list(read_folder(tmp_path, sample_hz=5, start_at=START))) == 30
    assert caplog.text.count("skipped: ") == 1
    assert "a.mp4: no frame of it can be decoded" in caplog.text


def test_of_a_folder_of_pictures_a_few_are_named_and_the_others_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(9):
        (tmp_path / f"{n}.png").write_bytes(b"no video")
    with pytest.raises(InputError, match="none of its 9 files"):
        list(read_folder(tmp_path, sample_hz=5, start_at=START))
    assert caplog.text.count("skipped: ") == 5
    assert f"skipped likewise: 4 more of {tmp_path}" in caplog.text


def test_of_two_video_tracks_the_first_is_read_and_that_is_said(
    tmp_path: Path, noisy: Path, clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    both = ("-map", "0:v", "-map", "1:v", "-c", "copy")
    ffmpeg("-i", noisy, "-i", clip, *both, tmp_path / "two.mkv")
    frames = read(tmp_path / "two.mkv")
    assert [frame.image.tolist() for frame in frames] == [
        frame.image.tolist() for frame in read(noisy)
    ]
    assert caplog.text.count("two.mkv: holds 2 video tracks; the first is read") == 1


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        read_folder(tmp_path, sample_hz=5, start_at=START)
    (tmp_path / "notes.txt").write_text("no video")
    with pytest.raises(InputError, match="none of its 1 files"):
        list(read_folder(tmp_path, sample_hz=5, start_at=START))
