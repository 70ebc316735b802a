"""Square cuts: a spot in the image is found again in the square, and brought back from it."""

import numpy as np
import pytest

from har_stream.recognition.person.crops import Square, whole


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("size_px", [40, 160])
def test_a_spot_is_brought_back_to_its_place(turns: int, size_px: int) -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:24, 150:154] = 255  # its centre: 152, 22
    square = Square(140.0, 40.0, 80.0, turns)
    shown = square.cut(image, size_px)[..., 0].astype(float)
    y, x = np.indices(shown.shape) + 0.5
    spot = [(shown * axis).sum() / shown.sum() / size_px for axis in (y, x)]
    back = square.to_image(np.array([[*spot, 0.9]], np.float32))
    assert back[0] == pytest.approx([152, 22, 0.9], abs=0.1)


def test_what_lies_beyond_the_image_is_black_and_colours_are_rgb() -> None:
    image = np.full((50, 100, 3), (1, 2, 3), np.uint8)
    shown = whole(image).cut(image, 20)
    assert shown.shape == (20, 20, 3)
    assert not shown[:5].any()
    assert not shown[15:].any()
    assert (shown[6:14] == (3, 2, 1)).all()


def test_a_square_outside_the_image_is_all_black() -> None:
    image = np.full((50, 100, 3), 255, np.uint8)
    assert not Square(500.0, 500.0, 20.0).cut(image, 8).any()
