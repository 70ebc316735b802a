"""How many clips an activity takes: 1, 3, 5, 10, 20 of each, taught to bundle `home`.

    python benchmarks/teaching.py DATA          # prints the table of docs/home.md

DATA holds `ucf` and `ucf_home`, activities of UCF101 (Soomro et al. 2012) by class, and ordinary
footage: `home` (GMDCSA24), from which is learned, and `urfd` (UR Fall), which judges. A class's
groups stand for sessions: clips are drawn from groups 8 to 16, and groups 17 to 25, other people in
other places, judge. That is harder than a home's own sessions, which share room and people.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.fetch_weights import load_with_weights
from har_stream.config.state_dir import clip_cache, default_state_dir
from training.fitting.teaching.judge import SeenLesson, fit_lessons
from training.fitting.teaching.lessons import Lesson, session_of
from training.fitting.teaching.teach import open_eyes, see_lessons

ACTIVITIES = {
    "ucf_home": (
        *("ApplyLipstick", "BabyCrawling", "BrushingTeeth", "CuttingInKitchen", "Lunges"),
        "WallPushups",
    ),
    "ucf": ("JugglingBalls", "JumpingJack", "PlayingPiano", "PushUps"),
}
"""What may be done in a room."""
N_CLIPS = (1, 3, 5, 10, 20)
FIRST_TEST_GROUP = 17
N_TAUGHT, N_JUDGING = 3, 2
"""Clips of a group, at most."""
LEARNED, JUDGED = "home/*/ADL/*.mp4", "urfd/adl-*.mp4"
"""Ordinary footage."""
N_RESAMPLES = 1000


def list_clips(data: Path) -> list[Lesson]:
    """List the first cuts of every group of all activities."""
    lessons = (
        Lesson(path, activity, session_of(path, within=folder))
        for place, activities in ACTIVITIES.items()
        for activity in activities
        for folder in [data / place / activity]
        for path in sorted(folder.glob("*.mp4"))
    )
    n_of: Counter[tuple[str | None, str]] = Counter()
    listed = []
    for each in lessons:
        n_of[each.activity, each.session] += 1
        most = N_JUDGING if int(each.session) >= FIRST_TEST_GROUP else N_TAUGHT
        if n_of[each.activity, each.session] <= most:
            listed.append(each)
    return listed


def draw(clips: Sequence[SeenLesson], n: int, rng: np.random.Generator) -> list[SeenLesson]:
    """Draw clips of one activity, from as many groups as there are."""
    by_group: dict[str, list[SeenLesson]] = {}
    for at in rng.permutation(len(clips)):
        by_group.setdefault(clips[at].lesson.session, []).append(clips[at])
    in_turn = [each for row in zip_longest(*by_group.values()) for each in row if each is not None]
    return in_turn[:n]


def judge(
    learned: Sequence[SeenLesson],
    tested: Sequence[SeenLesson],
    ordinary: Sequence[SeenLesson],
    activities: tuple[str, ...],
) -> tuple[NDArray[np.bool_], float]:
    """Return which of the tested clips are right, and the share of ordinary windows that is not.

    An activity counts as soon as it is likelier than everything else.
    """
    head = fit_lessons(learned, activities)
    names = (None, *activities)
    right = [
        names[head.probabilities(each.pooled).mean(0).argmax()] == each.lesson.activity
        for each in tested
    ]
    wrong = [head.probabilities(each.pooled).argmax(1) != 0 for each in ordinary]
    return np.array(right), float(np.concatenate(wrong).mean())


def main() -> None:
    """See every clip once, then teach again and again, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    options = parser.parse_args()
    eyes = open_eyes(load_with_weights("home", state_dir=default_state_dir()), clip_cache())
    clips = list_clips(options.data)
    activities = tuple(sorted({each.activity for each in clips if each.activity}))
    learned_ordinary, judged_ordinary = (
        see_lessons([Lesson(p, None, p.stem) for p in sorted(options.data.glob(pattern))], eyes)
        for pattern in (LEARNED, JUDGED)
    )
    seen = see_lessons(clips, eyes)
    taught: dict[str, list[SeenLesson]] = {name: [] for name in activities}
    tested: dict[str, list[SeenLesson]] = {name: [] for name in activities}
    for each in seen:
        side = tested if int(each.lesson.session) >= FIRST_TEST_GROUP else taught
        side[each.lesson.activity or ""].append(each)
    judging = [each for of_activity in tested.values() for each in of_activity]
    print(f"{len(activities)} activities, {len(judging)} clips judge, {options.draws} draws each")
    print("| clips of each | right | 95 % | ordinary footage of unknown rooms taken for one |")
    print("|---|---|---|---|")
    for n_clips in N_CLIPS:
        rows, false = [], []
        for seed in range(options.draws):
            rng = np.random.default_rng(seed)
            drawn = [each for name in activities for each in draw(taught[name], n_clips, rng)]
            right, share = judge([*drawn, *learned_ordinary], judging, judged_ordinary, activities)
            rows.append(right)
            false.append(share)
        low, high = interval(np.array(rows), judging)
        shown = f"{np.mean(rows):.0%} | {low:.0%} to {high:.0%} | {np.mean(false):.1%}"
        print(f"| {n_clips} | {shown} |")


def interval(right: NDArray[np.bool_], judging: Sequence[SeenLesson]) -> tuple[float, float]:
    """Return the 95 % interval over groups of the judging clips and over draws (Efron 1979)."""
    rng = np.random.default_rng(0)
    groups: dict[tuple[str | None, str], list[int]] = {}
    for n, each in enumerate(judging):
        groups.setdefault((each.lesson.activity, each.lesson.session), []).append(n)
    members = list(groups.values())
    means = []
    for _ in range(N_RESAMPLES):
        drawn = [n for at in rng.integers(len(members), size=len(members)) for n in members[at]]
        means.append(right[rng.integers(len(right), size=len(right))][:, drawn].mean())
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


if __name__ == "__main__":
    main()
