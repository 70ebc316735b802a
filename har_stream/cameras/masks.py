"""The part of a camera's image that may be looked at; applied before anything else sees it."""

import math
from dataclasses import replace

from har_stream.config.camera_settings import CameraSettings, Region
from har_stream.core.frame import Frame, Image


def mask_frame(frame: Frame, camera: CameraSettings) -> Frame:
    """Blacken the camera's masks and cut out its region; both are fractions of the whole image.

    Returns:
        The frame itself where the camera has neither, otherwise one with an image of its own.
    """
    if camera.region is None and not camera.masks:
        return frame
    image = frame.image.copy()
    for mask in camera.masks:
        _part(image, mask)[:] = 0
    if camera.region is not None:
        image = _part(image, camera.region).copy()  # nothing outside may survive behind a view
    return replace(frame, image=image)


def _part(image: Image, region: Region) -> Image:
    """View of a region, outwards to whole pixels: a mask covers no less than it says."""
    height, width = image.shape[:2]
    left, top, right, bottom = region
    return image[_pixels(top, bottom, height), _pixels(left, right, width)]


def _pixels(begin: float, end: float, n_pixels: int) -> slice:
    first = min(int(begin * n_pixels), n_pixels - 1)
    return slice(first, max(first + 1, math.ceil(end * n_pixels)))
