"""Frames are annotated for a person; clips of chosen activities stay within their bound."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from support.limits import files_of_at_most
from support.processes.measured import run_python
from support.processes.stream_process import virtual_display
from support.repository import ENVIRONMENT

from har_stream.core.activity import CameraState, CameraStatus, Change, EventType, Recognition
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.preview.clip_recorder import BEFORE_S, LENGTH_S, ClipRecorder
from har_stream.preview.overlay import WIDTH_PX, Overlay
from har_stream.preview.preview import Preview, check_window
from har_stream.preview.video_writer import ClipFile

START = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
FPS = 5.0
SEEN = Recognition("cam0", START, {"a": 0.9, "b": 0.1}, "a", 0.9, 0.8, 12.4)


def frame(n: int) -> Frame:
    grey = np.full((90, 160, 3), n % 200, np.uint8)
    return Frame(grey, START + timedelta(seconds=n / FPS), resets=n == 0)


def change(event_type: EventType, activity: str, n: int) -> Change:
    at = START + timedelta(seconds=n / FPS)
    ended_at = at if event_type == "activity_ended" else None
    return Change("cam0", event_type, activity, None, {activity: 1.0}, 1.0, at, ended_at)


def test_the_overlay_says_label_confidence_rate_latency_and_state() -> None:
    overlay = Overlay("cam0", fps=5.0)
    assert overlay.lines() == ["cam0  offline  5.0 fps"]
    overlay.update(CameraStatus("cam0", CameraState.ONLINE, START, "opened"))
    overlay.update(SEEN)
    overlay.update(change("activity_started", "a", 0))
    assert overlay.lines() == ["a 90%", "cam0  online  5.0 fps  12 ms", "a since 18:00:00"]
    overlay.update(change("activity_ended", "a", 9))
    assert len(overlay.lines()) == 2


def test_the_overlay_names_what_is_likeliest_where_that_is_too_little() -> None:
    overlay = Overlay("cam0")
    unsure = {"probabilities": {"a": 0.4, "b": 0.43, "c": 0.17}, "confidence": 0.43}
    overlay.update(replace(SEEN, label="unknown", **unsure))
    assert overlay.lines()[0] == "unknown, likeliest b 43%"


def test_drawing_leaves_the_frame_alone_and_keeps_its_shape() -> None:
    image = np.zeros((90, 160, 3), np.uint8)
    drawn = Overlay("cam0").draw(image)
    assert drawn.shape == (360, WIDTH_PX, 3)
    assert drawn[:60].any()
    assert not drawn[60:].any()
    assert not image.any()


def test_a_skeleton_is_drawn_on_black_and_shows_nothing_of_the_picture() -> None:
    joints = [(0.0, 0.0, 0.0)] * 17
    joints[11], joints[13] = (0.25, 0.5, 0.9), (0.75, 0.5, 0.9)  # a hip and its knee
    overlay = Overlay("cam0")
    overlay.update(replace(SEEN, key_points=tuple(joints)))
    bright = np.full((90, 160, 3), 200, np.uint8)
    drawn = overlay.draw_skeleton(bright)
    assert drawn.shape == (360, WIDTH_PX, 3)
    across = drawn[180].any(axis=-1)
    assert across[160:481].all(), "the thigh"
    assert not across[:150].any()
    assert not across[490:].any()
    assert not drawn[200:].any()
    nobody = Overlay("cam0").draw_skeleton(bright)
    assert not nobody[60:].any()


def record(recorder: ClipRecorder, labels: list[str], *, each_frames: int) -> None:
    """Let every label run for a while, one after the other."""
    preview = Preview(window=None, recorder=recorder)
    n = 0
    for label in labels:
        preview.update(change("activity_started", label, n))
        for n in range(n, n + each_frames):  # noqa: B020 -- goes on counting
            preview.show("cam0", frame(n))
    preview.close()


def test_only_chosen_activities_are_recorded_from_before_they_began(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    recorder = ClipRecorder(folder, labels=["cooking"], max_mb=50, fps=FPS)
    record(recorder, ["eating", "cooking", "eating"], each_frames=200)
    assert (folder.stat().st_mode & 0o777) == 0o700
    (clip,) = folder.iterdir()
    assert re.fullmatch(r"20261122T1800\d\d_cam0_cooking\.mp4", clip.name)
    capture = cv2.VideoCapture(str(clip))
    with av.open(str(clip)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p"), "browsers play this"
    content = clip.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "it plays before all of it has come"
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == WIDTH_PX
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == pytest.approx(LENGTH_S * FPS, abs=2)
    _, first = capture.read()
    assert first[-1].mean() == pytest.approx(200 - BEFORE_S * FPS, abs=4)


def test_an_end_cuts_a_clip_short(tmp_path: Path) -> None:
    recorder = ClipRecorder(tmp_path, labels=[], max_mb=50, fps=FPS)
    preview = Preview(window=None, recorder=recorder)
    preview.show("cam0", frame(0))
    preview.update(change("activity_started", "a", 0))
    preview.show("cam0", frame(1))
    assert [path.suffixes for path in tmp_path.iterdir()] == [[".part", ".mp4"]]
    preview.update(change("activity_ended", "a", 2))
    assert [path.suffixes for path in tmp_path.iterdir()] == [[".mp4"]]


def test_the_folder_stays_within_its_bound_and_strangers_files_are_left_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "holiday.mp4").write_bytes(bytes(10**6))
    torn = tmp_path / "20261121T000000_cam0_cooking.part.mp4"
    torn.write_bytes(b"torn")
    bound_mb = 2.0
    recorder = ClipRecorder(tmp_path, labels=[], max_mb=bound_mb, fps=FPS)
    assert not torn.exists()
    record(recorder, [f"label{n}" for n in range(6)], each_frames=60)
    clips = sorted(tmp_path.glob("2026*.mp4"))
    assert sum(path.stat().st_size for path in clips) <= bound_mb * 1e6
    assert 0 < len(clips) < 6
    assert "label5" in clips[-1].name
    assert (tmp_path / "holiday.mp4").exists()


def test_a_full_disk_is_said_and_leaves_no_torn_clip(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = ClipRecorder(tmp_path, labels=["cooking"], max_mb=50, fps=FPS)
    with files_of_at_most(2_000):
        record(recorder, ["eating", "cooking"], each_frames=100)
    assert list(tmp_path.iterdir()) == []
    assert "frames could be written; is the disk full" in caplog.text
    record(recorder, ["eating", "cooking"], each_frames=100)
    (clip,) = tmp_path.iterdir()
    assert clip.name.endswith("_cam0_cooking.mp4"), "once there is room, it records again"


MINUTES_OF_NOISE = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
import numpy as np
from har_stream.core.frame import Frame
from har_stream.preview.clip_recorder import ClipRecorder
from har_stream.preview.overlay import Overlay
recorder = ClipRecorder(Path(sys.argv[1]), labels=[], max_mb=50, fps=30.0)
overlay, draw = Overlay("cam0"), np.random.default_rng(27)
start = datetime(2026, 11, 22, 18, tzinfo=UTC)
for n in range(400):
    image = draw.integers(0, 256, eval(sys.argv[2]), np.uint8)
    at = start + timedelta(seconds=n / 30) - timedelta(hours=n >= 100)
    recorder.add_frame("cam0", Frame(image, at), overlay.draw(image))
"""


