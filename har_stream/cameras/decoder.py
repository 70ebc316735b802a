"""Opens a video by PyAV, and says once where the processor has to decode in the card's place."""

import logging
from collections.abc import Mapping
from functools import cache

import av
from av import VideoFrame
from av.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.container import InputContainer
from av.format import Flags
from av.stream import Disposition
from av.video.stream import VideoStream

from har_stream.config.camera_settings import DecodeOn

logger = logging.getLogger(__name__)

ASSUMED_FPS = 25.0
"""For a source that states neither timestamps nor a believable rate."""
COVER = Disposition.attached_pic
"""The picture of an album goes with sound; it is no video."""
HARDWARE = ("cuda", "vaapi", "videotoolbox")
"""What `decode_on: auto` tries, in this order."""


class SoundAloneError(ValueError):
    """There is sound, perhaps with a cover, and no video."""


def open_video(
    address: str,
    *,
    options: Mapping[str, str] | None = None,
    timeout: tuple[float, float] | None = None,
    decode_on: DecodeOn = "cpu",
) -> tuple[InputContainer, VideoStream]:
    """Open a file or a stream by PyAV, with one decoding thread.

    Args:
        address: As FFmpeg takes it.
        options: FFmpeg's, for opening.
        timeout: Seconds that opening, and waiting for a part, may take.
        decode_on: What decodes; where there is none here, that is said and the processor does.

    Raises:
        av.FFmpegError: It cannot be opened.
        ValueError: There is no video in it, or none whose codec is known.
    """
    hardware = _hardware(decode_on)
    container = av.open(
        address,
        options=dict(options or {}),
        timeout=timeout,
        metadata_errors="ignore",
        hwaccel=HWAccel(hardware, allow_software_fallback=True) if hardware else None,
    )
    videos = [each for each in container.streams.video if not each.disposition & COVER]
    found = [each for each in videos if _has_decoder(each)]
    if not found:
        kind = SoundAloneError if container.streams.audio and not videos else ValueError
        container.close()
        raise kind("no video that FFmpeg knows")
    codec = found[0].codec_context
    codec.thread_count, codec.thread_type = 1, "NONE"
    return container, found[0]


def _has_decoder(stream: VideoStream) -> bool:
    codec: object = (
        stream.codec_context
    )  # none where FFmpeg does not know it, whatever its type says
    return codec is not None


def check_decoder(decode_on: DecodeOn, stream: VideoStream, frame: VideoFrame) -> None:
    """Say once where the processor had to decode what a card was asked to.

    A card may know a codec and not all of its pixel formats: H.264, and not its 4:4:4. Its frames
    are copied out of its memory, into another format than the decoder's; the processor's are not.

    Args:
        decode_on: What was asked for.
        stream: The stream of `open_video`.
        frame: The first that was decoded of it.
    """
    hardware, codec = _hardware(decode_on), stream.codec_context
    if hardware and codec.pix_fmt == frame.format.name:
        _say_unable(hardware, codec.name, frame.format.name)


@cache
def _say_unable(hardware: str, codec: str, pixels: str) -> None:
    logger.warning(
        "decode_on: %s cannot decode %s (%s); the processor does", hardware, codec, pixels
    )


@cache
def _hardware(decode_on: DecodeOn) -> str | None:
    """Find what can decode beside the processor; where what is asked for cannot, say so once."""
    asked = HARDWARE if decode_on == "auto" else (decode_on,)
    for device in asked if decode_on != "cpu" else ():
        try:
            HWAccel(device).create(Codec("h264", "r"))
        except (av.FFmpegError, NotImplementedError):
            continue
        return device
    if decode_on != "cpu":
        known = ", ".join(hwdevices_available())
        logger.warning(
            "decode_on: %s: nothing here decodes so, though this PyAV knows %s; the processor does",
            decode_on,
            known,
        )
    return None


def fps_of(stream: VideoStream) -> float:
    """Return the stated frames per second; 25, FFmpeg's own guess, where that is nonsense."""
    rate = stream.average_rate or stream.guessed_rate or 0
    return float(rate) if 0 < rate <= 1000 else ASSUMED_FPS


def is_of_pictures(container: InputContainer) -> bool:
    """Tell pictures, of which there may be one alone, from a video."""
    kind = container.format.name
    return kind == "image2" or kind.endswith("_pipe")


def has_times(container: InputContainer) -> bool:
    """Tell whether its format has time stamps; where not, FFmpeg makes them up."""
    no_times: int = Flags.no_timestamps.value  # type: ignore[assignment]
    return not container.format.flags & no_times
