"""`train-har`: what its commands print. What they do lies in the modules that they call."""

import argparse
import logging
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from rich.console import Console
from rich.logging import RichHandler
from rich.prompt import FloatPrompt, Prompt
from rich.table import Table

from har_stream.config.problems import problems
from har_stream.config.state_dir import bundles_dir, clip_cache, default_state_dir
from har_stream.core.atomic_file import check_folder, write_figures
from har_stream.core.command import run_command
from har_stream.core.errors import InputError
from training.commands import collect, keypoints, postures, teach
from training.commands.arguments import make_parser
from training.commands.fit_runs import recipe, runs_of_fit

if TYPE_CHECKING:
    from training.config import DataConfig
    from training.data.clip import Clip

# What takes long to import is imported where it is used, so that --help is instant.

_PACKAGES = ("h5py", "jinja2", "keras", "matplotlib", "rarfile", "scipy", "sklearn", "tensorflow")
EXTRAS = dict.fromkeys(_PACKAGES, "train")
"""The extra of har-stream that brings each package which a command may lack."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `train-har`; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = make_parser().parse_args(arguments)
    prepare_training()
    run, command = _COMMANDS[options.command], f"train-har {shlex.join(arguments)}"
    return run_command("train-har", lambda: run(options, command), extras=EXTRAS)


def prepare_training() -> None:
    """Say how TensorFlow computes, where nobody has, and what is told; before it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow itself takes oneDNN on newer Intel processors only; others fit faster with it too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    logging.basicConfig(
        level=logging.INFO,
        format="%(message)s",
        handlers=[RichHandler(console=Console(stderr=True), show_path=False, show_level=False)],
    )
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # each split traces anew, and must


