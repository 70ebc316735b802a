"""The arguments of the commands that say what a run is worth: report, compare, export."""

from pathlib import Path
from typing import Any

from training.commands.subcommand import add_command


def add_report(commands: Any) -> None:
    """Describe `report`."""
    report = add_command(
        commands,
        "report",
        "write a run's report anew: HTML, PNG, JSON",
        about="Write report.html, report.json and plots/ into the folder of a finished run, as fit "
        "does in the end. The page needs nothing beside it: send it to anybody.",
        examples="runs/lrcn",
    )
    report.add_argument("run", type=Path, metavar="RUN", help="fit's --out, with --seeds too")


def add_compare(commands: Any) -> None:
    """Describe `compare`."""
    compare = add_command(
        commands,
        "compare",
        "put runs side by side in one HTML page",
        about="Accuracy with intervals, calibration, size, cost and speed of several runs, their "
        "curves and confusions, and which differences are more than chance: a paired "
        "bootstrap over videos, on the clips that both were tested on. A sweep (fit --seeds) "
        "is one row: its mean, and its interval over seeds.",
        examples="runs/study-lrcn runs/study-convlstm --out study.html",
    )
    compare.add_argument(
        "run", type=Path, nargs="+", metavar="RUN", help="folder of a run or sweep"
    )
    compare.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        default=Path("compare.html"),
        help="the page; its figures lie beside it as JSON (compare.html)",
    )


def add_export(commands: Any) -> None:
    """Describe `export`."""
    export = add_command(
        commands,
        "export",
        "smaller weights, and what they cost in accuracy",
        about="Write RUN/bundle-int8 or RUN/bundle-float16 (or RUN/bundle anew), and stream the "
        "run's test clips through float32, float16 and int8: size, time, accuracy, into the "
        "report. An export that does not say what the network says is refused.",
        examples="runs/lrcn --engine litert --int8\nruns/lrcn --float16",
    )
    export.add_argument("run", type=Path, metavar="RUN", help="folder of a run: fit's --out")
    export.add_argument(
        "--engine", choices=("litert",), default="litert", help="whose files (the default)"
    )
    smaller = export.add_mutually_exclusive_group()
    for weights in ("int8", "float16"):
        smaller.add_argument(
            f"--{weights}",
            dest="weights",
            action="store_const",
            const=weights,
            default="float32",
            help=f"weights in {weights} in place of float32",
        )
    export.add_argument(
        "--cache", type=Path, metavar="DIR", help="prepared frames (in the state directory)"
    )
