"""The features mean the same wherever in the image, and however large, somebody is."""

import numpy as np
import pytest
from numpy.typing import NDArray

from har_stream.recognition.person.geometry import N_FEATURES, Geometry
from har_stream.recognition.person.key_points import KeyPoints
from har_stream.recognition.person.room import RoomChange

EMPTY = RoomChange(known=1, in_box=0, elsewhere=0, moved=0, is_dark=False, box=None)
STANDING = np.array(
    [[0, 0.0], [0.01, -0.01], [-0.01, -0.01], [0.02, 0], [-0.02, 0], [0.06, 0.08], [-0.06, 0.08],
     [0.08, 0.2], [-0.08, 0.2], [0.08, 0.3], [-0.08, 0.3], [0.04, 0.3], [-0.04, 0.3], [0.04, 0.45],
     [-0.04, 0.45], [0.04, 0.6], [-0.04, 0.6]]
)  # fmt: skip
SAME_EVERYWHERE = slice(5, 27)
"""Features that no place and no size changes: after positions, before the size itself."""


def _features(points: NDArray[np.float64], aspect: float = 1.0) -> NDArray[np.float32]:
    scored = np.c_[points / (aspect, 1.0), np.full(17, 0.8)].astype(np.float32)
    return Geometry().features(KeyPoints(scored, aspect), EMPTY)


def test_every_feature_is_a_number_of_its_own() -> None:
    features = _features(STANDING + 0.3)
    assert features.shape == (N_FEATURES,)
    assert np.isfinite(features).all()


@pytest.mark.parametrize("aspect", [1.0, 16 / 9])
def test_place_size_and_aspect_change_no_proportion(aspect: float) -> None:
    here = _features(STANDING + 0.3)[SAME_EVERYWHERE]
    there = _features(STANDING * 0.5 + (0.7, 0.2), aspect)[SAME_EVERYWHERE]
    assert here == pytest.approx(there, abs=0.02)


def test_whoever_lies_down_keeps_their_size() -> None:
    geometry = Geometry()
    lying = STANDING[:, ::-1] * (1, 0.3)
    for points in (STANDING, lying):
        scored = np.c_[points + 0.3, np.full(17, 0.8)].astype(np.float32)
        features = geometry.features(KeyPoints(scored, 1.0), EMPTY)
    assert features[13] == pytest.approx(0, abs=0.1)  # the torso is level
    assert features[27] < 0.2  # and the box low, by the size that was seen upright
