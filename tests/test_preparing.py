"""Frames shrink without aliases, whatever their size, and keep their place and their colours."""

import numpy as np
import pytest

from har_stream.clips import ClipSpec, Image, prepare

SPEC = ClipSpec(n_frames=20, height_px=64, width_px=64, sample_hz=5.0)
SIZES = [(96, 128), (144, 192), (240, 320), (360, 640), (720, 1280), (1080, 1920)]


def _stripes(height: int, width: int) -> Image:
    """Return columns of black and white in turn, one pixel wide: detail too fine to be kept."""
    return np.broadcast_to(
        np.where(np.arange(width) % 2, 255, 0).astype(np.uint8)[None, :, None], (height, width, 3)
    ).copy()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_detail_too_fine_to_be_kept_turns_grey(height: int, width: int) -> None:
    prepared = prepare(_stripes(height, width), SPEC)
    assert prepared.shape == (64, 64, 3)
    assert np.abs(prepared.astype(int) - 127).max() <= 1


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_what_is_left_keeps_its_place_and_colour(height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (200, 100, 50)
    prepared = prepare(image, SPEC).astype(int)
    assert np.abs(prepared[:31, :31] - (200, 100, 50)).max() <= 1
    assert prepared[33:].max() == prepared[:, 33:].max() == 0


def test_rgb_turns_the_channels_round() -> None:
    image = np.full((144, 192, 3), (200, 100, 50), np.uint8)
    rgb = ClipSpec(n_frames=20, height_px=64, width_px=64, sample_hz=5.0, colour="rgb")
    assert prepare(image, rgb)[0, 0].tolist() == [50, 100, 200]
