"""What `train-har fit` is told: its runs, each with its config, its folder and its recipe."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from har_stream.core.errors import InputError

if TYPE_CHECKING:
    from training.config import RunConfig


def runs_of_fit(options: argparse.Namespace) -> list[tuple["RunConfig", Path]]:
    """What each run of `train-har fit` is told, and its folder: one, or one for each seed.

    Raises:
        InputError: The config is not valid, or the folder holds a run of the other kind.
    """
    from training import config as configs
    from training import run_folder
    from training.reports import compare

    config = _with_options(configs.read_config(options.config), options)
    folder = options.out or Path("runs") / config.name
    if options.seeds == 1:
        if compare.is_sweep(folder):
            raise InputError(f"{folder}: holds a sweep; give the run a folder of its own, --out")
        return [(config, folder)]
    if (folder / run_folder.RUN).exists():
        raise InputError(f"{folder}: holds a single run; give the sweep a folder of its own, --out")
    seeds = range(config.seed, config.seed + options.seeds)
    return [(config.model_copy(update={"seed": seed}), folder / f"seed-{seed}") for seed in seeds]


def recipe(options: argparse.Namespace, seed: int) -> str:
    """The command that makes this bundle again: what decides the outcome, and no one's folders."""
    parts = ["train-har", "fit", f"configs/{options.config.name}"]
    if options.data:
        parts += ["--data", options.data.name]
    if options.negatives:
        parts += ["--negatives", *(path.name for path in options.negatives)]
    if options.seed is not None or options.seeds > 1:
        parts += ["--seed", str(seed)]
    return shlex.join(parts)


def _with_options(config: "RunConfig", options: argparse.Namespace) -> "RunConfig":
    given = {"path": options.data, "lists": options.lists}
    data = config.data.model_copy(update={k: v for k, v in given.items() if v is not None})
    seed = config.seed if options.seed is None else options.seed
    return config.model_copy(update={"data": data, "seed": seed})
