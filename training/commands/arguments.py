"""The arguments of `train-har`: one short function per command."""

import argparse
from pathlib import Path
from typing import Any

from har_stream.core.command import command_parser, count, names, positive, share, whole_number
from training.commands import keypoints, teach
from training.commands.add_command import add_command

EXAMPLES = r"""
examples:
  train-har fit configs/lrcn-ucf.yaml --data UCF50 --out runs/lrcn   train, calibrate, bundle
  train-har fit configs/lrcn-ucf.yaml --data UCF50 --out runs/lrcn --resume      after Ctrl-C
  train-har fit configs/study-lrcn.yaml --data UCF50 --seeds 5       mean and interval
  train-har report runs/lrcn                                         its HTML page, anew
  train-har compare runs/lrcn runs/convlstm --out both.html          side by side
  train-har export runs/lrcn --int8                                  a third of the size
  train-har evaluate --bundle lrcn-ucf --data CLIPS                  one folder per label
  train-har evaluate --bundle runs/lrcn/bundle --data UCF50 --classes Swing,TaiChi \
      --others Punch,YoYo --groups 1-7 --json figures.json           a part of a data set
  train-har teach --clips clips --ordinary DIR                       your own activities, in minutes
  train-har falls --bundle home --clips URFD URFD/states.csv         falls found, false alarms
  train-har summary lrcn                                             a network, layer by layer
  train-har download ucf50                                           a data set, ready to train on
  train-har download weights movinet_a0_stream_int8                  a pretrained backbone
  train-har record --label cooking --camera 0 --minutes 2            clips of your own home
  train-har cut LABELS.csv --out clips        the same, from recordings: file,start_s,end_s,label
  train-har import MODEL.h5 --labels Walk,Swing --colour bgr --sample-hz 2.9     a tutorial's model

DIR of --data holds one folder of videos per class. A bundle is used by har-stream --bundle PATH.
Wrong input ends with one line and status 2. Ctrl-C keeps the last epoch: go on with --resume.
"""


def make_parser() -> argparse.ArgumentParser:
    """Describe every command and its arguments."""
    parser = command_parser(
        "train-har",
        "Make recognisers from clips, and see how good they are.",
        examples=EXAMPLES,
    )
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    for add in (
        _add_fit,
        _add_fit_postures,
        teach.add_teach,
        _add_report,
        _add_compare,
        _add_export,
        _add_calibrate,
        _add_evaluate,
        _add_falls,
        _add_summary,
        keypoints.add_label,
        keypoints.add_fit,
        keypoints.add_export,
        keypoints.add_evaluate,
        _add_import,
        _add_download,
        _add_record,
        _add_cut,
    ):
        add(commands)
    return parser


def _add_fit(commands: Any) -> None:
    fit = add_command(
        commands,
        "fit",
        "train as a config says, and make a bundle",
        about="Read the clips, split them by video, train, calibrate, test, and write into the "
        "folder of the run: bundle/, report.html, report.json, plots/ and checkpoints. With "
        "--seeds one run per seed, and a report of mean and interval over them. A config is "
        "YAML whose comments say what each value means: copy one from configs/.",
        examples="configs/lrcn-ucf.yaml --data UCF50 --out runs/lrcn\n"
        "configs/study-lrcn.yaml --data UCF50 --seeds 5 --out runs/study-lrcn",
    )
    add_fit_arguments(fit)


def add_fit_arguments(fit: argparse.ArgumentParser) -> None:
    """Add what a run is told, whoever fits its networks."""
    fit.add_argument("config", type=Path, metavar="CONFIG", help="YAML; see configs/")
    fit.add_argument("--data", type=Path, metavar="DIR", help="class folders (wins over CONFIG)")
    fit.add_argument("--lists", type=Path, metavar="DIR", help="official split files (likewise)")
    _add_paths(fit, "--negatives", "footage without any of the labels: calibrates what is unknown")
    _add_paths(fit, "--ordinary", "the same, to judge by: false activities an hour")
    fit.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (runs/NAME)")
    fit.add_argument("--seed", type=whole_number, metavar="N", help="wins over CONFIG")
    fit.add_argument("--seeds", type=count, metavar="N", default=1, help="so many, one by one")
    fit.add_argument("--resume", action="store_true", help="go on where the run stopped")
    fit.add_argument(
        "--cache", type=Path, metavar="DIR", help="prepared frames (in the state directory)"
    )


def _add_paths(command: argparse.ArgumentParser, flag: str, what: str) -> None:
    command.add_argument(flag, type=Path, nargs="+", metavar="PATH", default=[], help=what)


