"""What `har-fleet plan` costs per camera, from 1,000 to 100,000 cameras, and a plot of it.

Every size is planned from its CSV file to its kept plan, anew and with one camera added, in a fresh
process each time; what Python and the imports take is left out. The best of five runs counts, for
other programs only ever make one slower.

Usage: python benchmarks/fleet_plan.py docs/fleet-plan.svg
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from matplotlib import pyplot as plt

SIZES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
N_RUNS = 5
CAMERAS_OF_A_MACHINE = 400


def measure(folder: Path) -> None:
    """Plan the fleet of a folder, and print the seconds of processor time that it took."""
    from fleet.inventory.fleet import read_fleet
    from fleet.planning.plan import make_plan
    from fleet.planning.plan_file import read_plan, write_plan

    began_s = time.process_time()
    fleet = read_fleet(folder / "fleet.yaml")
    write_plan(fleet.plan_file, make_plan(fleet, read_plan(fleet.plan_file)))
    print(json.dumps(time.process_time() - began_s))


def write_fleet(folder: Path, n_cameras: int) -> None:
    """Write a fleet of two cameras to a home."""
    rows = [f"cam{n},home{n // 2},rtsp://10.0.0.1/{n},kitchen\n" for n in range(n_cameras)]
    (folder / "cameras.csv").write_text("".join(["name,home,source,room\n", *rows]))
    machines = [
        f"  m{n}: {CAMERAS_OF_A_MACHINE}\n" for n in range(n_cameras // CAMERAS_OF_A_MACHINE + 1)
    ]
    text = "".join(["cameras_csv: cameras.csv\nmachines:\n", *machines])
    (folder / "fleet.yaml").write_text(text)


def measured(folder: Path) -> float:
    """Processor time of one plan, in seconds."""
    command = [sys.executable, __file__, "--measure", str(folder)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return float(json.loads(ended.stdout))


def main(plot_path: Path) -> None:
    """Measure, print a table and draw it."""
    found: dict[str, list[float]] = {"planned anew": [], "one camera added": []}
    with tempfile.TemporaryDirectory() as parent:
        for n_cameras in SIZES:
            times: dict[str, list[float]] = {how: [] for how in found}
            for n_run in range(N_RUNS):
                folder = Path(parent) / f"{n_cameras}-{n_run}"
                folder.mkdir()
                write_fleet(folder, n_cameras)
                times["planned anew"].append(measured(folder))
                write_fleet(folder, n_cameras + 1)
                times["one camera added"].append(measured(folder))
            for how, each in times.items():
                found[how].append(1e6 * min(each) / n_cameras)
            print(n_cameras, {how: f"{costs[-1]:.1f} us" for how, costs in found.items()})
    for how, costs in found.items():
        middle = (max(costs) + min(costs)) / 2
        print(f"{how}: {middle:.1f} us a camera, +-{100 * (max(costs) / middle - 1):.1f} %")
    draw(found, plot_path)


def draw(found: dict[str, list[float]], plot_path: Path) -> None:
    """Draw processor time per camera over the number of cameras."""
    plt.rcParams["svg.fonttype"] = "none"  # text stays text: small, and searchable
    plt.rcParams["svg.hashsalt"] = "har-fleet"  # the same figures give the same file
    figure, panel = plt.subplots(figsize=(6, 2.6), layout="constrained")
    for (how, costs), colour in zip(found.items(), ("#27c", "#999"), strict=True):
        panel.plot(SIZES, costs, "o-", color=colour, label=how)
    panel.set(xscale="log", xlabel="cameras", ylabel="us of processor time a camera")
    panel.set_ylim(bottom=0)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)
    figure.savefig(plot_path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        measure(Path(sys.argv[2]))
    else:
        main(Path(sys.argv[1]))
