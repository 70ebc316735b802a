"""Video files and folders of clips: every frame in order, deterministic, none ever dropped."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import cv2

from har_stream.cameras import capture
from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.sampling import Sampler
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame, Image
from har_stream.core.redact import redact
from har_stream.core.url import parse_url

logger = logging.getLogger(__name__)

MAX_MISSES = 10_000
"""Frames in a row that may be unreadable in a corrupt file before it counts as ended."""
MISSES_IF_UNCOUNTED = 250
"""The same for a container that does not say how many frames it holds; a miss costs 40 us."""

GAP_S, GAP_FRAMES = 0.5, 10
"""A step in time longer than both of these is a gap, and said."""


def read_file(
    path: Path | str,
    *,
    sample_hz: float,
    start_at: datetime,
    counts: SourceCounts | None = None,
    n_threads: int = 1,
) -> Iterator[Frame]:
    """Read one video file: every frame is decoded in order, only the sampled ones are converted.

    Args:
        path: The file, or the URL of one; its rotation metadata is honoured.
        sample_hz: Sampled frames per second of stream time.
        start_at: Capture time of its first frame, timezone-aware; the others follow by their
            presentation times, so that a variable frame rate is honoured, or by the stated rate
            where the file has no timestamps.
        counts: Counted up while reading.
        n_threads: Decoding threads.

    Yields:
        The sampled frames; the first one resets.

    Raises:
        InputError: It is missing, empty or no video (at once), or no frame of it can be decoded.
    """
    video = VideoFile(path, counts or SourceCounts(), n_threads=n_threads)
    return _sampled(video, sample_hz=sample_hz, start_at=start_at)


def read_folder(
    path: Path,
    *,
    sample_hz: float,
    start_at: datetime,
    counts: SourceCounts | None = None,
    n_threads: int = 1,
) -> Iterator[Frame]:
    """Read a folder of clips in the order of their names, back to back in stream time.

    Each clip begins a new window. Files that are no videos are named and skipped. The arguments are
    those of `read_file`.

    Raises:
        InputError: There is no file in the folder (at once), or no video among them (at the end).
    """
    paths = sorted(found for found in path.iterdir() if found.is_file())
    if not paths:
        raise InputError(f"{path}: this folder is empty; give a folder of video files")
    return _back_to_back(
        path,
        paths,
        sample_hz=sample_hz,
        start_at=start_at,
        counts=counts or SourceCounts(),
        n_threads=n_threads,
    )


class VideoFile:
    """One open video file.

    Attributes:
        name: Its path or URL, without credentials.
        fps: Its stated rate, or the assumed one.
    """

    def __init__(self, path: Path | str, counts: SourceCounts, *, n_threads: int = 1) -> None:
        self.name = redact(str(path))
        self._counts = counts
        self._capture = _open(path, n_threads)
        self.fps = capture.fps(self._capture)
        self._times = _Times(1000 / self.fps)

    @property
    def ends_after(self) -> timedelta:
        """Time from the first frame to the end of the frame decoded last."""
        return timedelta(milliseconds=self._times.offset_ms + self._times.interval_ms)

    def grab_all(self) -> Iterator[timedelta]:
        """Decode frame after frame; what cannot be decoded is skipped, counted and said once.

        Yields:
            Each frame's time since the first one.

        Raises:
            InputError: Not one frame can be decoded.
        """
        times, grab, get = self._times, self._capture.grab, self._capture.get
        n_stated = get(cv2.CAP_PROP_FRAME_COUNT)
        n_grabbed = n_missed = n_missed_now = 0
        while True:
            if not grab():
                n_missed_now += 1
                if n_missed_now > _misses_allowed(n_stated, n_grabbed + n_missed):
                    break
                continue
            n_missed, n_missed_now = n_missed + n_missed_now, 0
            n_grabbed += 1
            self._counts.n_in += 1
            times.advance(get(cv2.CAP_PROP_POS_MSEC))
            if n_grabbed == 2 and times.is_guessed:
                logger.warning("%s: no timestamps; %g fps assumed", self.name, self.fps)
            yield timedelta(milliseconds=times.offset_ms)
        if n_grabbed == 0:
            raise InputError(f"{self.name}: no frame of it can be decoded; is the file damaged?")
        # Where a container does not count its frames, the stated count is duration times rate.
        cut_ms = n_stated * times.interval_ms - self.ends_after / timedelta(milliseconds=1)
        if n_missed or times.gaps_ms or cut_ms > times.longest_step_ms:
            missing_s = (times.gaps_ms + max(cut_ms, 0)) / 1000
            logger.warning(
                "%s: damaged or cut off: %d frames read, %d unreadable, %.1f s without any",
                self.name,
                n_grabbed,
                n_missed,
                missing_s,
            )

    def image(self) -> Image:
        """Convert the frame grabbed last: shape (height, width, 3), uint8, BGR."""
        return capture.retrieve_image(self._capture)

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()


class _Times:
    """Turns stated positions into times since the first frame, which never go back.

    Attributes:
        interval_ms: Time of one frame at the file's rate.
        longest_step_ms: A longer step is a gap.
        offset_ms: Time of the newest frame.
        gaps_ms: Sum of all gaps.
        is_guessed: Whether the newest frame had no timestamp, or one that goes back.
    """

    def __init__(self, interval_ms: float) -> None:
        self.interval_ms = interval_ms
        self.longest_step_ms = max(GAP_S * 1000, GAP_FRAMES * interval_ms)
        self.offset_ms = self.gaps_ms = 0.0
        self.is_guessed = False
        self._first_ms: float | None = None

    def advance(self, position_ms: float) -> None:
        """Go on to the next frame, stated to be here."""
        if self._first_ms is None:
            self._first_ms = position_ms
            return
        step_ms = position_ms - self._first_ms - self.offset_ms
        self.is_guessed = step_ms <= 0
        if self.is_guessed:
            step_ms = self.interval_ms
        if step_ms > self.longest_step_ms:
            self.gaps_ms += step_ms
        self.offset_ms += step_ms


def _misses_allowed(n_stated: float, n_seen: int) -> int:
    """An intact file ends at its stated count; one miss more tells its end from a bad frame."""
    if n_stated <= 0:
        return MISSES_IF_UNCOUNTED
    return min(max(1, int(n_stated) - n_seen), MAX_MISSES)


def _open(path: Path | str, n_threads: int) -> cv2.VideoCapture:
    if isinstance(path, str) and parse_url(path).scheme:
        opened = capture.open_url(path, n_threads=n_threads)
        if opened is None:
            raise InputError(f"{redact(path)}: no video can be read there; check the address")
        return opened
    path = Path(path)
    name = redact(str(path))  # an address that lacks its :// is looked for as a file
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{name}: the file is empty; give a video file")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{name}: cannot be read: {reason}; give a video file") from error
    opened = capture.open_url(str(path.resolve()), n_threads=n_threads)
    if opened is None or not capture.is_video(opened, path):
        raise InputError(f"{name}: not a video that can be read; try to play it with ffplay")
    return opened


def _sampled(video: VideoFile, *, sample_hz: float, start_at: datetime) -> Iterator[Frame]:
    sampler = Sampler(sample_hz)
    try:
        for offset in video.grab_all():
            captured_at = start_at + offset
            sample = sampler.sample(captured_at)
            if sample.n_ticks:
                yield Frame(video.image(), captured_at, sample.n_ticks, sample.resets)
    finally:
        video.close()


def _back_to_back(
    folder: Path,
    paths: list[Path],
    *,
    sample_hz: float,
    start_at: datetime,
    counts: SourceCounts,
    n_threads: int,
) -> Iterator[Frame]:
    n_read = 0
    for path in paths:
        try:
            clip = VideoFile(path, counts, n_threads=n_threads)
            yield from _sampled(clip, sample_hz=sample_hz, start_at=start_at)
        except InputError as error:
            logger.warning("skipped: %s", error)
        else:
            n_read += 1
            start_at += clip.ends_after
    if not n_read:
        raise InputError(f"{folder}: none of its {len(paths)} files is a video that can be read")
