"""One clip on disk: written whole or not at all."""

from pathlib import Path

import cv2

from har_stream.core.errors import InputError
from har_stream.core.frame import Image


class ClipFile:
    """A clip being written; it gets its name once it is whole.

    Args:
        path: Where it goes, readable by its owner alone, as its folder is where that is made.
        fps: Frames per second.
        size_px: Width and height of its frames.

    Attributes:
        n_frames: Frames written so far.
    """

    def __init__(self, path: Path, *, fps: float, size_px: tuple[int, int]) -> None:
        self.n_frames = 0
        self._path = path
        self._part = path.with_name(f".{path.stem}.part.mp4")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._part.touch()
            self._part.chmod(0o600)  # before the first frame; the codec keeps it
        except OSError as error:
            raise InputError(f"{path.parent}: cannot be written: {error.strerror}") from error
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self._part), cv2.CAP_FFMPEG, codec, fps, size_px)

    def write(self, image: Image) -> None:
        """Append a frame, shape (height, width, 3), BGR."""
        self._writer.write(image)
        self.n_frames += 1

    def close(self) -> None:
        """Finish the clip.

        Raises:
            InputError: Not every frame has reached the disk; nothing is left of the clip then.
        """
        self._writer.release()
        written = cv2.VideoCapture(str(self._part))
        n_written = int(written.get(cv2.CAP_PROP_FRAME_COUNT))
        written.release()
        if n_written != self.n_frames:
            self.abandon()
            raise InputError(
                f"{self._path}: {n_written} of {self.n_frames} frames could be written; is the "
                "disk full, or the folder not yours?"
            )
        self._part.replace(self._path)

    def abandon(self) -> None:
        """Drop the clip."""
        self._writer.release()
        self._part.unlink(missing_ok=True)
