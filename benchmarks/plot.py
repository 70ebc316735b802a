"""Draw docs/benchmark.svg from the figures that `har-bench --json FILE` wrote.

Usage: python benchmarks/plot.py FIGURES.json PLOT.svg
"""

import json
import sys
from pathlib import Path

from matplotlib import pyplot as plt

WAYS = {
    "loop_ms": "model.predict on the deque",
    "tf_function_ms": "one tf.function",
    "hop1_ms": "our step, every frame",
    "hop5_ms": "our step, every 5 frames",
}


def main(figures_path: Path, plot_path: Path) -> None:
    """Draw a decision's cost by every way, one panel a network, on a logarithmic axis."""
    plt.rcParams["svg.fonttype"] = "none"  # text stays text: small, and searchable
    plt.rcParams["svg.hashsalt"] = "har-bench"  # the same figures give the same file
    figures = json.loads(figures_path.read_text())
    networks = ("lrcn", "convlstm")
    slowest_ms = max(figures[network]["loop_ms"] for network in networks)
    fastest_ms = min(figures[network]["hop5_ms"] for network in networks)
    figure, panels = plt.subplots(
        1, 2, figsize=(9, 2.6), sharex=True, sharey=True, layout="constrained"
    )
    for panel, network in zip(panels, networks, strict=True):
        taken = figures[network]
        costs = [taken[key] for key in WAYS]
        bars = panel.barh(list(WAYS.values()), costs, color=["#999", "#999", "#27c", "#27c"])
        labels = [f"{cost:.3g} ms, {taken['loop_ms'] / cost:.0f} x" for cost in costs]
        panel.bar_label(bars, labels, padding=3)
        panel.set(title=network, xscale="log", xlabel="ms per new frame")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_xlim(fastest_ms / 3, 40 * slowest_ms)
    panels[0].invert_yaxis()  # for both: they share it
    figure.savefig(plot_path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
