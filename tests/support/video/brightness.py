"""A pipeline for tests: a recogniser of brightness, and cameras that deliver what a test wrote."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from support.bundles.manifest_builder import manifest

from har_stream.bundles.bundle import Bundle, Memory
from har_stream.cameras.readers import Arrival
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import CameraState, CameraStatus, Change, News
from har_stream.core.frame import ClipSpec, Frame
from har_stream.core.thresholds import Thresholds
from har_stream.pipeline import Pipeline
from har_stream.recognition.person.stage import PlaceAt
from har_stream.recognition.recogniser import Decision

START = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
HZ = 5.0
LABELS = ("dark", "grey", "bright")
LEVELS = {"dark": 0, "grey": 128, "bright": 255}
MANIFEST = manifest(
    name="brightness",
    labels=LABELS,
    clip=ClipSpec(4, 8, 8, HZ),
    hop_frames=1,
    deciding=Thresholds(min_dwell_s=2, average_s=1, idle_after_s=5),
)


class Brightness:
    """Recognises how bright the newest frame is; a full window is four frames since a reset."""

    def __init__(self, memory: Memory = MANIFEST.memory) -> None:
        known = MANIFEST.model_copy(update={"memory": memory})
        self.bundle = Bundle(Path("brightness"), known, "0" * 64, brought={})
        self.batches: list[list[str]] = []
        self._seen: dict[str, list[Frame]] = {}

    def step(self, frames: Sequence[tuple[str, Frame]]) -> list[Decision]:
        """Decide on every frame that completes a window."""
        if frames:
            self.batches.append([camera for camera, _ in frames])
        decisions = []
        for camera, frame in frames:
            if frame.resets:
                self._seen.pop(camera, None)
            self._seen.setdefault(camera, []).extend([frame] * frame.n_ticks)
            if len(self._seen[camera]) >= MANIFEST.clip.n_frames:
                decisions.append(self._decide(camera))
        return decisions

    def set_places(self, camera: str, place_at: PlaceAt) -> None:
        """It sees nobody, so that nobody leaves by a door."""

    def prime(self, camera: str, frame: Frame) -> None:
        """Fill the window but for its last frame."""
        self._seen[camera] = [frame] * (MANIFEST.clip.n_frames - 1)

    def finish(self, camera: str) -> list[Decision]:
        """Decide on a recording without a full window."""
        short = camera in self._seen and len(self._seen[camera]) < MANIFEST.clip.n_frames
        decisions = [self._decide(camera)] if short else []
        self.forget(camera)
        return decisions

    def forget(self, camera: str) -> None:
        """Drop a camera."""
        self._seen.pop(camera, None)

    def _decide(self, camera: str) -> Decision:
        newest = self._seen[camera][-1]
        level = newest.image.mean()
        nearest = min(LABELS, key=lambda label: abs(LEVELS[label] - level))
        probabilities = np.array([0.9 if label == nearest else 0.05 for label in LABELS])
        return Decision(camera, newest.captured_at, probabilities)


class Script:
    """Readers that deliver what a test wrote down, one list a turn; a callable just happens."""

    def __init__(
        self,
        turns: Iterable[list[tuple[str, Any]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turns = list(turns)
        self._clock = clock

    @property
    def ended(self) -> bool:
        """Whether the script is over."""
        return not self._turns

    def next_arrivals(self, timeout_s: float) -> list[Arrival]:
        """Deliver one turn."""
        turn = self._turns.pop(0)
        for _, item in turn:
            if callable(item):
                item()
        now_s = self._clock()
        return [Arrival(camera, item, now_s) for camera, item in turn if not callable(item)]


def frames(
    *parts: tuple[str, float], start_s: float = 0.0, still: bool = False, resets: bool = True
) -> list[Frame]:
    """Each brightness for its number of seconds; something small moves unless all is still."""
    shown = [label for label, duration_s in parts for _ in range(round(duration_s * HZ))]
    made = []
    for n, label in enumerate(shown):
        image = np.full((48, 64, 3), LEVELS[label], np.uint8)
        if not still:
            left = n * 5 % 59
            image[10:15, left : left + 5] += np.uint8(100)
        at = START + timedelta(seconds=start_s + n / HZ)
        made.append(Frame(image, at, resets=resets and n == 0))
    return made


def status(camera: str, state: CameraState, at_s: float) -> CameraStatus:
    """A camera's change of state."""
    return CameraStatus(camera, state, START + timedelta(seconds=at_s), "by the script")


def camera(name: str, **settings: Any) -> CameraSettings:
    """Settings of a camera of this name."""
    return CameraSettings(source="0", name=name, **settings)


def alone(items: Iterable[Any], *, clock: Callable[[], float] = time.monotonic) -> Script:
    """Camera `a` delivers one item a turn."""
    return Script(([("a", item)] for item in items), clock=clock)


def run(
    script: Any,
    *cameras: CameraSettings,
    recogniser: Any = None,
    clock: Callable[[], float] = time.monotonic,
) -> list[News]:
    """All that the pipeline says of a script."""
    made = Pipeline(recogniser or Brightness(), cameras or [camera("a")], clock=clock)
    return list(made.run(script))


def changes(said: Iterable[News], of: str = "a") -> list[tuple[str, str, float]]:
    """Kind, activity and seconds since `START` of one camera's changes."""
    return [
        (
            news.event_type.removeprefix("activity_"),
            news.activity,
            ((news.ended_at or news.started_at) - START).total_seconds(),
        )
        for news in said
        if isinstance(news, Change) and news.camera == of
    ]
