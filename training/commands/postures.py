"""What `train-har fit-postures` prints."""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from har_stream.config.state_dir import clip_cache
from har_stream.core.atomic_file import writing

_COLUMNS = {
    "macro_f1": "macro F1",
    "accuracy": "plain seconds",
    "sure": "sure",
    "accuracy_sure": "right of these",
}

_OPEN_SET = {
    "passed": "right ones in rooms left out that are said",
    "wrong_rejected": "wrong ones there that become unknown",
    "negatives_rejected": "on footage of no posture, apart: nothing is said",
}


def fit(options: argparse.Namespace, _: str) -> None:
    """Make a bundle of postures, and say how good it is in rooms that it never saw."""
    from har_stream.config.yaml_file import read_yaml
    from training.fitting.postures.settings import PostureConfig

    config = read_yaml(options.config, PostureConfig)
    if options.learn_from:
        config = config.model_copy(update={"learn_from": options.learn_from})
    from training.fitting.postures.fit import fit_postures

    folder = options.out or Path("runs") / config.name
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    figures = fit_postures(
        config,
        data=options.data,
        folder=folder,
        cache_folder=options.cache or clip_cache(),
        command=_recipe(options),
    )
    table = Table("judged", "seconds", *_COLUMNS.values(), "F1 of each")
    open_set = figures.pop("open_set", None)
    for name, row in figures.items():
        each = ", ".join(f"{posture} {f1:.2f}" for posture, f1 in row["per_posture"].items())
        shown = [_with_interval(row, column) for column in _COLUMNS]
        table.add_row(name.replace("_", " "), str(row["n_seconds"]), *shown, each)
    Console().print(table)
    if open_set:
        Console().print(_told_of(open_set))
    print(f"bundle: {folder / 'bundle'}   (har-stream --bundle {folder / 'bundle'} --camera 0)")


def _recipe(options: argparse.Namespace) -> str:
    """The command that makes this bundle again, without anybody's folders."""
    parts = ["train-har", "fit-postures", f"configs/{options.config.name}", "--data", "DIR"]
    if options.learn_from:
        parts += ["--learn-from", ",".join(options.learn_from)]
    return shlex.join(parts)


def _with_interval(row: dict[str, Any], column: str) -> str:
    low, high = row["intervals"][column]
    return f"{row[column]:.3f} ({low:.2f} to {high:.2f})"


def _told_of(open_set: Mapping[str, float]) -> Table:
    table = Table("decisions", "by the bound, too", "by thresholds alone")
    for name, told in _OPEN_SET.items():
        table.add_row(told, *(f"{open_set[each]:.1%}" for each in (name, f"{name}_without_bound")))
    return table
