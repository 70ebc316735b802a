"""Learns from kept clips: `train-har teach` as a process of its own, with its progress."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from har_stream.config.state_dir import bundles_dir

TRAIN_HAR = (sys.executable, "-m", "training.commands.train_har")
NICE = 10
"""Recognition comes first."""
KEPT_CHARACTERS = 2000
"""Of what it says when it fails."""


class TaughtOutcome(BaseModel):
    """What `train-har teach --json` says in the end; see `training.fitting.teaching.judge`.

    Attributes:
        taken_for: By activity, how many of its clips were taken for everything else, then for each
            activity.
        beside: As that, of the bundle that was in use.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    activities: tuple[str, ...]
    n_clips: tuple[int, ...]
    n_sessions: tuple[int, ...]
    taken_for: tuple[tuple[int, ...], ...]
    accuracy: float
    ordinary_s: float
    false_s: float
    beside: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class LearningProgress:
    """How far it is.

    Attributes:
        bundle: The name of the bundle that is being made, or was; ``None``: none yet.
        is_running: Whether it goes on.
        n_seen: Clips that were seen.
        n_clips: Of how many; 0 before the first.
        outcome: How good it is.
        problem: Why it failed.
    """

    bundle: str | None = None
    is_running: bool = False
    n_seen: int = 0
    n_clips: int = 0
    outcome: TaughtOutcome | None = None
    problem: str | None = None


class Learning:
    """Runs one process at a time.

    Args:
        state_dir: Where bundles of one's own lie.
        program: What is started; its arguments follow.
    """

    def __init__(
        self,
        state_dir: Path,
        program: tuple[str, ...] = TRAIN_HAR,
    ) -> None:
        self.progress = LearningProgress()
        self._models = bundles_dir(state_dir)
        self._seen = state_dir / "cache" / "clips"
        self._program = program
        self._starting = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def start(
        self, base: str, clips: Path, *, beside: str, when_done: Callable[[], object]
    ) -> bool:
        """Begin to learn; returns whether it did: one is enough.

        Args:
            base: The path of the bundle that is taught.
            clips: The folder that a node keeps.
            beside: The path of the bundle in use, for what it says of the same clips.
            when_done: Called, in another thread, at its end.
        """
        with self._starting:
            if self.progress.is_running:
                return False
            name = self._free_name()
            self.progress = LearningProgress(bundle=name, is_running=True)
        command = [
            *(*self._program, "teach", "--json", "--bundle", base, "--beside", beside),
            *("--clips", str(clips / "labelled"), "--ordinary", str(clips / "ordinary")),
            *("--cache", str(self._seen), "--out", str(self._models / name)),
        ]
        threading.Thread(target=self._run, args=(command, when_done), daemon=True).start()
        return True

    def close(self) -> None:
        """End what runs; nothing is left of it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)

    def _run(self, command: list[str], when_done: Callable[[], object]) -> None:
        try:
            process = self._process = subprocess.Popen(  # noqa: S603 -- our own module, no shell
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
            said: list[str] = []
            listening = threading.Thread(target=self._hear, args=(process, said))
            listening.start()
            assert process.stdout is not None  # noqa: S101 -- it was asked for
            for line in process.stdout:
                self._take(line)
            listening.join()
            status = process.wait()
        except OSError as error:
            said, status = [str(error)], 1
        if status or self.progress.outcome is None:
            why = "".join(said)[-KEPT_CHARACTERS:].strip().removeprefix("train-har: ")
            self.progress = replace(self.progress, problem=why or f"status {status}")
        self.progress = replace(self.progress, is_running=False)
        when_done()

    def _hear(self, process: "subprocess.Popen[str]", said: list[str]) -> None:
        assert process.stderr is not None  # noqa: S101 -- it was asked for
        said.extend(line for line in process.stderr if not line.startswith("INFO:"))

    def _take(self, line: str) -> None:
        try:
            told: Any = json.loads(line)
            if "outcome" in told:
                outcome = TaughtOutcome.model_validate(told["outcome"])
                self.progress = replace(self.progress, outcome=outcome)
            else:
                seen, of = int(told["seen"]), int(told["of"])
                self.progress = replace(self.progress, n_seen=seen, n_clips=of)
        except (ValueError, KeyError, TypeError, ValidationError):
            return  # a line of a library

    def _free_name(self) -> str:
        number = 1
        while (self._models / f"taught-{number}").exists():
            number += 1
        return f"taught-{number}"
