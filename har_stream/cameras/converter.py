"""From a decoded frame straight to the pixels that are wanted: cut, shrunk, upright, BGR.

swscale shrinks in the frame's own YUV and converts the few pixels that are left, which costs a
tenth of converting a whole frame. Files, network streams and training all come through here.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from av import VideoFrame
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from har_stream.cameras.masks import blacken
from har_stream.config.camera_settings import CameraSettings, Region
from har_stream.core.frame import Image, PictureSize, WantedPicture

MAX_PIXELS = 3840 * 2160
"""Larger images are made smaller at once: several of each camera are kept, 100 MB each at 8k."""
_EXACT = (
    Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)
"""Colour at full resolution (0.3 of 255 from an exact area average, 7 without), and the same pixels
on every processor."""
_SHRINK = Interpolation.AREA | _EXACT
"""Every pixel of the source counts: free of aliases."""
_KEEP_SIZE = Interpolation.BICUBIC | _EXACT
_WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """What is wanted of a camera's images.

    Attributes:
        picture: Their size.
        camera: Whose masks and region apply, if anybody's.
        shows: Whether frames carry the whole image too, for people to look at.
    """

    picture: WantedPicture = None
    camera: CameraSettings | None = None
    shows: bool = False

    @property
    def picture_now(self) -> PictureSize | None:
        """The size that is wanted now; none: as captured."""
        return self.picture() if callable(self.picture) else self.picture


AS_CAPTURED = ImageOptions()


class Layout(NamedTuple):
    """How an image is shrunk and cut.

    Attributes:
        size_px: Width and height to shrink the whole image to.
        part: Rows and columns to keep of that.
    """

    size_px: tuple[int, int]
    part: tuple[slice, slice]


class Converter:
    """Makes images of one source's decoded frames.

    Args:
        images: What is wanted of them.
    """

    def __init__(self, images: ImageOptions) -> None:
        self._options = images
        self._small, self._whole = VideoReformatter(), VideoReformatter()
        self._progressive: tuple[object, Graph] | None = None
        self._turn: tuple[int, NDArray[np.int64]] | None = None

    def image(self, frame: VideoFrame) -> Image:
        """Return the wanted picture, shape (height, width, 3), uint8, BGR."""
        return self._convert(frame, self._options.picture_now, self._small)

    def shown(self, frame: VideoFrame) -> Image | None:
        """Return the whole image where people look at it, likewise."""
        if not self._options.shows or self._options.picture_now is None:
            return None
        return self._convert(frame, None, self._whole)

    def _convert(
        self, frame: VideoFrame, picture: PictureSize | None, reformatter: VideoReformatter
    ) -> Image:
        matrix = self._matrix(frame)
        is_turned = bool(matrix[0, 0] == 0)
        size_px = frame.width, frame.height
        size_px = size_px[::-1] if is_turned else size_px
        camera = self._options.camera
        region = camera.region if camera is not None else None
        shrunk_px, part = lay_out(size_px, picture, region or _WHOLE)
        width_px, height_px = shrunk_px[::-1] if is_turned else shrunk_px
        # swscale would shrink the two fields of an interlaced frame apart, and comb them again.
        if frame.interlaced_frame:
            frame = self._as_progressive(frame)
        planes = reformatter.reformat(
            frame,
            width_px,
            height_px,
            "gbrp",  # three times faster than to BGR
            interpolation=_KEEP_SIZE if shrunk_px == size_px else _SHRINK,
            threads=1,
        ).planes
        green, blue, red = (
            np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:, :width_px]
            for plane in planes
        )
        merged: Image = cv2.merge([blue, green, red])  # type: ignore[assignment]
        whole = _upright(merged, matrix)
        if camera is not None:
            blacken(whole, camera, margin_px=int(shrunk_px != size_px))
        image = whole[part]
        # Nothing outside may survive behind a view.
        return image if image.shape == whole.shape else image.copy()

    def _matrix(self, frame: VideoFrame) -> NDArray[np.int64]:
        """The display matrix, looked up where the rotation changes: a look keeps a frame alive."""
        if self._turn is None or self._turn[0] != frame.rotation:
            self._turn = frame.rotation, _display_matrix(frame)
        return self._turn[1]

    def _as_progressive(self, frame: VideoFrame) -> VideoFrame:
        kind = frame.width, frame.height, frame.format.name
        if self._progressive is None or self._progressive[0] != kind:
            graph = Graph()
            graph.link_nodes(
                graph.add_buffer(
                    width=frame.width,
                    height=frame.height,
                    format=frame.format,
                    time_base=frame.time_base,
                ),
                graph.add("setfield", "prog"),
                graph.add("buffersink"),
            ).configure()
            self._progressive = kind, graph
        _, graph = self._progressive
        graph.push(frame)
        return graph.vpull()


def lay_out(size_px: tuple[int, int], picture: PictureSize | None, region: Region) -> Layout:
    """Say how to shrink and cut an image, so that the region fills the picture.

    Args:
        size_px: Width and height of the image, upright.
        picture: What is wanted; none: as captured, or smaller by a whole number above `MAX_PIXELS`.
        region: The part to look at, as fractions.
    """
    width, height = size_px
    left, top, right, bottom = region
    part_width, part_height = (right - left) * width, (bottom - top) * height
    if picture is None:
        shrinks_by = math.ceil(math.sqrt(width * height / MAX_PIXELS))
        across = down = 1 / shrinks_by
    else:
        across, down = picture.width_px / part_width, picture.height_px / part_height
        if picture.fit == "crop":
            across = down = min(1.0, max(across, down))
            part_width = min(part_width, part_height * picture.width_px / picture.height_px)
            part_height = min(part_height, part_width * picture.height_px / picture.width_px)
        elif picture.fit == "inside":
            across = down = min(across, down)
        across, down = min(1.0, across), min(1.0, down)
    whole_px = max(1, round(width * across)), max(1, round(height * down))
    columns = _centred((left + right) / 2, round(part_width * across), whole_px[0])
    rows = _centred((top + bottom) / 2, round(part_height * down), whole_px[1])
    return Layout(whole_px, (rows, columns))


def _centred(centre: float, n_kept: int, n_pixels: int) -> slice:
    """The pixels around a fraction, none beyond the edges."""
    n_kept = min(max(1, n_kept), n_pixels)
    first = min(max(0, round(centre * n_pixels - n_kept / 2)), n_pixels - n_kept)
    return slice(first, first + n_kept)


def _display_matrix(frame: VideoFrame) -> NDArray[np.int64]:
    """How the stored image is to be turned or mirrored, shape (2, 2): columns to columns and rows.

    FFmpeg keeps it as nine numbers of 16.16 bits, of which these four matter.
    """
    if Type.DISPLAYMATRIX not in frame.side_data:
        return np.eye(2, dtype=np.int64)
    stated = memoryview(frame.side_data[Type.DISPLAYMATRIX])  # type: ignore[typeddict-item]
    matrix = np.frombuffer(stated, np.int32).reshape(3, 3)[:2, :2]
    return np.sign(np.where(np.abs(matrix) >= 1 << 15, matrix, 0)).astype(np.int64)


def _upright(image: Image, matrix: NDArray[np.int64]) -> Image:
    """Turn and mirror an image as its display matrix says, by quarters."""
    (a, b), (c, d) = matrix
    if a == 0:
        image = image.transpose(1, 0, 2)
        across, down = c, b
    else:
        across, down = a, d
    image = image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
    return np.ascontiguousarray(image)
