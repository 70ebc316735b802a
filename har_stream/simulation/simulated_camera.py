"""The camera `sim:SEED`: one fixed camera that overlooks the open flat, or sees one room of it.

Activities keep their real length in simulated time, and motion its real speed; what is skipped are
frames that no window needs. The camera shows one window's worth of frames (a burst), then nothing
until the next one is due; every burst begins a new window. With bursts that touch, it shows
everything.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_stream.core.activity import IDLE
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame, SampleRate, rate_of
from har_stream.simulation.renderer import SIZE, Renderer
from har_stream.simulation.routine import ROOMS, PlannedActivity
from har_stream.simulation.truth import Course, course

SCHEME = "sim:"
N_SEEDS = 1_000_000
"""Homes that a camera can be asked for; those that recognisers train on lie above."""


@dataclass(frozen=True, slots=True)
class SimulatedSource:
    """What a source such as ``sim:7?days=1&every=30&pace=120`` says.

    Attributes:
        seed: Which home.
        days: Simulated days until the camera ends.
        every: Simulated seconds from one burst to the next; 0: no pause.
        pace: Simulated seconds a real second; none: as fast as it goes.
        past: Whole days that the residents have lived here before; a log may tell them.
        residents: How many live there: one or two, of whom each has a bedroom.
        room: Part of the flat that the camera sees, without who is elsewhere; none: all of it.
    """

    seed: int
    days: float = 365.0
    every: float = 30.0
    pace: float | None = None
    past: float = 0.0
    residents: int = 1
    room: str | None = None

    @property
    def rooms(self) -> list[str]:
        """The parts of the flat."""
        more = [f"bedroom_{number}" for number in range(2, self.residents + 1)]
        return [*dict.fromkeys(ROOMS.values()), *more]


def parse_source(source: str, *, realtime: bool = False) -> SimulatedSource:
    """Read a source string.

    Args:
        source: What a person gave.
        realtime: Whether a source that names no pace goes at that of life.

    Raises:
        InputError: It is not ``sim:SEED`` with known parameters.
    """
    seed, _, query = source.removeprefix(SCHEME).partition("?")
    keys = [field.name for field in fields(SimulatedSource) if field.name != "seed"]
    if not (seed.isascii() and seed.isdigit() and len(seed) < 9 and int(seed) < N_SEEDS):
        raise InputError(f"{source}: a seed from 0 to {N_SEEDS - 1} expected, for example sim:7")
    given: dict[str, Any] = {"pace": 1.0} if realtime and "pace=" not in query else {}
    for part in filter(None, query.split("&")):
        key, _, value = part.partition("=")
        if key not in keys or key in given:
            twice = " twice" if key in given else ""
            raise InputError(f"{source}: {key!r}{twice}; valid keys are {', '.join(keys)}")
        given[key] = value if key == "room" else _positive(source, key, value)
    parsed = SimulatedSource(int(seed), **given)
    if parsed.room not in (None, *parsed.rooms):
        raise InputError(f"{source}: room={parsed.room!r}; it has {', '.join(parsed.rooms)}")
    return parsed


def read_frames(
    source: SimulatedSource,
    *,
    sample_hz: SampleRate,
    start_at: datetime,
    n_frames: int = 20,
    size: tuple[int, int] = SIZE,
    stop: threading.Event | None = None,
) -> Iterator[Frame]:
    """Watch a simulated home.

    Args:
        source: Which home, for how long, how often and how fast.
        sample_hz: Frames per simulated second within a burst; another rate holds from the next.
        start_at: Capture time of the first frame; the resident lives by its zone's hours.
        n_frames: Frames of a burst: one window.
        size: Width and height of the frames, in pixels.
        stop: Ends the watching once set.

    Yields:
        Sampled frames; the first of each burst resets the windows.
    """
    stop = stop or threading.Event()
    renderer = Renderer(source.seed, size=size, n_residents=source.residents)
    lives = [
        course(
            source.seed,
            start_at=start_at,
            days=source.days,
            past_days=int(source.past),
            resident=resident,
        )
        for resident in range(source.residents)
    ]
    life = lives[0]
    began = time.monotonic()
    for at_s in _bursts(source, sample_hz, n_frames=n_frames, life=life):
        seen = [_in_sight(each.around(at_s[0], at_s[-1]), source.room) for each in lives]
        images = renderer.draw(at_s, *seen)
        for index, image in enumerate(images):
            after_s = float(at_s[index]) - life.start_s
            due_s = began + after_s / source.pace - time.monotonic() if source.pace else 0.0
            if stop.wait(max(0.0, due_s)):
                return
            touches = source.every <= n_frames / rate_of(sample_hz)
            resets = index == 0 and (after_s == 0.0 or not touches)
            yield Frame(image, start_at + timedelta(seconds=after_s), resets=resets)


def _bursts(
    source: SimulatedSource, sample_hz: SampleRate, *, n_frames: int, life: Course
) -> Iterator[NDArray[np.float64]]:
    """Yield the times of each burst's frames, in seconds."""
    first_s, n_done, hz = life.start_s, 0, rate_of(sample_hz)
    while True:
        step_s = max(source.every, n_frames / hz)
        if hz != rate_of(sample_hz):
            first_s, n_done, hz = first_s + n_done * step_s, 0, rate_of(sample_hz)
            continue
        begins_s = first_s + n_done * step_s
        if begins_s + n_frames / hz > life.end_s:
            return
        yield begins_s + np.arange(n_frames) / hz
        n_done += 1


def _in_sight(life: Sequence[PlannedActivity], room: str | None) -> Sequence[PlannedActivity]:
    """Return what somebody does as a camera sees it: nobody is there while they are elsewhere."""
    if room is None:
        return life
    return [each if each.room == room else replace(each, activity=IDLE) for each in life]


def _positive(source: str, key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf") or (number == 0 and key != "every"):
        raise InputError(f"{source}: {key}={value!r}: a positive number expected")
    if key == "residents":
        if number not in (1, 2):
            raise InputError(f"{source}: residents={value!r}: 1 or 2 expected")
        return int(number)
    if key == "past" and number % 1:
        raise InputError(f"{source}: past={value!r}: whole days expected")
    return number
