"""How many cameras one process holds: by decoding alone, and by the whole pipeline."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np

from har_stream.bundles.bundle import Bundle
from training.benchmark.stream_cost import count_frames, lateness_of, measure_cameras

LATE_MS = 250.0
"""No decision, and no frame that is only decoded, comes later."""
DRIFT_MS = 50.0
"""Lateness that grows by more between the halves of a film is a queue that grows."""
MOST = 1024
N_TRIES = 2
"""A busy moment of the machine fails a try; a number that is too large fails all of them."""

Tried = Mapping[str, float]


def measure_capacity(
    film: Path,
    bundle: Bundle,
    *,
    fps: int,
    guess: int,
    precision: float,
    on_try: Callable[[], None] = lambda: None,
) -> dict[str, int]:
    """Find how many cameras are held, each playing the film at its own speed.

    Args:
        film: What every camera shows.
        bundle: Who recognises.
        fps: The film's rate.
        guess: Number of cameras to try first.
        precision: The answers may be too low by this share of themselves.
        on_try: Called after every try.

    Returns:
        `capacity`, of the whole pipeline, and `decode_capacity`, of decoding alone.
    """

    def held(measure: Callable[[int], Tried], n_cameras: int) -> bool:
        for _ in range(N_TRIES):
            tried = measure(n_cameras)
            on_try()
            if is_held(tried):
                return True
        return False

    settle_s = bundle.manifest.clip.span_s
    ways: dict[str, Callable[[int], Tried]] = {
        "capacity": lambda n: measure_cameras(film, bundle, n_cameras=n, fps=fps),
        "decode_capacity": lambda n: measure_decoding(film, n_cameras=n, fps=fps, skip_s=settle_s),
    }
    return {
        name: find_capacity(
            lambda n, way=way: held(way, n),  # type: ignore[misc] # the default binds it
            guess=guess,
            precision=precision,
            most=MOST,
        )
        for name, way in ways.items()
    }


def is_held(tried: Tried) -> bool:
    """Tell whether nothing was missed, late, or later and later."""
    return (
        not tried["missed"]
        and tried["max_lateness_ms"] <= LATE_MS
        and tried["drift_ms"] <= DRIFT_MS
    )


def find_capacity(holds: Callable[[int], bool], *, guess: int, precision: float, most: int) -> int:
    """Find the largest number that holds: by doubling or halving, then by bisection.

    Args:
        holds: Tries a number.
        guess: The number to try first.
        precision: The answer may be too low by this share of itself.
        most: No larger number is tried.
    """
    held, failed = 0, most + 1
    n = min(guess, most)
    while failed - held > max(1, int(precision * held)):
        if holds(n):
            held = n
        else:
            failed = n
        n = min(2 * held, most) if failed > most else (held + failed) // 2
    return held


def measure_decoding(film: Path, *, n_cameras: int, fps: int, skip_s: float) -> dict[str, float]:
    """Decode a film on many cameras at once, every frame when it is due, and do nothing else.

    Each camera has a thread of its own, as in `Readers`, and OpenCV's `grab` on one thread.

    Args:
        film: What every camera shows.
        n_cameras: How many there are.
        fps: The film's rate.
        skip_s: Frames before count for a camera's clock only.

    Returns:
        `missed`, `max_lateness_ms` and `drift_ms` as of `measure_cameras`, of frames.
    """
    one_thread = [cv2.CAP_PROP_N_THREADS, 1]
    captures = [cv2.VideoCapture(str(film), cv2.CAP_FFMPEG, one_thread) for _ in range(n_cameras)]
    lateness_s: list[list[float]] = [[] for _ in captures]
    threads = [
        threading.Thread(target=_grab_at_own_speed, args=(capture, 1 / fps, late_s))
        for capture, late_s in zip(captures, lateness_s, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    n_due = n_cameras * count_frames(film)
    n_skipped = int(skip_s * fps)
    by_camera = [
        1000 * (np.array(late_s) - min(late_s))[n_skipped:] for late_s in lateness_s if late_s
    ]
    missed = n_due - sum(len(late_s) for late_s in lateness_s)
    return {"missed": missed} | lateness_of(by_camera)


def _grab_at_own_speed(
    capture: cv2.VideoCapture, interval_s: float, lateness_s: list[float]
) -> None:
    began_s = time.monotonic()
    while capture.grab():
        due_s = began_s + len(lateness_s) * interval_s
        lateness_s.append(time.monotonic() - due_s)
        time.sleep(max(due_s + interval_s - time.monotonic(), 0.0))
    capture.release()
