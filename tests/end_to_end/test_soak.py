"""An hour of film through the real `har-stream` leaves its memory flat and far below the bound."""

import subprocess
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from support.broker.real_broker import Mosquitto
from support.processes.stream_process import read_events, shipped_bundle, start_har_stream

from har_stream.core.errors import InputError
from training.benchmark.stream_cost import make_video

MOST_MB = 350
GROWTH_MB = 15
SETTLED = 0.5
"""Share of the run after which everything is loaded and every buffer has its size."""
POLL_S = 0.1


def soak(folder: Path, broker: Mosquitto, *, n_films: int, film_s: int) -> None:
    """Watch a film again and again, as fast as it is read; look at the memory meanwhile."""
    films = folder / "films"
    films.mkdir()
    try:
        film = make_video(folder / "film.mp4", size="320x240", fps=30, duration_s=film_s)
    except InputError as error:
        pytest.skip(str(error))
    for n in range(n_films):
        (films / f"{n:04}.mp4").symlink_to(film)
    record = folder / "events.jsonl"
    began_s = time.monotonic()
    process = start_har_stream(
        *("--camera", films, "--broker", broker.url, "--state-dir", folder / "state"),
        *("--bundle", shipped_bundle(), "--engine", "litert", "--record-events", record),
    )
    held_mb = []
    while process.poll() is None:
        held_mb.append(resident_mb(process.pid))
        with suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
    taken_s = time.monotonic() - began_s
    assert process.returncode == 0
    settled = [mb for mb in held_mb[int(SETTLED * len(held_mb)) :] if mb]
    first_mb, last_mb = (float(np.median(part)) for part in np.array_split(settled, 2))
    print(
        f"\n{n_films * film_s / 60:.0f} minutes of film in {taken_s:.0f} s: at most "
        f"{max(held_mb):.0f} MB, {last_mb - first_mb:+.1f} MB within the second half; "
        f"{len(read_events(record))} events"
    )
    assert max(held_mb) < MOST_MB
    assert last_mb - first_mb < GROWTH_MB


def resident_mb(pid: int) -> float:
    """Memory that a process holds now; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def test_five_minutes_of_film_leave_the_memory_flat(tmp_path: Path, mosquitto: Mosquitto) -> None:
    soak(tmp_path, mosquitto, n_films=30, film_s=10)


@pytest.mark.slow
def test_an_hour_of_film_leaves_the_memory_flat(tmp_path: Path, mosquitto: Mosquitto) -> None:
    soak(tmp_path, mosquitto, n_films=60, film_s=60)
