"""How many clips an activity takes: 1, 3, 5, 10, 20 of each, taught to bundle `home`.

    python benchmarks/teaching.py DATA                      # prints the first table of docs/home.md
    python benchmarks/teaching.py DATA --rooms --draws 2    # the second: all rooms but the judged

DATA holds `ucf` and `ucf_home`, activities of UCF101 (Soomro et al. 2012) by class, and ordinary
footage: `home` (GMDCSA24), from which is learned, and `urfd` (UR Fall), which judges. A class's
groups stand for sessions: clips are drawn from groups 8 to 16, and groups 17 to 25, other people in
other places, judge. That is harder than a home's own sessions, which share room and people.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_stream.bundles.fetch_weights import load_with_weights
from har_stream.config.state_dir import clip_cache, default_state_dir
from har_stream.recognition.person.taught import TaughtHead
from training.fitting.teaching.judge import STEP_FRAMES, SeenLesson, fit_lessons
from training.fitting.teaching.lessons import Lesson, session_of
from training.fitting.teaching.seeing import Eyes
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
ROOMS = {
    "GMDCSA24's flats": ("home/*/*/*.mp4",),
    "UR Fall's living rooms": ("urfd/adl-0*.mp4", "urfd/adl-1*.mp4", "urfd/adl-2[0-3]*.mp4"),
    "UR Fall's other rooms, and streets": (
        *("urfd/adl-2[45]*.mp4", "urfd/adl-3*.mp4", "urfd/fall-*-cam0.mp4"),
        "no_activity/*.mp4",
    ),
}
"""Of each part is judged what was learned from the other two."""
N_LEARNED = 5
"""Clips of each activity beside them."""
MOST_OF_PART = 600
"""Windows that are learned from of a part, as many of each clip."""
FAVOURS = (1.0, 1.5, 2.0, 3.0)
"""By how much everything else is held likelier than the head says."""


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
    return is_right(head, tested), share_taken(head, ordinary)


def is_right(head: TaughtHead, tested: Sequence[SeenLesson]) -> NDArray[np.bool_]:
    """Return of which clips their own activity is the likeliest; shape (n_clips,)."""
    names = (None, *head.activities)
    said = [names[head.probabilities(each.pooled).mean(0).argmax()] for each in tested]
    return np.array([name == each.lesson.activity for name, each in zip(said, tested, strict=True)])


def share_taken(head: TaughtHead, ordinary: Sequence[SeenLesson]) -> float:
    """Return the share of windows at which an activity is likelier than everything else."""
    wrong = [head.probabilities(each.pooled).argmax(1) != 0 for each in ordinary]
    return float(np.concatenate(wrong).mean())


def judge_rooms(
    taught: Mapping[str, Sequence[SeenLesson]],
    judging: Sequence[SeenLesson],
    parts: Mapping[str, Sequence[SeenLesson]],
    *,
    n_draws: int,
) -> None:
    """Print what other people's ordinary footage does for rooms that none of it shows."""
    activities = tuple(taught)
    print(
        "| judged | everything else favoured | taken for an activity | right |\n|---|---|---|---|"
    )
    for part, judged in parts.items():
        others = [thin(each, MOST_OF_PART) for name, each in parts.items() if name != part]
        wrong: dict[float, list[float]] = {each: [] for each in FAVOURS}
        right: dict[float, list[float]] = {each: [] for each in FAVOURS}
        for seed in range(n_draws):
            rng = np.random.default_rng(seed)
            drawn = [each for clips in taught.values() for each in draw(clips, N_LEARNED, rng)]
            head = fit_lessons([*drawn, *(each for other in others for each in other)], activities)
            for favour in FAVOURS:
                said = favour_else(head, favour)
                right[favour].append(float(is_right(said, judging).mean()))
                wrong[favour].append(share_taken(said, judged))
        for each in FAVOURS:
            print(
                f"| {part} | {each:g} times | {np.mean(wrong[each]):.0%} "
                f"| {np.mean(right[each]):.0%} |"
            )


def thin(seen: Sequence[SeenLesson], n_windows: int) -> list[SeenLesson]:
    """Keep so many windows, evenly of each clip; `fit_lessons` takes every `STEP_FRAMES`-th."""
    each = max(1, n_windows // len(seen)) * STEP_FRAMES
    return [replace(clip, pooled=clip.pooled[-each:]) for clip in seen]


def favour_else(head: TaughtHead, favour: float) -> TaughtHead:
    """Return a head that holds everything else likelier by a factor, before it is normalised."""
    weights = head.weights.copy()
    weights[-1, 0] += np.log(favour)
    return replace(head, weights=weights)


def main() -> None:
    """See every clip once, then teach again and again, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--rooms", action="store_true", help="learn from all rooms but the judged")
    options = parser.parse_args()
    eyes = open_eyes(load_with_weights("home", state_dir=default_state_dir()), clip_cache())
    clips = list_clips(options.data)
    activities = tuple(sorted({each.activity for each in clips if each.activity}))
    seen = see_lessons(clips, eyes)
    taught: dict[str, list[SeenLesson]] = {name: [] for name in activities}
    tested: dict[str, list[SeenLesson]] = {name: [] for name in activities}
    for each in seen:
        side = tested if int(each.lesson.session) >= FIRST_TEST_GROUP else taught
        side[each.lesson.activity or ""].append(each)
    judging = [each for of_activity in tested.values() for each in of_activity]
    if options.rooms:
        parts = {
            part: see_ordinary(options.data, patterns, eyes) for part, patterns in ROOMS.items()
        }
        judge_rooms(taught, judging, parts, n_draws=options.draws)
        return
    learned_ordinary, judged_ordinary = (
        see_ordinary(options.data, (pattern,), eyes) for pattern in (LEARNED, JUDGED)
    )
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


def see_ordinary(data: Path, patterns: Sequence[str], eyes: Eyes) -> list[SeenLesson]:
    """See ordinary footage, each file a session."""
    found = (path for pattern in patterns for path in sorted(data.glob(pattern)))
    return see_lessons([Lesson(path, None, path.stem) for path in found], eyes)


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
