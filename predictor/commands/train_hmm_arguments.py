"""The arguments of `train-hmm`."""

import argparse
from pathlib import Path

from har_stream.core.command import command_parser, count, share, whole_number
from predictor.logs.other_formats import KINDS

COMMANDS = ("fit", "evaluate", "compare", "show", "import")
MODELS = ("hmm", "dbn")
EXAMPLES = """
examples:
  train-hmm log.csv                          fit the dbn model to a log; it goes to ./forecaster
  train-hmm log.csv --model hmm --out attic  another model, another folder
  har-forecast --model-path forecaster       forecast live from there on
  train-hmm evaluate log.csv                 how well would it have forecast? (last 30 % of days)
  train-hmm evaluate log.csv --unusual       what would have been told, rightly and falsely?
  train-hmm evaluate log.csv --residents 2     how well are two people followed, room by room?
  train-hmm compare log.csv --raw            hmm, dbn and all baselines side by side
  train-hmm show forecaster --out home.html  what follows what, and the rhythm of a day
  train-hmm import casas data.txt --out log.csv

A log is a CSV file start,end,activity[,room] with local times, a .jsonl file of activity events
(har-stream --record-events), or the journal of har-forecast (sqlite:///path/to/journal.db). Several
logs of one home are read as one. Two weeks are a start; two months are good. Rows that end before
they start, or start after now, are named and left out; wrong input ends with one line and status 2.
A FILE to be written may be - for standard output; what is said to people is on standard error then.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; `command` holds the name of the subcommand."""
    parser = command_parser(
        "train-hmm",
        "Fit a forecaster of the next activity to a log, and say how good it is.",
        examples=EXAMPLES,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    fit = commands.add_parser("fit", help="fit a model to logs (the default command)")
    _add_logs(fit)
    fit.add_argument("--model", choices=MODELS, default="dbn", help="which model (dbn)")
    fit.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("forecaster"),
        help="model folder; a new version goes beside the older ones (forecaster)",
    )
    fit.add_argument(
        "--bundle",
        metavar="NAME",
        help="the recogniser's bundle: its confusion matrix says how far a bare label is trusted",
    )
    fit.add_argument("--raw", action="store_true", help="rows as they stand, not merged")
    fit.add_argument(
        "--em",
        metavar="N",
        type=whole_number,
        default=0,
        help="at most N iterations of EM on the transitions afterwards (0)",
    )

    evaluate = commands.add_parser("evaluate", help="how well a model would have forecast a log")
    _add_logs(evaluate)
    evaluate.add_argument("--model", choices=MODELS, default="dbn", help="which model (dbn)")
    _add_question(evaluate)
    evaluate.add_argument(
        "--boosting", action="store_true", help="also against gradient boosting refitted nightly"
    )

    evaluate.add_argument(
        "--unusual",
        metavar="DAYS",
        type=whole_number,
        nargs="?",
        const=21,
        help="instead: what would be told as unusual after so many days (21), and of changes "
        "planted into the others",
    )
    evaluate.add_argument(
        "--residents",
        metavar="N",
        type=count,
        help="instead: how well N people are followed, room by room, beside supposing one; the log "
        "holds all of them, with rooms",
    )

    compare = commands.add_parser("compare", help="hmm, dbn and every baseline side by side")
    _add_logs(compare)
    _add_question(compare)

    show = commands.add_parser("show", help="draw what a model has learnt")
    show.add_argument("model_folder", metavar="DIR", type=Path, help="made by train-hmm fit")
    show.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        default=Path("forecaster.html"),
        help=".html or .png (forecaster.html)",
    )

    import_ = commands.add_parser("import", help="make a log of another format")
    import_.add_argument("format", choices=tuple(KINDS), help="where it comes from")
    import_.add_argument("file", metavar="FILE", type=Path)
    import_.add_argument("--out", metavar="LOG", type=Path, help="the CSV (FILE with .log.csv)")
    return parser


def _add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "logs", metavar="LOG", nargs="+", help="CSV, .jsonl or sqlite:///journal.db"
    )


def _add_question(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--at",
        choices=("end", "start"),
        default="end",
        help="ask at the end or the start of the current activity (end)",
    )
    parser.add_argument("--raw", action="store_true", help="rows as they stand, not merged")
    parser.add_argument(
        "--noise",
        metavar="P",
        type=share,
        default=0.0,
        help="share of wrong labels that the recogniser reports on the test days (0)",
    )
    parser.add_argument("--seed", type=whole_number, default=0, help="of the noise (0)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="all figures")
    parser.add_argument("--html", metavar="FILE", type=Path, help="a report with plots")
