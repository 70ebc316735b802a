"""What is kept for one camera: its motion gate, its segmenter, and whether it still delivers."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from har_stream.bundles.bundle import Manifest
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import CameraState, CameraStatus, Change, News, Recognition
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.core.thresholds import Thresholds, apply_reject_rule
from har_stream.recognition.activity_changes import Segmenter
from har_stream.recognition.motion_gate import MotionGate

logger = logging.getLogger(__name__)

AWAY_S = 10.0
"""A camera that is away for longer is lost, and its activity ends; a hiccup changes nothing."""


class CameraTrack:
    """One camera's way from frames and decisions to recognitions and changes.

    Motion is always watched: where nobody was seen, nothing begins without it. With the camera's
    motion gate the recogniser rests while nothing moves, and the last decision is repeated at its
    usual pace. The gate closes no sooner than a decision has seen a whole still window, so that
    resting changes no decision.

    Args:
        settings: The camera's; they may override how to decide.
        manifest: The bundle's.
        clock: Steady seconds, the one that arrivals are stamped with.

    Attributes:
        camera: The camera's id.

    Raises:
        InputError: The camera calls a label urgent that the bundle does not know.
    """

    def __init__(
        self,
        settings: CameraSettings,
        manifest: Manifest,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.camera = settings.id
        self._clock = clock
        self._enabled = settings.enabled
        self._newest_at: datetime | None = None  # none before the first frame, and once lost
        self._away_s: float | None = None
        self._arrived_s = 0.0
        self._thresholds = thresholds_for(settings, manifest)
        self._segmenter = Segmenter(self.camera, self._thresholds, span_s=manifest.clip.span_s)
        self._n_frames, self._hop_frames = manifest.clip.n_frames, manifest.hop_frames
        rests_after_s = (self._n_frames + self._hop_frames) / manifest.clip.sample_hz
        self._motion = MotionGate(still_after_s=rests_after_s)
        self._may_rest = settings.motion_gate
        self._moves = True
        self._moved = False
        self._n_seen = 0
        self._decided: Mapping[str, float] = {}
        self._rested_on: Frame | None = None
        self._n_rested = 0

    @property
    def is_enabled(self) -> bool:
        """Whether its frames are to be looked at."""
        return self._enabled

    def enable(self, enabled: bool) -> None:
        """Switch its recognition on or off; safe from any thread."""
        self._enabled = enabled

    def set_status(self, status: CameraStatus, arrived_s: float) -> None:
        """Note whether it delivers, and since when it does not."""
        if status.state is CameraState.ONLINE:
            self._away_s = None
        elif self._away_s is None:
            self._away_s = arrived_s

    @property
    def is_lost(self) -> bool:
        """Whether something is left to end: it was switched off, or is away for `AWAY_S`."""
        away = self._away_s is not None and self._clock() - self._away_s > AWAY_S
        return self._newest_at is not None and (away or not self._enabled)

    def add_frame(self, frame: Frame, arrived_s: float) -> Frame:
        """Note a frame, and whether anything moves on it.

        Returns:
            The frame; at a hard cut, windows begin anew with it. A cut within a window of the last
            beginning is a picture that flickers, and begins nothing.
        """
        self._moves = self._motion.moves(frame)
        self._moved |= self._motion.moved
        if self._motion.cut and self._n_seen >= self._n_frames:
            frame = replace(frame, resets=True, n_ticks=1)
        if frame.resets or self._newest_at is None:
            self._segmenter.begin(frame.captured_at)
            self._n_seen = 0
        self._newest_at, self._arrived_s = frame.captured_at, arrived_s
        self._n_seen += 1
        return frame

    @property
    def is_resting(self) -> bool:
        """Whether the last decision holds for the newest frame, which shows nothing new."""
        return self._may_rest and not self._moves and bool(self._decided)

    def repeat_decision(self, frame: Frame) -> Iterator[News]:
        """Repeat the last decision at the pace of decisions."""
        self._rested_on = frame
        self._n_rested += frame.n_ticks
        if self._n_rested >= self._hop_frames:
            self._n_rested = 0
            yield from self.decide(frame.captured_at, self._decided)

    def end_rest(self) -> Frame | None:
        """Return the frame that it rested on until now, if it did."""
        rested_on, self._rested_on = self._rested_on, None
        return rested_on

    def decide(self, at: datetime, probabilities: Mapping[str, float]) -> Iterator[News]:
        """Yield the recognition and, if it confirms one, the change."""
        moving = self._moved or self._n_seen == 1  # one image does not tell
        self._moved = False
        self._decided = probabilities
        # What this decision says by itself, and what the segmenter makes of it and those before.
        verdict = apply_reject_rule(probabilities, self._thresholds)
        change = self._segmenter.observe(at, probabilities, moving=moving)
        yield Recognition(
            camera=self.camera,
            at=at,
            probabilities=probabilities,
            label=verdict.label,
            confidence=verdict.confidence,
            margin=verdict.margin,
            latency_ms=(self._clock() - self._arrived_s) * 1000,
            state=self._segmenter.state,
        )
        yield from _log(change)

    def finish(self) -> Iterator[Change]:
        """End with the last frame of a recording."""
        if self._newest_at is not None:
            yield from _log(*self._segmenter.finish(self._newest_at))
            self._forget()

    def lose(self) -> Iterator[Change]:
        """End where the last frame was seen: the source is lost, switched off or left."""
        if self._newest_at is not None:
            yield from _log(self._segmenter.lose(self._newest_at))
            self._forget()

    def _forget(self) -> None:
        self._newest_at = self._rested_on = None
        self._decided = {}


def _log(*changes: Change | None) -> Iterator[Change]:
    for change in changes:
        if change is not None:
            kind = change.event_type.removeprefix("activity_")
            at = change.ended_at or change.started_at
            logger.info("%s: %s %s at %s", change.camera, change.activity, kind, f"{at:%H:%M:%S}")
            yield change


def thresholds_for(camera: CameraSettings, manifest: Manifest) -> Thresholds:
    """Lay a camera's own settings over what the bundle says.

    Raises:
        InputError: A label that it calls urgent is none of the bundle's.
    """
    own = camera.deciding.model_dump(exclude_none=True)
    thresholds = replace(manifest.deciding, **own)
    foreign = sorted(set(thresholds.urgent) - set(manifest.labels))
    if foreign:
        raise InputError(
            f"camera {camera.id}: deciding.urgent: bundle {manifest.name} has no label "
            f"{', '.join(foreign)}; it has {', '.join(manifest.labels)}"
        )
    return thresholds
