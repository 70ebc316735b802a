"""What `har-fleet plan` costs per camera, from 1,000 to 100,000 cameras, and a plot of it.

A fleet is planned from its CSV file to its kept plan, anew and once more with a camera added. One
measurement plans 100,000 cameras in all, as one fleet or as a hundred, so that other programs
disturb each size alike; sizes take turns, and the median of the turns counts.

Usage: python benchmarks/fleet_plan.py docs/fleet-plan.svg
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from matplotlib import pyplot as plt

SIZES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
N_CAMERAS = 100_000
N_TURNS = 7
CAMERAS_OF_A_MACHINE = 400


def measure(folder: Path, n_times: int) -> None:
    """Plan a fleet so many times, and print the seconds of processor time that it took."""
    from fleet.inventory.fleet import read_fleet
    from fleet.planning.plan import make_plan
    from fleet.planning.plan_file import read_plan, write_plan

    began_s = time.process_time()
    for _ in range(n_times):
        for name in ("fleet.yaml", "larger.yaml"):
            fleet = read_fleet(folder / name)
            write_plan(fleet.plan_file, make_plan(fleet, read_plan(fleet.plan_file)))
        fleet.plan_file.unlink()
    print(json.dumps(time.process_time() - began_s))


def write_fleet(folder: Path, n_cameras: int) -> None:
    """Write a fleet of two cameras to a home, and the same with one camera more."""
    machines = [
        f"  m{n}: {CAMERAS_OF_A_MACHINE}\n" for n in range(n_cameras // CAMERAS_OF_A_MACHINE + 1)
    ]
    for name, n_of_it in (("fleet", n_cameras), ("larger", n_cameras + 1)):
        rows = [f"cam{n},home{n // 2},rtsp://10.0.0.1/{n},kitchen\n" for n in range(n_of_it)]
        (folder / f"{name}.csv").write_text("".join(["name,home,source,room\n", *rows]))
        text = "".join([f"cameras_csv: {name}.csv\nmachines:\n", *machines])
        (folder / f"{name}.yaml").write_text(text)


def measured(folder: Path, n_times: int) -> float:
    """Processor time of so many plans, in seconds."""
    command = [sys.executable, __file__, "--measure", str(folder), str(n_times)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return float(json.loads(ended.stdout))


def main(plot_path: Path) -> None:
    """Measure, print a table and draw it."""
    times_s: dict[int, list[float]] = {n_cameras: [] for n_cameras in SIZES}
    with tempfile.TemporaryDirectory() as parent:
        folders = {n_cameras: Path(parent) / str(n_cameras) for n_cameras in SIZES}
        for n_cameras, folder in folders.items():
            folder.mkdir()
            write_fleet(folder, n_cameras)
        for _ in range(N_TURNS):
            for n_cameras, folder in folders.items():
                times_s[n_cameras].append(measured(folder, N_CAMERAS // n_cameras))
    costs_us = [1e6 * statistics.median(each) / (2 * N_CAMERAS) for each in times_s.values()]
    for n_cameras, cost_us in zip(SIZES, costs_us, strict=True):
        print(f"{n_cameras:7} cameras: {cost_us:.1f} us of processor time a camera")
    middle_us = (max(costs_us) + min(costs_us)) / 2
    print(f"{middle_us:.1f} us a camera, +-{100 * (max(costs_us) / middle_us - 1):.1f} %")
    draw(costs_us, plot_path)


def draw(costs_us: list[float], plot_path: Path) -> None:
    """Draw processor time per camera over the number of cameras."""
    plt.rcParams["svg.fonttype"] = "none"  # text stays text: small, and searchable
    plt.rcParams["svg.hashsalt"] = "har-fleet"  # the same figures give the same file
    figure, panel = plt.subplots(figsize=(6, 2.4), layout="constrained")
    panel.plot(SIZES, costs_us, "o-", color="#27c")
    panel.set(xscale="log", xlabel="cameras", ylabel="us of processor time a camera")
    panel.set_ylim(bottom=0)
    panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(plot_path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        measure(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(Path(sys.argv[1]))
