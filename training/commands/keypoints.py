"""What the commands of `train-har` about key points do: make a network, and test networks."""

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from har_stream.bundles import weights
from har_stream.bundles.published_weights import WEIGHTS
from har_stream.config.state_dir import clip_cache
from har_stream.core.atomic_file import write_figures, writing
from har_stream.core.command import share
from har_stream.core.errors import InputError
from training.commands.add_command import add_command

if TYPE_CHECKING:
    from training.config import KeypointConfig

N_RANGES = 8
"""Batches of squares that 8 bits are laid out by."""
_EVALUATED = (
    "network",
    "people",
    "threshold",
    "found",
    "95 %",
    "empty seconds that fire",
    "sooner than 1 s before somebody comes",
)


def add_label(commands: Any) -> None:
    """Describe `train-har label-keypoints`."""
    label = add_command(
        commands,
        "label-keypoints",
        "see who is in frames of clips, for fit-keypoints",
        about="A teacher looks at the clips turned every way and says where joints are; tables say "
        "when nobody is there. Write small pictures and what is known of them, a file a clip.",
        examples="configs/keypoints.yaml --data CLIPS --marks configs/keypoints-marks.csv",
    )
    _add_config(label)
    label.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of clips")
    label.add_argument("--marks", type=Path, metavar="CSV", help="joints marked by eye")
    label.add_argument("--teacher", default="movenet_lightning", metavar="FILE", help="a .tflite")


def add_fit(commands: Any) -> None:
    """Describe `train-har fit-keypoints`."""
    fit = add_command(
        commands,
        "fit-keypoints",
        "let a network learn to find a person's joints",
        about="It learns from labelled frames and from simulated figures, which know their joints; "
        "squares are drawn by other processes meanwhile. Write OUT/NAME.weights.h5 as it learns. "
        "KERAS_BACKEND=jax learns without TensorFlow.",
        examples="configs/keypoints.yaml --apart '^urfd/'",
    )
    _add_config(fit)
    fit.add_argument("--apart", metavar="REGEX", help="clips that are kept apart")
    fit.add_argument("--minutes", type=float, metavar="M", help="for which it learns")
    fit.add_argument("--processes", type=int, default=2, metavar="N", help="that draw squares (2)")
    fit.add_argument("--imagenet", default="mobilenet_v1_imagenet", metavar="FILE")
    fit.add_argument("--start", type=Path, metavar="FILE", help="its own .weights.h5 to go on from")
    fit.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (runs/NAME)")


def add_export(commands: Any) -> None:
    """Describe `train-har export-keypoints`."""
    export = add_command(
        commands,
        "export-keypoints",
        "make one .tflite of a network that finds joints",
        about="Write NAME.tflite in 8 bits, which the person stage takes, and its card.",
        examples="configs/keypoints.yaml runs/keypoints/keypoints.weights.h5",
    )
    _add_config(export)
    export.add_argument("weights", type=Path, metavar="FILE", help=".weights.h5")
    export.add_argument("--apart", metavar="REGEX", help="clips that were kept apart")
    export.add_argument(
        "--doubt", type=float, default=0.0, metavar="X", help="taken from the logit of somebody"
    )
    export.add_argument("--out", type=Path, metavar="DIR", help="where to (beside FILE)")


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("config", type=Path, help="YAML; see configs/keypoints.yaml")
    command.add_argument(
        "--labels", type=Path, metavar="DIR", help="folder of labelled frames (state directory)"
    )


def add_evaluate(commands: Any) -> None:
    """Describe `train-har evaluate-keypoints`."""
    evaluate = add_command(
        commands,
        "evaluate-keypoints",
        "see whether people who lie are found",
        about="Follow clips with each network. A person is found when shoulders and hips are all "
        "sure and lie in the box drawn by eye. The threshold is the least at which no more "
        "than 2 % of the empty seconds see somebody. A network that sees people in furniture is "
        "judged alone and by the rule that who is found counts where something moves.",
        examples="ours.tflite movenet.tflite --data CLIPS --boxes lying_boxes.csv "
        "--empty CLIPS/urfd/states.csv --empty-in urfd",
    )
    evaluate.add_argument("network", type=Path, nargs="+", metavar="FILE", help=".tflite")
    evaluate.add_argument("--data", type=Path, required=True, metavar="DIR", help="of the clips")
    evaluate.add_argument("--boxes", type=Path, required=True, metavar="CSV", help="who lies where")
    evaluate.add_argument("--empty", type=Path, required=True, metavar="CSV", help="states by time")
    evaluate.add_argument("--empty-in", default="", metavar="NAME", help="folder of those clips")
    evaluate.add_argument("--seen", default="", metavar="REGEX", help="clips of its training")
    evaluate.add_argument("--threshold", type=share, metavar="P", help="in place of a fitted one")
    evaluate.add_argument(
        "--at-most", type=share, default=0.022, metavar="P", help="of empty seconds may fire"
    )
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write all figures")


def label(options: argparse.Namespace, command: str) -> None:
    """Label clips' frames."""
    from rich.progress import track

    from har_stream.recognition.person.network import PoseNetwork
    from training.data.keypoints.label_clips import label_clips, label_marks
    from training.data.keypoints.teacher import Teacher

    config, labels = _read_config(options), _labels(options)
    path = weights.find_by_name(options.teacher, suffixes=(".tflite",), known=WEIGHTS)
    with writing(labels):
        if options.marks:
            label_marks(options.marks, folder=options.data, labels=labels)
        teacher = Teacher(PoseNetwork(path))
        found = label_clips(config, folder=options.data, teacher=teacher, labels=labels)
        for _ in track(found, "labelling clips"):
            pass
    print(f"labels: {labels}")


