"""What a stream costs: decoding, the whole pipeline, many cameras at once."""

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.bundle import Bundle
from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.read_options import ReadOptions, now
from har_stream.cameras.readers import Readers
from har_stream.cameras.video_file import read_file
from har_stream.config.camera_settings import CameraSettings, Decode
from har_stream.core.activity import Recognition
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.pipeline import Pipeline
from har_stream.recognition.preprocessing import prepare
from har_stream.recognition.recogniser import Recogniser

START = datetime(2026, 1, 1, tzinfo=UTC)


def make_video(path: Path, *, size: str, fps: int, duration_s: int, n_b_frames: int = 0) -> Path:
    """Encode moving shapes under a camera's noise as H.264.

    Args:
        path: The film.
        size: As ``320x240``.
        fps: Frames per second.
        duration_s: Its length.
        n_b_frames: Frames in a row that refer to later ones; a camera sends none.

    Raises:
        InputError: ffmpeg is not installed.
    """
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise InputError("har-bench encodes its own films with ffmpeg: apt-get install ffmpeg")
    source = f"testsrc2=size={size}:rate={fps}:duration={duration_s},noise=alls=4:allf=t"
    command = [ffmpeg, "-loglevel", "error", "-y", "-f", "lavfi", "-i", source]
    command += [
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-bf",
        str(n_b_frames),
        "-pix_fmt",
        "yuv420p",
        str(path),
    ]
    subprocess.run(command, check=True)  # noqa: S603 - no word of it comes from outside
    return path


def measure_pipeline(
    film: Path, bundle: Bundle, *, n_rounds: int, on_round: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Read one film again and again: decoded only, sampled and prepared, recognised.

    Returns:
        Frames of the film per second, the best round of each: `decode_fps`, `sample_fps`,
        `pipeline_fps`, and `needed_fps`, of a pipeline that passes over frames which nobody samples
        or refers to.
    """
    recogniser = Recogniser(bundle)
    ways: dict[str, Callable[[], object]] = {
        "decode_fps": lambda: count_frames(film),
        "sample_fps": lambda: _sample(film, bundle),
        "pipeline_fps": lambda: _recognise(film, recogniser, decode="all"),
        "needed_fps": lambda: _recognise(film, recogniser, decode="needed"),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(n_rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - began)
        on_round()
    n_frames = count_frames(film)
    return {name: n_frames / taken_s for name, taken_s in best.items()}


def count_frames(film: Path) -> int:
    """Decode a film and do nothing else."""
    capture = cv2.VideoCapture(str(film), cv2.CAP_FFMPEG)
    n_frames = 0
    while capture.grab():
        n_frames += 1
    capture.release()
    return n_frames


def _sample(film: Path, bundle: Bundle) -> None:
    spec = bundle.manifest.clip
    frames = read_file(
        film,
        sample_hz=spec.sample_hz,
        start_at=START,
        images=ImageOptions(spec.picture),
        decode="all",
    )
    for frame in frames:
        prepare(frame.image, spec)


def _recognise(film: Path, recogniser: Recogniser, *, decode: Decode) -> None:
    camera = CameraSettings(source=str(film), name="bench", decode=decode)
    spec = recogniser.bundle.manifest.clip
    options = ReadOptions(sample_hz=spec.sample_hz, picture=spec.picture, start_at=START)
    with Readers([camera], options) as readers:
        for _ in Pipeline(recogniser, [camera]).run(readers):
            pass


def measure_cameras(film: Path, bundle: Bundle, *, n_cameras: int, fps: int) -> dict[str, float]:
    """Play a film on many cameras at once, at its own speed.

    A decision is late by the time between its frame's turn to be captured and the decision; a
    camera's clock is set by the most punctual of its frames.

    Returns:
        `decisions`, `missed` (due by the film's length, but not made), `p95_lateness_ms`,
        `max_lateness_ms` and `drift_ms`: how much later the second half of all decisions is than
        the first, by the median; it grows where frames come faster than they are taken.
    """
    cameras = [CameraSettings(source=str(film), name=f"cam{n}") for n in range(n_cameras)]
    began: dict[str, float] = {}
    lateness: dict[str, list[float]] = {camera.id: [] for camera in cameras}

    def seen(camera: str, frame: Frame) -> None:
        offset_s = (now() - frame.captured_at).total_seconds()
        began[camera] = min(offset_s, began.get(camera, offset_s))

    manifest = bundle.manifest
    pipeline = Pipeline(Recogniser(bundle), cameras, on_frame=seen)
    spec = manifest.clip
    options = ReadOptions(sample_hz=spec.sample_hz, picture=spec.picture, realtime=True)
    with Readers(cameras, options) as readers:
        for news in pipeline.run(readers):
            if isinstance(news, Recognition):
                lateness[news.camera].append((now() - news.at).total_seconds())
    due = n_cameras * _n_due(bundle, n_frames=count_frames(film), fps=fps)
    by_camera = [1000 * (np.array(late_s) - began[name]) for name, late_s in lateness.items()]
    n_decided = sum(late.size for late in by_camera)
    return {"decisions": n_decided, "missed": due - n_decided} | lateness_of(by_camera)


def lateness_of(by_camera: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    """Sum up how late the decisions, or frames, of each camera were, in milliseconds and in order.

    Returns:
        `p95_lateness_ms`, `max_lateness_ms` and `drift_ms`; see `measure_cameras`.
    """
    first, last = zip(*(np.array_split(late, 2) for late in by_camera), strict=True)
    late = np.concatenate(by_camera)
    return {
        "p95_lateness_ms": float(np.quantile(late, 0.95)),
        "max_lateness_ms": float(late.max()),
        "drift_ms": float(np.median(np.concatenate(last)) - np.median(np.concatenate(first))),
    }


def _n_due(bundle: Bundle, *, n_frames: int, fps: int) -> int:
    """Decisions on a film of so many frames."""
    manifest = bundle.manifest
    n_ticks = int((n_frames - 1) / fps * manifest.clip.sample_hz + 1e-9) + 1
    return max(0, (n_ticks - manifest.clip.n_frames) // manifest.hop_frames + 1)
