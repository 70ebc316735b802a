"""What is kept for one camera: its motion gate, its segmenter, and whether it still delivers."""

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from har_stream.bundles.bundle import Manifest
from har_stream.config.camera import CameraSettings
from har_stream.core.activity import CameraState, CameraStatus, Change, Recognition
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.core.thresholds import Thresholds, apply_reject_rule
from har_stream.recognition.motion_gate import MotionGate
from har_stream.recognition.segmenter import Segmenter

logger = logging.getLogger(__name__)

News = Recognition | Change | CameraStatus


class Watch:
    """One camera's way from frames and decisions to recognitions and changes.

    Motion is always watched: where nobody was seen, nothing begins without it. With the camera's
    motion gate the recogniser rests while nothing moves, and the last decision is repeated at its
    usual pace. The gate closes no sooner than a decision has seen a whole still window, so that
    resting changes no decision.

    Attributes:
        id: The camera's id.
        enabled: Whether its recognition is switched on.
        last_at: Capture time of the newest frame; none before the first, and once it is lost.
        away_s: Since when it delivers nothing, by `time.monotonic`.

    Raises:
        InputError: The camera calls a label urgent that the bundle does not know.
    """

    def __init__(self, settings: CameraSettings, manifest: Manifest) -> None:
        self.id = settings.id
        self.enabled = settings.enabled
        self.last_at: datetime | None = None
        self.away_s: float | None = None
        self._arrived_s = 0.0
        self._deciding = deciding_for(settings, manifest)
        self._segmenter = Segmenter(self._deciding, span_s=manifest.clip.span_s)
        self._n_frames, self._hop_frames = manifest.clip.n_frames, manifest.hop_frames
        rests_after_s = (self._n_frames + self._hop_frames) / manifest.clip.sample_hz
        self._motion = MotionGate(still_after_s=rests_after_s)
        self._rests = settings.motion_gate
        self._moved = False
        self._n_seen = 0
        self._decided: Mapping[str, float] = {}
        self._still: Frame | None = None
        self._n_held = 0

    def takes(self, frame: Frame, arrived_s: float) -> bool:
        """Note a frame; say whether the recogniser is to look at it, or the last decision holds."""
        if frame.resets or self.last_at is None:
            self._segmenter.begin(frame.captured_at)
            self._n_seen = 0
        self.last_at, self._arrived_s = frame.captured_at, arrived_s
        moves = self._motion.moves(frame)
        self._moved |= self._motion.moved
        self._n_seen += 1
        return moves or not self._rests or not self._decided

    def hold(self, frame: Frame) -> Iterator[News]:
        """Repeat the last decision at the pace of decisions, for a frame that shows nothing new."""
        self._still = frame
        self._n_held += frame.n_ticks
        if self._n_held >= self._hop_frames:
            self._n_held = 0
            yield from self.decide(frame.captured_at, self._decided)

    def still(self) -> Frame | None:
        """After a rest: the image that fills the window up to the frame that moves."""
        still, self._still = self._still, None
        return still and replace(still, n_ticks=self._n_frames - 1, resets=True)

    def note(self, status: CameraStatus, arrived_s: float) -> None:
        """Note whether it delivers."""
        if status.state is CameraState.ONLINE:
            self.away_s = None
        elif self.away_s is None:
            self.away_s = arrived_s

    def decide(self, at: datetime, probabilities: Mapping[str, float]) -> Iterator[News]:
        """Yield the recognition and, if it confirms one, the change."""
        moving = self._moved or self._n_seen == 1  # one image does not tell
        self._moved = False
        self._decided = probabilities
        verdict = apply_reject_rule(probabilities, self._deciding)
        change = self._segmenter.observe(at, probabilities, moving=moving)
        yield Recognition(
            camera=self.id,
            at=at,
            probabilities=probabilities,
            label=verdict.label,
            confidence=verdict.confidence,
            margin=verdict.margin,
            latency_ms=(time.monotonic() - self._arrived_s) * 1000,
            state=self._segmenter.state,
        )
        yield from self._tell(change)

    def finish(self) -> Iterator[News]:
        """End with the last frame of a recording."""
        if self.last_at is not None:
            yield from self._tell(*self._segmenter.finish(self.last_at))
            self._forget()

    def lose(self) -> Iterator[News]:
        """End where the last frame was seen: the source is lost, switched off or left."""
        if self.last_at is not None:
            yield from self._tell(self._segmenter.lose(self.last_at))
            self._forget()

    def _forget(self) -> None:
        self.last_at = self._still = None
        self._decided = {}

    def _tell(self, *changes: Change | None) -> Iterator[Change]:
        for change in changes:
            if change is not None:
                kind = change.event_type.removeprefix("activity_")
                at = change.ended_at or change.started_at
                logger.info("%s: %s %s at %s", self.id, change.activity, kind, f"{at:%H:%M:%S}")
                yield change


def deciding_for(camera: CameraSettings, manifest: Manifest) -> Thresholds:
    """Lay a camera's own settings over what the bundle says.

    Raises:
        InputError: A label that it calls urgent is none of the bundle's.
    """
    own = camera.deciding.model_dump(exclude_none=True)
    deciding = replace(manifest.deciding, **own)
    foreign = sorted(set(deciding.urgent) - set(manifest.labels))
    if foreign:
        raise InputError(
            f"camera {camera.id}: deciding.urgent: bundle {manifest.name} has no label "
            f"{', '.join(foreign)}; it has {', '.join(manifest.labels)}"
        )
    return deciding