@pytest.mark.parametrize(
    ("shape", "most_mb"), [((360, 640, 3), 200), ((4320, 7680, 3), 400), ((20_000, 64, 3), 200)]
)
def test_memory_is_bounded_whatever_the_clock_and_the_size(
    tmp_path: Path, shape: tuple[int, int, int], most_mb: float
) -> None:
    code = MINUTES_OF_NOISE.replace("400", "400" if shape[0] < 4000 else "40")
    run = run_python(code, str(tmp_path), repr(shape))
    assert run.status == 0, run.output
    print(f"--record of {shape}: {run.peak_mb:.0f} MB")
    assert run.peak_mb < most_mb


def test_a_clock_set_back_ends_the_clip_and_the_next_one_begins_after_it(tmp_path: Path) -> None:
    recorder = ClipRecorder(tmp_path, labels=[], max_mb=50, fps=FPS)
    preview = Preview(window=None, recorder=recorder)
    preview.show("cam0", frame(0))
    preview.update(change("activity_started", "a", 0))
    for n in (1, 2, -18_000, -17_999):
        preview.show("cam0", frame(n))
    (first,) = tmp_path.iterdir()
    assert cv2.VideoCapture(str(first)).get(cv2.CAP_PROP_FRAME_COUNT) == 3
    preview.update(change("activity_changed", "b", -17_998))
    preview.close()
    (second,) = set(tmp_path.iterdir()) - {first}
    assert cv2.VideoCapture(str(second)).get(cv2.CAP_PROP_FRAME_COUNT) == 2


