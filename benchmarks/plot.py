"""Draw docs/benchmark.svg from the figures that `har-bench --json FILE` wrote.

Usage: python benchmarks/plot.py FIGURES.json PLOT.svg
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

WAYS = {
    "loop_ms": "model.predict on the deque",
    "tf_function_ms": "one tf.function",
    "hop1_ms": "our step, every frame",
    "hop5_ms": "our step, every 5 frames",
}
THEIRS, OURS = "#999", "#27c"


def main(figures_path: Path, plot_path: Path) -> None:
    """Draw a decision's cost by every way, and the pipeline beside decoding alone."""
    plt.rcParams["svg.fonttype"] = "none"  # text stays text: small, and searchable
    plt.rcParams["svg.hashsalt"] = "har-bench"  # the same figures give the same file
    figures = json.loads(figures_path.read_text())
    figure, panels = plt.subplots(1, 3, figsize=(11, 2.8), layout="constrained")
    slowest_ms = max(figures[network]["loop_ms"] for network in ("lrcn", "convlstm"))
    fastest_ms = min(figures[network]["hop5_ms"] for network in ("lrcn", "convlstm"))
    for panel, network in zip(panels, ("lrcn", "convlstm"), strict=False):
        draw_costs(panel, figures[network], limits_ms=(fastest_ms / 2, 30 * slowest_ms))
        panel.set_title(f"{network}: ms per new frame")
    panels[1].tick_params(labelleft=False)
    draw_shares(panels[2], shares_of_decoding(figures))
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.invert_yaxis()
    figure.savefig(plot_path, format="svg", metadata={"Date": None})


def draw_costs(panel: Axes, taken: Mapping[str, float], *, limits_ms: tuple[float, float]) -> None:
    """Draw a dot for each way: on a logarithmic axis only its place says something."""
    for row, (key, way) in enumerate(WAYS.items()):
        colour = OURS if way.startswith("our") else THEIRS
        panel.plot(taken[key], row, "o", color=colour)
        ratio = taken["loop_ms"] / taken[key]
        said = f"{taken[key]:.3g} ms" + (f", {ratio:.0f} x" if key != "loop_ms" else "")
        panel.annotate(said, (taken[key], row), xytext=(7, -3), textcoords="offset points")
    panel.set(xscale="log", xlim=limits_ms, ylim=(-0.5, len(WAYS) - 0.5))
    panel.set_yticks(range(len(WAYS)), list(WAYS.values()))
    panel.grid(axis="y", color="#eee")


def shares_of_decoding(figures: Mapping[str, Any]) -> dict[str, float]:
    """What the whole pipeline reaches of decoding alone, by what was measured."""
    shares = {}
    for name, found in figures["pipeline"].items():
        for key, how in (("pipeline_fps", ""), ("needed_fps", ", needed")):
            if key in found:
                shares[f"{name}{how}"] = found[key] / found["decode_fps"]
    cameras = figures["cameras"]
    if "capacity" in cameras:
        name = f"{cameras['capacity']} of {cameras['decode_capacity']} cameras"
        shares[name] = cameras["capacity"] / cameras["decode_capacity"]
    return shares


def draw_shares(panel: Axes, shares: Mapping[str, float]) -> None:
    """Draw bars from zero; the line is decoding alone."""
    bars = panel.barh(list(shares), list(shares.values()), color=OURS, height=0.6)
    panel.bar_label(bars, fmt="%.2f", padding=3)
    panel.axvline(1, color=THEIRS, zorder=0)
    panel.set(title="pipeline / decoding alone", xlim=(0, 1.25 * max(1, *shares.values())))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
