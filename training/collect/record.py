"""Collects clips of one's own home: the camera's frames go into class folders, and nowhere else."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from har_stream.cameras.camera import read_camera
from har_stream.cameras.read_options import ReadOptions
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.problems import problems
from har_stream.core.activity import CameraStatus
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.core.redact import redact
from har_stream.preview.video_writer import ClipFile
from training.collect import clip_names

RECORD_HZ = 15.0
"""Frames per second that are kept: three per sampled frame of 5 Hz, so that windows can jitter."""


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """What is to be recorded.

    Attributes:
        label: What is going on in front of the camera.
        source: The camera: device index, file or URL.
        n_clips: How many clips.
        clip_s: Length of each, in seconds of stream time.
        folder: Gets a folder per label.
    """

    label: str
    source: str
    n_clips: int
    clip_s: float
    folder: Path


def consent(wanted: RecordingPlan) -> str:
    """Say what is recorded, where it goes, and how it is deleted: to be shown before it begins."""
    place = (wanted.folder / wanted.label).resolve()
    return (
        f"Camera {redact(wanted.source)} is recorded for {wanted.n_clips * wanted.clip_s / 60:g} "
        f"min: pictures without sound, in {wanted.n_clips} clips of {wanted.clip_s:g} s, labelled "
        f"{wanted.label!r}.\n"
        f"They go to {place}, in files that you alone can read. Nothing leaves this machine.\n"
        "Everyone who may come into the picture should know of it and agree.\n"
        "Ctrl-C stops at any time and keeps the clips that are whole; to delete them, delete the "
        "folder."
    )


def session_of(now: datetime) -> str:
    """Name a session: its clips are one group, and never lie on two sides of a split."""
    return f"{now:%Y%m%d%H%M%S}"


def record_clips(wanted: RecordingPlan, *, session: str, on_clip: Callable[[Path], object]) -> None:
    """Record clips until there are enough, or the source ends.

    A gap in the stream drops the clip that it tears; the next one begins after it.

    Args:
        wanted: What to record.
        session: Its name; see `session_of`.
        on_clip: Called with every clip once it is whole.

    Raises:
        InputError: The camera cannot be opened, a clip cannot be written, or there is none.
    """
    if wanted.source.startswith("sim:"):
        raise InputError("a simulated home is drawn, not recorded: train on `kind: simulated`")
    stop = threading.Event()
    try:
        camera = CameraSettings(source=wanted.source)
    except ValidationError as error:
        raise InputError("; ".join(problems(error))) from error
    items = read_camera(camera, ReadOptions(sample_hz=RECORD_HZ, fail_fast=True), stop=stop)
    n_clips = 0
    try:
        for path in islice(_clips(items, wanted, session), wanted.n_clips):
            n_clips += 1
            on_clip(path)
    finally:
        stop.set()
        deque(items, maxlen=0)  # lets a live source close its camera
    if n_clips == 0:
        raise InputError(
            f"{redact(wanted.source)}: no whole clip of {wanted.clip_s:g} s came from it; ask for "
            "shorter ones with --seconds"
        )


def _clips(
    items: Iterable[Frame | CameraStatus], wanted: RecordingPlan, session: str
) -> Iterator[Path]:
    n_frames = max(1, round(wanted.clip_s * RECORD_HZ))
    number, clip = 1, None
    try:
        for item in items:
            torn = item.resets if isinstance(item, Frame) else True
            if clip is not None and torn:
                clip.abandon()
                clip = None
            if isinstance(item, CameraStatus):
                continue
            for _ in range(item.n_ticks):
                if clip is None:
                    path = clip_names.name_clip(
                        wanted.folder, label=wanted.label, group=session, number=number
                    )
                    size_px = (item.image.shape[1], item.image.shape[0])
                    clip = ClipFile(path, fps=RECORD_HZ, size_px=size_px)
                clip.write(item.image)
                if clip.n_frames == n_frames:
                    clip.close()
                    clip = None
                    number += 1
                    yield path
    finally:
        if clip is not None:
            clip.abandon()
