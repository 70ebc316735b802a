"""A self-contained HTML report of an evaluation: tables, and plots as embedded PNGs."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from har_stream.core.errors import InputError

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
}
"""Figures of a table, and their headings."""
_PERCENT = frozenset({"top1", "top3", "macro_recall", "coverage80"})
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .7rem;text-align:right;
border-bottom:1px solid #ddd}td{white-space:nowrap}figure{margin:1.5rem 0}
td:first-child,th:first-child{text-align:left}img{max-width:100%}
.model{font-weight:600}"""


def page(title: str, *parts: str) -> str:
    """Return one HTML page that needs nothing beside it."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>{''.join(parts)}</html>\n"
    )


def image(figure: "Figure", caption: str) -> str:
    """Return a plot as an embedded image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    caption = html.escape(caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{encoded}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure; sizes are in inches.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("plots need matplotlib: pip install 'har-stream[train]'") from error
    return Figure(figsize=(width, height))


def format_figure(name: str, value: float) -> str:
    """Return a figure as a reader wants it."""
    return f"{100 * value:.1f} %" if name in _PERCENT else f"{value:.3f}"


def rows(figures: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the model and its baselines, in the order of a table."""
    return [(figures["model"], figures), *figures["baselines"].items()]


def evaluation_page(log: str, figures: Mapping[str, Any], skipped: Sequence[str]) -> str:
    """Return the report of one evaluation."""
    protocol = figures["protocol"]
    about = (
        f"{html.escape(log)}: {figures['n_test']} test cases after {protocol['n_train']} earlier "
        f"ones, {protocol['n_labels']} activities, {protocol['view']} view, asked at the "
        f"{protocol['at']} of the current activity"
        + (f", {100 * protocol['noise']:.0f} % label noise" if protocol["noise"] else "")
        + ". Every forecast was made before its outcome was shown; the test days are the last 30 %."
    )
    left_out = "".join(f"<li>{html.escape(line)}</li>" for line in skipped)
    return page(
        f"How well {figures['model']} forecasts",
        f"<p>{about}</p>",
        _table(figures),
        _differences(figures),
        _horizons(figures),
        image(
            _calibration_plot(figures),
            "Confidence of the first guess against how often it was "
            "right; the diagonal is perfect calibration",
        ),
        image(_day_plot(figures), "Log-loss per test day"),
        f"<h2>Rows left out: {len(skipped)}</h2><ul>{left_out}</ul>" if skipped else "",
    )


def _table(figures: Mapping[str, Any]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in COLUMNS.values())
    body = "".join(
        f"<tr{' class=model' if number == 0 else ''}><td>{name}</td>"
        + "".join(f"<td>{format_figure(key, found[key])}</td>" for key in COLUMNS)
        + "</tr>"
        for number, (name, found) in enumerate(rows(figures))
    )
    return f"<table><tr><th></th>{head}</tr>{body}</table>"


def _differences(figures: Mapping[str, Any]) -> str:
    body = "".join(
        f"<tr><td>{name}</td><td>{found['log_loss_above_model']:+.3f}</td><td>"
        f"{found['log_loss_above_model_95'][0]:+.3f} to {found['log_loss_above_model_95'][1]:+.3f}"
        "</td></tr>"
        for name, found in figures["baselines"].items()
    )
    return (
        "<h2>How much more the baselines lose</h2><table><tr><th></th><th>log-loss above the "
        f"model</th><th>95 %, paired bootstrap over days</th></tr>{body}</table>"
    )


def _horizons(figures: Mapping[str, Any]) -> str:
    body = "".join(
        f"<tr><td>{name}</td><td>{found['brier']:.4f}</td><td>{found['brier_skill']:+.3f}</td></tr>"
        for name, found in figures["horizons"].items()
    )
    return (
        "<h2>Does it start within ...?</h2><table><tr><th></th><th>Brier</th><th>skill against the "
        f"rate so far</th></tr>{body}</table>"
    )


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
