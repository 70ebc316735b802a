"""Recordings on the machines of a Ray, a task each; done elsewhere where a process or machine dies.

Each is recognised by the function that a worker of `har-stream --archive` calls. What comes of it
returns to the one process that keeps it, so that a recording counts once, however often it was
begun.
"""

import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Self

import ray
from ray.exceptions import RayError

from fleet.cluster.ray_tasks import cancel
from har_stream.bundles.bundle import load_bundle
from har_stream.commands.archive.results import ClipResult, ClipTask, WorkerSetup
from har_stream.commands.archive.worker import recognise_clip
from har_stream.core.errors import InputError
from har_stream.recognition.recogniser import Recogniser

N_TRIES = 10
"""A recording whose process died so often may itself be why, not whoever kills processes."""
AHEAD = 2
"""Tasks for each core, so that none waits for this process to hand out the next."""


class RayClips:
    """Recognises recordings on a Ray that this process has joined; see `ArchiveWorkers`.

    Args:
        setup: What every process is told; the bundle lies at the same path on every machine.
        n_at_once: Most recordings at a time; none: as many as there are cores, also when machines
            come and go.
    """

    def __init__(self, setup: WorkerSetup, n_at_once: int | None) -> None:
        self._setup = setup.model_dump_json()
        self._n_at_once = n_at_once
        self._recognise = ray.remote(num_cpus=1, max_retries=N_TRIES - 1)(recognise_on_machine)
        self._running: dict[Any, tuple[str, ClipTask]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        cancel([*self._running])

    def recognise(self, tasks: Iterable[tuple[str, ClipTask]]) -> Iterator[tuple[str, ClipResult]]:
        """Yield each clip's name and result as they come; see `ArchiveWorkers.recognise`."""
        waiting = iter(tasks)
        while True:
            n_free = max(self._n_wanted() - len(self._running), 0)
            for name, task in islice(waiting, n_free):
                ref = self._recognise.remote(self._setup, task.model_dump_json())
                self._running[ref] = (name, task)
            if not self._running:
                return
            for ref in ray.wait([*self._running])[0]:
                name, task = self._running.pop(ref)
                yield name, _result(ref, task)

    def _n_wanted(self) -> int:
        if self._n_at_once:
            return self._n_at_once
        found = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray leaves it untyped
        return AHEAD * int(found.get("CPU", 1))


def recognise_on_machine(setup: str, task: str) -> tuple[str, str]:
    """Recognise one recording in a process of Ray's, which keeps its networks for the next.

    Args:
        setup: A `WorkerSetup` as JSON.
        task: A `ClipTask` as JSON.

    Returns:
        A `ClipResult` as JSON; and why the bundle does not run there, or nothing.
    """
    logging.getLogger().setLevel(logging.CRITICAL)  # what is said of a clip goes with its result
    told = WorkerSetup.model_validate_json(setup)
    try:
        recogniser = _open_recogniser(told)
    except InputError as error:
        return "", str(error)
    clip = ClipTask.model_validate_json(task)
    return recognise_clip(clip, recogniser, n_threads=told.n_threads).model_dump_json(), ""


@lru_cache(maxsize=1)
def _open_recogniser(setup: WorkerSetup) -> Recogniser:
    return Recogniser(load_bundle(Path(setup.bundle)), engine=setup.engine)


def _result(ref: Any, task: ClipTask) -> ClipResult:
    try:
        result, refused = ray.get(ref)
    except RayError as error:
        why = f"its process died {N_TRIES} times: {type(error).__name__}"
        return ClipResult(error=f"{task.path}: cannot be read: {why}")
    if refused:
        raise InputError(refused)
    return ClipResult.model_validate_json(result)
