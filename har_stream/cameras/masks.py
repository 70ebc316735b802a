"""The part of a camera's image that may be looked at; applied before anything else sees it."""

import math
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
    ignored = camera.regions.ignore
    if camera.region is None and not camera.masks and not ignored:
        return frame
    image = frame.image.copy()
    for mask in camera.masks:
        _part(image, mask)[:] = 0
    for polygon in ignored:
        _blacken(image, polygon)
    if camera.region is not None:
        image = _part(image, camera.region).copy()  # nothing outside may survive behind a view
    return replace(frame, image=image)


def _blacken(image: Image, polygon: Polygon) -> None:
    """Blacken a polygon and every pixel that its sides touch: no less than it says."""
    height, width = image.shape[:2]
    corners = np.array(polygon) * (width, height)
    pixels = np.minimum(corners.astype(np.int32), (width - 1, height - 1))
    cv2.fillPoly(image, [pixels], (0, 0, 0))
    cv2.polylines(image, [pixels], isClosed=True, color=(0, 0, 0), thickness=2)


def _part(image: Image, region: Region) -> Image:
    """View of a region, outwards to whole pixels: a mask covers no less than it says."""
    height, width = image.shape[:2]
    left, top, right, bottom = region
    return image[_pixels(top, bottom, height), _pixels(left, right, width)]


def _pixels(begin: float, end: float, n_pixels: int) -> slice:
    first = min(int(begin * n_pixels), n_pixels - 1)
    return slice(first, max(first + 1, math.ceil(end * n_pixels)))
