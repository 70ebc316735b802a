"""Video files and folders of clips: every frame in order, deterministic, none ever dropped."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
from av import Packet, VideoFrame
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from har_stream.cameras.capture import SourceCounts, fps_of, has_times, open_video
from har_stream.cameras.converter import AS_CAPTURED, Converter, ImageOptions
from har_stream.cameras.sampling import Sampler
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.core.redact import redact
from har_stream.core.url import parse_url, to_openable

logger = logging.getLogger(__name__)

MAX_MISSES = 250
"""Parts in a row that may be unreadable in a corrupt file before it counts as ended."""
GAP_S, GAP_FRAMES = 0.5, 10
"""A step in time longer than both of these is a gap."""
OPEN_S = 10.0
"""An address that does not answer for so long, or while it is read, holds no file."""
TEXT_ART = "tty"
"""FFmpeg opens text too, and draws it as characters."""


def read_file(
    path: Path | str,
    *,
    sample_hz: float,
    start_at: datetime,
    images: ImageOptions = AS_CAPTURED,
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
        images: What is wanted of its images.
        counts: Counted up while reading.
        n_threads: Decoding threads. More than one cost processor time; they pay for one file that
            has the machine to itself.

    Yields:
        The sampled frames; the first one resets.

    Raises:
        InputError: It is missing, empty or no video (at once), or no frame of it can be decoded.
    """
    video = VideoFile(path, counts or SourceCounts(), n_threads=n_threads)
    return _sampled(video, images, sample_hz=sample_hz, start_at=start_at)


def read_folder(
    path: Path,
    *,
    sample_hz: float,
    start_at: datetime,
    images: ImageOptions = AS_CAPTURED,
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
        images,
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
        stated_s: Length that it states, in seconds; 0 where it states none.

    Raises:
        InputError: It is missing, empty or no video.
    """

    def __init__(self, path: Path | str, counts: SourceCounts, *, n_threads: int = 1) -> None:
        self.name = redact(str(path))
        self._counts = counts
        self._container, self._stream = _open(path, self.name)
        if n_threads > 1:
            codec = self._stream.codec_context
            codec.thread_count, codec.thread_type = n_threads, "FRAME"
        self.fps = fps_of(self._stream)
        self._tick_s = float(self._stream.time_base or 0)
        if self._stream.duration is not None:
            self.stated_s = self._stream.duration * self._tick_s
        else:
            self.stated_s = (self._container.duration or 0) / av.time_base
        self._has_times = has_times(self._container)
        self._times = _Times(1 / self.fps)
        self._packets = _Packets(self._container, self._stream, self._times)

    @property
    def ends_after(self) -> timedelta:
        """Time from the first frame to the end of the frame decoded last."""
        return timedelta(seconds=self._times.offset_s + self._times.interval_s)

    def frames(self) -> Iterator[tuple[timedelta, VideoFrame]]:
        """Decode frame after frame; what cannot be decoded is skipped, counted and said once.

        Yields:
            Each frame with its time since the first one.

        Raises:
            InputError: Not one frame can be decoded.
        """
        n_decoded, n_unreadable = 0, 0
        for packet in chain(self._packets.read(), [None]):  # at last, what the decoder still has
            try:
                decoded = self._stream.decode(packet)
            except av.FFmpegError:
                n_unreadable += 1
                continue
            for frame in decoded:
                n_decoded += 1
                self._counts.n_in += 1
                self._times.advance(self._position_s(frame))
                if n_decoded == 2 and self._times.is_guessed:
                    logger.warning("%s: no timestamps; %g fps assumed", self.name, self.fps)
                yield timedelta(seconds=self._times.offset_s), frame
        if n_decoded == 0:
            raise InputError(f"{self.name}: no frame of it can be decoded; is the file damaged?")
        n_unreadable += self._packets.n_unreadable
        missing_s = self._packets.missing_s()
        if n_unreadable or missing_s:
            logger.warning(
                "%s: damaged or cut off: %d frames read, %d unreadable, %.1f s without any",
                self.name,
                n_decoded,
                n_unreadable,
                missing_s,
            )

    def _position_s(self, frame: VideoFrame) -> float | None:
        """Where the file says that a frame belongs, in seconds; none where it does not say."""
        if frame.pts is None or not self._has_times:
            return None
        return frame.pts * self._tick_s

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()


class _Times:
    """Turns stated positions into times since the first one, which never go back.

    Attributes:
        interval_s: Time of one frame at the file's rate.
        longest_step_s: A longer step is a gap.
        offset_s: Time of the newest frame.
        gaps_s: Sum of all gaps.
        is_guessed: Whether the newest frame had no timestamp, or one that goes back.
    """

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.longest_step_s = max(GAP_S, GAP_FRAMES * interval_s)
        self.offset_s = self.gaps_s = 0.0
        self.is_guessed = False
        self._first_s: float | None = None

    def advance(self, position_s: float | None) -> None:
        """Go on to the next frame, stated to be here."""
        if self._first_s is None:
            self._first_s = position_s or 0.0
            return
        step_s = 0.0 if position_s is None else position_s - self._first_s - self.offset_s
        self.is_guessed = step_s <= 0
        if self.is_guessed:
            step_s = self.interval_s
        if step_s > self.longest_step_s:
            self.gaps_s += step_s
        self.offset_s += step_s


class _Packets:
    """Reads packets, and tells a file that is damaged or cut off from one whose picture pauses.

    A gap in a file with an index (MP4, AVI) was meant. In any other, it was meant if the sound goes
    on in it.

    Attributes:
        n_unreadable: Times that the file could not be read on.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, times: _Times) -> None:
        self.n_unreadable = 0
        self._container, self._stream = container, stream
        self._times = times
        self._sound: _Times | None = None
        self._read_to_s = 0.0
        self._has_index = bool(stream.frames)
        if self._has_index:
            for other in container.streams:
                if other is not stream:
                    other.discard = Discard.all

    def read(self) -> Iterator["Packet[VideoStream]"]:
        """Yield the packets of the video; where one cannot be read, those behind it."""
        n_missed_now = 0
        while n_missed_now <= MAX_MISSES:
            try:
                for packet in self._container.demux():
                    n_missed_now = 0
                    if not packet.size:  # it marks the end
                        continue
                    self._note_time(packet)
                    if packet.stream is self._stream:
                        yield packet  # type: ignore[misc] # of the video's stream
                return
            except av.FFmpegError:
                n_missed_now += 1
                self.n_unreadable += 1

    def missing_s(self) -> float:
        """Time without any frame that there should have been, once all is read."""
        gaps_s = 0.0 if self._has_index else self._times.gaps_s
        if self._sound is not None:
            gaps_s = min(gaps_s, self._sound.gaps_s)
        cut_s = self._stated_end_s() - self._read_to_s
        return gaps_s + (cut_s if cut_s > self._times.longest_step_s else 0.0)

    def _stated_end_s(self) -> float:
        stream = self._stream
        if stream.duration is not None and stream.time_base is not None:
            return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
        return ((self._container.start_time or 0) + (self._container.duration or 0)) / av.time_base

    def _note_time(self, packet: "Packet[Any]") -> None:
        if packet.dts is None:
            return
        ends = (packet.dts if packet.pts is None else packet.pts) + (packet.duration or 0)
        self._read_to_s = max(self._read_to_s, float(ends * packet.time_base))
        if packet.stream is not self._stream:
            self._sound = self._sound or _Times(self._times.interval_s)
            self._sound.advance(float(packet.dts * packet.time_base))


