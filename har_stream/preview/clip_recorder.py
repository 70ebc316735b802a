"""Keeps short annotated clips of chosen activities, bounded on disk; off unless asked for."""

import logging
import re
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np

from har_stream.config.ids import as_id
from har_stream.core.activity import Change
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame, Image
from har_stream.preview.video_writer import ClipFile

logger = logging.getLogger(__name__)

BEFORE_S = 8.0
"""A clip begins this long before the activity is confirmed, so that it shows its start."""
LENGTH_S = 16.0
MAX_BEFORE_BYTES = 32_000_000
"""Of one camera's newest frames, as they are kept: JPEG, as wide as they are shown. 8 s at 30
frames a second take half of it."""
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 95)
_WHOLE = re.compile(r"\d{8}T\d{6}_[a-z0-9_-]+\.mp4")
_TORN = re.compile(r"\.?\d{8}T\d{6}_[a-z0-9_-]+\.part\.mp4")
"""Only files of these names are ever deleted; whole ones sort by age."""


@dataclass(slots=True)
class _Camera:
    """What is kept of one camera: its newest frames, and the clip that is being written."""

    before: "_Newest" = field(default_factory=lambda: _Newest())
    clip: ClipFile | None = None
    ends_at: datetime | None = None


class ClipRecorder:
    """Writes a clip whenever a chosen activity starts.

    A clip that cannot be written (a full disk) is said and left out; watching goes on.

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
            if _TORN.fullmatch(torn.name):
                torn.unlink()
        self._make_room()

    def add_frame(self, camera: str, frame: Frame, drawn: Image) -> None:
        """Keep an annotated frame, shape (height, width, 3), BGR; a running clip gets it."""
        here = self._cameras.setdefault(camera, _Camera())
        if here.before.add(frame, drawn):
            self._finish(here)  # its end might be far ahead by now
        if here.clip is not None:
            _write(here.clip, drawn, frame.n_ticks)
            if here.ends_at is not None and frame.captured_at >= here.ends_at:
                self._finish(here)

    def cut(self, change: Change) -> None:
        """Begin a clip where a chosen activity starts; any other change ends the running one."""
        here = self._cameras.setdefault(change.camera, _Camera())
        self._finish(here)
        wanted = not self._labels or change.activity in self._labels
        if change.event_type == "activity_ended" or not wanted or not here.before:
            return
        size_px = here.before.size_px
        name = f"{change.started_at:%Y%m%dT%H%M%S}_{change.camera}_{as_id(change.activity)}"
        try:
            here.clip = ClipFile(self._folder / f"{name}.mp4", fps=self._fps, size_px=size_px)
        except InputError as error:
            logger.error("%s", error)
            return
        here.ends_at = here.before.begins_at + timedelta(seconds=LENGTH_S)
        for drawn, n_ticks in here.before.images():
            _write(here.clip, drawn, n_ticks)

    def close(self) -> None:
        """Finish what is being written."""
        for here in self._cameras.values():
            self._finish(here)

    def _finish(self, here: _Camera) -> None:
        if here.clip is None:
            return
        try:
            here.clip.close()
        except InputError as error:
            logger.error("%s", error)
        here.clip = None
        self._make_room()

    def _make_room(self) -> None:
        found = list(self._folder.iterdir())
        clips = sorted(path for path in found if _WHOLE.fullmatch(path.name))
        written = [path for path in found if _TORN.fullmatch(path.name)]  # they count as well
        excess = sum(path.stat().st_size for path in [*clips, *written]) - self._max_bytes
        for path in clips:
            if excess <= 0:
                break
            excess -= path.stat().st_size
            path.unlink()
            logger.info("%s: deleted, the recorded clips reached their bound", path)


def _write(clip: ClipFile, drawn: Image, n_ticks: int) -> None:
    for _ in range(n_ticks):
        clip.write(drawn)


class _Newest:
    """The annotated frames of the last `BEFORE_S`, in `MAX_BEFORE_BYTES` at most."""

    def __init__(self) -> None:
        self._frames: deque[tuple[datetime, int, Image]] = deque()
        self._n_bytes = 0
        self.size_px = (0, 0)

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def begins_at(self) -> datetime:
        """Capture time of the oldest frame."""
        return self._frames[0][0]

    def add(self, frame: Frame, drawn: Image) -> bool:
        """Keep a frame; true where it does not follow the older ones, which go then.

        It does not where the clock was set back, or the camera's image has another size.
        """
        size_px = (drawn.shape[1], drawn.shape[0])
        begins_anew = bool(self._frames) and (
            frame.captured_at < self._frames[-1][0] or size_px != self.size_px
        )
        if begins_anew:
            self._frames.clear()
            self._n_bytes = 0
        self.size_px = size_px
        encoded: Image = cv2.imencode(".jpg", drawn, _QUALITY)[1]
        self._frames.append((frame.captured_at, frame.n_ticks, encoded))
        self._n_bytes += encoded.nbytes
        oldest = frame.captured_at - timedelta(seconds=BEFORE_S)
        while self._frames[0][0] < oldest or self._n_bytes > MAX_BEFORE_BYTES:
            self._n_bytes -= self._frames.popleft()[2].nbytes
        return begins_anew

    def images(self) -> Iterator[tuple[Image, int]]:
        """Yield each frame's image and ticks, the oldest first."""
        for _, n_ticks, encoded in self._frames:
            yield np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8), n_ticks
