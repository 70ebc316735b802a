"""What is kept for one camera: its motion gate, its segmenter, its falls, whether it delivers."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from har_stream.bundles.bundle import Manifest
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.regions import Place, Regions
from har_stream.core.activity import (
    FALLEN,
    CameraState,
    CameraStatus,
    Change,
    FallStage,
    Joint,
    News,
    Recognition,
)
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.core.thresholds import FallRule, Thresholds, apply_reject_rule
from har_stream.recognition.activity_changes import Segmenter
from har_stream.recognition.falls import SEEN, SOFT, FallWatch, read_by_place
from har_stream.recognition.motion_gate import MotionGate
from har_stream.recognition.person.key_points import KeyPoints
from har_stream.recognition.person.stage import Person

logger = logging.getLogger(__name__)

AWAY_S = 10.0
"""A camera that is away for longer is lost, and its activity ends; a hiccup changes nothing."""
JUMP_S = 3600.0
"""Time that jumps ahead by more is no pause of a camera that looks now and then."""
EARLY_CUTS = 2
"""At so many cuts in a row a running state begins anew before a window is full, as where short
scenes follow each other: it would keep the scene before. More are a picture that flickers."""


class CameraTrack:
    """One camera's way from frames and decisions to recognitions and changes.

    Motion is always watched: where nobody was seen, nothing begins without it. With the camera's
    motion gate the recogniser rests while nothing moves, and the last decision is repeated at its
    usual pace. The gate closes no sooner than a decision has seen a whole still window, so that
    resting changes no decision.

    A fall outlasts the loss of its camera: it ends when somebody is seen to be up.

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
        self._unseen_from: tuple[datetime, float] | None = None  # and by the clock, once lost
        self._thresholds = thresholds_for(settings, manifest)
        self._make_segmenter = partial(
            Segmenter, self.camera, self._thresholds, span_s=manifest.clip.evidence_s
        )
        self._segmenter = self._make_segmenter()
        self._settings = settings
        self._labels = manifest.activities
        self._fall_rule = fall_rule_for(settings, manifest)
        span_s = manifest.clip.span_s
        self._falls = FallWatch(self._fall_rule, span_s=span_s) if self._fall_rule else None
        self._place: Place | None = None
        self._n_frames, self._hop_frames = manifest.clip.n_frames, manifest.hop_frames
        rests_after_s = (self._n_frames + self._hop_frames) / manifest.clip.sample_hz
        self._motion = MotionGate(still_after_s=rests_after_s)
        self._may_rest = settings.motion_gate
        self._moves = True
        self._moved = False
        self._n_seen = 0
        self._max_early_cuts = EARLY_CUTS if manifest.memory == "running" else 0
        self._n_early_cuts = 0
        self._shape: tuple[int, ...] | None = None
        self._decided: tuple[Mapping[str, float], Person | None] | None = None
        self._rested_on: Frame | None = None
        self._n_rested = 0

    def set_regions(self, regions: Regions) -> None:
        """Have other regions hold from the next decision on; safe from any thread."""
        self._settings = self._settings.model_copy(update={"regions": regions})

    def place_at(self, x: float, y: float) -> Place | None:
        """Say in which region a point lies; fractions of the part that is looked at."""
        return self._settings.place_at(x, y)

    @property
    def is_enabled(self) -> bool:
        """Whether its frames are to be looked at."""
        return self._enabled

    def enable(self, enabled: bool) -> None:
        """Switch its recognition on or off; safe from any thread."""
        self._enabled = enabled

    def take_over(self, earlier: "CameraTrack") -> None:
        """Go on for a track of another bundle: as switched on or off, as away, with its fall."""
        self._enabled, self._away_s = earlier._enabled, earlier._away_s
        self._unseen_from = earlier._unseen_from
        if self._falls is not None and earlier._falls is not None:
            self._falls.take_over(earlier._falls)

    def set_status(self, status: CameraStatus, arrived_s: float) -> None:
        """Note whether it delivers, and since when it does not."""
        if status.state in (CameraState.ONLINE, CameraState.SLOW):
            self._away_s = None
        elif self._away_s is None:
            self._away_s = arrived_s

    @property
    def is_lost(self) -> bool:
        """Whether something is left to end: it was switched off, or is away for `AWAY_S`."""
        away = self._away_s is not None and self._clock() - self._away_s > AWAY_S
        return self._newest_at is not None and (away or not self._enabled)

    def end_at_jump(self, at: datetime) -> Iterator[Change]:
        """End what runs where time jumps: a clock was set, or the camera was away for as long.

        A simulated camera looks for a moment every half minute, or more rarely.
        """
        if self._newest_at is None:
            return
        ahead_s = (at - self._newest_at).total_seconds()
        if not -AWAY_S <= ahead_s <= JUMP_S:
            yield from self.lose()
            self._segmenter = self._make_segmenter()

    def add_frame(self, frame: Frame, arrived_s: float) -> Frame:
        """Note a frame, and whether anything moves on it.

        Returns:
            The frame; at a hard cut, or where images get another size, windows begin anew with it.
            A cut within a window of the last beginning is a picture that flickers, and begins
            nothing, but for the first ones where a state outlasts its window: `EARLY_CUTS`.
        """
        self._moves = self._motion.moves(frame)
        self._moved |= self._motion.moved
        is_resized = self._shape not in (None, frame.image.shape)
        self._shape = frame.image.shape
        is_early = self._n_seen < self._n_frames
        flickers = is_early and self._n_early_cuts >= self._max_early_cuts
        if is_resized or (self._motion.cut and not flickers):
            frame = replace(frame, resets=True, n_ticks=1)
            self._n_early_cuts = self._n_early_cuts + 1 if is_early else 0
        if frame.resets or self._newest_at is None or self._n_seen == 0:
            self._segmenter.begin(frame.captured_at)
            self._n_seen = 0
        self._newest_at, self._arrived_s = frame.captured_at, arrived_s
        self._n_seen += 1
        return frame

    @property
    def is_resting(self) -> bool:
        """Whether the last decision holds for the newest frame, which shows nothing new."""
        return self._may_rest and not self._moves and self._decided is not None

    def repeat_decision(self, frame: Frame) -> Iterator[News]:
        """Repeat the last decision at the pace of decisions."""
        self._rested_on = frame
        self._n_rested += frame.n_ticks
        if self._n_rested >= self._hop_frames and self._decided is not None:
            self._n_rested = 0
            yield from self.decide(frame.captured_at, *self._decided)

    def end_rest(self) -> Frame | None:
        """Return the frame that it rested on until now, if it did."""
        rested_on, self._rested_on = self._rested_on, None
        return rested_on

    def decide(
        self, at: datetime, probabilities: Mapping[str, float], person: Person | None = None
    ) -> Iterator[News]:
        """Yield the recognition and, if it confirms one, the change."""
        moving = self._moved or self._n_seen == 1  # one image does not tell
        if person is not None:  # who sleeps without moving is not nobody
            moving |= person.is_there
        self._moved = False
        self._decided = probabilities, person
        key_points = person.key_points if person is not None else None
        if key_points is not None and key_points.score >= SEEN:
            self._place = self.place_at(*key_points.hips)
        if self._fall_rule is not None and self._settings.regions.has_soft:
            probabilities = read_by_place(probabilities, self._place, self._fall_rule)
        # What this decision says by itself, and what segmenter and falls make of it with others.
        verdict = apply_reject_rule(probabilities, self._thresholds)
        postures = person.outputs if person is not None else {}
        changes = list(self._find_changes(at, probabilities, postures, key_points, moving=moving))
        yield Recognition(
            camera=self.camera,
            at=at,
            probabilities=probabilities,
            label=verdict.label,
            confidence=verdict.confidence,
            margin=verdict.margin,
            latency_ms=(self._clock() - self._arrived_s) * 1000,
            state=self._segmenter.state,
            region=self._place,
            key_points=_joints(key_points),
        )
        yield from self._say(*changes)

    def _find_changes(
        self,
        at: datetime,
        probabilities: Mapping[str, float],
        postures: Mapping[str, float],
        key_points: KeyPoints | None,
        *,
        moving: bool,
    ) -> Iterator[Change]:
        """A fall comes before all else, and nothing else goes on until it is over.

        Its rule may name postures, which tell the floor from a bed, beside the labels.
        """
        falls = self._falls
        if falls is not None:
            fell_at = falls.since
            stage = falls.observe(
                at,
                {**probabilities, **postures},
                on_soft=self._place in SOFT,
                key_points=key_points,
            )
            if falls.since is not None:
                if stage or self._segmenter.state != FALLEN:
                    yield self._hold(falls, falls.since if stage == "fallen" else at, stage)
                return
            if fell_at is not None and self._segmenter.state == FALLEN:
                # A long lie began the activity anew; what ends is the whole fall.
                yield replace(self._release(falls, at, stage), started_at=fell_at)
        change = self._segmenter.observe(at, probabilities, moving=moving)
        if change is None:
            return
        if falls is not None and self._segmenter.state == FALLEN:
            # Nobody saw it happen, but somebody lies there.
            falls.begin(
                change.started_at, averaged=change.probabilities, confidence=change.confidence
            )
            change = replace(change, fall_stage="fallen")
        yield change

    def _hold(self, falls: FallWatch, at: datetime, stage: FallStage | None) -> Change:
        # A bundle need not have the label: what lies on the floor has fallen, and is taken from it.
        others = self._averaged(falls) | {FALLEN: 0.0}
        rest = (1.0 - falls.confidence) / (sum(others.values()) or 1.0)
        probabilities = {name: rest * each for name, each in others.items()}
        probabilities[FALLEN] = falls.confidence
        held = self._segmenter.hold(
            FALLEN, at, probabilities=probabilities, confidence=falls.confidence
        )
        return replace(held, fall_stage=stage)

    def _release(self, falls: FallWatch, at: datetime, stage: FallStage | None) -> Change:
        released = self._segmenter.release(
            at, probabilities=self._averaged(falls), confidence=falls.confidence
        )
        return replace(released, fall_stage=stage)

    def _averaged(self, falls: FallWatch) -> dict[str, float]:
        return {name: falls.averaged[name] for name in self._labels if name in falls.averaged}

    def acknowledge_fall(self) -> None:
        """Somebody knows of the fall; safe from any thread."""
        if self._falls is not None:
            self._falls.acknowledge()

    def resume_fall(self, since: datetime, *, confidence: float, has_lain_long: bool) -> None:
        """Somebody lay there when this program ended; call before the first frame."""
        if self._falls is not None:
            self._falls.begin(
                since, averaged={}, confidence=confidence, has_lain_long=has_lain_long
            )
            self._unseen_from = datetime.now(since.tzinfo), self._clock()

    def resume_activity(
        self, activity: str, *, since: datetime, at: datetime, probabilities: Mapping[str, float]
    ) -> None:
        """An activity went on until `at` that another process saw; call before the first frame.

        It ends there should the camera stay away.
        """
        self._segmenter.resume(activity, since=since, probabilities=probabilities)
        self._newest_at = at

    def finish(self) -> Iterator[Change]:
        """End with the last frame of a recording."""
        if self._newest_at is not None:
            at = self._newest_at
            yield from self._say(*self._interrupt(at), *self._segmenter.finish(at))
            self._forget()

    def lose(self) -> Iterator[Change]:
        """End where the last frame was seen: the source is lost, switched off or left."""
        if self._newest_at is not None:
            at = self._newest_at
            yield from self._say(*self._interrupt(at), self._segmenter.lose(at))
            self._forget()
            self._unseen_from = at, self._arrived_s

    def attend_unseen(self) -> Iterator[Change]:
        """Tell a long lie also while no frame comes: a camera that is away takes no alarm back."""
        falls = self._falls
        if falls is None or self._newest_at is not None or self._unseen_from is None:
            return
        lost_at, lost_s = self._unseen_from
        at = lost_at + timedelta(seconds=self._clock() - lost_s)
        if falls.lies_long(at):
            yield from self._say(self._hold(falls, at, "long_lie"), self._release(falls, at, None))

    def _interrupt(self, at: datetime) -> Iterator[Change]:
        """Nobody can be seen any more: what a fall holds ends, the fall itself does not."""
        falls = self._falls
        if falls is not None and falls.since is not None and self._segmenter.state == FALLEN:
            yield self._release(falls, at, None)

    def _forget(self) -> None:
        self._newest_at = self._rested_on = self._decided = None

    def _say(self, *changes: Change | None) -> Iterator[Change]:
        for change in changes:
            if change is not None:
                logger.info("%s: %s", change.camera, _describe(change))
                yield replace(change, region=self._place)