def _open(path: Path | str, name: str) -> tuple[InputContainer, VideoStream]:
    is_url = isinstance(path, str) and bool(parse_url(path).scheme)
    if is_url:
        address, refusal = to_openable(str(path)), "no video can be read there; check the address"
    else:
        address, refusal = (
            str(Path(path).absolute()),
            "not a video that can be read; try to play it with ffplay",
        )
        _check_file(Path(path), name)
    try:
        timeout = (OPEN_S, OPEN_S) if is_url else None
        container, stream = open_video(address, timeout=timeout)
    except (av.FFmpegError, ValueError) as error:
        raise InputError(f"{name}: {refusal}") from error
    kind = container.format.name
    if kind == TEXT_ART or (_is_of_pictures(kind) and not _has_two(address)):
        container.close()
        raise InputError(f"{name}: {refusal}")
    return container, stream


def _is_of_pictures(kind: str) -> bool:
    return kind == "image2" or kind.endswith("_pipe")


def _has_two(address: str) -> bool:
    """Tell JPEG after JPEG, which is a video, from a photograph."""
    with av.open(address) as container:
        return sum(packet.size > 0 for packet in islice(container.demux(), 2)) == 2


def _check_file(path: Path, name: str) -> None:
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{name}: the file is empty; give a video file")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{name}: cannot be read: {reason}; give a video file") from error


def _sampled(
    video: VideoFile, images: ImageOptions, *, sample_hz: float, start_at: datetime
) -> Iterator[Frame]:
    sampler, converter = Sampler(sample_hz), Converter(images)
    try:
        for offset, decoded in video.frames():
            captured_at = start_at + offset
            sample = sampler.sample(captured_at)
            if sample.n_ticks:
                yield Frame(
                    converter.image(decoded),
                    captured_at,
                    sample.n_ticks,
                    sample.resets,
                    converter.shown(decoded),
                )
    finally:
        video.close()


def _back_to_back(
    folder: Path,
    paths: list[Path],
    images: ImageOptions,
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
            yield from _sampled(clip, images, sample_hz=sample_hz, start_at=start_at)
        except InputError as error:
            logger.warning("skipped: %s", error)
        else:
            n_read += 1
            start_at += clip.ends_after
    if not n_read:
        raise InputError(f"{folder}: none of its {len(paths)} files is a video that can be read")