def _load_keras() -> None:
    """Import Keras without the lines that its backend writes before anybody can tell it not to.

    They come from C++, so that the process's own error output is put aside meanwhile.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            import keras

            keras.ops.zeros(1)  # with the first tensor it looks for devices
        except BaseException:
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def fit(options: argparse.Namespace) -> None:
    """Do what `train-har fit` is told."""
    told = runs_of_fit(options)  # before TensorFlow loads
    _load_keras()
    from training import run_folder
    from training.evaluation.evaluate_stream import to_table
    from training.export.stream_run import stream_run
    from training.fitting.training_run import fit_run
    from training.reports import run_report

    cache_folder = options.cache or clip_cache()
    negatives, ordinary = read_negatives(options)
    runs = []
    for config, own in told:
        with _keeping_epochs([folder for _, folder in told]):
            run = fit_run(
                config,
                folder=own,
                cache_folder=cache_folder,
                command=recipe(options, config.seed),
                resume=options.resume,
                negatives=negatives,
            )
        runs.append(run)
        _print_scores(run.scores, f"{config.name}, seed {config.seed}", leaks=run.leaks)
        record = run_folder.read_run(own)
        stream = stream_run(record, ordinary=ordinary, cache_folder=cache_folder)
        if stream is not None:
            Console().print(to_table(stream))
        print(f"bundle: {own / 'bundle'}   (har-stream --bundle {own / 'bundle'} --camera 0)")
        print(f"report: {run_report.write_report(own)}")
    if len(runs) > 1:
        from training.evaluation.clip_score import mean_and_interval
        from training.reports.compare_page import write_sweep

        mean, half = mean_and_interval([run.scores["accuracy"] for run in runs])
        print(f"accuracy over {len(runs)} seeds: {mean:.2%} +- {half:.2%} (95 % interval)")
        print(f"report: {write_sweep(runs[0].folder.parent, [run.folder for run in runs])}")


@contextmanager
def _keeping_epochs(folders: Iterable[Path]) -> Iterator[None]:
    """Say how an interrupted fit goes on, where it has come to anything to go on from."""
    from training.fitting.checkpoint import FILE

    try:
        yield
    except KeyboardInterrupt as interrupt:
        if any(checkpoint for folder in folders for checkpoint in folder.rglob(FILE)):
            raise KeyboardInterrupt("(the last whole epoch is kept, see --resume)") from interrupt
        raise


def _report(options: argparse.Namespace, _: str) -> None:
    from training.reports import compare, compare_page, run_report

    write = compare_page.write_sweep if compare.is_sweep(options.run) else run_report.write_report
    print(f"report: {write(options.run)}")


def _compare(options: argparse.Namespace, _: str) -> None:
    from training.reports import compare_page

    print(f"comparison: {compare_page.write_comparison(options.run, options.out)}")


def _export(options: argparse.Namespace, _: str) -> None:
    _load_keras()
    from training import run_folder
    from training.export import all_formats
    from training.reports import run_report

    record = run_folder.read_run(options.run)
    clips = record.config.data.path
    if clips and not clips.is_dir():
        raise InputError(
            f"{clips}: the clips of {options.run} lie there no more; bring them back, or fit again"
        )
    cache = options.cache or clip_cache()
    made, rows = all_formats.export_run(record, weights=options.weights, cache_folder=cache)
    table = Table(
        "weights", "bytes", "a frame", "accuracy", "as float32", title=record.manifest.name
    )
    for row in rows:
        table.add_row(row["format"], *_measured(row))
    table.caption = "\n".join(f"{r['format']}: {r['refused']}" for r in rows if "refused" in r)
    Console().print(table)
    if all_formats.saves_nothing(rows, options.weights):
        frozen = ", ".join(made.manifest.outside)
        print(
            f"{options.weights} saves next to nothing here: "
            + (f"the frozen backbone, {frozen}, keeps its numbers" if frozen else "see the bytes")
        )
    print(f"bundle: {made.path}")
    print(f"report: {run_report.write_report(options.run)}")


def _measured(row: dict[str, Any]) -> list[str]:
    if "refused" in row:
        return ["refused"]
    shares = ["" if row[s] is None else f"{row[s]:.1%}" for s in ("accuracy", "agreement")]
    return [f"{row['n_bytes']:,}", f"{row['median_ms']:.2f} ms", *shares]


def _evaluate(options: argparse.Namespace, command: str) -> None:
    from har_stream.bundles.fetch_weights import load_with_weights
    from training.evaluation.evaluate_clips import chosen_clips, evaluate_bundle, split_names

    if options.json:
        check_folder(options.json)
    loaded = load_with_weights(options.bundle, state_dir=default_state_dir())
    data = _data_of(options)
    groups = split_names(options.groups)
    scores = evaluate_bundle(loaded, data, groups=groups)
    _print_scores(scores, f"{options.bundle} on {options.data}", leaks=scores["leaks"])
    for path, reason in scores["unreadable"].items():
        print(f"left out: {path}: {reason}")
    if options.stream:
        from training.data.folders import find_negatives
        from training.evaluation import evaluate_stream

        clips = chosen_clips(loaded, data, groups=groups)
        ordinary = find_negatives(options.ordinary)
        scores["stream"] = evaluate_stream.evaluate_stream(loaded, clips, ordinary=ordinary)
        Console().print(evaluate_stream.to_table(scores["stream"]))
    if options.json:
        write_figures(options.json, {"command": command, **scores})


def _falls(options: argparse.Namespace, command: str) -> None:
    from har_stream.bundles.fetch_weights import load_with_weights
    from har_stream.config.yaml_file import read_yaml
    from training.evaluation import falls

    if options.json:
        check_folder(options.json)
    sets = [*options.clips, *((folder, None) for folder in options.ordinary)]
    clips = [
        clip
        for folder, states in sets
        for clip in falls.read_clips(folder, states)
        if any(fnmatch(clip.name, pattern) for pattern in options.only)
    ]
    if not clips:
        raise InputError("no clip to replay: give --clips DIR STATES or --ordinary DIR, and --only")
    drawn = read_yaml(options.regions, falls.DrawnRegions).clips if options.regions else {}
    watched_by: dict[str, list[falls.FallClip]] = {}
    for clip in clips:
        watched_by.setdefault(_bundle_for(clip.name, options), []).append(clip)
    replayed = [
        each
        for name, own in watched_by.items()
        for each in falls.replay_clips(
            load_with_weights(name, state_dir=default_state_dir()),
            own,
            hold_s=options.hold,
            regions=drawn,
        )
    ]
    counted = falls.count_falls(replayed)
    Console().print(falls.to_table(counted, f"{options.bundle}, {len(clips)} clips"))
    if options.json:
        write_figures(options.json, {"command": command, **counted})


def _bundle_for(clip: str, options: argparse.Namespace) -> str:
    """Name the bundle that watches a clip: with ``--apart``, one that saw others only."""
    if options.apart is None:
        return str(options.bundle)
    from har_stream.config.yaml_file import read_yaml
    from training.fitting.postures.settings import PostureConfig

    room = read_yaml(options.apart, PostureConfig).room_of(clip)
    return str(options.bundle if room is None else Path(options.bundle).parent / "apart" / room)


def _calibrate(options: argparse.Namespace, _: str) -> None:
    from har_stream.bundles.bundle import load_bundle
    from training.evaluation.calibration import NEGATIVES_REJECTED
    from training.export.calibrate_bundle import ORDINARY, calibrate_bundle

    negatives, judges = read_negatives(options)
    bundle = load_bundle(options.bundle)
    made = calibrate_bundle(bundle, negatives, judges=judges, let_pass=options.let_pass)
    metrics = made.manifest.metrics
    on = f"{len(judges)} other clips" if judges else f"these {len(negatives)} clips"
    print(f"{made.path}: {metrics[NEGATIVES_REJECTED]:.1%} of the decisions on {on} are unknown")
    if judges:
        per_hour, low, high = (metrics[name] for name in ORDINARY)
        print(f"false activities an hour of them: {per_hour:.1f} (95 %: {low:.1f} to {high:.1f})")


def read_negatives(options: argparse.Namespace) -> tuple[Sequence["Clip"], Sequence["Clip"]]:
    """What calibrates and what judges."""
    from training.data.folders import find_negatives

    negatives, ordinary = (find_negatives(each) for each in (options.negatives, options.ordinary))
    twice = sorted({clip.path for clip in negatives} & {clip.path for clip in ordinary})
    if twice:
        raise InputError(f"{twice[0]}: a negative that calibrates cannot judge; name it once")
    return negatives, ordinary


def _data_of(options: argparse.Namespace) -> "DataConfig":
    from training.config import DataConfig
    from training.evaluation.evaluate_clips import split_names

    try:
        return DataConfig(
            path=options.data,
            classes=split_names(options.classes),
            others=split_names(options.others),
            group_pattern=options.group_pattern,
        )
    except ValidationError as error:
        raise InputError("; ".join(problems(error, DataConfig))) from error


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
    _load_keras()
    from har_stream.core.frame import ClipSpec
    from training.networks import registry

    motion = registry.needed_motion(options.network)
    study = ClipSpec(n_frames=20, height_px=64, width_px=64, sample_hz=5.0, motion=motion)
    registry.get_network(options.network).build(options.labels, study).summary()


def _import(options: argparse.Namespace, _: str) -> None:
    _load_keras()
    from training.export.import_keras import ModelFacts, import_model

    colour, sample_hz = _trained_on(options)
    name = options.name or options.model.stem
    folder = options.out or bundles_dir(default_state_dir()) / name
    said = ModelFacts(options.labels, colour, sample_hz)
    given = ["--labels", ",".join(said.labels), "--colour", colour, "--sample-hz", str(sample_hz)]
    recipe = ["train-har", "import", options.model.name, *given, "--name", name]  # see _recipe
    import_model(options.model, said, name=name, folder=folder, command=shlex.join(recipe))
    print(f"bundle: {folder}   (har-stream --bundle {folder} --camera 0)")
    print(f"how good it is: train-har evaluate --bundle {folder} --data CLIPS")


def _trained_on(options: argparse.Namespace) -> tuple[Any, float]:
    """Channel order and frames a second of a model, asked for where they are not given."""
    if not ((options.colour and options.sample_hz) or sys.stdin.isatty()):
        raise InputError(
            "give --colour bgr or rgb and --sample-hz HZ: a Keras file does not say which frames "
            "it was trained on (the tutorials: bgr, and 20 frames spread over a clip, about 2.9 Hz)"
        )
    colour = options.colour or Prompt.ask(
        "Channel order that it was trained on (OpenCV reads bgr)", choices=["bgr", "rgb"]
    )
    sample_hz = options.sample_hz or FloatPrompt.ask(
        "Frames a second that it was trained on (20 spread over a clip of UCF50: about 2.9)"
    )
    return colour, sample_hz


_COMMANDS: dict[str, Callable[[argparse.Namespace, str], None]] = {
    "fit": lambda options, _: fit(options),
    "fit-postures": postures.fit,
    "report": _report,
    "compare": _compare,
    "export": _export,
    "calibrate": _calibrate,
    "evaluate": _evaluate,
    "falls": _falls,
    **keypoints.COMMANDS,
    **teach.COMMANDS,
    "summary": _summary,
    "import": _import,
    **collect.COMMANDS,
}


if __name__ == "__main__":
    sys.exit(main())
