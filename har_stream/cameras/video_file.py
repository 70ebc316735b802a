"""Video files and folders of clips: every frame in order, deterministic, none ever dropped."""

import logging
import math
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import av
from av import Packet, VideoFrame
from av.container import InputContainer
from av.video.stream import VideoStream

from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.converter import AS_CAPTURED, Converter, ImageOptions
from har_stream.cameras.decoder import (
    COVER,
    SoundAloneError,
    check_decoder,
    fps_of,
    has_times,
    is_of_pictures,
    open_video,
)
from har_stream.cameras.packets import FilePackets, FileTimes
from har_stream.cameras.sampling import KEYFRAME_GAP_S, NOT_NEEDED, Sample, Sampler, look_ahead
from har_stream.config.camera_settings import Decode, DecodeOn
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame, SampleRate
from har_stream.core.redact import redact
from har_stream.core.url import parse_url, to_openable

logger = logging.getLogger(__name__)

OPEN_S = 10.0
"""An address that does not answer for so long, or while it is read, holds no file."""
N_NAMED = 5
"""Folders, and files that are no videos, that are named, at most."""
TEXT_ART = "tty"
"""FFmpeg opens text too, and draws it as characters."""


def read_file(
    path: Path | str,
    *,
    sample_hz: SampleRate,
    start_at: datetime,
    images: ImageOptions = AS_CAPTURED,
    decode: Decode = "needed",
    counts: SourceCounts | None = None,
    n_threads: int = 1,
) -> Iterator[Frame]:
    """Read one video file in order; only sampled frames are converted.

    Args:
        path: The file, or the URL of one; its rotation metadata is honoured.
        sample_hz: Sampled frames per second of stream time.
        start_at: Capture time of its first frame, timezone-aware; the others follow by their
            presentation times, so that a variable frame rate is honoured, or by the stated rate
            where the file has no timestamps.
        images: What is wanted of its images.
        decode: How much of it is decoded; see `CameraSettings`.
        counts: Counted up while reading.
        n_threads: Decoding threads. More than one cost processor time; they pay for one file that
            has the machine to itself.

    Yields:
        The sampled frames; the first one resets.

    Raises:
        InputError: It is missing, empty or no video (at once), or no frame of it can be decoded.
    """
    video = VideoFile(
        path, counts or SourceCounts(), n_threads=n_threads, decode_on=_decoder(images)
    )
    return _sampled(video, images, sample_hz=sample_hz, start_at=start_at, decode=decode)


def read_folder(
    path: Path,
    *,
    sample_hz: SampleRate,
    start_at: datetime,
    images: ImageOptions = AS_CAPTURED,
    decode: Decode = "needed",
    counts: SourceCounts | None = None,
    n_threads: int = 1,
) -> Iterator[Frame]:
    """Read a folder of clips in the order of their names, back to back in stream time.

    Each clip begins a new window. Files that are no videos are named and skipped. The arguments are
    those of `read_file`.

    Raises:
        InputError: It cannot be read, or there is no file in it (at once), or no video among them
            (at the end).
    """
    try:
        found = sorted(path.iterdir())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    paths = [each for each in found if each.is_file()]
    folders = [each.name for each in found if each.is_dir() and not each.name.startswith(".")]
    if not paths and folders:
        raise InputError(
            f"{path}: holds folders alone ({', '.join(folders[:N_NAMED])}); give one of them, or "
            "recognise all recordings below it with --archive"
        )
    if not paths:
        raise InputError(f"{path}: this folder is empty; give a folder of video files")
    if folders:
        logger.warning("%s: its folders are not read: %s", path, ", ".join(folders[:N_NAMED]))
    return _back_to_back(
        path,
        paths,
        images,
        sample_hz=sample_hz,
        start_at=start_at,
        decode=decode,
        counts=counts or SourceCounts(),
        n_threads=n_threads,
    )


