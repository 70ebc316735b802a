"""`train-har teach`: its arguments, and what it prints."""

import argparse
import json
import shlex
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from har_stream.bundles.bundle import DEFAULT, MANIFEST, read_named_manifest, shipped_names
from har_stream.config.state_dir import bundles_dir, clip_cache, default_state_dir
from har_stream.core.errors import InputError
from training.commands.add_command import add_command


def add_teach(commands: Any) -> None:
    """Describe `train-har teach`."""
    teach = add_command(
        commands,
        "teach",
        "teach a bundle your own activities, from a few clips",
        about="Learn activities from clips, DIR/ACTIVITY/SESSION/CLIP.mp4 or as train-har record "
        "names them: 3 clips of 2 sessions of each at least, best of different days. The "
        "bundle goes on telling postures and falls. Every session is judged by a head "
        "that learned from the others. Needs no TensorFlow.",
        examples="--clips clips --ordinary a-day-at-home\n"
        "--bundle home --clips clips --ordinary a-day-at-home --name flat",
    )
    teach.add_argument("--bundle", default=DEFAULT, metavar="NAME|PATH", help="(%(default)s)")
    teach.add_argument("--clips", type=Path, required=True, metavar="DIR", help="folder a label")
    teach.add_argument(
        "--ordinary",
        type=Path,
        required=True,
        metavar="DIR",
        help="footage of the same camera in which none of it is done",
    )
    teach.add_argument("--name", default="my-home", help="of the new bundle (%(default)s)")
    teach.add_argument(
        "--out", type=Path, metavar="DIR", help="the bundle (models/NAME in the state directory)"
    )
    teach.add_argument(
        "--replace", action="store_true", help="a bundle that knows activities not among the clips"
    )
    teach.add_argument(
        "--beside", metavar="NAME|PATH", help="another bundle, for what it says of the same clips"
    )
    teach.add_argument(
        "--json", action="store_true", help="progress and outcome as lines of JSON, for programs"
    )
    teach.add_argument(
        "--cache", type=Path, metavar="DIR", help="what was seen of clips (state directory)"
    )


def teach(options: argparse.Namespace, _: str) -> None:
    """Teach a bundle, and say how good it is on sessions that it did not learn from."""
    from har_stream.bundles.fetch_weights import load_with_weights
    from training.fitting.teaching.lessons import list_lessons, list_ordinary
    from training.fitting.teaching.teach import teach as teach_bundle

    folder = options.out or bundles_dir(default_state_dir()) / options.name
    if options.out is None and options.name in shipped_names():
        raise InputError(
            f"--name {options.name}: a bundle of that name is shipped, and yours would take its "
            "place; give another, such as my-home"
        )
    base = load_with_weights(options.bundle, state_dir=default_state_dir())
    lessons = [*list_lessons(options.clips, base.manifest), *list_ordinary(options.ordinary)]
    replaced = _replaced(folder, {each.activity for each in lessons}, may_lose=options.replace)
    beside = None
    if options.beside:
        beside = load_with_weights(options.beside, state_dir=default_state_dir())
    outcome = teach_bundle(
        base,
        lessons,
        folder=folder,
        cache_folder=options.cache or clip_cache(),
        command=_recipe(options),
        tell=_tell if options.json else None,
        beside=beside,
    )
    if options.json:
        print(json.dumps({"outcome": asdict(outcome) | {"accuracy": outcome.accuracy}}), flush=True)
        return
    table = Table("activity", "clips", "sessions", "right", "taken for anything else")
    for row in zip(
        outcome.activities,
        outcome.n_clips,
        outcome.n_sessions,
        outcome.n_right,
        outcome.n_else,
        strict=True,
    ):
        table.add_row(*map(str, row))
    Console().print(table)
    if outcome.beside is not None:
        right = [row[1 + n] / sum(row) for n, row in enumerate(outcome.beside)]
        print(f"{options.beside} beside it: {sum(right) / len(right):.0%}, also of what it learned")
    print(f"right: {outcome.accuracy:.0%} of clips, each judged by what other sessions taught")
    if outcome.ordinary_s:
        share = outcome.false_s / outcome.ordinary_s
        print(f"ordinary footage: {share:.1%} of {outcome.ordinary_s:.0f} s taken for an activity")
    else:
        print("ordinary footage: none was left to judge; give recordings of two days or more")
    shown = options.name if options.out is None else folder
    if replaced:
        print(f"replaced: the bundle there before, which knew {', '.join(replaced)}")
    print(f"bundle: {folder}   (har-stream --bundle {shown} --camera 0)")


def _replaced(
    folder: Path, activities: Collection[str | None], *, may_lose: bool
) -> tuple[str, ...]:
    """Name the activities that a bundle of this folder was taught, if there is one.

    Raises:
        InputError: The new one would not know some of them, or what lies there is no bundle.
    """
    if not (folder / MANIFEST).is_file():
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise InputError(
                f"{folder}: there is something, and it is no bundle; give a new or empty folder"
            )
        return ()
    taught = read_named_manifest(str(folder), state_dir=default_state_dir()).taught
    lost = [name for name in taught if name not in activities]
    if lost and not may_lose:
        raise InputError(
            f"{folder}: the bundle there knows {', '.join(lost)}, of which there are no clips; add "
            "them, give another --name, or say --replace"
        )
    return taught


def _tell(n_seen: int, n_clips: int) -> None:
    print(json.dumps({"seen": n_seen, "of": n_clips}), flush=True)


def _recipe(options: argparse.Namespace) -> str:
    """The command that makes this bundle again, without anybody's folders."""
    bundle, clips, ordinary = (
        Path(each).name for each in (options.bundle, options.clips, options.ordinary)
    )
    return shlex.join(
        ["train-har", "teach", "--bundle", bundle, "--clips", clips, "--ordinary", ordinary]
    )


COMMANDS = {"teach": teach}