def _add_fit_postures(commands: Any) -> None:
    fit = add_command(
        commands,
        "fit-postures",
        "make a bundle that knows postures by a person's key points",
        about="See every clip by a key-point network, learn postures, and judge every room by a "
        "head that saw neither it nor its people. Write OUT/bundle and OUT/figures.json.",
        examples="configs/postures.yaml --data CLIPS --out runs/home",
    )
    fit.add_argument("config", type=Path, metavar="CONFIG", help="YAML; see configs/postures.yaml")
    fit.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the sets")
    fit.add_argument("--learn-from", type=names, metavar="A,B", help="these sets alone")
    fit.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (runs/NAME)")
    fit.add_argument("--cache", type=Path, metavar="DIR", help="found key points (state directory)")


def _add_report(commands: Any) -> None:
    report = add_command(
        commands,
        "report",
        "write a run's report anew: HTML, PNG, JSON",
        about="Write report.html, report.json and plots/ into the folder of a finished run, as fit "
        "does in the end. The page needs nothing beside it: send it to anybody.",
        examples="runs/lrcn",
    )
    report.add_argument("run", type=Path, metavar="RUN", help="fit's --out, with --seeds too")


def _add_compare(commands: Any) -> None:
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


def _add_export(commands: Any) -> None:
    export = add_command(
        commands,
        "export",
        "smaller weights, and what they cost in accuracy",
        about="Write RUN/bundle-int8 or RUN/bundle-float16 (or RUN/bundle anew), and stream the "
        "run's test clips through float32, float16 and int8: size, time, accuracy, into the "
        "report. An export that does not say what the network says is refused.",
        examples="runs/lrcn --int8\nruns/lrcn --float16",
    )
    export.add_argument("run", type=Path, metavar="RUN", help="folder of a run: fit's --out")
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


def _add_calibrate(commands: Any) -> None:
    calibrate = add_command(
        commands,
        "calibrate",
        "tell a finished bundle what it was never taught",
        about="Stream footage that shows none of a bundle's labels, such as an ordinary day before "
        "its camera, and write the bundle anew: what is as strange to it becomes unknown. It must "
        "not have learned from this footage. With --ordinary alone its bound stays, and is judged.",
        examples="models/kitchen --negatives ordinary-day.mp4 --ordinary another-day.mp4",
    )
    calibrate.add_argument("bundle", type=Path, metavar="DIR", help="folder of the bundle")
    _add_paths(calibrate, "--negatives", "the footage: files or folders")
    _add_paths(calibrate, "--ordinary", "more of it, to judge by: the share that is unknown")
    calibrate.add_argument(
        "--let-pass",
        type=share,
        metavar="SHARE",
        default=0.0,
        help="of the negatives, where a bundle sees too much of what it knows as strange (0)",
    )


def _add_evaluate(commands: Any) -> None:
    evaluate = add_command(
        commands,
        "evaluate",
        "stream clips through a bundle and score it",
        about="Stream every clip, frame by frame, through the engine that serves, and score what it"
        " says. Clips of videos that the bundle has learned from are told as a leak.",
        examples="--bundle lrcn-ucf --data CLIPS\n"
        "--bundle runs/lrcn/bundle --data UCF50 --groups 1-7 --json out.json",
    )
    evaluate.add_argument("--bundle", required=True, metavar="NAME|PATH", help="what to evaluate")
    evaluate.add_argument("--data", type=Path, required=True, metavar="DIR", help="class folders")
    evaluate.add_argument("--classes", metavar="A,B", default="", help="only these folders")
    evaluate.add_argument(
        "--others", metavar="A,B", default="", help="folders that are no label; '*': all the rest"
    )
    evaluate.add_argument("--groups", metavar="1-7", default="", help="only clips of these groups")
    evaluate.add_argument("--group-pattern", metavar="REGEX", help="finds the group in a file name")
    evaluate.add_argument(
        "--stream", action="store_true", help="also as one stream: cuts, still scenes, empty rooms"
    )
    _add_paths(evaluate, "--ordinary", "with --stream: footage without any of the labels")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write all figures")


def _add_falls(commands: Any) -> None:
    falls = add_command(
        commands,
        "falls",
        "replay clips of falls and of daily life, and count alarms",
        about="Replay clips through the pipeline that serves, each by itself and its last frame "
        "held, and count the falls that are found, those that are missed, and false alarms an "
        "hour, with their intervals. STATES says what each clip shows: clip,start_s,end_s,state, "
        "where a fall is lying_floor right after changing; DIR/CLIP.mp4 is its video.",
        examples="--bundle home --clips URFD URFD/states.csv --only '*/fall-*-cam0,*/adl-*'\n"
        "--bundle runs/home/bundle --apart configs/postures.yaml --clips URFD URFD/states.csv\n"
        "--bundle home --ordinary CLIPS --json falls.json",
    )
    falls.add_argument("--bundle", required=True, metavar="NAME|PATH", help="what is tried")
    falls.add_argument(
        "--apart",
        type=Path,
        metavar="CONFIG",
        help="of the run of fit-postures that made the bundle: each clip is watched by the bundle "
        "beside it, in apart/ROOM, that saw neither its room nor its people",
    )
    falls.add_argument(
        "--clips",
        nargs=2,
        type=Path,
        action="append",
        default=[],
        metavar=("DIR", "STATES"),
        help="clips, and what they show; repeatable",
    )
    falls.add_argument(
        "--ordinary",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="clips in which nobody falls; repeatable",
    )
    falls.add_argument(
        "--only",
        metavar="A,B",
        type=names,
        default=("*",),
        help="names of clips, DIR/CLIP; * for any",
    )
    falls.add_argument(
        "--regions", type=Path, metavar="FILE", help="YAML: beds and sofas drawn into clips"
    )
    falls.add_argument(
        "--hold",
        type=float,
        default=3.0,
        metavar="S",
        help="seconds that the last frame is held (default %(default)g)",
    )
    falls.add_argument("--json", type=Path, metavar="FILE", help="write all figures")


