"""Frames to activities: one recogniser for all cameras and a watch for each; a generator."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from har_stream.cameras.readers import Arrival, EndOfSource
from har_stream.config.camera import CameraSettings
from har_stream.core.activity import CameraStatus
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.recognition.camera_track import News, Watch
from har_stream.recognition.recogniser import Decision, Recogniser

TAKE_S = 0.25
"""Longest wait for an arrival, so that a stop is noticed."""
HUNG_S = 30.0
"""No turn takes so long, unless an engine, a decoder or the taker of the news hangs."""
AWAY_S = 10.0
"""A camera that is away for longer is lost, and its activity ends; a hiccup changes nothing."""

Said = tuple[str, News]
"""A camera's id, and what it has to say."""


class Arrivals(Protocol):
    """Where frames come from: `cameras.readers.Readers`, or a stream made up to measure."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""

    def take(self, timeout_s: float) -> list[Arrival]:
        """Return at most one item of each camera; wait for one no longer than this."""


class Pipeline:
    """What all cameras see, as it happens.

    Args:
        recogniser: Shared by all cameras; its bundle says how to decide.
        cameras: Whom to expect; each may override how to decide.
        on_frame: Called with every frame that is looked at, before its decision.

    Raises:
        InputError: A camera calls a label urgent that the bundle does not know.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        cameras: Iterable[CameraSettings],
        *,
        on_frame: Callable[[str, Frame], None] | None = None,
    ) -> None:
        manifest = recogniser.bundle.manifest
        self._recogniser = recogniser
        self._labels = manifest.labels
        self._on_frame = on_frame
        self._cameras = {camera.id: Watch(camera, manifest) for camera in cameras}
        self._stopped = False
        self._turned_s = time.monotonic()

    @property
    def is_alive(self) -> bool:
        """Whether `run` still goes round, with frames or without; from any thread."""
        return time.monotonic() - self._turned_s < HUNG_S

    def enable(self, camera: str, enabled: bool) -> None:
        """Switch one camera's recognition on or off; safe from any thread."""
        self._cameras[camera].enabled = enabled

    def stop(self) -> None:
        """Have `run` end soon; safe from any thread and from a signal handler."""
        self._stopped = True

    def run(self, readers: Arrivals) -> Iterator[Said]:
        """Yield every decision, change of activity and change of state, each with its camera.

        Ends with the last source, or once stopped; running activities end at the last frame.

        Raises:
            InputError: A source turned out to be unusable; what the others saw is yielded first.
        """
        unusable = None
        while not (self._stopped or readers.ended):
            try:
                arrivals = readers.take(TAKE_S)
            except InputError as error:
                unusable = error
                break
            yield from self._take(arrivals)
            yield from self._give_up()
            self._turned_s = time.monotonic()
        for camera in self._cameras.values():
            yield from _by(camera, camera.lose())
        if unusable is not None:
            raise unusable

    def _take(self, arrivals: Sequence[Arrival]) -> Iterator[Said]:
        frames = []
        for camera_id, item, arrived_s in arrivals:
            camera = self._cameras[camera_id]
            if isinstance(item, CameraStatus):
                camera.note(item, arrived_s)
                yield camera_id, item
            elif isinstance(item, EndOfSource):
                if camera.last_at is not None:
                    yield from self._decide(self._recogniser.finish(camera_id))
                    yield from _by(camera, camera.finish())
            elif camera.enabled:
                if self._on_frame is not None:
                    self._on_frame(camera_id, item)
                if camera.takes(item, arrived_s):
                    frames.append((camera_id, item))
                else:
                    yield from _by(camera, camera.hold(item))
        stills = [(name, still) for name, _ in frames if (still := self._cameras[name].still())]
        self._recogniser.step(stills)
        yield from self._decide(self._recogniser.step(frames))

    def _decide(self, decisions: Iterable[Decision]) -> Iterator[Said]:
        for decision in decisions:
            camera = self._cameras[decision.camera]
            probabilities = dict(zip(self._labels, decision.probabilities.tolist(), strict=True))
            yield from _by(camera, camera.decide(decision.at, probabilities))

    def _give_up(self) -> Iterator[Said]:
        """End what is no longer watched: cameras that were switched off, or are away too long."""
        for camera in self._cameras.values():
            away = camera.away_s is not None and time.monotonic() - camera.away_s > AWAY_S
            if (away or not camera.enabled) and camera.last_at is not None:
                self._recogniser.forget(camera.id)
                yield from _by(camera, camera.lose())


def _by(camera: Watch, news: Iterable[News]) -> Iterator[Said]:
    return ((camera.id, item) for item in news)