def fit(options: argparse.Namespace, command: str) -> None:
    """Let the network learn."""
    from training.data.keypoints.footage import read_footage
    from training.data.keypoints.squares import batches
    from training.fitting.keypoints.fit import fit as fit_network
    from training.fitting.keypoints.network import build

    config, labels = _read_config(options), _labels(options)
    footage = read_footage(config, labels)
    rooms = len(footage.rooms) + len(footage.parts)
    print(f"{len(footage.people)} frames with people, {rooms} without")
    network = build(config.size_px, imagenet="" if options.start else options.imagenet)
    if options.start:
        _load_weights(network, options.start)
    folder = options.out or Path("runs") / config.name
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{config.name}.weights.h5"
    drawn = batches(config, labels, n_processes=options.processes)
    fit_network(config, network, drawn, made)
    print(f"weights: {made}")


def export(options: argparse.Namespace, command: str) -> None:
    """Write a fitted network as one `.tflite` with its card."""
    from training.data.keypoints.squares import draw_squares
    from training.export.export_keypoints import to_tflite, write_tflite
    from training.fitting.keypoints.network import build

    config, labels = _read_config(options), _labels(options)
    network = build(config.size_px)
    _load_weights(network, options.weights)
    made = (options.out or options.weights.parent) / f"{config.name}.tflite"
    squares = [draw_squares(config, labels, seed).squares for seed in range(N_RANGES)]
    with writing(made):
        write_tflite(made, to_tflite(network, np.concatenate(squares), doubt=options.doubt))
        card = {
            "name": config.name,
            "about": config.about,
            "licence": config.licence,
            "clips": [part.clips for part in config.footage],
            "apart": config.apart.pattern,
            "command": command,
            "sha256": weights.hash_of(made),
        }
        made.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    print(f"network: {made}   ({made.stat().st_size:,} bytes)")


def _read_config(options: argparse.Namespace) -> "KeypointConfig":
    """Read the file, and what is said otherwise in the command line."""
    from pydantic import ValidationError

    from har_stream.config.problems import problems
    from har_stream.config.yaml_file import read_yaml
    from training.config import KeypointConfig

    config = read_yaml(options.config, KeypointConfig)
    said = {name: getattr(options, name, None) for name in ("apart", "minutes")}
    changed = {name: value for name, value in said.items() if value is not None}
    try:
        return KeypointConfig.model_validate(config.model_dump() | changed)
    except ValidationError as error:
        raise InputError("; ".join(f"--{each}" for each in problems(error))) from error


def _labels(options: argparse.Namespace) -> Path:
    return options.labels or clip_cache() / "keypoints"


def _load_weights(network: Any, path: Path) -> None:
    try:
        network.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"{path}: no weights of this network: {error}") from error


def evaluate(options: argparse.Namespace, command: str) -> None:
    """Say how often networks find people who lie, and see somebody in empty rooms."""
    from har_stream.recognition.person.network import PoseNetwork
    from training.fitting.keypoints import judge

    boxes = judge.read_boxes(options.boxes)
    seen = [clip for clip in boxes if options.seen and re.search(options.seen, clip)]
    empty = judge.read_empty(options.empty)
    if options.empty_in:
        empty = {f"{options.empty_in}/{clip}": stretches for clip, stretches in empty.items()}
    table = Table(*_EVALUATED)
    figures: list[dict[str, Any]] = []
    for path in options.network:
        network = PoseNetwork(path)
        for needs_movement in (False, True) if network.needs_movement else (False,):
            network.needs_movement = needs_movement
            name = f"{path.name}, where something moves" if needs_movement else path.name
            rooms = list(judge.look_at_rooms(network, options.data, empty))
            looks = list(judge.look_at_people(network, options.data, boxes))
            early = [look for look in rooms if not look.somebody_comes]
            if not rooms or not looks:
                raise InputError(f"{options.data}: too few of its frames can be read")
            known = options.threshold
            threshold = known or judge.least_threshold(rooms, options.at_most)
            fired = judge.share_fired(rooms, threshold)
            fired_early = judge.share_fired(early, threshold) if early else None
            parts = {
                "unseen": [look for look in looks if look.clip not in seen],
                "seen in training": [look for look in looks if look.clip in seen],
            }
            for people, part in parts.items():
                if part:
                    found = judge.share_found(part, threshold)
                    low, high = judge.interval(judge.share_found, part, threshold)
                    figures.append(
                        {
                            "network": path.name,
                            "needs_movement": needs_movement,
                            "people": people,
                            "frames": len(part),
                            "clips": len({look.clip for look in part}),
                            "threshold": threshold,
                            "found": found,
                            "interval": [low, high],
                            "fired": fired,
                            "fired_early": fired_early,
                        }
                    )
                    table.add_row(
                        name,
                        f"{people}, {len(part)} frames",
                        f"{threshold:.2f}",
                        f"{found:.1%}",
                        f"{low:.1%} to {high:.1%}",
                        f"{fired:.1%}",
                        "-" if fired_early is None else f"{fired_early:.1%}",
                    )
    Console().print(table)
    if options.json:
        write_figures(options.json, {"command": command, "rows": figures})


COMMANDS = {
    "label-keypoints": label,
    "fit-keypoints": fit,
    "export-keypoints": export,
    "evaluate-keypoints": evaluate,
}
