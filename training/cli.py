"""`train-har`: its arguments, and what it prints. What it does lies in the modules it calls."""

import argparse
import json
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from har_stream.errors import InputError
from har_stream.settings import state_dir

if TYPE_CHECKING:
    from training.config import RunConfig

# What takes long to import is imported where it is used, so that --help is instant.

EXAMPLES = r"""
examples:
  train-har fit configs/lrcn-ucf.yaml --data UCF50 --out runs/lrcn   train, calibrate, bundle
  train-har fit configs/lrcn-ucf.yaml --data UCF50 --out runs/lrcn --resume      after Ctrl-C
  train-har fit configs/study-lrcn.yaml --data UCF50 --seeds 5       mean and interval
  train-har evaluate --bundle lrcn-ucf --data CLIPS                  one folder per label
  train-har evaluate --bundle runs/lrcn/bundle --data UCF50 --classes Swing,TaiChi \
      --others Punch,YoYo --groups 1-7 --json figures.json           a part of a data set
  train-har summary lrcn                                             a network, layer by layer

DIR of --data holds one folder of videos per class. A bundle is used by har-stream --bundle PATH.
Wrong input ends with one line and status 2. Ctrl-C keeps the last epoch: go on with --resume.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `train-har`; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(
        level=logging.INFO,
        format="%(message)s",
        handlers=[RichHandler(console=Console(stderr=True), show_path=False, show_level=False)],
    )
    try:
        options.run(options, f"train-har {shlex.join(arguments)}")
    except InputError as error:
        print(f"train-har: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("train-har: interrupted; the last whole epoch is kept, see --resume", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="train-har",
        description="Make recognisers from clips, and see how good they are.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('har-stream')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    fit = commands.add_parser("fit", help="train as a config says, and make a bundle")
    fit.set_defaults(run=_fit)
    fit.add_argument("config", type=Path, metavar="CONFIG", help="YAML; see configs/")
    fit.add_argument("--data", type=Path, metavar="DIR", help="class folders (wins over CONFIG)")
    fit.add_argument("--lists", type=Path, metavar="DIR", help="official split files (likewise)")
    fit.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (runs/NAME)")
    fit.add_argument("--seed", type=int, metavar="N", help="wins over CONFIG")
    fit.add_argument("--seeds", type=_count, metavar="N", default=1, help="so many, one by one")
    fit.add_argument("--resume", action="store_true", help="go on where the run stopped")
    fit.add_argument(
        "--cache", type=Path, metavar="DIR", help="prepared frames (in the state directory)"
    )

    evaluate = commands.add_parser("evaluate", help="stream clips through a bundle and score it")
    evaluate.set_defaults(run=_evaluate)
    evaluate.add_argument("--bundle", required=True, metavar="NAME|PATH", help="what to evaluate")
    evaluate.add_argument("--data", type=Path, required=True, metavar="DIR", help="class folders")
    evaluate.add_argument("--classes", metavar="A,B", default="", help="only these folders")
    evaluate.add_argument(
        "--others", metavar="A,B", default="", help="folders that are no label; '*': all the rest"
    )
    evaluate.add_argument("--groups", metavar="1-7", default="", help="only clips of these groups")
    evaluate.add_argument("--group-pattern", metavar="REGEX", help="finds the group in a file name")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write all figures")

    summary = commands.add_parser("summary", help="print a network's layers and parameters")
    summary.set_defaults(run=_summary)
    summary.add_argument("network", metavar="NETWORK", help="lrcn, convlstm, ...")
    summary.add_argument("--labels", type=_count, metavar="N", default=4, help="(default 4)")
    return parser


def _fit(options: argparse.Namespace, _: str) -> None:
    from training import config as configs
    from training.fit import fit

    config = _with_options(configs.load(options.config), options)
    folder = options.out or Path("runs") / config.name
    cache_folder = options.cache or state_dir() / "cache" / "clips"
    runs = []
    for seed in range(config.seed, config.seed + options.seeds):
        own = folder / f"seed-{seed}" if options.seeds > 1 else folder
        seeded = config.model_copy(update={"seed": seed})
        run = fit(
            seeded,
            folder=own,
            cache_folder=cache_folder,
            command=_recipe(options, seed),
            resume=options.resume,
        )
        runs.append(run)
        _print_scores(run.scores, f"{config.name}, seed {seed}", leaks=run.leaks)
        print(f"bundle: {own / 'bundle'}   (har-stream --bundle {own / 'bundle'} --camera 0)")
    if len(runs) > 1:
        from training.metrics import mean_and_interval

        mean, half = mean_and_interval([run.scores["accuracy"] for run in runs])
        print(f"accuracy over {len(runs)} seeds: {mean:.2%} +- {half:.2%} (95 % interval)")


def _recipe(options: argparse.Namespace, seed: int) -> str:
    """The command that makes this bundle again: what decides the outcome, and no one's folders."""
    parts = ["train-har", "fit", f"configs/{options.config.name}"]
    if options.data:
        parts += ["--data", options.data.name]
    if options.seed is not None or options.seeds > 1:
        parts += ["--seed", str(seed)]
    return shlex.join(parts)


def _with_options(config: "RunConfig", options: argparse.Namespace) -> "RunConfig":
    given = {"path": options.data, "lists": options.lists}
    data = config.data.model_copy(update={k: v for k, v in given.items() if v is not None})
    seed = config.seed if options.seed is None else options.seed
    return config.model_copy(update={"data": data, "seed": seed})


def _evaluate(options: argparse.Namespace, command: str) -> None:
    from har_stream import bundle
    from training.config import DataConfig
    from training.evaluate import evaluate, split_names

    own = state_dir() / "models"
    loaded = bundle.load(bundle.find(options.bundle, models_dir=own))
    data = DataConfig(
        path=options.data,
        classes=split_names(options.classes),
        others=split_names(options.others),
        group_pattern=options.group_pattern,
    )
    scores = evaluate(loaded, data, groups=split_names(options.groups))
    _print_scores(scores, f"{options.bundle} on {options.data}", leaks=scores["leaks"])
    for path, reason in scores["unreadable"].items():
        print(f"left out: {path}: {reason}")
    if options.json:
        options.json.write_text(json.dumps({"command": command, **scores}, indent=2) + "\n")


def _print_scores(scores: dict[str, Any], title: str, *, leaks: bool) -> None:
    table = Table("label", "precision", "recall", "F1", "clips", title=title)
    for label, score in scores["per_class"].items():
        shares = [f"{score[name]:.3f}" for name in ("precision", "recall", "f1")]
        table.add_row(label, *shares, str(score["n_clips"]))
    console = Console()
    console.print(table)
    named = ("accuracy", "macro_f1", "ece", "passed", "others_rejected")
    console.print(
        ", ".join(f"{name} {scores[name]:.3f}" for name in named if name in scores),
        f"on {scores['n_clips']} clips",
    )
    if leaks:
        console.print(
            "[bold]This split leaks:[/bold] cuts of one video were learned from and tested on; "
            "expect less on new footage."
        )


def _summary(options: argparse.Namespace, _: str) -> None:
    from har_stream.clips import ClipSpec
    from training.networks import registry

    study = ClipSpec(n_frames=20, height_px=64, width_px=64, sample_hz=5.0)
    registry.get(options.network).build(options.labels, study).summary()


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return number
