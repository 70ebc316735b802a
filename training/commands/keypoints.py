"""What the commands of `train-har` about key points do: make a network, and test networks."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from har_stream.config.state_dir import clip_cache
from har_stream.core.atomic_file import write_figures, writing
from har_stream.core.command import share
from har_stream.core.errors import InputError
from training.commands.add_command import add_command


def add_fit(commands: Any) -> None:
    """Describe `train-har fit-keypoints`."""
    fit = add_command(
        commands,
        "fit-keypoints",
        "make a network that finds a person's joints",
        about="A teacher looks at the clips turned every way and says where joints are; simulated "
        "figures know theirs. Write OUT/NAME.tflite, which PersonTracker takes, and its card.",
        examples="configs/keypoints.yaml --data CLIPS --marks configs/keypoints-marks.csv",
    )
    fit.add_argument("config", type=Path, metavar="CONFIG", help="YAML; see configs/keypoints.yaml")
    fit.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the clips")
    fit.add_argument("--marks", type=Path, metavar="CSV", help="joints marked by eye")
    fit.add_argument("--teacher", default="movenet_lightning", metavar="FILE", help="a .tflite")
    fit.add_argument("--imagenet", default="mobilenet_v2_035_imagenet", metavar="FILE")
    fit.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (runs/NAME)")
    fit.add_argument("--cache", type=Path, metavar="DIR", help="labelled frames (state directory)")


def add_evaluate(commands: Any) -> None:
    """Describe `train-har evaluate-keypoints`."""
    evaluate = add_command(
        commands,
        "evaluate-keypoints",
        "see whether people who lie are found",
        about="Follow clips with each network. A person is found when shoulders and hips are all "
        "sure and lie in the box drawn by eye. The threshold is the least at which no more "
        "than 2 % of the empty seconds see somebody.",
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


def fit(options: argparse.Namespace, command: str) -> None:
    """Label the clips, let the network learn, and write it as one `.tflite` with its card."""
    from har_stream.config.yaml_file import read_yaml
    from training.config import KeypointConfig

    config = read_yaml(options.config, KeypointConfig)
    from har_stream.bundles import weights
    from har_stream.bundles.published_weights import WEIGHTS
    from har_stream.recognition.person.network import PoseNetwork
    from training.data.keypoints.footage import read_footage
    from training.data.keypoints.teacher import Teacher
    from training.export.export_keypoints import to_tflite, write_tflite
    from training.fitting.keypoints.fit import fit as fit_network

    folder = options.out or Path("runs") / config.name
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    teacher = weights.find_by_name(options.teacher, suffixes=(".tflite",), known=WEIGHTS)
    footage = read_footage(
        config,
        folder=options.data,
        teacher=Teacher(PoseNetwork(teacher)),
        labels=(options.cache or clip_cache()) / f"keypoints-{weights.hash_of(teacher)[:8]}",
        marks=options.marks,
    )
    print(f"{len(footage.people)} frames with people, {len(footage.rooms)} without")
    halves = fit_network(config, footage, folder / "second.weights.h5", imagenet=options.imagenet)
    made = folder / f"{config.name}.tflite"
    write_tflite(made, to_tflite(*halves))
    card = {
        "name": config.name,
        "about": config.about,
        "licence": config.licence,
        "taught_by": {"file": teacher.name, "sha256": weights.hash_of(teacher)},
        "clips": [part.clips for part in config.footage],
        "apart": config.apart,
        "command": command,
        "sha256": weights.hash_of(made),
    }
    with writing(made):
        made.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    print(f"network: {made}   ({made.stat().st_size:,} bytes)")


def evaluate(options: argparse.Namespace, command: str) -> None:
    """Say how often networks find people who lie, and see somebody in empty rooms."""
    from har_stream.recognition.person.network import PoseNetwork
    from training.fitting.keypoints import judge

    boxes = judge.read_boxes(options.boxes)
    seen = [clip for clip in boxes if options.seen and re.search(options.seen, clip)]
    empty = judge.read_empty(options.empty)
    if options.empty_in:
        empty = {f"{options.empty_in}/{clip}": stretches for clip, stretches in empty.items()}
    table = Table("network", "people", "threshold", "found", "95 %", "empty seconds that fire")
    figures: list[dict[str, Any]] = []
    for path in options.network:
        network = PoseNetwork(path)
        rooms = list(judge.look_at_rooms(network, options.data, empty))
        looks = list(judge.look_at_people(network, options.data, boxes))
        if not rooms or not looks:
            raise InputError(f"{options.data}: too few of its frames can be read")
        known = options.threshold
        threshold = known or judge.least_threshold(rooms, options.at_most)
        fired = judge.share_fired(rooms, threshold)
        parts = {
            "unseen": [look for look in looks if look.clip not in seen],
            "seen in training": [look for look in looks if look.clip in seen],
        }
        for name, part in parts.items():
            if part:
                found = judge.share_found(part, threshold)
                low, high = judge.interval(judge.share_found, part, threshold)
                figures.append(
                    {
                        "network": path.name,
                        "people": name,
                        "frames": len(part),
                        "clips": len({look.clip for look in part}),
                        "threshold": threshold,
                        "found": found,
                        "interval": [low, high],
                        "fired": fired,
                    }
                )
                table.add_row(
                    path.name,
                    f"{name}, {len(part)} frames",
                    f"{threshold:.2f}",
                    f"{found:.1%}",
                    f"{low:.1%} to {high:.1%}",
                    f"{fired:.1%}",
                )
    Console().print(table)
    if options.json:
        write_figures(options.json, {"command": command, "rows": figures})


COMMANDS = {"fit-keypoints": fit, "evaluate-keypoints": evaluate}