def _describe(change: Change) -> str:
    """Say a change as a person reads it, for example ``walking -> exercising, 92 %, 14:02:11``."""
    at = f"{change.ended_at or change.started_at:%H:%M:%S}"
    if change.event_type == "activity_ended":
        return f"{change.activity} ended, {at}"
    if change.fall_stage:
        what = change.fall_stage.replace("_", " ")
    elif change.previous:
        what = f"{change.previous} -> {change.activity}"
    else:
        what = f"{change.activity} began"
    return f"{what}, {100 * change.confidence:.0f} %, {at}"


def _joints(found: KeyPoints | None) -> tuple[Joint, ...]:
    if found is None:
        return ()
    return tuple((float(x), float(y), float(score)) for x, y, score in found.points)


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


def fall_rule_for(camera: CameraSettings, manifest: Manifest) -> FallRule | None:
    """Lay a camera's own settings over the bundle's rule; InputError: none can be found so."""
    if manifest.falls is None and camera.falls.model_dump(exclude_none=True):
        raise InputError(f"camera {camera.id}: falls: bundle {manifest.name} watches for none")
    if manifest.falls is None:
        return None
    rule = replace(manifest.falls, **camera.falls.model_dump(exclude_none=True))
    if rule.after_s >= rule.within_s or 1.0 in (rule.floor_above, rule.up_above):
        raise InputError(
            f"camera {camera.id}: falls: no fall can be found so; after_s below within_s expected "
            f"({rule.within_s:g}), floor_above and up_above below 1"
        )
    return rule
