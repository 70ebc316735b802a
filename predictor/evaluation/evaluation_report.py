"""A self-contained HTML report of an evaluation: tables, and plots as embedded PNGs."""

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = {
    "log_loss": "log-loss (nats)",
    "brier": "Brier",
    "top1": "top-1",
    "top3": "top-3",
    "macro_recall": "macro recall",
    "ece": "ECE",
    "time_mae_min": "time MAE (min)",
    "time_pinball_min": "time pinball (min)",
    "coverage80": "80 % interval covers",
    "coverage80_asked": "when asked",
}
"""Figures of a table, and their headings."""
_PERCENT = frozenset({"top1", "top3", "macro_recall", "coverage80", "coverage80_asked"})


def render(template: str, **values: Any) -> str:
    """Fill a template of `predictor/evaluation/templates`: a page that needs nothing beside it.

    Everything in it is escaped.
    """
    environment = Environment(
        loader=PackageLoader("predictor.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = format_figure
    return environment.get_template(template).render(**values)


def png_address(figure: "Figure") -> str:
    """Return a plot as an address that needs no file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure; sizes are in inches."""
    from matplotlib.figure import Figure  # of another extra; a report alone needs it

    return Figure(figsize=(width, height))


def format_figure(value: float, name: str) -> str:
    """Return a figure as a reader wants it."""
    return f"{100 * value:.1f} %" if name in _PERCENT else f"{value:.3f}"


def rows(evaluations: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return models and baselines, each once, in the order of a table."""
    models = {figures["model"]: figures for figures in evaluations}
    baselines = {name: each for one in evaluations for name, each in one["baselines"].items()}
    return [*models.items(), *baselines.items()]


def evaluation_page(
    log: str, evaluations: Sequence[Mapping[str, Any]], skipped: Sequence[str]
) -> str:
    """Return the report of one evaluation, or of several models beside each other.

    The table has all; what is said further is of the last one.
    """
    figures = evaluations[-1]
    return render(
        "evaluation.html",
        title=f"How well {figures['model']} forecasts",
        log=log,
        figures=figures,
        protocol=figures["protocol"],
        columns=COLUMNS,
        rows=rows(evaluations),
        calibration=png_address(_calibration_plot(figures)),
        days=png_address(_day_plot(figures)),
        skipped=skipped,
    )


def table_page(
    title: str, log: str, rows: Sequence[tuple[str, str]], skipped: Sequence[str]
) -> str:
    """Return a report that is one table of names and what was found."""
    return render("table.html", title=title, log=log, rows=rows, skipped=skipped)


def _calibration_plot(figures: Mapping[str, Any]) -> "Figure":
    figure = new_figure(5, 4)
    axes = figure.add_subplot()
    sure, right, n_cases = zip(*figures["calibration"], strict=True)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.scatter(sure, right, s=[8 * n for n in n_cases], alpha=0.6)
    axes.plot(sure, right)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share right")
    return figure


def _day_plot(figures: Mapping[str, Any]) -> "Figure":
    figure = new_figure(8, 3)
    axes = figure.add_subplot()
    days = [date.fromordinal(found["day"]) for found in figures["days"]]
    axes.bar(range(len(days)), [found["log_loss"] for found in figures["days"]])
    axes.axhline(figures["log_loss"], color="grey", linewidth=1)
    axes.set_xticks(range(len(days)), [f"{day:%d %b}" for day in days], rotation=90)
    axes.set_ylabel("log-loss (nats)")
    return figure
