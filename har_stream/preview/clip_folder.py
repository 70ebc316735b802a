"""The folder of clips to teach from: as `train-har teach` reads it, and never beyond its bounds.

- ``labelled/ACTIVITY/SESSION/CLIP.mp4``: what an activity looks like;
- ``ordinary/SESSION/CLIP.mp4``: nothing that is to be taught;
- ``unlabelled/CLIP.mp4``: nobody has said yet what it shows.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from har_stream.config.settings import ClipSettings
from har_stream.core.atomic_file import writing
from har_stream.core.errors import InputError

logger = logging.getLogger(__name__)

LABELLED, ORDINARY, UNLABELLED = "labelled", "ordinary", "unlabelled"
STRETCH_DAYS = 1.0
"""A stretch that nobody corrects within a day was right; its clip goes."""
MAX_LABEL_LENGTH = 60
Kind = Literal["unsure", "stretch", "recorded"]
"""Why it was kept: the recogniser was unsure, something began, somebody asked for it."""
_DAY_S = 24 * 3600.0
_STAMP = "%Y%m%dT%H%M%S.%f%z"
_NAME = re.compile(
    rf"(?P<stamp>\d{{8}}T\d{{6}}\.\d{{6}}[+-]\d{{4}})_(?P<camera>[a-z0-9_-]+)_"
    rf"(?P<kind>{'|'.join(get_args(Kind))})"
)
"""Only files of such names are ever moved or deleted."""


@dataclass(frozen=True, slots=True)
class KeptClip:
    """A clip of the folder.

    Attributes:
        path: Its file.
        camera: What it shows.
        at: When it begins.
        kind: Why it was kept.
        place: Whether somebody has said what it shows.
        label: The activity that it shows, where it is `LABELLED`.
        session: Clips of one session are alike, and judged together.
        n_bytes: Of its file.
        written_s: When it was written, in seconds since 1970.
    """

    path: Path
    camera: str
    at: datetime
    kind: Kind
    place: str
    label: str | None
    session: str
    n_bytes: int
    written_s: float


def name_clip(at: datetime, camera: str, kind: Kind) -> str:
    """Name a clip's file; a session and an age can be read off it."""
    return f"{at.strftime(_STAMP)}_{camera}_{kind}.mp4"


class ClipFolder:
    """All clips of a node; safe from any thread.

    Args:
        path: Where they lie; made readable by its owner alone.
        bounds: How many, how large, how old.
        wall_s: Seconds since 1970.

    Raises:
        InputError: The folder cannot be written.
    """

    def __init__(
        self, path: Path, bounds: ClipSettings, *, wall_s: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self._bounds = bounds
        self._wall_s = wall_s
        self._lock = threading.RLock()
        with writing(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (path / ".writable").touch()
            (path / ".writable").unlink()
        for torn in path.rglob(".*.part.mp4"):
            if _NAME.fullmatch(torn.name.removeprefix(".").removesuffix(".part.mp4")):
                torn.unlink(missing_ok=True)
        self.make_room()

    def file_of(self, name: str, *, label: str | None, session: str) -> Path:
        """Say where a clip belongs that somebody asked for: an activity's, or an ordinary one."""
        parts = (ORDINARY,) if label is None else (LABELLED, label)
        return self.path.joinpath(*parts, session, name)

    def unlabelled_file(self, name: str) -> Path:
        """Say where a clip goes of which nobody has said anything."""
        return self.path / UNLABELLED / name

    def clips(self) -> list[KeptClip]:
        """List all clips, the newest first."""
        with self._lock:
            found = [clip for path in self.path.rglob("*.mp4") if (clip := self._read(path))]
        return sorted(found, key=lambda clip: clip.at, reverse=True)

    def label(self, name: str, label: str | None) -> None:
        """Note which activity a clip shows; ``None``: none that is to be taught.

        Raises:
            InputError: There is no such clip, or the label can be no folder's name.
        """
        check_label(label)
        with self._lock:
            clip = self._find(name)
            path = self.file_of(clip.path.name, label=label, session=clip.session)
            with writing(path):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                clip.path.replace(path)
            self._leave(clip.path)

    def delete(self, names: Collection[str] | None = None) -> int:
        """Delete clips by their names, or all; returns how many there were.

        Raises:
            InputError: There is no such clip, or it cannot be deleted.
        """
        with self._lock:
            clips = self.clips() if names is None else [self._find(name) for name in names]
            for clip in clips:
                self._delete(clip)
        return len(clips)

    def make_room(self) -> None:
        """Delete what is too old, too many or too much: what nobody has labelled goes first."""
        with self._lock:
            kept = []
            for clip in self.clips():
                if self._wall_s() - clip.written_s > self._days(clip) * _DAY_S:
                    self._delete(clip)
                else:
                    kept.append(clip)
            kept.sort(key=lambda clip: (clip.place != UNLABELLED, clip.written_s))
            n_bytes = sum(clip.n_bytes for clip in kept)
            while len(kept) > self._bounds.max_clips or n_bytes > self._bounds.max_mb * 1e6:
                oldest = kept.pop(0)
                n_bytes -= oldest.n_bytes
                self._delete(oldest)
                logger.info("%s: deleted, the kept clips reached their bound", oldest.path.name)

    def _days(self, clip: KeptClip) -> float:
        if clip.place != UNLABELLED:
            return self._bounds.labelled_days
        return min(STRETCH_DAYS, self._bounds.days) if clip.kind == "stretch" else self._bounds.days

    def _find(self, name: str) -> KeptClip:
        for clip in self.clips():
            if clip.path.stem == name:
                return clip
        raise InputError(f"there is no clip {name!r:.99}; it may have been deleted meanwhile")

    def _delete(self, clip: KeptClip) -> None:
        with writing(clip.path):
            clip.path.unlink(missing_ok=True)
        self._leave(clip.path)

    def _leave(self, path: Path) -> None:
        """Take away folders in which nothing is left."""
        for folder in path.parents:
            if folder == self.path:
                break
            with suppress(OSError):  # there is something in it
                folder.rmdir()

    def _read(self, path: Path) -> KeptClip | None:
        found = _NAME.fullmatch(path.stem)
        parts = path.relative_to(self.path).parts[:-1]
        labels: Sequence[str | None]
        match parts:
            case ("labelled", label, session):
                labels = (label, session)
            case ("ordinary", session):
                labels = (None, session)
            case ("unlabelled",):
                labels = (None, None)
            case _:
                return None
        try:
            if found is None:
                return None
            at = datetime.strptime(found["stamp"], _STAMP)
            file = path.stat()
        except (ValueError, OSError):  # it may just have gone
            return None
        kind: Kind = found["kind"]  # type: ignore[assignment]  # by the pattern
        return KeptClip(
            path=path,
            camera=found["camera"],
            at=at,
            kind=kind,
            place=parts[0],
            label=labels[0],
            session=labels[1] or f"{at:%Y-%m-%d}",
            n_bytes=file.st_size,
            written_s=file.st_mtime,
        )


def check_label(label: str | None) -> None:
    """Refuse what can be no folder's name.

    Raises:
        InputError: It cannot.
    """
    if label is None:
        return
    odd = label != label.strip() or label.startswith(".") or re.search(r"[/\\]", label)
    if not label or odd or not label.isprintable() or len(label) > MAX_LABEL_LENGTH:
        raise InputError(
            f"{label!r:.80} is no name of an activity: 1 to {MAX_LABEL_LENGTH} characters, no "
            "slash, no leading dot"
        )
