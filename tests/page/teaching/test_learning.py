"""A process learns; the page knows how far it is, how good it was, or why it failed."""

import subprocess
import sys
import threading
from pathlib import Path

from support.repository import ENVIRONMENT

from page.teaching.learning import TRAIN_HAR, Learning, LearningProgress

LEARNS = """
import json, os, sys
print("a line of a library")
print(json.dumps({"seen": 1, "of": 2}), flush=True)
print(json.dumps({"seen": 2, "of": 2}), flush=True)
outcome = {"activities": ["a"], "n_clips": [3], "n_sessions": [2], "taken_for": [[1, 2]],
           "accuracy": 0.66, "ordinary_s": 9.0, "false_s": 0.0}
os.makedirs(sys.argv[-1])
print(json.dumps({"outcome": outcome}))
"""
FAILS = (
    "import sys; print('train-har: clips: too little to learn from', file=sys.stderr); sys.exit(2)"
)


def learned(folder: Path, program: str) -> tuple[Learning, LearningProgress]:
    """Learn once."""
    learning = Learning(folder, (sys.executable, "-c", program))
    done = threading.Event()
    assert learning.start("home", folder, beside="home", when_done=done.set)
    assert not learning.start("home", folder, beside="home", when_done=done.set), "one is enough"
    assert done.wait(20)
    return learning, learning.progress


def test_it_says_how_far_it_is_and_how_good(tmp_path: Path) -> None:
    learning, progress = learned(tmp_path, LEARNS)
    assert (progress.bundle, progress.n_seen, progress.n_clips) == ("taught-1", 2, 2)
    assert progress.outcome is not None and progress.outcome.taken_for == ((1, 2),)
    assert (progress.is_running, progress.problem) == (False, None)
    done = threading.Event()
    learning.start("home", tmp_path, beside="home", when_done=done.set)
    assert done.wait(20)
    assert learning.progress.bundle == "taught-2", "an older one is never written over"


def test_it_says_why_it_failed(tmp_path: Path) -> None:
    _, progress = learned(tmp_path, FAILS)
    assert progress.problem == "clips: too little to learn from"
    assert not progress.is_running


def test_what_runs_is_train_har() -> None:
    run = subprocess.run(
        [*TRAIN_HAR, "--version"], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    assert run.stdout.startswith("train-har ")
