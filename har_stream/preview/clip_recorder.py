"""Keeps short annotated clips of chosen activities, bounded on disk; off unless asked for."""

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from har_stream.config.ids import as_id
from har_stream.core.activity import Change
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame, Image
from har_stream.preview.recent_frames import RecentFrames, images_of
from har_stream.preview.video_writer import ClipFile

logger = logging.getLogger(__name__)

BEFORE_S = 8.0
"""A clip begins this long before the activity is confirmed, so that it shows its start."""
LENGTH_S = 16.0
_WHOLE = re.compile(r"\d{8}T\d{6}_[a-z0-9_-]+\.mp4")
_TORN = re.compile(r"\.?\d{8}T\d{6}_[a-z0-9_-]+\.part\.mp4")
"""Only files of these names are ever deleted; whole ones sort by age."""


@dataclass(slots=True)
class _Camera:
    """What is kept of one camera: its newest frames, and the clip that is being written."""

    before: RecentFrames = field(default_factory=lambda: RecentFrames(BEFORE_S))
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

    def change_fps(self, fps: float) -> None:
        """Have as many frames a second from here on; running clips end."""
        if fps != self._fps:
            self.close()
            self._fps = fps
            self._cameras.clear()

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
        for drawn, n_ticks in images_of(here.before.taken()):
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
