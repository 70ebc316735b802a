"""The page that puts runs side by side, and the page of a sweep, whose runs are its seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from har_stream.core.atomic_file import figures_text, replacing
from har_stream.core.errors import InputError
from training.evaluation import clip_score
from training.reports import compare
from training.reports import plots as report_plots
from training.reports.compare import Entry
from training.reports.page import Picture, render
from training.reports.plots import STYLE, UNSEEN, WRONG

PER_ROW = 4
"""Small multiples beside each other."""
TITLE, SMALL = 9.5, 8
"""Sizes of type in them, in points."""
MAX_NAMED = 8
"""Labels up to which a small matrix has room for their names."""

Row = Mapping[str, Any]


def write_comparison(paths: Sequence[Path], out: Path) -> Path:
    """Write the page of a comparison, and its figures as JSON beside it.

    Raises:
        InputError: A folder holds no run, the page has no name of its own, or cannot be written.
    """
    if out.suffix == ".json" or not out.name:
        raise InputError(
            f"{out}: give the page's name, FILE.html; its figures lie beside it as JSON"
        )
    entries = compare.read(paths)
    return _write(entries, out, title=f"{len(entries)} runs side by side", sweep=None)


def write_sweep(folder: Path, made: Sequence[Path] = ()) -> Path:
    """Write the page of a sweep into its folder: mean and interval, and each seed a row.

    Args:
        folder: Of the sweep.
        made: Its runs; none: all that lie there.

    Raises:
        InputError: The folder holds no sweep, or one seed alone, or cannot be written to.
    """
    entries = compare.seeds_of(folder, made)
    if len(entries) == 1:
        raise InputError(
            f"{folder}: a sweep of one seed has no interval; fit more with --seeds, or give "
            f"{entries[0].runs[0].folder}"
        )
    manifest = entries[0].runs[0].manifest
    scores = [entry.runs[0].scores for entry in entries]
    named = ("accuracy", "macro_f1", "ece")
    sweep = {name: clip_score.mean_and_interval([s[name] for s in scores]) for name in named}
    title = f"{manifest.name}, {len(entries)} seeds"
    return _write(entries, folder / "report.html", title=title, sweep=sweep)


def _write(
    entries: Sequence[Entry], out: Path, *, title: str, sweep: dict[str, Any] | None
) -> Path:
    found = compare.compare(entries)
    if sweep is not None:
        found = {"sweep": sweep, "entries": found["entries"], "differences": []}
    plots = {
        "accuracy": _intervals(found["entries"]),
        "curves": _curves(entries),
        "confusion": _confusions(entries, found["entries"]),
    }
    images = {name: Picture.of(report_plots.to_png(figure)) for name, figure in plots.items()}
    page = render("compare.html", title=title, sweep=sweep, plots=images, **_shown(found))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out.with_suffix(".json")) as file:
            file.write(figures_text(found))
        with replacing(out) as file:
            file.write(page)
    except OSError as error:
        raise InputError(f"{out}: the page cannot be written ({error.strerror})") from error
    return out


def _shown(found: Row) -> dict[str, Any]:
    entries = found["entries"]
    differences = [pair for pair in found["differences"] if pair["n_clips"]]
    return {
        "entries": entries,
        "differences": differences,
        "n_apart": len(found["differences"]) - len(differences),
        "leaking": [row["name"] for row in entries if row["leaks"]],
    }


def _intervals(rows: Sequence[Row]) -> Figure:
    """Accuracy of every entry with its interval; one whose split leaks is hollow."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9.6, 0.42 * len(rows) + 0.9), layout="constrained")
        axes = figure.subplots()
        for n, row in enumerate(rows):
            colour = WRONG if row["leaks"] else UNSEEN
            axes.plot(row["accuracy_95"], [n, n], color=colour, linewidth=2)
            inside = "white" if row["leaks"] else colour
            axes.plot(row["accuracy"], n, "o", color=colour, markerfacecolor=inside, markersize=8)
        axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
        axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
        axes.xaxis.set_major_formatter(report_plots.percents())
        axes.grid(axis="x")
    return figure


def _curves(entries: Sequence[Entry]) -> Figure:
    """Loss above, accuracy below, an entry a column."""
    n_rows, n_columns = _grid(len(entries))
    with rc_context(STYLE):
        figure = Figure(figsize=(2.5 * n_columns, 3.9 * n_rows), layout="constrained")
        drawn: dict[str, Axes] = {}
        for n, entry in enumerate(entries):
            parts = [split for run in entry.runs for split in run.splits]
            row, column = divmod(n, n_columns)
            for below, name in enumerate(("loss", "accuracy")):
                at = (2 * row + below) * n_columns + column + 1
                axes = figure.add_subplot(2 * n_rows, n_columns, at, sharey=drawn.get(name))
                report_plots.draw_curves(axes, parts, name)
                drawn.setdefault(name, axes)
                axes.set_ylabel(name if column == 0 else "")
                if name == "loss":
                    axes.set_title(entry.name, fontsize=TITLE)
                    axes.set_xlabel("")
        drawn["loss"].set_ylim(bottom=0)
    return figure


def _confusions(entries: Sequence[Entry], rows: Sequence[Row]) -> Figure:
    """One matrix an entry; labels are written once as long as they stay the same."""
    n_rows, n_columns = _grid(len(entries))
    with rc_context(STYLE):
        figure = Figure(figsize=(2.5 * n_columns, 2.9 * n_rows), layout="constrained")
        before: tuple[str, ...] = ()
        for n, (entry, row) in enumerate(zip(entries, rows, strict=True)):
            axes = figure.add_subplot(n_rows, n_columns, n + 1)
            labels = entry.runs[0].manifest.labels
            report_plots.draw_confusion(axes, row["confusion"], size=SMALL)
            axes.set_title(entry.name, fontsize=TITLE)
            _name_ticks(axes, labels, beside=n % n_columns == 0 or labels != before)
            before = labels
    return figure


def _grid(n: int) -> tuple[int, int]:
    """Rows and columns of small multiples."""
    return -(-n // PER_ROW), min(n, PER_ROW)


def _name_ticks(axes: Axes, labels: Sequence[str], *, beside: bool) -> None:
    if len(labels) > MAX_NAMED:
        axes.set(xticks=[], yticks=[])
        return
    axes.set_xticks(range(len(labels)), labels, fontsize=SMALL)
    for label in axes.get_xticklabels():
        label.set(rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels if beside else [""] * len(labels), fontsize=SMALL)
