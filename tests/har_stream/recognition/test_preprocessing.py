"""Frames shrink without aliases, keep their place and their colours, and say how they moved."""

import cv2
import numpy as np
import pytest

from har_stream.core.frame import ClipSpec, Image
from har_stream.recognition.preprocessing import FLOW_PX, normalise, prepare

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


FLOW = ClipSpec(n_frames=4, height_px=96, width_px=128, sample_hz=5.0, motion="flow")


def _texture(*, seed: int, blur_px: float) -> Image:
    noise = np.random.default_rng(seed).normal(size=(256, 256, 3))
    blurred = cv2.GaussianBlur(noise, (0, 0), blur_px)
    return (127 + 40 * blurred / blurred.std()).clip(0, 255).astype(np.uint8)


def _shifting(right_px: int, down_px: int, *, seed: int = 5) -> Image:
    """Four frames of a texture; each lies so much further to the right and down than the last."""
    texture = _texture(seed=seed, blur_px=3)
    moved = [np.roll(texture, (n * down_px, n * right_px), axis=(0, 1)) for n in range(4)]
    return np.stack(moved)[:, 80:176, 64:192]


@pytest.mark.parametrize(
    ("right_px", "down_px"), [(3, 0), (0, 4), (-5, 2), (2, -6), (0, 0), (12, 0), (0, -11)]
)
def test_flow_says_how_far_each_pixel_moved_to_the_right_and_down(
    right_px: int, down_px: int
) -> None:
    clip = _shifting(right_px, down_px)
    taken_in = normalise(clip, FLOW)
    assert taken_in.shape == (4, 96, 128, 5)
    assert taken_in.dtype == np.float32
    np.testing.assert_array_equal(taken_in[..., :3], clip * np.float32(1 / 255))
    flow = taken_in[..., 3:]
    assert not flow[0].any(), "nothing is before the first frame"
    inside = flow[1:, 16:-16, 16:-16]  # at the border, what moves in was never seen
    found_px = np.median(inside, axis=(1, 2)) * FLOW_PX
    np.testing.assert_allclose(found_px, [(right_px, down_px)] * 3, atol=0.2)
    assert np.quantile(np.abs(inside * FLOW_PX - (right_px, down_px)), 0.95) < 0.5


def test_flow_is_cut_where_it_is_faster_than_a_network_is_told() -> None:
    """Pictures that have nothing in common seem to have moved any distance, to every side."""
    pictures = np.stack([_texture(seed=seed, blur_px=6) for seed in range(1, 5)])
    flow = normalise(pictures, FLOW)[..., 3:]
    assert (flow.min(), flow.max()) == (-1, 1)


def test_every_clip_of_a_batch_has_its_own_flow() -> None:
    clips = np.stack([_shifting(3, 0), _shifting(0, -4, seed=6)])
    both = normalise(clips, FLOW)
    for clip, found in zip(clips, both, strict=True):
        np.testing.assert_array_equal(found, normalise(clip, FLOW))
