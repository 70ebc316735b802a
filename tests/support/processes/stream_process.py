"""The real `har-stream` process for tests, and small videos for it to watch."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from har_stream.bundles.bundle import MANIFEST, SHIPPED
from har_stream.mqtt.messages import ActivityEvent

COMMAND = (sys.executable, "-m", "har_stream.commands.stream")


def shipped_bundle() -> Path:
    """Where `lrcn-ucf` lies."""
    return SHIPPED / "lrcn-ucf"


def eager_copy(path: Path) -> Path:
    """Copy `lrcn-ucf` to a path, its manifest altered so that it never says `unknown`."""
    shutil.copytree(shipped_bundle(), path)
    manifest = json.loads((path / MANIFEST).read_text())
    never = {"reject_below": 0, "margin_below": 0, "enter_above": 0, "leave_below": 0.4}
    manifest["deciding"] |= never | {"min_dwell_s": 2.0}
    manifest["calibration"]["energy_above"] = None
    (path / MANIFEST).write_text(json.dumps(manifest))
    return path


def sure_bundle(folder: Path) -> tuple[str, Path]:
    """Name such a copy in that folder, as flags: an event has to come through."""
    path = folder / "sure"
    return "--bundle", path if path.exists() else eager_copy(path)


def har_stream(*arguments: str | Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run `har-stream` to its end."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def start_har_stream(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start `har-stream`; whoever starts it ends it."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def read_events(path: Path) -> list[ActivityEvent]:
    """Read what `--record-events` wrote."""
    return [ActivityEvent.decode(line) for line in path.read_bytes().splitlines()]


def write_video(path: Path, n_frames: int, *, fps: float = 25.0, codec: str = "mp4v") -> Path:
    """Write a moving bar: a small video that any decoder reads."""
    size_px = (160, 120)
    fourcc = cv2.VideoWriter.fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, fps, size_px)
    for n in range(n_frames):
        image = np.full((size_px[1], size_px[0], 3), 90, np.uint8)
        left = n * 4 % size_px[0]
        image[:, left : left + 20] = (40, 160, 220)
        writer.write(image)
    writer.release()
    return path


def lines_of(run: subprocess.CompletedProcess[str]) -> Sequence[str]:
    """What it said, without what LiteRT says by itself."""
    return [line for line in run.stderr.splitlines() if not line.startswith("INFO:")]


@contextmanager
def virtual_display() -> Iterator[str]:
    """A real X server without a screen; yields its name, as in DISPLAY."""
    if "NONE" in cv2.getBuildInformation().partition("GUI:")[2].splitlines()[0]:
        pytest.skip("this OpenCV opens no windows: pip install opencv-python")
    if not shutil.which("Xvfb"):
        pytest.skip("no Xvfb here: apt-get install xvfb")
    read_end, write_end = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write_end), "-nolisten", "tcp"],
        pass_fds=[write_end],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f":{os.read(read_end, 16).decode().strip()}"
    finally:
        server.terminate()
        server.wait(10)
        os.close(read_end)
        os.close(write_end)
