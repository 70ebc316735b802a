"""What a model has learnt, as pictures: what follows what, and the rhythm of a day."""

import io
from typing import TYPE_CHECKING

import numpy as np

from har_stream.core.errors import InputError
from predictor.estimators.filtering import Array
from predictor.evaluation.evaluation_report import new_figure, png_address, render
from predictor.models.hmm import HmmForecaster
from predictor.models.rollout import Rhythm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MIN_SHARE = 0.08
"""Transitions less probable than this are not drawn."""


def draw_model(forecaster: HmmForecaster, *, as_page: bool) -> str | bytes:
    """Draw the transition graph and the daily rhythm: an HTML page, or a PNG.

    Raises:
        InputError: There is nothing to draw.
    """
    if len(forecaster.activities) < 2:
        raise InputError("the model knows fewer than two activities; fit it to a log first")
    rhythm, labels = forecaster.rhythm(), forecaster.activities
    if as_page:
        graph, day = new_figure(9, 9), new_figure(9, 0.3 * len(labels) + 1.5)
        _draw_graph(graph.add_subplot(), labels, rhythm)
        _draw_day(day.add_subplot(), labels, rhythm)
        return render(
            "model.html",
            title=f"What the {forecaster.name} model has learnt in {forecaster.n_days} days",
            graph=png_address(graph),
            day=png_address(day),
            min_share=MIN_SHARE,
        )
    figure = new_figure(9, 10 + 0.3 * len(labels))
    graph_axes, day_axes = figure.subplots(2, 1, height_ratios=(9, 0.3 * len(labels) + 1))
    _draw_graph(graph_axes, labels, rhythm)
    _draw_day(day_axes, labels, rhythm)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, bbox_inches="tight")
    return buffer.getvalue()


def _draw_graph(axes: "Axes", labels: list[str], rhythm: Rhythm) -> None:
    angles = np.linspace(0, 2 * np.pi, len(labels), endpoint=False)
    places: Array = np.stack((np.sin(angles), np.cos(angles)), axis=1)
    for before, after in zip(*np.nonzero(rhythm.transmat >= MIN_SHARE), strict=True):
        share = rhythm.transmat[before, after]
        if before != after:
            axes.annotate(
                "",
                xy=tuple(0.96 * places[after]),
                xytext=tuple(0.96 * places[before]),
                arrowprops={
                    "arrowstyle": "-|>",
                    "linewidth": 4 * share,
                    "alpha": min(1.0, 0.25 + share),
                    "color": f"C{before % 10}",
                    "connectionstyle": "arc3,rad=0.15",
                },
            )
    for label, (x, y), angle in zip(labels, places, np.degrees(angles), strict=True):
        is_left = angle > 180
        axes.text(
            1.03 * x,
            1.03 * y,
            label.replace("_", " "),
            rotation=(270 if is_left else 90) - angle,
            rotation_mode="anchor",
            ha="right" if is_left else "left",
            va="center",
        )
    axes.set(xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), aspect="equal")
    axes.axis("off")


def _draw_day(axes: "Axes", labels: list[str], rhythm: Rhythm) -> None:
    axes.imshow(rhythm.hours, aspect="auto", cmap="viridis", extent=(0, 24, len(labels), 0))
    axes.set_yticks(np.arange(len(labels)) + 0.5, [label.replace("_", " ") for label in labels])
    axes.set_xticks(range(0, 25, 3))
    axes.set_xlabel("hour of the day")
