"""The part of a camera's image that may be looked at; applied before anything else sees it."""

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from har_stream.config.camera_settings import CameraSettings, Region
from har_stream.config.regions import Polygon
from har_stream.core.frame import Frame, Image


def mask_frame(frame: Frame, camera: CameraSettings) -> Frame:
    """Blacken the camera's masks and what is to be ignored, and cut out the part to look at.

    All are fractions of the whole image.

    Returns:
        The frame itself where the camera has none of them, otherwise one with an image of its own.
    """
    image = mask_image(frame.image, camera)
    return frame if image is frame.image else replace(frame, image=image)


def mask_image(image: Image, camera: CameraSettings) -> Image:
    """Do the same to an image."""
    if camera.region is None and not camera.masks and not camera.regions.ignore:
        return image
    image = image.copy()
    blacken(image, camera)
    if camera.region is not None:
        image = _part(image, camera.region).copy()  # nothing outside may survive behind a view
    return image


def blacken(image: Image, camera: CameraSettings, *, margin_px: int = 0) -> None:
    """Blacken the camera's masks and what is to be ignored.

    Args:
        image: The whole image; changed.
        camera: Whose.
        margin_px: So many pixels around each show some of it too, as in an image that was shrunk.
    """
    for mask in camera.masks:
        _part(image, mask, margin_px)[:] = 0
    for polygon in camera.regions.ignore:
        _blacken(image, polygon, margin_px)


def ignore_parts(
    frame: Frame, polygons: Sequence[Polygon], *, region: Region | None = None
) -> Frame:
    """Blacken parts of a frame that was read already.

    Args:
        frame: Its image shows a region, what is `shown` of it the whole.
        polygons: Fractions of the whole image.
        region: The part that its image shows; none: all of it.
    """
    if not polygons:
        return frame
    image = frame.image.copy()
    shown = None if frame.shown is None else frame.shown.copy()
    for polygon in polygons:
        _blacken(image, polygon, 0, region=region)
        if shown is not None:
            _blacken(shown, polygon, 0)
    return replace(frame, image=image, shown=shown)


def _blacken(
    image: Image, polygon: Polygon, margin_px: int, *, region: Region | None = None
) -> None:
    """Blacken a polygon and every pixel that its sides touch: no less than it says."""
    height, width = image.shape[:2]
    left, top, right, bottom = region or (0.0, 0.0, 1.0, 1.0)
    corners = (np.array(polygon) - (left, top)) / (right - left, bottom - top) * (width, height)
    pixels = corners.astype(np.int32)
    if region is None:  # corners beyond a part stay there: its edge is no side of the polygon
        pixels = np.minimum(pixels, (width - 1, height - 1))
    cv2.fillPoly(image, [pixels], (0, 0, 0))
    thickness = 2 + 2 * margin_px
    cv2.polylines(image, [pixels], isClosed=True, color=(0, 0, 0), thickness=thickness)


def _part(image: Image, region: Region, margin_px: int = 0) -> Image:
    """View of a region, outwards to whole pixels: a mask covers no less than it says."""
    height, width = image.shape[:2]
    left, top, right, bottom = region
    return image[_pixels(top, bottom, height, margin_px), _pixels(left, right, width, margin_px)]


def _pixels(begin: float, end: float, n_pixels: int, margin_px: int) -> slice:
    first = min(int(begin * n_pixels), n_pixels - 1)
    last = max(first + 1, math.ceil(end * n_pixels))
    return slice(max(0, first - margin_px), last + margin_px)