class VideoFile:
    """One open video file.

    Attributes:
        name: Its path or URL, without credentials.
        fps: Its stated rate, or the assumed one.
        stated_s: Length that it states, in seconds; 0 where it states none.
        n_decoded: Frames decoded so far.

    Raises:
        InputError: It is missing, empty or no video.
    """

    def __init__(
        self,
        path: Path | str,
        counts: SourceCounts,
        *,
        n_threads: int = 1,
        decode_on: DecodeOn = "cpu",
    ) -> None:
        self.name = redact(str(path))
        self._counts = counts
        self._decode_on = decode_on
        self._container, self._stream = _open(path, self.name, decode_on)
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
        self._times = FileTimes(1 / self.fps)
        self._packets = FilePackets(self._container, self._stream, self._times)
        self.n_decoded = self._n_timed = self._n_unreadable = 0

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
        for packet in self._packets.read():
            yield from self._timed(self._decode(packet))
        yield from self._timed(self._decode(None))
        self._finish()

    def samples(
        self, sampler: Sampler, start_at: datetime, *, decode: Decode
    ) -> Iterator[tuple[VideoFrame, datetime, Sample]]:
        """Decode what is needed of the file for its samples.

        Args:
            sampler: Chooses them.
            start_at: Capture time of the first frame.
            decode: How much is decoded; see `CameraSettings`.

        Yields:
            Each sampled frame, and when it was captured.

        Raises:
            InputError: Not one frame can be decoded.
        """
        if decode == "needed" and self._has_times:
            yield from self._needed(sampler, start_at)
            return
        if decode == "keyframes":
            self._stream.codec_context.skip_frame = "NONKEY"
            self._times.longest_step_s = math.inf  # nothing between two of them is missed
        for offset, frame in self.frames():
            sample = sampler.sample(start_at + offset)
            if sample.n_ticks:
                yield frame, start_at + offset, sample

    def _needed(
        self, sampler: Sampler, start_at: datetime
    ) -> Iterator[tuple[VideoFrame, datetime, Sample]]:
        """Sample by the packets' times, and leave out frames that nobody refers to or samples."""
        planned: deque[tuple[int, datetime, Sample]] = deque()
        codec = self._stream.codec_context
        for packet, shown in look_ahead(self._packets.read()):
            for pts in shown:
                self._counts.n_in += 1
                self._times.advance(pts * self._tick_s)
                at = start_at + timedelta(seconds=self._times.offset_s)
                sample = sampler.sample(at)
                if sample.n_ticks:
                    planned.append((pts, at, sample))
            is_needed = packet.pts is None or any(pts == packet.pts for pts, _, _ in planned)
            codec.skip_frame = "DEFAULT" if is_needed else "NONREF"
            yield from _due(planned, self._decode(packet))
        yield from _due(planned, self._decode(None))
        self._finish()

    def _decode(self, packet: "Packet[VideoStream] | None") -> list[VideoFrame]:
        """Decode a packet, or in the end what the decoder still has."""
        try:
            decoded = self._stream.decode(packet)
        except av.FFmpegError:
            self._n_unreadable += 1
            return []
        if decoded and not self.n_decoded:
            check_decoder(self._decode_on, self._stream, decoded[0])
        self.n_decoded += len(decoded)
        return decoded

    def _timed(self, decoded: Iterable[VideoFrame]) -> Iterator[tuple[timedelta, VideoFrame]]:
        for frame in decoded:
            self._counts.n_in += 1
            is_second = self._n_timed == 1
            self._n_timed += 1
            self._times.advance(self._position_s(frame))
            if is_second and self._times.is_guessed:
                logger.warning("%s: no timestamps; %g fps assumed", self.name, self.fps)
            yield timedelta(seconds=self._times.offset_s), frame

    def _finish(self) -> None:
        """Say what was wrong with the file, once all is read."""
        if self.n_decoded == 0:
            raise InputError(f"{self.name}: no frame of it can be decoded; is the file damaged?")
        n_unreadable = self._n_unreadable + self._packets.n_unreadable
        missing_s = self._packets.missing_s()
        if n_unreadable or missing_s:
            logger.warning(
                "%s: damaged or cut off: %d frames read, %d unreadable, %.1f s without any",
                self.name,
                self.n_decoded,
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


def _open(path: Path | str, name: str, decode_on: DecodeOn) -> tuple[InputContainer, VideoStream]:
    is_url = isinstance(path, str) and bool(parse_url(path).scheme)
    if is_url:
        address, refusal = to_openable(str(path)), "no video can be read there; check the address"
    else:
        address, refusal = (
            str(Path(path).absolute()),
            "not a video that can be read, or one that was cut off; try to play it with ffplay",
        )
        _check_file(Path(path), name)
    try:
        timeout = (OPEN_S, OPEN_S) if is_url else None
        container, stream = open_video(address, timeout=timeout, decode_on=decode_on)
    except SoundAloneError as error:
        raise InputError(
            f"{name}: not a video: there is sound alone, or with a cover; give one"
        ) from error
    except (av.FFmpegError, ValueError) as error:
        raise InputError(f"{name}: {refusal}") from error
    if container.format.name == TEXT_ART or (is_of_pictures(container) and not _has_two(address)):
        container.close()
        raise InputError(f"{name}: {refusal}")
    n_tracks = sum(not each.disposition & COVER for each in container.streams.video)
    if n_tracks > 1:
        logger.warning("%s: holds %d video tracks; the first is read", name, n_tracks)
    return container, stream


def _has_two(address: str) -> bool:
    """Tell JPEG after JPEG, which is a video, from a photograph."""
    with av.open(address) as container:
        return sum(packet.size > 0 for packet in islice(container.demux(), 2)) == 2


def _check_file(path: Path, name: str) -> None:
    try:
        if path.is_fifo():
            raise InputError(f"{name}: is a pipe, which cannot be read twice; give a video file")
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{name}: the file is empty; give a video file")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{name}: cannot be read: {reason}; give a video file") from error


