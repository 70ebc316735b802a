"""The networks of training runs, each fitted by a task of Ray's, on whichever machine is free.

What comes back of a network is its checkpoint. With all of them in its folder, a run goes on as one
that was interrupted does, so that it ends bit for bit as on one machine.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from pydantic import BaseModel, ConfigDict
from ray.exceptions import RayError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from fleet.cluster.ray_tasks import cancel
from har_stream.core.atomic_file import explain_errors, replacing_file
from har_stream.core.errors import InputError
from training.config import RunConfig
from training.run_folder import PRETRAINED

N_TRIES = 4
"""A network whose process died so often may itself be why."""


class FitTask(BaseModel):
    """What a process is told of a run; every path is the same on all machines.

    Attributes:
        config: Of the run.
        cache_folder: Where prepared frames lie; best one that all machines share.
        negatives: Footage without any of the labels.
        working_folder: Which paths are relative to.
        environment: Variables that say how Keras computes.
    """

    model_config = ConfigDict(frozen=True)

    config: RunConfig
    cache_folder: Path
    negatives: tuple[Path, ...]
    working_folder: Path
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RunToFit:
    """A run, the networks that it needs, and the folder that their checkpoints go to."""

    task: FitTask
    folder: Path
    names: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one network takes of a machine: cores, and so much of a GPU."""

    n_cores: int
    n_gpus: float


def check_share(share: Share) -> None:
    """Refuse what no network can take, before the long work that would be in vain.

    Raises:
        InputError: No machine has so much.
    """
    for name, wanted in (("CPU", share.n_cores), ("GPU", share.n_gpus)):
        largest = max((node.get(name, 0.0) for node in _nodes()), default=0.0)
        if wanted > largest:
            raise InputError(f"a network is to take {wanted} {name}; no machine has over {largest}")


def fill_cache(task: FitTask) -> None:
    """Have all cores prepare the clips of a run; what one machine prepares, others need not."""
    n_parts = max(int(_resources().get("CPU", 1)), 1)
    prepare = ray.remote(num_cpus=1, max_retries=N_TRIES - 1)(cache_on_machine)
    told = task.model_dump_json()
    with cancelled_unless_done() as refs:
        refs += [prepare.remote(told, n, n_parts) for n in range(n_parts)]
        ray.wait(refs, num_returns=n_parts)  # whoever fits a network reads what is missing


def fit_networks(runs: Sequence[RunToFit], share: Share, *, resume: bool) -> None:
    """Fit all networks of runs, and leave the checkpoint of each where its run looks for it.

    Args:
        runs: What to fit.
        share: What each network takes of its machine.
        resume: Go on from checkpoints that are there.

    Raises:
        InputError: A loss diverged, or a machine cannot use what it was told.
    """
    fit = ray.remote(num_cpus=share.n_cores, num_gpus=share.n_gpus, max_retries=N_TRIES - 1)(
        fit_on_machine
    )
    with cancelled_unless_done() as refs, _progress() as progress:
        paths = {}
        for run in runs:
            told = run.task.model_dump_json()
            pretrained: Any = None
            for name in run.names:
                path = _checkpoint(run.folder, name)
                own = path.read_bytes() if resume and path.exists() else b""
                ref = fit.remote(told, name, own, pretrained)
                if name == PRETRAINED:
                    pretrained = ref  # Ray hands it on to those that wait for it
                paths[ref] = path
        refs += paths
        bar = progress.add_task("networks", total=len(paths))
        while refs:
            (ref,), refs[:] = ray.wait(refs)
            _store(paths[ref], ref)
            progress.advance(bar)


def fit_on_machine(
    told: str, name: str, own: bytes, pretrained: tuple[bytes, str] | None
) -> tuple[bytes, str]:
    """Fit one network of a run, in a process of Ray's.

    Args:
        told: A `FitTask` as JSON.
        name: Of the network.
        own: Its checkpoint to go on from, or nothing.
        pretrained: What came of the network that it starts from, where there is one.

    Returns:
        Its checkpoint; and why there is none, or nothing.
    """
    with _as_told(told) as (task, folder):
        from training.data.folders import find_negatives
        from training.fitting.training_run import fit_network_of_run

        content, refused = pretrained or (b"", "")
        if refused:
            return b"", refused
        for each, known in ((PRETRAINED, content), (name, own)):
            if known:
                path = _checkpoint(folder, each)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(known)
        try:
            fit_network_of_run(
                task.config,
                name=name,
                folder=folder,
                cache_folder=task.cache_folder,
                negatives=find_negatives(task.negatives),
            )
        except InputError as error:
            return b"", str(error)
        return _checkpoint(folder, name).read_bytes(), ""


def cache_on_machine(told: str, part: int, n_parts: int) -> None:
    """Prepare every `n_parts`-th clip of a run, in a process of Ray's."""
    with _as_told(told) as (task, folder), suppress(InputError):  # whoever fits says what is wrong
        from training.data.folders import find_negatives
        from training.fitting.training_run import cache_clips

        cache_clips(
            task.config,
            part=slice(part, None, n_parts),
            folder=folder,
            cache_folder=task.cache_folder,
            negatives=find_negatives(task.negatives),
        )


@contextmanager
def _as_told(told: str) -> Iterator[tuple[FitTask, Path]]:
    """The task, and a folder of its own, in a process that computes as whoever asked does."""
    task = FitTask.model_validate_json(told)
    os.environ.update(task.environment)  # before Keras is imported
    os.chdir(task.working_folder)
    with TemporaryDirectory(prefix="har-fit-") as scratch:
        yield task, Path(scratch)


def _checkpoint(folder: Path, name: str) -> Path:
    from training.fitting.checkpoint import FILE

    return folder / name / FILE


def _store(path: Path, ref: Any) -> None:
    try:
        content, refused = ray.get(ref)
    except RayError as error:
        raise InputError(
            f"{path.parent}: its process died {N_TRIES} times ({type(error).__name__}); the "
            "networks that were done are kept, see --resume"
        ) from error
    if refused:
        raise InputError(refused)
    with explain_errors(path, "cannot be written", remedy="free some space and --resume"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(path) as partial:
            partial.write_bytes(content)


@contextmanager
def cancelled_unless_done() -> Iterator[list[Any]]:
    """A list of tasks; of those that are in it where a block fails, nobody wants anything."""
    refs: list[Any] = []
    try:
        yield refs
    except BaseException:
        cancel(refs)
        raise


def _resources() -> Mapping[str, float]:
    found: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return found


def _nodes() -> list[Mapping[str, float]]:
    nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray leaves it untyped
    return [node["Resources"] for node in nodes if node["Alive"]]


def _progress() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
