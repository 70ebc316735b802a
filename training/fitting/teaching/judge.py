"""How good taught activities are: each session is judged by a head that learned from the others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.bundle import Manifest
from har_stream.recognition.person.taught import TaughtHead
from training.fitting.teaching.head import fit_taught
from training.fitting.teaching.lessons import Lesson

STEP_FRAMES = 3
"""Every so many windows of a clip is learned from: neighbours are nearly the same."""
TEMPERATURES = np.geomspace(0.2, 5.0, 60)


@dataclass(frozen=True, slots=True)
class SeenLesson:
    """A clip, and what its windows come to; shape (n_windows, n_pooled)."""

    lesson: Lesson
    pooled: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True)
class JudgedLesson:
    """A clip, and the probabilities of everything else and of each activity at its windows."""

    lesson: Lesson
    said: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was counted on sessions that nothing was learned from.

    Attributes:
        activities: Their names.
        n_clips: Clips of each.
        n_sessions: Sessions of each.
        n_right: Clips of each of which it is the likeliest, also before everything else.
        n_else: Clips of each that are taken for everything else.
        taken_for: By activity, how many of its clips are taken for everything else, then for each
            activity.
        ordinary_s: Seconds of ordinary footage that were judged.
        false_s: Of these, seconds in which an activity would be said.
        beside: As `taken_for`, of another bundle, which may have learned from some of the clips;
            ``None``: of none.
    """

    activities: tuple[str, ...]
    n_clips: tuple[int, ...]
    n_sessions: tuple[int, ...]
    n_right: tuple[int, ...]
    n_else: tuple[int, ...]
    taken_for: tuple[tuple[int, ...], ...]
    ordinary_s: float
    false_s: float
    beside: tuple[tuple[int, ...], ...] | None = None

    @property
    def accuracy(self) -> float:
        """Share of right clips, every activity counting alike."""
        return float(np.mean(np.divide(self.n_right, self.n_clips)))


def fit_lessons(seen: Sequence[SeenLesson], activities: tuple[str, ...]) -> TaughtHead:
    """Learn from clips: each counts alike, ordinary footage by its length."""
    truth: list[int] = []
    counts: list[float] = []
    pooled = []
    for each in seen:
        rows = each.pooled[::-STEP_FRAMES]  # the last window is whole, the first is not
        truth += [_index(each.lesson, activities)] * len(rows)
        counts += [1.0 if each.lesson.activity is None else 1.0 / len(rows)] * len(rows)
        pooled.append(rows)
    return fit_taught(activities, np.concatenate(pooled), np.array(truth), np.array(counts))


def judge_sessions(seen: Sequence[SeenLesson], activities: tuple[str, ...]) -> list[JudgedLesson]:
    """Judge every session by a head that learned from the others.

    Sessions of ordinary footage alone are dealt to the others' turns; a single one is learned from
    every time, and not judged.
    """
    taught = sorted({each.lesson.session for each in seen if each.lesson.activity is not None})
    ordinary = sorted({each.lesson.session for each in seen} - set(taught))
    turns = {session: turn for turn, session in enumerate(taught)}
    if len(ordinary) > 1:
        turns |= {session: n % len(taught) for n, session in enumerate(ordinary)}
    judged = []
    for turn in range(len(taught)):
        learned = [each for each in seen if turns.get(each.lesson.session) != turn]
        tested = [each for each in seen if turns.get(each.lesson.session) == turn]
        head = fit_lessons(learned, activities)
        judged += [JudgedLesson(each.lesson, head.probabilities(each.pooled)) for each in tested]
    return judged


def fit_temperature(judged: Sequence[JudgedLesson], activities: tuple[str, ...]) -> float:
    """Find the temperature of least negative log-likelihood (Guo et al. 2017)."""
    said = np.concatenate([np.log(each.said + 1e-12) for each in judged])
    truth = np.concatenate([np.full(len(e.said), _index(e.lesson, activities)) for e in judged])
    counts = np.concatenate([np.full(len(each.said), 1.0 / len(each.said)) for each in judged])

    def loss(temperature: float) -> float:
        scaled = said / temperature
        right = scaled[np.arange(len(truth)), truth] - np.logaddexp.reduce(scaled, axis=1)
        return -float(counts @ right)

    return float(min(TEMPERATURES, key=loss))


def count(
    judged: Sequence[JudgedLesson],
    activities: tuple[str, ...],
    manifest: Manifest,
    *,
    temperature: float,
) -> Outcome:
    """Count what is right, and what would be said of ordinary footage."""
    likeliest: dict[str, list[int]] = {name: [] for name in activities}
    n_ordinary = n_false = 0
    n_averaged = max(1, round(manifest.deciding.average_s * manifest.clip.sample_hz))
    for each in judged:
        if each.lesson.activity is not None:
            likeliest[each.lesson.activity].append(int(each.said.mean(0).argmax()))
            continue
        powers = each.said ** (1 / temperature)
        own = (powers / powers.sum(axis=1, keepdims=True))[:, 1:]
        sums = np.cumsum(np.vstack([np.zeros((n_averaged, len(activities))), own]), axis=0)
        average = (sums[n_averaged:] - sums[:-n_averaged]) / n_averaged
        n_ordinary += len(own)
        n_false += int((average > manifest.deciding.enter_above).any(axis=1).sum())
    sessions = {
        name: {each.lesson.session for each in judged if each.lesson.activity == name}
        for name in activities
    }
    return Outcome(
        activities,
        n_clips=tuple(len(likeliest[name]) for name in activities),
        n_sessions=tuple(len(sessions[name]) for name in activities),
        n_right=tuple(likeliest[name].count(1 + n) for n, name in enumerate(activities)),
        n_else=tuple(likeliest[name].count(0) for name in activities),
        taken_for=tuple(
            tuple(likeliest[name].count(n) for n in range(1 + len(activities)))
            for name in activities
        ),
        ordinary_s=n_ordinary / manifest.clip.sample_hz,
        false_s=n_false / manifest.clip.sample_hz,
    )


def count_beside(
    seen: Sequence[SeenLesson], activities: tuple[str, ...], head: TaughtHead | None
) -> tuple[tuple[int, ...], ...]:
    """Count, by activity, how many of its clips another bundle takes for what.

    Args:
        seen: The clips.
        activities: Their names.
        head: The other bundle's; without one, or for an activity of its alone, it is something
            else.

    Returns:
        As `Outcome.taken_for`.
    """
    names = (None, *head.activities) if head is not None else (None,)
    counted = {name: [0] * (1 + len(activities)) for name in activities}
    for each in seen:
        if each.lesson.activity is not None:
            said = head.probabilities(each.pooled).mean(0).argmax() if head is not None else 0
            name = names[said]
            place = 1 + activities.index(name) if name in activities else 0
            counted[each.lesson.activity][place] += 1
    return tuple(tuple(counted[name]) for name in activities)


def _index(lesson: Lesson, activities: tuple[str, ...]) -> int:
    return 0 if lesson.activity is None else 1 + activities.index(lesson.activity)