def _decoder(images: ImageOptions) -> DecodeOn:
    return "cpu" if images.camera is None else images.camera.decode_on


def _sampled(
    video: VideoFile,
    images: ImageOptions,
    *,
    sample_hz: SampleRate,
    start_at: datetime,
    decode: Decode,
) -> Iterator[Frame]:
    sampler = Sampler(sample_hz, gap_s=KEYFRAME_GAP_S if decode == "keyframes" else None)
    converter = Converter(images)
    try:
        for decoded, captured_at, sample in video.samples(sampler, start_at, decode=decode):
            yield Frame(
                converter.image(decoded),
                captured_at,
                sample.n_ticks,
                sample.resets,
                converter.shown(decoded),
            )
    finally:
        video.close()


def _due(
    planned: deque[tuple[int, datetime, Sample]], decoded: Iterable[VideoFrame]
) -> Iterator[tuple[VideoFrame, datetime, Sample]]:
    """Match decoded frames with what was planned; one that is broken is replaced by the next."""
    for frame in decoded:
        at, sample = None, NOT_NEEDED
        while planned and (frame.pts is None or planned[0][0] <= frame.pts):
            _, at, planned_sample = planned.popleft()
            sample = planned_sample.after(sample)
        if at is not None:
            yield frame, at, sample


def _back_to_back(
    folder: Path,
    paths: list[Path],
    images: ImageOptions,
    *,
    sample_hz: SampleRate,
    start_at: datetime,
    decode: Decode,
    counts: SourceCounts,
    n_threads: int,
) -> Iterator[Frame]:
    n_read = n_skipped = 0
    for path in paths:
        try:
            clip = VideoFile(path, counts, n_threads=n_threads, decode_on=_decoder(images))
            yield from _sampled(clip, images, sample_hz=sample_hz, start_at=start_at, decode=decode)
        except InputError as error:
            n_skipped += 1
            if n_skipped <= N_NAMED:
                logger.warning("skipped: %s", error)
        else:
            n_read += 1
            start_at += clip.ends_after
    if n_skipped > N_NAMED:
        logger.warning("skipped likewise: %d more of %s", n_skipped - N_NAMED, folder)
    if not n_read:
        raise InputError(
            f"{folder}: none of its {len(paths)} files is a video that can be read; give others"
        )