def _add_summary(commands: Any) -> None:
    summary = add_command(
        commands,
        "summary",
        "print a network's layers and parameters",
        about="Print a network layer by layer, for 20 frames of 64x64 as in the study.",
        examples="convlstm --labels 21",
    )
    summary.add_argument("network", metavar="NETWORK", help="lrcn, convlstm, ...")
    summary.add_argument("--labels", type=count, metavar="N", default=4, help="(default 4)")


def _add_import(commands: Any) -> None:
    imports = add_command(
        commands,
        "import",
        "make a bundle of a Keras LRCN or ConvLSTM file",
        about="Read the .h5 or .keras file of a tutorial, of Keras 2 or 3, and write a bundle that "
        "streams. Such a file does not say which colour order and sampling rate it was "
        "trained on: say it here, or be asked.",
        examples="MODEL.h5 --labels Walk,Swing --colour bgr --sample-hz 2.9",
    )
    imports.add_argument("model", type=Path, metavar="MODEL", help=".h5 or .keras, of Keras 2 or 3")
    imports.add_argument(
        "--labels", type=names, required=True, metavar="A,B", help="in the order of its outputs"
    )
    imports.add_argument(
        "--colour", choices=("bgr", "rgb"), help="channel order it was trained on; OpenCV's is bgr"
    )
    imports.add_argument(
        "--sample-hz",
        type=positive,
        metavar="HZ",
        help="frames a second it was trained on; 20 frames spread over a clip of UCF50: about 2.9",
    )
    imports.add_argument("--name", metavar="NAME", help="of the bundle (the file's)")
    imports.add_argument(
        "--out", type=Path, metavar="DIR", help="the bundle (models/NAME in the state directory)"
    )


def _add_download(commands: Any) -> None:
    download = add_command(
        commands,
        "download",
        "fetch a data set, or pretrained weights",
        about="Fetch from the official address, go on where an earlier attempt stopped, check size "
        "and hash, unpack, and count classes and clips.",
        examples="ucf50\nweights movinet_a0_stream_int8",
    )
    download.add_argument("name", metavar="NAME", help="ucf50, ucf101, hmdb51 or weights")
    download.add_argument("weights", nargs="?", metavar="WEIGHTS", help="which weights")
    download.add_argument("--out", type=Path, metavar="DIR", help="of the data set (NAME)")
    download.add_argument(
        "--mirror", metavar="URL", help="a folder with the same files, in place of the official one"
    )


def _add_record(commands: Any) -> None:
    record = add_command(
        commands,
        "record",
        "collect clips of your own home, with consent",
        about="Record what one camera sees, cut into short clips in the folder of their label. The "
        "screen says so while it records.",
        examples="--label cooking --camera 0 --minutes 2",
    )
    record.add_argument("--label", required=True, metavar="NAME", help="what is going on")
    record.add_argument("--camera", required=True, metavar="SRC", help="index, URL or file")
    record.add_argument(
        "--minutes", type=positive, metavar="N", default=2.0, help="(default %(default)g)"
    )
    record.add_argument(
        "--seconds", type=positive, metavar="N", default=6.0, help="of a clip (default 6)"
    )
    record.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("clips"), help="class folders (clips)"
    )
    record.add_argument(
        "--countdown",
        type=whole_number,
        metavar="S",
        default=5,
        help="before it begins (default 5)",
    )
    record.add_argument(
        "--yes", action="store_true", help="everybody who may be seen knows of it and agrees"
    )


def _add_cut(commands: Any) -> None:
    cut = add_command(
        commands,
        "cut",
        "cut labelled stretches of recordings into class folders",
        about="Turn recordings and a list of what happens when into clips in the folders of their "
        "labels.",
        examples="labels.csv --out clips",
    )
    cut.add_argument(
        "source",
        type=Path,
        metavar="LABELS",
        help="CSV with file,start_s,end_s,label and perhaps group; or the folder of GMDCSA24",
    )
    cut.add_argument("--labels", type=names, metavar="A,B", default=(), help="only these")
    cut.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("clips"), help="class folders (clips)"
    )
