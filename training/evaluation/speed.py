"""How long a bundle takes for a frame on this machine, through the recogniser that serves it."""

import platform
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from har_stream.bundles.bundle import Bundle
from har_stream.core.frame import Frame
from har_stream.recognition.engines import EngineName
from har_stream.recognition.recogniser import Recogniser

N_MEASURED = 100
"""Frames of which the median counts: a busy machine disturbs some of them only."""
SOURCE_PX = (240, 320)
"""Height and width of the frames, which the recogniser shrinks itself: part of the cost."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Time from a sampled frame to its decision, decoding left out.

    Attributes:
        median_ms: Of `N_MEASURED` frames, the bundle's own hop.
        p95_ms: Exceeded by one frame in twenty.
        runs_on: The runtime, and how many threads it took.
        cpu: The processor.
    """

    median_ms: float
    p95_ms: float
    runs_on: str
    cpu: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values, rounded to a microsecond."""
        return asdict(self) | {
            "median_ms": round(self.median_ms, 3),
            "p95_ms": round(self.p95_ms, 3),
        }


def measure_speed(bundle: Bundle, *, engine: EngineName = "litert") -> Speed:
    """Time frames after a first window."""
    recogniser = Recogniser(bundle, engine=engine)
    image = np.random.default_rng(27).integers(0, 256, (*SOURCE_PX, 3), dtype=np.uint8)
    frame = Frame(image, datetime(2000, 1, 1, tzinfo=UTC))
    taken_ms = []
    for _ in range(bundle.manifest.clip.n_frames + N_MEASURED):
        began = time.perf_counter()
        recogniser.step([("bench", frame)])
        taken_ms.append(1000 * (time.perf_counter() - began))
    median, p95 = np.quantile(taken_ms[-N_MEASURED:], (0.5, 0.95))
    return Speed(float(median), float(p95), recogniser.runs_on, cpu_name())


def cpu_name() -> str:
    """Name this machine's processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())
