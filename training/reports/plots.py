"""The plots of a run's report: dark on white, one idea each."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

INK, FAINT, LEARNED, UNSEEN, WRONG = "#1c2530", "#c9d1d9", "#8b98a5", "#0a6ebd", "#c4501b"
"""Text; grid; what was learned from; what was not; what is wrong."""
SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#bcdcf5", "#0a6ebd", "#063a66"])
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#edf0f3",
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
}
DPI = 160
MAX_COUNTED = 30
"""Labels up to which a confusion matrix has room for its counts."""

History = Sequence[Mapping[str, float]]


def to_png(figure: Figure) -> bytes:
    """Return a figure's PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    return buffer.getvalue()


def percents() -> PercentFormatter:
    """Return what writes 0.5 as 50%; every axis needs its own."""
    return PercentFormatter(1, decimals=0)


def curves(parts: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss and accuracy of every split, learned from and unseen; a dot marks the epoch taken."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9.6, 3.3), layout="constrained")
        loss, accuracy = figure.subplots(1, 2)
        draw_curves(loss, parts, "loss")
        draw_curves(accuracy, parts, "accuracy")
        loss.set_title("Loss")
        accuracy.set_title("Accuracy")
        loss.set_ylim(bottom=0)
        figure.legend(*loss.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def draw_curves(axes: Axes, parts: Sequence[Mapping[str, Any]], name: str) -> None:
    """Draw one quantity of all splits over epochs, `val_` as what is unseen."""
    width = 2.0 if len(parts) == 1 else 1.2
    for key, colour, label in ((name, LEARNED, "training"), (f"val_{name}", UNSEEN, "validation")):
        for part in parts:
            history: History = part["history"]
            values = [row[key] for row in history if key in row]
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, color=colour, linewidth=width, label=label)
            if values and key.startswith("val_"):
                best = part["best_epoch"]
                axes.plot(best, values[best - 1], "o", color=colour, markersize=6)
            label = "_"  # one line of the legend is enough
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.set_xlim(left=0.5)
    axes.grid(axis="y")
    if name == "accuracy":
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(percents())


def confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> Figure:
    """Clips by true and recognised label; colour is the share of a row."""
    n = len(labels)
    with rc_context(STYLE):
        side = max(3.4, 0.42 * n + 1.2)
        figure = Figure(figsize=(side + 1.0, side), layout="constrained")
        axes = figure.subplots()
        draw_confusion(axes, counts)
        axes.set_yticks(range(n), labels)
        axes.set_xticks(range(n), labels)
        for label in axes.get_xticklabels():
            label.set(rotation=40, ha="right", rotation_mode="anchor")
        axes.set_xlabel("recognised")
        axes.set_ylabel("true")
    return figure


def draw_confusion(axes: Axes, counts: Sequence[Sequence[int]], *, size: float = 10) -> None:
    """Draw a matrix without its labels; where it is not too large, with its counts."""
    matrix = np.asarray(counts, float)
    shares = matrix / np.maximum(matrix.sum(-1, keepdims=True), 1)
    axes.imshow(shares, cmap=SHARES, vmin=0, vmax=1)
    for spine in axes.spines.values():
        spine.set_visible(False)
    edges = np.arange(1, len(matrix)) - 0.5
    axes.hlines(edges, -0.5, len(matrix) - 0.5, color="#edf0f3", linewidth=1)
    axes.vlines(edges, -0.5, len(matrix) - 0.5, color="#edf0f3", linewidth=1)
    if len(matrix) > MAX_COUNTED:
        return
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            colour = "white" if shares[row, column] > 0.5 else INK
            said = axes.text(column, row, f"{count:.0f}", color=colour, fontsize=size)
            said.set(ha="center", va="center")


def reliability(bins: Sequence[Mapping[str, float]]) -> Figure:
    """Confidence against accuracy, the gap between them, and how many decisions each bin has."""
    with rc_context(STYLE):
        figure = Figure(figsize=(4.4, 4.8), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        sure = np.array([row["confidence"] for row in bins])
        right = np.array([row["accuracy"] for row in bins])
        above.plot([0, 1], [0, 1], color=LEARNED, linewidth=1, linestyle=(0, (4, 3)))
        above.vlines(sure, sure, right, color=WRONG, linewidth=5, alpha=0.35)
        above.plot(sure, right, "o-", color=UNSEEN, linewidth=1.6, markersize=5)
        above.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share right")
        below.bar(sure, [row["n"] for row in bins], width=0.05, color=LEARNED)
        below.set(xlabel="confidence", ylabel="decisions")
        for axes in (above, below):
            axes.grid(axis="y")
        above.xaxis.set_major_formatter(percents())
        above.yaxis.set_major_formatter(percents())
    return figure
