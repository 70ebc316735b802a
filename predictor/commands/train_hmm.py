"""`train-hmm`: fit, evaluate, compare, show and import, wired together."""

import argparse
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from har_stream.config.state_dir import default_state_dir
from har_stream.core.atomic_file import figures_text, is_stdout, write_output
from har_stream.core.command import run_command
from har_stream.core.errors import InputError
from predictor.commands.forecast import EXTRAS
from predictor.commands.train_hmm_arguments import COMMANDS, MODELS, make_parser

if TYPE_CHECKING:
    from predictor.evaluation.prequential import Question
    from predictor.logs.csv_log import Log

PROGRESS_S = 30.0
"""Without a terminal, a line of progress so often."""
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
    from predictor.prior.common_habits import habits_of_others
    from predictor.sessions import merge

    log = _read(options.logs)
    sessions = log.sessions if options.raw else merge(log.sessions)
    confusion = None
    if options.bundle:
        manifest = read_named_manifest(options.bundle, state_dir=default_state_dir())
        confusion = manifest.confusion_by_label()
    forecaster = create(
        options.model,
        repeats=options.raw,
        confusion=confusion,
        common=habits_of_others(log.sessions),
    )
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
    from predictor.evaluation.figures import evaluate

    asked = {"--unusual": _judge_unusual, "--residents": _judge_residents}
    judges = {flag: asked[flag] for flag in asked if getattr(options, flag[2:]) is not None}
    if len(judges) > 1 or (judges and options.boosting):
        raise InputError(f"{min(judges)} answers a question of its own; ask the other one apart")
    log = _read(options.logs)
    for judge in judges.values():
        judge(options, log)
        return
    figures = evaluate(
        options.model, log.sessions, _question(options), boosting=options.boosting, watch=_watch
    )
    figures["skipped"] = list(log.skipped)
    _report(options, log, [figures], content=figures)


def _judge_unusual(options: argparse.Namespace, log: "Log") -> None:
    from predictor.evaluation.planted import judge, table
    from predictor.sessions import merge

    sessions = log.sessions if options.raw else merge(log.sessions)
    verdict = judge(sessions, enough_days=options.unusual, seed=options.seed)
    if not verdict.n_days:
        raise InputError(
            f"{log.source}: no day is left after {options.unusual} to learn from; "
            "give fewer with --unusual DAYS"
        )
    for at, finding in verdict.false_alarms:
        print(f"{at:%Y-%m-%d %H:%M} {finding.kind}: {finding.words}", file=_words(options))
    rows = table([verdict])
    _report_rows(options, log, rows, title="What would be told as unusual", content=dict(rows))


def _judge_residents(options: argparse.Namespace, log: "Log") -> None:
    from predictor.evaluation.residents import judge_log

    figures = {}
    for number in dict.fromkeys((1, options.residents)):
        verdict = judge_log(
            log.sessions,
            number,
            model=options.model,
            noise=options.noise,
            seed=options.seed,
            watch=_watch,
        )
        figures[f"{number} supposed"] = verdict.figures()
    rows = [
        (
            name,
            f"{found['occupied_rooms']:.1%} right of occupied rooms, {found['empty_rooms']:.1%} of "
            f"empty ones; next {found['log_loss']:.2f} nats, {found['top1']:.0%} of {found['n']}",
        )
        for name, found in figures.items()
    ]
    title = "How well residents are followed"
    _report_rows(options, log, rows, title=title, content=figures)


def _report_rows(
    options: argparse.Namespace,
    log: "Log",
    rows: Sequence[tuple[str, str]],
    *,
    title: str,
    content: dict[str, Any],
) -> None:
    """Print names and what was found, and write the files that were asked for."""
    for name, value in rows:
        print(f"{name}: {value}", file=_words(options))
    if options.json:
        _write(options, options.json, figures_text(content))
    if options.html:
        from predictor.evaluation.evaluation_report import table_page

        _write(options, options.html, table_page(title, log.source, rows, log.skipped))


def _compare(options: argparse.Namespace) -> None:
    from predictor.evaluation.figures import evaluate

    log = _read(options.logs)
    question = _question(options)
    every = [
        evaluate(model, log.sessions, question, boosting=model == MODELS[-1], watch=_watch)
        for model in MODELS
    ]
    _report(options, log, every, content={figures["model"]: figures for figures in every})


def _report(
    options: argparse.Namespace,
    log: "Log",
    evaluations: Sequence[dict[str, Any]],
    *,
    content: dict[str, Any],
) -> None:
    """Print the table, and write the files that were asked for."""
    _print_table(evaluations, _words(options))
    if options.json:
        _write(options, options.json, figures_text(content))
    if options.html:
        from predictor.evaluation.evaluation_report import evaluation_page

        _write(options, options.html, evaluation_page(log.source, evaluations, log.skipped))


def _show(options: argparse.Namespace) -> None:
    from predictor.evaluation.plots import draw_model
    from predictor.models.store import load

    path = options.out
    if path.suffix not in (".png", ".html") and not is_stdout(path):
        raise InputError(f"{path}: give a name that ends in .png or .html")
    drawn = draw_model(load(options.model_folder), as_page=path.suffix != ".png")
    _write(options, path, drawn)


def _import(options: argparse.Namespace) -> None:
    from predictor.logs.csv_log import write_log
    from predictor.logs.other_formats import read_other_format

    log = read_other_format(options.file, options.format)
    path = options.out or options.file.with_suffix(".log.csv")
    if path.exists() and path.samefile(options.file):
        raise InputError(f"{path}: is what is imported; give another file to write, with --out")
    n_rows = write_log(path, log.sessions)
    _say_skipped(log)
    print(f"{path}: {n_rows} sessions; next: train-hmm {path}", file=_words(options))


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
    """Show progress: a bar in a terminal, elsewhere a line now and then where it takes long."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if console.is_terminal:
        yield from track(steps, description, n_steps, console=console, transient=True)
        return
    due_s = time.monotonic() + PROGRESS_S
    for step in steps:
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + PROGRESS_S
            print(f"{description}: {step} of {n_steps} sessions", file=sys.stderr)
        yield step


def _words(options: argparse.Namespace) -> TextIO:
    """Return where words for people go: to standard error where a file goes to standard output."""
    files = [getattr(options, name, None) for name in ("json", "html", "out")]
    return sys.stderr if any(path and is_stdout(path) for path in files) else sys.stdout


def _print_table(evaluations: Sequence[dict[str, Any]], file: TextIO) -> None:
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
    for name, found in rows(evaluations):
        table.add_row(name, *(format_figure(found[key], key) for key in COLUMNS))
    Console(file=file, width=None if file.isatty() else 160).print(table)


def _write(options: argparse.Namespace, path: Path, content: str | bytes) -> None:
    write_output(path, content)
    if not is_stdout(path):
        print(path, file=_words(options))


_RUN = {
    "fit": _fit,
    "evaluate": _evaluate,
    "compare": _compare,
    "show": _show,
    "import": _import,
}
