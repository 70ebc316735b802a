"""Many cameras at once: each decodes in a thread of its own, none can starve another."""

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple, Self

from har_stream.cameras.camera import is_live, read_camera
from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.driver_thread import NewestFrame
from har_stream.cameras.read_options import ReadOptions
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import CameraStatus
from har_stream.core.frame import Frame

N_AHEAD = 2
"""Sampled frames that a file's reader may be ahead of their use."""
N_THREADS_ALONE = min(2 * (os.cpu_count() or 1), 16)
"""Decoding threads of a file that has the machine to itself: twice the cores keep frames ready, and
were a tenth faster than as many threads as cores. FFmpeg advises 16 at most."""


class EndOfSource(NamedTuple):
    """Nothing more will come from this camera; `error` says why where it ended before its time."""

    error: Exception | None = None


_Item = Frame | CameraStatus | EndOfSource


class Arrival(NamedTuple):
    """What one camera delivered.

    Attributes:
        camera: Its id.
        item: A frame, a change of its state, or its end.
        arrived_s: When it was handed over, by `time.monotonic`: for latencies.
    """

    camera: str
    item: _Item
    arrived_s: float


class Readers:
    """Reads cameras until all have ended; a context manager.

    A live camera keeps only its newest frame for the pipeline. A file waits for the pipeline
    instead, so that none of its frames is lost.

    Args:
        cameras: Whom to read; those not enabled are left out.
        options: How they are read; a file that has the machine to itself gets more threads.

    Attributes:
        counts: Per camera id, counted up while reading.

    Raises:
        InputError: A file or folder cannot be read.
    """

    def __init__(self, cameras: Iterable[CameraSettings], options: ReadOptions) -> None:
        self.counts: dict[str, SourceCounts] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._readers: list[_Reader] = []
        enabled = [camera for camera in cameras if camera.enabled]
        alone = len(enabled) == 1 and not options.realtime
        options = replace(
            options,
            start_at=options.start_at or options.clock(),  # the same for all
            n_threads=N_THREADS_ALONE if alone else options.n_threads,
        )
        for camera in enabled:
            counts = self.counts[camera.id] = SourceCounts()
            reader = _Reader(
                camera,
                read_camera(camera, options, stop=self._stop, counts=counts),
                counts=counts,
                stop=self._stop,
                lock=self._lock,
                arrived=self._arrived,
            )
            self._readers.append(reader)
        self._open = list(self._readers)

    def __enter__(self) -> Self:
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with self._lock:
            for reader in self._readers:
                reader.has_room.notify()
        for reader in self._readers:
            reader.join()  # prompt: only the driver threads behind live cameras may hang

    @property
    def ended(self) -> bool:
        """Whether the end of every camera has been taken."""
        return not self._open

    def next_arrivals(self, timeout_s: float) -> list[Arrival]:
        """Take what has arrived: at most one item of each camera, so that none starves another.

        Waits while there is nothing. An empty list means that nothing came in time, or that every
        source has ended.

        Raises:
            InputError: A source turned out to be unusable.
        """
        with self._lock:
            self._arrived.wait_for(
                lambda: not self._open or any(reader.items for reader in self._open), timeout_s
            )
            arrivals = [reader.pop() for reader in self._open if reader.items]
        for arrival in arrivals:
            if isinstance(arrival.item, EndOfSource):
                self._open = [r for r in self._open if r.camera.id != arrival.camera]
                if arrival.item.error is not None:
                    raise arrival.item.error
        return arrivals


class _Reader(threading.Thread):
    """Moves one camera's items to the queue that the pipeline reads; all readers share one lock."""

    def __init__(
        self,
        camera: CameraSettings,
        source: Iterator[Frame | CameraStatus],
        *,
        counts: SourceCounts,
        stop: threading.Event,
        lock: threading.Lock,
        arrived: threading.Condition,
    ) -> None:
        super().__init__(name=f"reader {camera.id}", daemon=True)
        self.camera = camera
        self._is_live = is_live(camera.source)
        self.items: deque[tuple[_Item, float]] = deque()
        if self._is_live:
            self.items = NewestFrame[CameraStatus | EndOfSource](counts)
        self.has_room = threading.Condition(lock)
        self._arrived = arrived
        self._source = source
        self._stop_asked = stop

    def run(self) -> None:
        """Read until the source ends, which it does soon after the stop event is set."""
        error: Exception | None = None
        try:
            for item in self._source:
                self._put(item)
        except Exception as raised:
            error = raised
        self._put(EndOfSource(error))

    def pop(self) -> Arrival:
        """Hand the oldest item over; the lock is held."""
        self.has_room.notify()
        return Arrival(self.camera.id, *self.items.popleft())

    def _put(self, item: _Item) -> None:
        """Put an item into the queue; a file waits until there is room."""
        arrived_s = time.monotonic()
        with self.has_room:
            self.has_room.wait_for(
                lambda: self._is_live or len(self.items) < N_AHEAD or self._stop_asked.is_set()
            )
            self.items.append((item, arrived_s))
            self._arrived.notify()
