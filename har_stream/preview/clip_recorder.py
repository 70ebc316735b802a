"""Keeps short annotated clips of chosen activities, bounded on disk; off unless asked for."""

import logging
import re
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import cv2

from har_stream.config.ids import as_id
from har_stream.core.activity import Change
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame, Image

logger = logging.getLogger(__name__)

BEFORE_S = 8.0
"""A clip begins this long before the activity is confirmed, so that it shows its start."""
LENGTH_S = 16.0
_OURS = re.compile(r"\d{8}T\d{6}_[a-z0-9_-]+(\.part)?\.mp4")
"""Only files of this name are ever deleted; they sort by age."""


@dataclass(slots=True)
class _Camera:
    before: deque[tuple[Frame, Image]] = field(default_factory=deque)
    clip: "_Clip | None" = None


class ClipRecorder:
    """Writes a clip whenever a chosen activity starts.

    Args:
        folder: Where the clips go; made readable by its owner alone where it does not exist.
        labels: The chosen activities; none means every one.
        max_mb: All clips together take no more; the oldest go first.
        fps: Sampled frames per second.

    Raises:
        InputError: The folder cannot be written.
    """

    def __init__(self, folder: Path, *, labels: Collection[str], max_mb: float, fps: float) -> None:
        self._folder = folder
        self._labels = frozenset(labels)
        self._max_bytes = max_mb * 1e6
        self._fps = fps
        self._cameras: dict[str, _Camera] = {}
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / ".writable").touch()
            (folder / ".writable").unlink()
        except OSError as error:
            raise InputError(f"--record {folder}: cannot be written: {error.strerror}") from error
        for torn in folder.glob("*.part.mp4"):
            if _OURS.fullmatch(torn.name):
                torn.unlink()
        self._make_room()

    def add_frame(self, camera: str, frame: Frame, drawn: Image) -> None:
        """Take in an annotated frame, shape (height, width, 3), BGR."""
        here = self._cameras.setdefault(camera, _Camera())
        here.before.append((frame, drawn))
        while frame.captured_at - here.before[0][0].captured_at > timedelta(seconds=BEFORE_S):
            here.before.popleft()
        if here.clip is not None:
            here.clip.write(frame, drawn)
            if frame.captured_at >= here.clip.ends_at:
                self._finish(here)

    def cut(self, change: Change) -> None:
        """Begin a clip where a chosen activity starts; any other change ends the running one."""
        here = self._cameras.setdefault(change.camera, _Camera())
        self._finish(here)
        wanted = not self._labels or change.activity in self._labels
        if change.event_type == "activity_ended" or not wanted or not here.before:
            return
        first_frame, first_image = here.before[0]
        name = f"{change.started_at:%Y%m%dT%H%M%S}_{change.camera}_{as_id(change.activity)}"
        ends_at = first_frame.captured_at + timedelta(seconds=LENGTH_S)
        here.clip = _Clip(self._folder / name, self._fps, first_image, ends_at)
        for frame, drawn in here.before:
            here.clip.write(frame, drawn)

    def close(self) -> None:
        """Finish what is being written."""
        for here in self._cameras.values():
            self._finish(here)

    def _finish(self, here: _Camera) -> None:
        if here.clip is not None:
            here.clip.close()
            here.clip = None
            self._make_room()

    def _make_room(self) -> None:
        clips = sorted(path for path in self._folder.iterdir() if _OURS.fullmatch(path.name))
        sizes = {path: path.stat().st_size for path in clips}
        excess = sum(sizes.values()) - self._max_bytes
        for path in clips:
            if excess <= 0:
                break
            path.unlink()
            excess -= sizes[path]
            logger.info("%s: deleted, the recorded clips reached their bound", path)


class _Clip:
    """One clip being written; it gets its name once it is whole."""

    def __init__(self, path: Path, fps: float, first: Image, ends_at: datetime) -> None:
        self.ends_at = ends_at
        self._part = path.with_suffix(".part.mp4")
        self._path = path.with_suffix(".mp4")
        size_px = (first.shape[1], first.shape[0])
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self._part), cv2.CAP_FFMPEG, codec, fps, size_px)
        if not self._writer.isOpened():
            logger.error("%s: this clip cannot be written", self._path)

    def write(self, frame: Frame, drawn: Image) -> None:
        for _ in range(frame.n_ticks):
            self._writer.write(drawn)

    def close(self) -> None:
        self._writer.release()
        if self._part.exists():
            self._part.rename(self._path)
