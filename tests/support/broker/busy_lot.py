"""A lot under load without cameras: the real outbox, publisher and fences, fed by a clock."""

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from support.processes.node import LABELS, bundle, change, recognition

from fleet.lots.lot import Lot, LotTask
from har_stream.core.activity import News
from har_stream.mqtt import connection

EVERY_S = 0.2


class BusyPipeline:
    """Changes of every camera at a steady pace; it takes over what it is told to."""

    is_alive = True

    def __init__(self, cameras: list[str], every_s: float, activity: str) -> None:
        self.resumed: dict[str, str] = {}
        self._activity = activity
        self._cameras = cameras
        self._every_s = every_s
        self._stopped = threading.Event()

    def run(self, _readers: object) -> Iterator[News]:
        """Yield a recognition and a change of one camera after another."""
        for minute in itertools.count():
            if self._stopped.wait(self._every_s):
                return
            camera = self._cameras[minute % len(self._cameras)]
            yield recognition(minute=minute, camera=camera)
            yield change(self._activity, camera=camera, minute=minute)

    def resume_activity(self, camera: str, activity: str, **_: object) -> None:
        """Note what goes on."""
        self.resumed[camera] = activity

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()

    def enable(self, *_: object) -> None:
        """Switch nothing."""


class BusyReaders:
    """No cameras at all."""

    counts: dict[str, Any] = {}  # noqa: RUF012 -- nothing is ever in it

    def __enter__(self) -> "BusyReaders":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class BusyWatch:
    """What a lot takes for its cameras."""

    def __init__(
        self, task: LotTask, *, every_s: float = EVERY_S, activity: str = LABELS[0]
    ) -> None:
        self.bundle = bundle()
        cameras = [camera.id for camera in task.settings.cameras]
        self.pipeline = BusyPipeline(cameras, every_s, activity)
        self.pipeline.acknowledge_fall = self.pipeline.enable  # type: ignore[attr-defined]
        self.readers = BusyReaders()


def activity_of(lot: str) -> str:
    """What everybody in front of a lot's cameras does, by its number."""
    return LABELS[int(lot.rpartition("-")[2]) % len(LABELS)]


def busy_lot(task: LotTask, owner: str) -> Lot:
    """Make a lot of changes at a steady pace."""
    connection.RETRY_LONGEST_S = 1.0
    watch = BusyWatch(task, activity=activity_of(task.settings.node))
    return Lot(task, owner=owner, watch=watch)  # type: ignore[arg-type]


def actor_pids(kind: str = "LotActor") -> list[int]:
    """Actors' processes that this process, or its Ray, has started: they share its PYTHONPATH."""
    ours = f"PYTHONPATH={os.environ['PYTHONPATH']}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_one = (path / "cmdline").read_bytes().startswith(f"ray::{kind}".encode())
            if is_one and ours in (path / "environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
    return found
