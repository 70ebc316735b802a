"""Labelled frames on disk: a clip's pictures, small, and who is in each; a `.npz` a clip."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from har_stream.core.atomic_file import replacing_file
from har_stream.core.frame import Image
from training.data.keypoints.turned_square import Points

SUFFIX = ".npz"
QUALITY = 75
"""Of WebP, 0..100: a frame of 320 pixels comes to some 6 kB."""
SOMEBODY, NOBODY, UNKNOWN = 1, 0, -1
"""Whether anybody is in a frame, for certain."""
Corners = NDArray[np.int_]
"""Left, top, right, bottom, pixels, of each part of a frame; shape (`N_PARTS`, 4). Zeros: none."""
N_PARTS = 3


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """A frame and what is known of it.

    Attributes:
        image: RGB.
        points: Of one person, as a teacher or somebody's eye says.
        somebody: `SOMEBODY`, `NOBODY` or `UNKNOWN`.
        beside: Parts of the frame in which nobody is.
    """

    image: Image
    points: Points
    somebody: int
    beside: Corners


def write_labels(path: Path, frames: Iterable[LabelledFrame]) -> None:
    """Write a clip's frames, whole or not at all."""
    known = list(frames)
    pictures = [_encode(frame.image) for frame in known]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing_file(path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            pictures=np.concatenate([np.empty(0, np.uint8), *pictures]),
            ends=np.cumsum([len(picture) for picture in pictures], dtype=np.int64),
            points=np.array([frame.points for frame in known], np.float32),
            somebody=np.array([frame.somebody for frame in known], np.int8),
            beside=np.array([frame.beside for frame in known], np.int64),
        )


def read_labels(path: Path) -> Iterator[LabelledFrame]:
    """Read what `write_labels` wrote."""
    with np.load(path) as kept:
        pictures = np.split(kept["pictures"], kept["ends"])[:-1]
        rows = zip(pictures, kept["points"], kept["somebody"], kept["beside"], strict=True)
        for picture, points, somebody, beside in rows:
            yield LabelledFrame(_decode(picture), points, int(somebody), beside)


def _encode(image: Image) -> NDArray[np.uint8]:
    options = [cv2.IMWRITE_WEBP_QUALITY, QUALITY]
    _, encoded = cv2.imencode(".webp", np.ascontiguousarray(image[..., ::-1]), options)
    return encoded.astype(np.uint8, copy=False)


def _decode(picture: NDArray[np.uint8]) -> Image:
    decoded = cv2.imdecode(picture, cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError("a labelled picture is no picture")
    return np.ascontiguousarray(decoded[..., ::-1], np.uint8)
