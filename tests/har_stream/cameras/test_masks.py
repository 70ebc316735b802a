"""Masks and regions: what must not be seen is not there."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from har_stream.cameras.masks import ignore_parts, mask_frame
from har_stream.config.camera_settings import CameraSettings, Region
from har_stream.config.regions import Regions
from har_stream.core.frame import Frame

AT = datetime(2026, 3, 1, tzinfo=UTC)


def camera(region: Region | None = None, masks: tuple[Region, ...] = ()) -> CameraSettings:
    return CameraSettings(source="0", region=region, masks=masks)


def bright(width: int, height: int) -> Frame:
    return Frame(np.full((height, width, 3), 200, np.uint8), AT)


def test_nothing_to_hide_costs_nothing() -> None:
    frame = bright(64, 48)
    assert mask_frame(frame, camera()) is frame


def test_a_region_is_cut_out_of_the_masked_whole() -> None:
    frame = bright(100, 50)
    seen = mask_frame(frame, camera((0.5, 0.0, 1.0, 1.0), ((0.0, 0.0, 0.6, 0.5),))).image
    assert seen.shape == (50, 50, 3)
    assert seen.base is None  # the rest of the image is gone, not merely out of view
    assert not seen[:25, :10].any()
    assert (seen[25:] == 200).all()
    assert (seen[:, 10:] == 200).all()
    assert (frame.image == 200).all()


edges = st.lists(st.floats(0, 1), min_size=2, max_size=2, unique=True).map(sorted)
regions = st.tuples(edges, edges).map(lambda xy: (xy[0][0], xy[1][0], xy[0][1], xy[1][1]))


@given(st.integers(1, 80), st.integers(1, 80), regions)
def test_a_mask_covers_every_pixel_that_it_touches(
    width: int, height: int, mask: tuple[float, float, float, float]
) -> None:
    left, top, right, bottom = mask
    seen = mask_frame(bright(width, height), camera(None, (mask,))).image
    x, y = np.arange(width), np.arange(height)[:, None]
    inside = (left * width < x + 1) & (x < right * width)
    inside = inside & (top * height < y + 1) & (y < bottom * height)
    assert not seen[inside].any()


corners = st.tuples(*[st.tuples(st.floats(0, 1), st.floats(0, 1))] * 3)


@given(st.integers(1, 80), st.integers(1, 80), corners, st.tuples(*[st.floats(0.01, 1)] * 3))
def test_what_is_ignored_is_black_wherever_the_polygon_reaches(
    width: int,
    height: int,
    triangle: tuple[tuple[float, float], ...],
    weights: tuple[float, float, float],
) -> None:
    """Any point of a triangle is a weighted mean of its corners; its pixel is black."""
    regions = Regions.model_construct(ignore=(triangle,))
    settings = CameraSettings.model_construct(source="0", regions=regions)
    seen = mask_frame(bright(width, height), settings).image
    x, y = np.average(triangle, axis=0, weights=weights) * (width, height)
    assert not seen[min(int(y), height - 1), min(int(x), width - 1)].any()


def test_what_is_ignored_leaves_the_rest_alone() -> None:
    frame = bright(100, 100)
    lower_left = ((0.0, 0.5), (0.5, 1.0), (0.0, 1.0))
    settings = CameraSettings(source="0", regions=Regions(ignore=(lower_left,)))
    seen = mask_frame(frame, settings).image
    assert not seen[90, 10].any()
    assert (seen[:45] == 200).all()
    assert (seen[:, 55:] == 200).all()
    assert (frame.image == 200).all()


@given(st.integers(1, 80), st.integers(1, 80), regions)
def test_any_region_leaves_something_to_see(
    width: int, height: int, region: tuple[float, float, float, float]
) -> None:
    assert mask_frame(bright(width, height), camera(region)).image.size > 0


def test_what_is_ignored_later_is_black_in_a_part_and_in_what_is_shown() -> None:
    """As if it had been so when the frame was read."""
    region: Region = (0.5, 0.2, 1.0, 1.0)
    polygon = ((0.4, 0.1), (0.7, 0.3), (0.6, 0.9))
    whole = bright(100, 50)
    drawn = CameraSettings(source="0", region=region, regions=Regions(ignore=(polygon,)))
    read_so = mask_frame(whole, drawn).image
    frame = replace(mask_frame(whole, camera(region)), shown=whole.image)
    later = ignore_parts(frame, (polygon,), region=region)
    assert np.mean(read_so.any(axis=-1) != later.image.any(axis=-1)) < 0.05  # of its edge
    assert not later.image[10, 5].any() and later.image[30, 45].all()
    assert later.shown is not None and not later.shown[20, 60].any()
    assert frame.image.all() and whole.image.all()
    assert ignore_parts(frame, ()) is frame
