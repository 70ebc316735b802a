"""Keeps short clips to teach from: of what was unsure, of what began, and when somebody asks.

They show what the recogniser looks at, without anything drawn on it, and never leave this machine.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from har_stream.core.activity import IDLE, UNKNOWN, Change, News, Recognition
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.core.log_once import LogOnce
from har_stream.preview.clip_folder import ClipFolder, Kind, check_label, name_clip
from har_stream.preview.recent_frames import KeptFrame, RecentFrames, images_of
from har_stream.preview.video_writer import ClipFile

logger = logging.getLogger(__name__)

CLIP = timedelta(seconds=10)
SHORTEST = timedelta(seconds=3)
"""Of what is left when a recording ends."""
UNSURE_SHARE = 0.7
"""Of the decisions of `CLIP` in front of which somebody is seen and no activity is named."""
UNSURE_EVERY = timedelta(minutes=5)
"""One clip of what is unsure in so long, from each camera."""
SEEN = 0.25
"""Mean score of the joints from which somebody is seen."""
LONGEST_S = 600.0
"""Of one recording."""
MAX_WAITING = 3
"""Clips that wait to be written; more are left out, for memory's sake."""


@dataclass(frozen=True, slots=True)
class ClipSession:
    """What somebody asked for.

    Attributes:
        label: What is done; ``None``: nothing that is to be taught.
        session: Its name.
        ends_at: Stream time of its end.
    """

    label: str | None
    session: str
    ends_at: datetime


@dataclass(slots=True)
class _Watched:
    """What is kept of one camera for a moment."""

    recent: RecentFrames = field(default_factory=lambda: RecentFrames(CLIP.total_seconds()))
    unsure: deque[tuple[datetime, bool]] = field(default_factory=deque)
    unsure_at: datetime | None = None
    began_at: datetime | None = None
    recording: ClipSession | None = None


class ClipKeeper:
    """Decides what is kept; frames and news come from the pipeline, recordings from anywhere.

    Args:
        folder: Where clips go.
        fps: Sampled frames a second.
    """

    def __init__(self, folder: ClipFolder, *, fps: float) -> None:
        self.folder = folder
        self._fps = fps
        self._lock = threading.Lock()
        self._cameras: dict[str, _Watched] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="clips")
        self._n_waiting = 0
        self._once = LogOnce()

    def change_fps(self, fps: float) -> None:
        """Have as many frames a second from here on; a recording ends, and what it has is kept."""
        if fps != self._fps:
            self.stop()
            with self._lock:
                self._fps = fps
                self._cameras.clear()

    def show(self, camera: str, frame: Frame) -> None:
        """Take in a frame that is looked at."""
        with self._lock:
            here = self._cameras.setdefault(camera, _Watched())
            if here.recent.add(frame, frame.image):
                here.began_at = None
                here.unsure.clear()
            if here.recording is not None:
                self._go_on(camera, here, here.recording)
            elif here.began_at and frame.captured_at - here.began_at >= CLIP:
                here.began_at = None
                self._keep(camera, here, "stretch")

    def update(self, news: News) -> None:
        """Take in what was recognised."""
        if not isinstance(news, Recognition | Change):
            return
        with self._lock:
            here = self._cameras.setdefault(news.camera, _Watched())
            if here.recording is not None or not here.recent:
                return
            if isinstance(news, Change):
                # It shows what began once it has gone on for as long as a clip is.
                here.began_at = here.recent.ends_at if news.ended_at is None else None
            elif self._was_unsure(here, news):
                here.unsure_at = news.at
                self._keep(news.camera, here, "unsure")

    def record(self, camera: str, *, label: str | None, seconds: float) -> ClipSession:
        """Keep all that a camera sees from now on for so long, as one session.

        Raises:
            InputError: Nothing comes from the camera, or the label can be no folder's name.
        """
        check_label(label)
        if not 0 < seconds <= LONGEST_S:
            raise InputError(f"seconds: more than 0 and {LONGEST_S:.0f} at most expected")
        with self._lock:
            here = self._cameras.get(camera)
            if here is None or not here.recent:
                raise InputError(f"camera {camera!r:.80} has delivered no picture yet")
            at = here.recent.ends_at
            here.recent.clear()
            here.unsure.clear()
            here.began_at = None
            session = f"{at:%Y-%m-%d-%H%M%S}"
            here.recording = ClipSession(label, session, at + timedelta(seconds=seconds))
            return here.recording

    def stop(self) -> None:
        """End all recordings; what they have is kept."""
        with self._lock:
            for camera, here in self._cameras.items():
                self._end(camera, here)

    def recordings(self) -> dict[str, ClipSession]:
        """Return what is being recorded, by camera."""
        with self._lock:
            return {name: here.recording for name, here in self._cameras.items() if here.recording}

    def close(self) -> None:
        """Finish what is being written."""
        self.stop()
        self._writer.shutdown()

    def _go_on(self, camera: str, here: _Watched, recording: ClipSession) -> None:
        if here.recent.ends_at >= recording.ends_at:
            self._end(camera, here)
        elif here.recent.ends_at - here.recent.begins_at >= CLIP - timedelta(seconds=1 / self._fps):
            self._keep(camera, here, "recorded", recording)

    def _end(self, camera: str, here: _Watched) -> None:
        recording, here.recording = here.recording, None
        if recording and here.recent and here.recent.ends_at - here.recent.begins_at >= SHORTEST:
            self._keep(camera, here, "recorded", recording)

    def _was_unsure(self, here: _Watched, news: Recognition) -> bool:
        """Tell whether nobody could say for the length of a clip what somebody does."""
        score = sum(joint[2] for joint in news.key_points) / max(1, len(news.key_points))
        is_unsure = news.label == UNKNOWN and news.state != IDLE and score >= SEEN
        here.unsure.append((news.at, is_unsure))
        while news.at - here.unsure[0][0] > CLIP:
            here.unsure.popleft()
        if not is_unsure or news.at - here.unsure[0][0] < 0.8 * CLIP:
            return False
        if here.unsure_at and timedelta(0) <= news.at - here.unsure_at < UNSURE_EVERY:
            return False
        return sum(each for _, each in here.unsure) >= UNSURE_SHARE * len(here.unsure)

    def _keep(
        self, camera: str, here: _Watched, kind: Kind, recording: ClipSession | None = None
    ) -> None:
        frames, size_px = here.recent.taken(), here.recent.size_px
        name = name_clip(here.recent.begins_at, camera, kind)
        here.recent.clear()
        if self._n_waiting >= MAX_WAITING:
            self._once.warn("clips", "clips cannot be written as fast as they come; some are not")
            return
        if recording is None:
            path = self.folder.unlabelled_file(name)
        else:
            path = self.folder.file_of(name, label=recording.label, session=recording.session)
        self._n_waiting += 1
        self._writer.submit(self._write, path, frames, size_px)

    def _write(self, path: Path, frames: Sequence[KeptFrame], size_px: tuple[int, int]) -> None:
        try:
            clip = ClipFile(path, fps=self._fps, size_px=size_px)
            for image, n_ticks in images_of(frames):
                for _ in range(n_ticks):
                    clip.write(image)
            clip.close()
            self.folder.make_room()
        except InputError as error:
            logger.error("%s", error)
        finally:
            with self._lock:
                self._n_waiting -= 1
