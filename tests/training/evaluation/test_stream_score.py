"""A stream of clips is scored as defined, on cases worked out by hand and on real clips."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.processes.stream_process import shipped_bundle
from support.video.clip_maker import write_clip

from har_stream.bundles.bundle import Bundle, load_bundle
from har_stream.core.activity import Change, Recognition
from har_stream.core.frame import Frame, Image
from har_stream.recognition.motion_gate import MotionGate
from training.config import DataConfig
from training.data.clip import VideoClip
from training.evaluation.evaluate_clips import chosen_clips
from training.evaluation.evaluate_stream import N_ROOMS, evaluate_stream
from training.evaluation.ordinary_footage import FalseReports
from training.evaluation.stream_scenes import StreamScene, empty_room, still_scene
from training.evaluation.stream_score import (
    ActivitySegment,
    majority_labels,
    reported_activities,
    score_events,
    shown_activities,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
CLIP = VideoClip(Path("clip.mp4"), "a", "1")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def segments(*parts: tuple[str, float, float]) -> list[ActivitySegment]:
    return [ActivitySegment(label, at(begins), at(ends)) for label, begins, ends in parts]


def scene(label: str | None, begins: float, ends: float) -> StreamScene:
    return StreamScene(CLIP, label, at(begins), at(ends))


def change(kind: str, activity: str, started: float, ended: float | None = None) -> Change:
    return Change(
        camera="hall",
        event_type=f"activity_{kind}",  # type: ignore[arg-type]
        activity=activity,
        previous=None,
        probabilities={},
        confidence=1.0,
        started_at=at(started),
        ended_at=None if ended is None else at(ended),
    )


def seen(label: str, seconds: float) -> Recognition:
    probabilities = {"a": 0.4, "b": 0.3, "c": 0.3} | {label: 0.6}
    return Recognition("hall", at(seconds), probabilities, "unknown", 0.6, 0.2, 1.0)


def test_scenes_of_one_label_in_a_row_are_one_activity() -> None:
    scenes = [scene("a", 0, 5), scene("a", 5, 9), scene(None, 9, 12), scene("a", 12, 15)]
    assert shown_activities(scenes) == segments(("a", 0, 9), ("a", 12, 15))


def test_changes_become_activities_with_ends() -> None:
    changes = [change("started", "a", 1), change("changed", "b", 4), change("ended", "b", 4, 9)]
    assert reported_activities(changes) == segments(("a", 1, 4), ("b", 4, 9))


def test_events_are_matched_one_to_one_by_label_and_overlap() -> None:
    true = segments(("a", 0, 10), ("b", 10, 20), ("a", 20, 30), ("c", 30, 40))
    told = segments(("a", 1, 8), ("a", 8, 10), ("b", 9, 20), ("b", 20, 30), ("c", 38, 41))
    found = score_events(true, told)
    assert (found.n_true, found.n_reported) == (4, 5)
    assert found.n_spurious == 2, "the second `a`, and the `b` of what was `a`"
    assert found.f1 == pytest.approx(2 * 2 / (4 + 5)), "`c` overlaps by 2 s of 11"
    assert (found.n_found, found.n_overlapping) == (3, 2), "the second `a` was missed"


def test_latency_is_from_the_onset_to_the_decision_that_reports_it() -> None:
    news = [
        *(seen("a", seconds) for seconds in (6, 7)),
        change("started", "a", 3),  # where its evidence begins is not when it was said
        *(seen("b", seconds) for seconds in (12, 13.5)),
        change("changed", "b", 11),
        change("ended", "b", 11, 20),
    ]
    found = score_events(segments(("a", 2, 10), ("b", 10, 20)), reported_activities(news))
    assert found.latencies_s == (5.0, 3.5)


def test_a_clip_of_which_nothing_is_told_is_unknown() -> None:
    told = {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}
    untold = Recognition("hall", at(5), told, "unknown", 1 / 3, 0.0, 1.0)
    clip = scene("a", 0, 8)
    assert majority_labels([clip], [untold], span_s=4.0, hop_s=1.0) == {clip: "unknown"}
    votes = [untold, untold, seen("a", 6)]
    assert majority_labels([clip], votes, span_s=4.0, hop_s=1.0) == {clip: "a"}


@pytest.mark.parametrize(
    ("n", "hours", "low", "high"),
    [(0, 1.0, 0.0, 3.689), (2, 1.0, 0.2422, 7.2247), (2, 0.5, 0.4844, 14.449)],
)
def test_false_reports_an_hour_have_the_exact_interval_of_poisson(
    n: int, hours: float, low: float, high: float
) -> None:
    """The bounds are those of Garwood's table."""
    reports = FalseReports({"a": n} if n else {}, n_clips=3, hours=hours)
    assert reports.per_hour() == pytest.approx((n / hours, low, high), abs=1e-3)


