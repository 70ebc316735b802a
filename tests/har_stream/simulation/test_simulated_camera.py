"""The camera sim:SEED: the same pixels per seed, bursts that begin windows, truth that agrees."""

import hashlib
import threading
import time
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.window_oracle import windows

from har_stream.cameras.sampling import Sampler
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec, Frame
from har_stream.simulation.renderer import Renderer
from har_stream.simulation.routine import ACTIVITIES, PLACES, PlannedActivity
from har_stream.simulation.simulated_camera import SimulatedSource, parse_source, read_frames
from har_stream.simulation.truth import course, stay_at, truth, write_log

START_AT = datetime(2026, 3, 2, 6, 30, tzinfo=timezone(timedelta(hours=1)))


def _frames(source: str, **more: object) -> list[Frame]:
    options: dict[str, object] = {"sample_hz": 5.0, "start_at": START_AT} | more
    return list(read_frames(parse_source(source), **options))  # type: ignore[arg-type]


def _hash(frames: list[Frame]) -> str:
    return hashlib.sha256(b"".join(frame.image.tobytes() for frame in frames)).hexdigest()


def test_the_same_seed_gives_the_same_pixels_and_another_one_others() -> None:
    first = _frames("sim:7?days=0.02&every=60")
    assert len(first) == 29 * 20
    assert _hash(first) == _hash(_frames("sim:7?days=0.02&every=60"))
    assert _hash(first) != _hash(_frames("sim:8?days=0.02&every=60"))


def test_a_burst_is_one_window_and_the_sampler_agrees_with_its_resets() -> None:
    spec = ClipSpec(n_frames=20, height_px=64, width_px=64, sample_hz=5.0)
    frames = _frames("sim:3?days=0.01&every=30")
    assert len(list(windows(frames, spec, hop_frames=5))) == len(frames) / 20
    sampler = Sampler(spec.sample_hz)
    for frame in frames:
        sample = sampler.sample(frame.captured_at)
        assert (sample.n_ticks, sample.resets) == (1, frame.resets)


def test_bursts_that_touch_show_everything() -> None:
    frames = _frames("sim:3?days=0.001&every=0")
    assert [frame.resets for frame in frames] == [True] + [False] * (len(frames) - 1)
    steps = {b.captured_at - a.captured_at for a, b in pairwise(frames)}
    assert steps == {timedelta(seconds=0.2)}


def test_pixels_do_not_depend_on_what_was_watched_before() -> None:
    later = START_AT + timedelta(seconds=600)
    from_start = [f for f in _frames("sim:4?days=0.02&every=60") if f.captured_at >= later]
    from_later = _frames("sim:4?days=0.02&every=60", start_at=later)
    shared = min(len(from_start), len(from_later))
    assert shared > 200
    assert _hash(from_start[:shared]) == _hash(from_later[:shared])


def test_the_truth_covers_the_watch_without_a_gap() -> None:
    stays = truth(9, start_at=START_AT, days=1.5)
    assert stays[0].started_at == START_AT
    assert stays[-1].ended_at == START_AT + timedelta(days=1.5)
    for before, after in pairwise(stays):
        assert before.ended_at == after.started_at
        assert before.activity != after.activity


def test_somebody_is_seen_exactly_where_the_truth_says_so() -> None:
    """While nobody is at home nothing moves but noise; a walk moves more than that."""
    stays = truth(12, start_at=START_AT, days=1)
    moved: dict[str, list[float]] = {"idle": [], "walking": []}
    before: Frame | None = None
    for frame in _frames("sim:12?days=1&every=720"):
        activity = stay_at(stays, frame.captured_at).activity
        if before is not None and not frame.resets and activity in moved:
            steady = [cv2.blur(f.image, (9, 9)).astype(float) for f in (before, frame)]
            moved[activity].append(float(np.abs(steady[1] - steady[0]).max()))
        before = frame
    assert min(len(found) for found in moved.values()) > 40
    assert np.median(moved["idle"]) < np.median(moved["walking"]) / 3


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_every_activity_shows_somebody_in_every_home_by_day(activity: str) -> None:
    for seed in range(12):
        renderer = Renderer(seed, size=(80, 60))
        start_s = (8 + 0.7 * seed) * 3600.0
        planned = PlannedActivity(
            activity, PLACES.get(activity, "table"), start_s, start_s + 100, "bed", seed
        )
        images = renderer.draw(start_s + 20 + np.arange(20) / 5, [planned])
        assert [image.shape for image in images] == [(60, 80, 3)] * 20
        empty = PlannedActivity("idle", "door", start_s, start_s + 100, "door", seed)
        flat = renderer.draw(start_s + 20 + np.arange(20) / 5, [empty])
        different = np.abs(images[9].astype(int) - flat[9]).max(axis=2) > 40
        assert different.any() == (activity != "idle")


def test_pace_holds_frames_back_and_a_set_event_ends_the_watch() -> None:
    stop = threading.Event()
    source = SimulatedSource(seed=2, days=1.0, every=30.0, pace=200.0)
    frames = read_frames(source, sample_hz=5.0, start_at=START_AT, stop=stop)
    began = time.monotonic()
    seen = [next(frames) for _ in range(41)]
    simulated_s = (seen[-1].captured_at - START_AT).total_seconds()
    assert time.monotonic() - began >= simulated_s / 200
    stop.set()
    assert list(frames) == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("sim:7?past=1.5", "whole days"),
        ("sim:", "a seed"),
        ("sim:x", "a seed"),
        ("sim:" + "9" * 5000, "a seed"),
        ("sim:1000000", "0 to 999999"),
        ("sim:7?speed=2", "valid keys are days, every, pace"),
        ("sim:7?days=1&days=2", "twice"),
        ("sim:7?days=-1", "a positive number"),
        ("sim:7?pace=0", "a positive number"),
        ("sim:7?every=nan", "a positive number"),
    ],
)
def test_a_wrong_source_is_said_in_one_line(source: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_source(source)


def test_a_source_says_how_long_how_often_and_how_fast() -> None:
    parsed = parse_source("sim:7?days=1&every=0&pace=120")
    assert parsed == SimulatedSource(seed=7, days=1.0, every=0.0, pace=120.0)


def test_a_past_is_told_by_the_truth_and_then_goes_on() -> None:
    began_at = START_AT.replace(hour=0, minute=0) - timedelta(days=2)
    days = (timedelta(days=2) + (START_AT - START_AT.replace(hour=0, minute=0))) / timedelta(days=1)
    whole = truth(9, start_at=began_at, days=days + 0.5)
    life = course(9, start_at=START_AT, days=0.5, past_days=2)
    (begins, ends) = (life.instant(life.start_s), life.instant(life.end_s))
    assert (begins, ends) == (START_AT, whole[-1].ended_at)
    now = next(planned for planned in life.activities if planned.end_s > life.start_s)
    assert now.activity == stay_at(whole, START_AT).activity
    source = SimulatedSource(9, days=0.01, past=2)
    frames = list(read_frames(source, sample_hz=5.0, start_at=START_AT))
    assert frames[0].captured_at == START_AT


def test_the_log_is_the_truth(tmp_path: Path) -> None:
    stays = truth(9, start_at=START_AT, days=1)
    write_log(tmp_path / "log.csv", stays)
    header, *lines = (tmp_path / "log.csv").read_text().splitlines()
    assert header == "start,end,activity,room"
    assert len(lines) == len(stays)
    assert lines[0].startswith("2026-03-02 06:30:00,")
