"""Where a point lies among the regions that a person has drawn."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from har_stream.config.camera_settings import CameraSettings
from har_stream.config.regions import Regions

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
ALL = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
HORSESHOE = (
    (0.0, 0.0),
    (1.0, 0.0),
    (1.0, 1.0),
    (0.7, 1.0),
    (0.7, 0.3),
    (0.3, 0.3),
    (0.3, 1.0),
    (0.0, 1.0),
)


@pytest.mark.parametrize(
    ("point", "place"),
    [((0.2, 0.5), "bed"), ((0.8, 0.5), "bed"), ((0.5, 0.1), "bed"), ((0.5, 0.9), None)],
)
def test_a_horseshoe_is_hollow(point: tuple[float, float], place: str | None) -> None:
    assert Regions(bed=(HORSESHOE,)).place_at(*point) == place


def test_where_regions_overlap_the_floor_counts_first() -> None:
    """A rug before the bed: whoever lies there fell."""
    regions = Regions(bed=(ALL,), sofa=(ALL,), floor=(LEFT,), door=(ALL,))
    assert regions.place_at(0.25, 0.5) == "floor"
    assert regions.place_at(0.75, 0.5) == "bed"
    assert Regions(ignore=(ALL,)).place_at(0.5, 0.5) is None


def test_a_place_that_is_blackened_wholly_is_refused() -> None:
    right = tuple((x + 0.5, y) for x, y in LEFT)
    with pytest.raises(ValidationError, match="bed lies wholly in ignore"):
        Regions(bed=(HORSESHOE,), ignore=(LEFT, right))
    assert Regions(bed=(HORSESHOE,), ignore=(LEFT,)).place_at(0.8, 0.5) == "bed"


def test_a_camera_that_looks_at_a_part_knows_where_that_lies_in_the_whole() -> None:
    camera = CameraSettings(
        source="0", region=(0.5, 0.0, 1.0, 0.5), regions=Regions(bed=(LEFT,), sofa=(ALL,))
    )
    assert camera.place_at(0.0, 0.5) == "sofa"
    assert CameraSettings(source="0", regions=Regions(bed=(LEFT,))).place_at(0.1, 0.5) == "bed"


fractions = st.integers(0, 1000).map(lambda n: n / 1000)


@given(st.lists(st.tuples(fractions, fractions), min_size=3, max_size=8), fractions, fractions)
def test_opencv_says_the_same(corners: list[tuple[float, float]], x: float, y: float) -> None:
    regions = Regions.model_construct(bed=(tuple(corners),))
    point = (x + 0.00043, y + 0.00057)  # on no corner
    inside = cv2.pointPolygonTest(np.array(corners, np.float32), point, measureDist=True)
    if abs(inside) > 1e-5:
        assert (regions.place_at(*point) == "bed") == (inside > 0)