def test_a_clip_is_judged_by_the_windows_that_lie_inside() -> None:
    """Of a window's 4 s, 3 s inside are enough; a clip that holds one window is not asked for."""
    scenes = [scene("a", 0, 8), scene("b", 8, 12.9), scene("c", 15, 25)]
    recognitions = [
        *(seen("b", seconds) for seconds in (1, 2, 2.9)),
        *(seen("a", seconds) for seconds in (3, 4)),
        seen("b", 8),
        seen("b", 17.9),
        seen("c", 18),
    ]
    assert majority_labels(scenes, recognitions, span_s=4.0, hop_s=1.0) == {
        scenes[0]: "a",
        scenes[2]: "c",
    }


def test_an_empty_room_has_lost_what_moved_and_nothing_moves_in_it() -> None:
    rng = np.random.default_rng(5)
    room = rng.integers(60, 200, (72, 96, 3), dtype=np.uint8)
    frames = []
    for n in range(11):
        image = room.copy()
        image[20:50, 8 * n : 8 * n + 8] = 0
        frames.append(Frame(image, at(n)))
    np.testing.assert_array_equal(empty_room(frames), room)
    gate = MotionGate()
    shown_still = list(still_scene(room, duration_s=600, sample_hz=1.0, start_at=START, seed=1))
    for frame in shown_still:
        gate.moves(frame)
        assert not gate.moved
    assert len(shown_still) == 600
    light = [frame.image.mean() for frame in shown_still]
    assert max(light) / min(light) > 1.1
    assert (shown_still[0].image != shown_still[1].image).mean() > 0.5


def _without_open_set(bundle: Bundle) -> Bundle:
    """As it would be had it no bound on free energy, which leaves little of these sports."""
    manifest = bundle.manifest
    calibration = manifest.calibration.model_copy(update={"energy_above": None})
    manifest = manifest.model_copy(update={"calibration": calibration})
    return Bundle(bundle.path, manifest, bundle.hash, brought={})


def test_real_clips_as_one_stream(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluation.evaluate_stream.ROOM_S", 6.0)
    loaded = _without_open_set(load_bundle(shipped_bundle()))
    data = DataConfig(path=shared / "data/ucf", classes=loaded.manifest.labels)
    scores = evaluate_stream(loaded, chosen_clips(loaded, data, groups=["8"]))
    assert scores["n_clips"] > 2
    assert scores["clip_accuracy"] - scores["accuracy"] <= 0.05 + 1 / scores["n_clips"]
    low, high = scores["accuracy_95"]
    assert 0 < low <= scores["accuracy"] <= high <= 1
    assert scores["event_f1"] > 0.4
    assert scores["spurious_per_minute"] <= 1
    assert scores["false_in_empty_hour"] == 0


def test_few_clips_show_their_rooms_again_until_the_hour_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_bundle(shipped_bundle())
    label = loaded.manifest.labels[0]
    clips = [
        VideoClip(write_clip(tmp_path / f"{n}.avi", seed=n, n_frames=60), label, str(n))
        for n in range(2)
    ]
    (tmp_path / "none.avi").write_text("no video")
    clips.append(VideoClip(tmp_path / "none.avi", label, "none"))
    shown: list[tuple[float, int]] = []

    def brief(room: Image, *, duration_s: float, seed: int, **others: Any) -> Iterator[Frame]:
        shown.append((duration_s, seed))
        return still_scene(room, duration_s=1.0, seed=seed, **others)

    monkeypatch.setattr("training.evaluation.evaluate_stream.still_scene", brief)
    assert evaluate_stream(loaded, clips)["n_clips"] == 2
    assert shown == [(600.0, n) for n in range(N_ROOMS)], "an hour"
