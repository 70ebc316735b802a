"""Every session is judged by a head that never saw it, and ordinary footage by one that did not."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.bundles.manifest_builder import manifest

from har_stream.core.frame import ClipSpec
from har_stream.core.thresholds import Thresholds
from har_stream.recognition.person.taught import TaughtHead
from training.fitting.teaching.judge import (
    JudgedLesson,
    SeenLesson,
    count,
    count_beside,
    fit_temperature,
    judge_sessions,
)
from training.fitting.teaching.lessons import Lesson

N = 8
"""Windows of a clip."""
MANIFEST = manifest(
    labels=("idle", "sitting"),
    clip=ClipSpec(n_frames=20, height_px=8, width_px=8, sample_hz=5.0),
    deciding=Thresholds(average_s=0.2, enter_above=0.6),
)


def seen(activity: str | None, session: str, *, says: int, rng: np.random.Generator) -> SeenLesson:
    """A clip whose windows all show one thing."""
    pooled = rng.normal(0, 0.1, (N, 10)).astype(np.float32)
    pooled[:, says] += 3
    return SeenLesson(Lesson(Path(session), activity, session), pooled)


def test_what_one_session_alone_shows_is_not_learned_before_it_is_judged() -> None:
    """Tea looks otherwise on Tuesday: a head that had seen Tuesday would be right there."""
    rng = np.random.default_rng(0)
    lessons = [seen("tea", "mon", says=1, rng=rng), seen("tea", "wed", says=1, rng=rng)]
    lessons += [seen("tea", "tue", says=2, rng=rng), seen("ironing", "mon", says=3, rng=rng)]
    lessons += [seen("ironing", "tue", says=3, rng=rng)]
    lessons += [seen(None, day, says=0, rng=rng) for day in ("thu", "fri")]
    activities = ("ironing", "tea")
    judged = judge_sessions(lessons, activities)
    assert len(judged) == len(lessons)
    outcome = count(judged, activities, MANIFEST, temperature=1.0)
    assert outcome.n_clips == (2, 3)
    assert outcome.n_sessions == (2, 3)
    assert outcome.n_right == (2, 2)
    assert [row[1 + n] for n, row in enumerate(outcome.taken_for)] == [2, 2]
    assert [sum(row) for row in outcome.taken_for] == [2, 3]
    assert outcome.accuracy == pytest.approx((1 + 2 / 3) / 2)
    assert outcome.ordinary_s == pytest.approx(2 * N / 5)
    assert outcome.false_s == 0


def test_another_bundle_is_asked_about_the_same_clips() -> None:
    rng = np.random.default_rng(0)
    lessons = [seen("tea", "mon", says=1, rng=rng), seen("tea", "tue", says=2, rng=rng)]
    lessons += [seen("ironing", "mon", says=3, rng=rng), seen(None, "mon", says=1, rng=rng)]
    weights = np.zeros((11, 3), np.float32)  # something else, tea, and what is not taught any more
    weights[0, 0] = weights[1, 1] = weights[2, 2] = weights[3, 1] = 5.0
    other = TaughtHead(("tea", "yoga"), weights)
    activities = ("ironing", "tea")
    assert count_beside(lessons, activities, other) == ((0, 0, 1), (1, 0, 1))
    assert count_beside(lessons, activities, None) == ((1, 0, 0), (2, 0, 0))


def test_the_only_ordinary_recording_is_learned_from_and_not_judged() -> None:
    rng = np.random.default_rng(0)
    lessons = [seen("tea", day, says=1, rng=rng) for day in ("mon", "tue", "wed")]
    judged = judge_sessions([*lessons, seen(None, "day", says=0, rng=rng)], ("tea",))
    outcome = count(judged, ("tea",), MANIFEST, temperature=1.0)
    assert outcome.ordinary_s == 0
    assert outcome.n_right == (3,)


def test_seconds_in_which_an_activity_would_be_said_are_counted() -> None:
    said: NDArray[np.float64] = np.array([[0.9, 0.1]] * 5 + [[0.3, 0.7]] * 5)
    judged = [JudgedLesson(Lesson(Path("a"), None, "day"), said)]
    outcome = count(judged, ("tea",), MANIFEST, temperature=1.0)
    assert (outcome.ordinary_s, outcome.false_s) == (2.0, 1.0)


def test_a_head_that_is_too_sure_gets_a_temperature_above_1() -> None:
    said = np.array([[0.01, 0.99]] * 8)
    lessons = [Lesson(Path("a"), activity, "day") for activity in ("tea", "tea", "tea", None)]
    judged = [JudgedLesson(lesson, said) for lesson in lessons]
    assert fit_temperature(judged, ("tea",)) == pytest.approx(np.log(99) / np.log(3), rel=0.06)
