"""One clip on disk: H.264 in MP4, which browsers play; written whole or not at all."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from har_stream.core.errors import InputError
from har_stream.core.frame import Image

if TYPE_CHECKING:
    from av import VideoFrame

# PyAV is imported where it is used: OpenCV's first window has to come before, see `check_window`.

_OPTIONS = {"preset": "veryfast", "crf": "18"}
"""18 is what x264 calls visually lossless: clips are learned from, too."""


class ClipFile:
    """A clip being written; it gets its name once it is whole.

    Args:
        path: Where it goes, readable by its owner alone, as its folder is where that is made.
        fps: Frames per second.
        size_px: Width and height of its frames; an odd one is made even by repeating the edge.

    Attributes:
        n_frames: Frames written so far.
    """

    def __init__(self, path: Path, *, fps: float, size_px: tuple[int, int]) -> None:
        import av
        from av.video.reformatter import ColorRange, Colorspace

        self.n_frames = 0
        self._path = path
        self._part = path.with_name(f".{path.stem}.part.mp4")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._part.touch()
            self._part.chmod(0o600)  # before the first frame; the codec keeps it
            # What a player needs to know comes first, so that it begins before all has arrived.
            self._container = av.open(
                str(self._part), "w", format="mp4", container_options={"movflags": "+faststart"}
            )
        except OSError as error:
            raise InputError(f"{path.parent}: cannot be written: {error.strerror}") from error
        self._stream = self._container.add_stream(
            "libx264", Fraction(fps).limit_denominator(1001), options=_OPTIONS
        )
        width_px, height_px = size_px
        self._odd = height_px % 2, width_px % 2
        self._stream.width, self._stream.height = width_px + self._odd[1], height_px + self._odd[0]
        self._stream.pix_fmt = "yuv420p"
        codec = self._stream.codec_context
        codec.colorspace, codec.color_range = Colorspace.ITU601, ColorRange.MPEG
        codec.thread_count = 1  # the cores recognise
        self._is_broken = False

    def write(self, image: Image) -> None:
        """Append a frame, shape (height, width, 3), BGR; `close` tells where one could not be."""
        from av import VideoFrame

        rows, columns = self._odd
        even = cv2.copyMakeBorder(image, 0, rows, 0, columns, cv2.BORDER_REPLICATE)
        frame = VideoFrame.from_ndarray(even, format="bgr24")  # type: ignore[arg-type] # uint8 as well
        frame.pts = self.n_frames
        self.n_frames += 1
        self._encode(frame)

    def close(self) -> None:
        """Finish the clip.

        Raises:
            InputError: Not every frame has reached the disk; nothing is left of the clip then.
        """
        self._encode(None)
        self._let_go()
        n_written = _count_frames(self._part)
        if n_written != self.n_frames:
            self.abandon()
            raise InputError(
                f"{self._path}: {n_written} of {self.n_frames} frames could be written; is the "
                "disk full, or the folder not yours?"
            )
        self._part.replace(self._path)

    def abandon(self) -> None:
        """Drop the clip."""
        self._let_go()
        self._part.unlink(missing_ok=True)

    def _encode(self, frame: "VideoFrame | None") -> None:
        """Write a frame, or in the end what the encoder still has; nothing more after an error."""
        from av import FFmpegError

        try:
            if not self._is_broken:
                self._container.mux(self._stream.encode(frame))
        except (FFmpegError, OSError):
            self._is_broken = True

    def _let_go(self) -> None:
        from av import FFmpegError

        with suppress(FFmpegError, OSError):
            self._container.close()


def _count_frames(path: Path) -> int:
    """Count the frames that a clip holds, without decoding them; none where it is torn."""
    import av

    try:
        with av.open(str(path)) as container:
            return sum(packet.size > 0 for packet in container.demux(video=0))
    except (av.FFmpegError, OSError, IndexError):
        return 0
