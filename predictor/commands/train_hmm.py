"""`train-hmm`: fit, evaluate, compare, show and import, wired together."""

import argparse
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from har_stream.config.state_dir import default_state_dir
from har_stream.core.atomic_file import writing
from har_stream.core.command import run_command
from predictor.commands.forecast import EXTRAS
from predictor.commands.train_hmm_arguments import COMMANDS, MODELS, make_parser

if TYPE_CHECKING:
    from predictor.evaluation.prequential import Question
    from predictor.logs.csv_log import Log

# What takes long to import is imported where it is used, so that --help and --version are instant.


def main(argv: Sequence[str] | None = None) -> int:
    """Run `train-hmm`; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] not in {*COMMANDS, "-h", "--help", "--version"}:
        words.insert(0, "fit")
    options = make_parser().parse_args(words)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # It warns that a model starts with many parameters, whatever they are initialised with.
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)
    return run_command("train-hmm", lambda: _RUN[options.command](options), extras=EXTRAS)


def _fit(options: argparse.Namespace) -> None:
    from har_stream.bundles.bundle import read_named_manifest
    from predictor.models import hmmlearn_em
    from predictor.models.replay import replay
    from predictor.models.store import create, save
    from predictor.sessions import merge

    log = _read(options.logs)
    sessions = log.sessions if options.raw else merge(log.sessions)
    confusion = None
    if options.bundle:
        manifest = read_named_manifest(options.bundle, state_dir=default_state_dir())
        confusion = manifest.confusion_by_label()
    forecaster = create(options.model, repeats=options.raw, confusion=confusion)
    for _ in _watch("fitting", replay(forecaster, sessions), len(sessions)):
        pass
    if options.em:
        likelihood = hmmlearn_em.refine(forecaster, sessions, options.em)
        print(f"EM: {likelihood:.3f} nats of log-likelihood per session")
    path = save(forecaster, options.out)
    print(
        f"{path}: {forecaster.name}, learnt from {len(sessions)} sessions of "
        f"{len(forecaster.activities)} activities on {forecaster.n_days} days"
    )
    print(f"next: har-forecast --model {forecaster.name} --model-path {options.out}")


def _evaluate(options: argparse.Namespace) -> None:
    from predictor.evaluation.evaluation_report import evaluation_page
    from predictor.evaluation.figures import evaluate

    log = _read(options.logs)
    figures = evaluate(
        options.model, log.sessions, _question(options), boosting=options.boosting, watch=_watch
    )
    figures["skipped"] = list(log.skipped)
    _print_table([figures])
    _write_json(options.json, figures)
    if options.html:
        _write(options.html, evaluation_page(log.source, figures, log.skipped))


def _compare(options: argparse.Namespace) -> None:
    from predictor.evaluation.figures import evaluate

    log = _read(options.logs)
    question = _question(options)
    every = [
        evaluate(model, log.sessions, question, boosting=model == MODELS[-1], watch=_watch)
        for model in MODELS
    ]
    _print_table(every)
    _write_json(options.json, {figures["model"]: figures for figures in every})


def _show(options: argparse.Namespace) -> None:
    from predictor.evaluation.plots import draw_model
    from predictor.models.store import load

    draw_model(load(options.model_folder), options.out)
    print(options.out)


def _import(options: argparse.Namespace) -> None:
    from predictor.logs.csv_log import write_log
    from predictor.logs.other_formats import read_other_format

    log = read_other_format(options.file, options.format)
    path = options.out or options.file.with_suffix(".log.csv")
    n_rows = write_log(path, log.sessions)
    _say_skipped(log)
    print(f"{path}: {n_rows} sessions; next: train-hmm {path}")


def _read(sources: Sequence[str]) -> "Log":
    from predictor.logs.read_logs import read_logs

    log = read_logs(sources)
    _say_skipped(log)
    return log


def _say_skipped(log: "Log") -> None:
    for line in log.skipped:
        print(f"left out: {line}", file=sys.stderr)
    if log.skipped:
        print(f"left out: {len(log.skipped)} in all, as named above", file=sys.stderr)


def _question(options: argparse.Namespace) -> "Question":
    from predictor.evaluation.prequential import Question

    return Question(options.at, repeats=options.raw, noise=options.noise, seed=options.seed)


def _watch(description: str, steps: Iterable[int], n_steps: int) -> Iterator[int]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(
        steps,
        description,
        n_steps,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _print_table(evaluations: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from predictor.evaluation.evaluation_report import COLUMNS, format_figure, rows

    first = evaluations[0]
    table = Table(
        title=f"{first['n_test']} test cases, {first['protocol']['view']} view, asked at "
        f"the {first['protocol']['at']}"
    )
    table.add_column("")
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right")
    shown: dict[str, Any] = {}
    for figures in evaluations:
        shown |= {name: found for name, found in rows(figures) if name not in shown}
    for name, found in shown.items():
        table.add_row(name, *(format_figure(found[key], key) for key in COLUMNS))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _write_json(path: Path | None, figures: dict[str, Any]) -> None:
    if path:
        _write(path, json.dumps(figures, indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    with writing(path):
        path.write_text(text, encoding="utf-8")  # in place, for it may be /dev/stdout
    print(path)


_RUN = {
    "fit": _fit,
    "evaluate": _evaluate,
    "compare": _compare,
    "show": _show,
    "import": _import,
}