PLAYING = """<video src="clip.mp4" muted></video><p>-</p><script>
const [video, told] = [document.querySelector("video"), document.querySelector("p")];
video.onerror = () => { told.textContent = video.error.message; };
video.onloadeddata = () => { told.textContent = `${video.videoWidth} wide`; };
</script>"""


@pytest.mark.slow
def test_a_browser_plays_a_clip(tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no browser here: apt-get install chromium")
    clip = ClipFile(tmp_path / "clip.mp4", fps=FPS, size_px=(160, 90))
    for n in range(20):
        clip.write(frame(n).image)
    clip.close()
    (tmp_path / "page.html").write_text(PLAYING)
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files")
    page = (tmp_path / "page.html").as_uri()
    command = [browser, *flags, "--virtual-time-budget=8000", "--dump-dom", page]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "<p>160 wide</p>" in shown.stdout


def test_frames_of_an_odd_size_are_written_whole(tmp_path: Path) -> None:
    image = np.zeros((31, 45, 3), np.uint8)
    image[:, -1] = 200
    clip = ClipFile(tmp_path / "odd.mp4", fps=2.9, size_px=(45, 31))
    for _ in range(3):
        clip.write(image)
    clip.close()
    _, read = cv2.VideoCapture(str(tmp_path / "odd.mp4")).read()
    assert read.shape == (32, 46, 3)
    assert read[:, -2:].mean() > 150


def test_an_image_of_another_size_ends_the_clip(tmp_path: Path) -> None:
    recorder = ClipRecorder(tmp_path, labels=[], max_mb=50, fps=FPS)
    for n, height_px in enumerate((90, 90, 180)):
        if n == 1:
            recorder.cut(change("activity_started", "a", 0))
        at = START + timedelta(seconds=n / FPS)
        image = np.zeros((height_px, 160, 3), np.uint8)
        recorder.add_frame("cam0", Frame(image, at), image)
    (clip,) = tmp_path.iterdir()
    assert cv2.VideoCapture(str(clip)).get(cv2.CAP_PROP_FRAME_COUNT) == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--record"):
        ClipRecorder(tmp_path / "file", labels=[], max_mb=1, fps=FPS)


def test_show_without_a_display_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:    QT5\n")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match="no display here"):
        check_window()
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(InputError, match="check DISPLAY"):
        check_window()


def test_show_with_the_headless_build_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                  NONE\n")
    with pytest.raises(InputError, match="install opencv-python in place of"):
        check_window()


def test_a_window_opens_on_a_real_display() -> None:
    """In a process of its own, where PyAV has not come first: with it, windows hang."""
    code = (
        "import sys\n"
        "from har_stream.preview.preview import check_window\n"
        "assert 'av' not in sys.modules\n"
        "check_window()\n"
    )
    with virtual_display() as display:
        subprocess.run(
            [sys.executable, "-c", code],
            env=ENVIRONMENT | {"DISPLAY": display},
            timeout=60,
            check=True,
        )
