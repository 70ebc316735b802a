"""Three simulated homes teach bundle `home` what is done in each.

    python benchmarks/teaching_simulated.py

In each home five days teach, a clip of each activity a day, and the next days judge; a clip shows
eight seconds out of the middle of an activity. Sitting and walking are the ordinary footage. Prints
how many clips are right, home by home, and how much ordinary footage is taken for an activity.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from har_stream.bundles.fetch_weights import load_with_weights
from har_stream.config.state_dir import default_state_dir
from har_stream.simulation.renderer import SIZE, Renderer
from har_stream.simulation.routine import DAY_S, PlannedActivity, plan
from training.fitting.teaching.judge import SeenLesson, fit_lessons
from training.fitting.teaching.lessons import Lesson
from training.fitting.teaching.teach import open_eyes, see_lessons

HOMES = (1, 2, 3)
ACTIVITIES = ("cooking", "eating", "exercising")
ORDINARY = ("sitting", "walking")
N_TEACHING = 5
"""Days."""
CLIP_S, FPS = 8.0, 5.0


def write_clips(home: int, folder: Path, *, n_days: int) -> list[Lesson]:
    """Render one clip a day of whatever is done that day."""
    renderer, lessons = Renderer(home), []
    planned = plan(home, n_days * DAY_S)
    for day in range(n_days):
        for activity in (*ACTIVITIES, *ORDINARY):
            done = [
                each
                for each in planned
                if each.activity == activity
                and day * DAY_S <= each.start_s < (day + 1) * DAY_S
                and each.end_s - each.start_s >= CLIP_S
            ]
            if not done:
                continue
            path = folder / f"{home}-{activity}-{day}.mp4"
            _write(path, renderer, done[0])
            lessons.append(Lesson(path, activity if activity in ACTIVITIES else None, f"{day}"))
    return lessons


def _write(path: Path, renderer: Renderer, done: PlannedActivity) -> None:
    middle_s = (done.start_s + done.end_s - CLIP_S) / 2
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    for image in renderer.draw(middle_s + np.arange(0, CLIP_S, 1 / FPS), [done]):
        writer.write(image)
    writer.release()


def judge(seen: Sequence[SeenLesson]) -> tuple[list[bool], float]:
    """Return which clips of later days are right, and the share of ordinary windows that is not."""
    learned = [each for each in seen if int(each.lesson.session) < N_TEACHING]
    head, names = fit_lessons(learned, ACTIVITIES), (None, *ACTIVITIES)
    right, wrong = [], []
    for each in seen:
        if int(each.lesson.session) >= N_TEACHING:
            said = head.probabilities(each.pooled)
            if each.lesson.activity is None:
                wrong.append(said.argmax(1) != 0)
            else:
                right.append(names[said.mean(0).argmax()] == each.lesson.activity)
    return right, float(np.concatenate(wrong).mean())


def main() -> None:
    """Teach and judge every home."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=15)
    options = parser.parse_args()
    bundle = load_with_weights("home", state_dir=default_state_dir())
    with tempfile.TemporaryDirectory() as folder:
        eyes = open_eyes(bundle, Path(folder) / "cache")
        all_right: list[bool] = []
        for home in HOMES:
            lessons = write_clips(home, Path(folder), n_days=options.days)
            right, wrong = judge(see_lessons(lessons, eyes))
            all_right += right
            print(f"home {home}: {sum(right)} of {len(right)}, ordinary taken for one: {wrong:.1%}")
    print(f"right: {np.mean(all_right):.0%} of {len(all_right)} clips")


if __name__ == "__main__":
    main()
