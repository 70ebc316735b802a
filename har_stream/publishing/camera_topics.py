"""One camera's retained topics: what is known of it, and what of that the broker has been told."""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import (
    FALLEN,
    IDLE,
    UNKNOWN,
    CameraState,
    Change,
    FallStage,
    Recognition,
)
from har_stream.core.atomic_file import replacing
from har_stream.homeassistant.entities import EXPIRE_AFTER_S, HEARTBEAT_S
from har_stream.mqtt.connection import OFFLINE, ONLINE, Publishes
from har_stream.mqtt.messages import ActivityAttributes, ActivityState, FallState, MessageError
from har_stream.mqtt.signing import Signed
from har_stream.publishing.bridge_requests import OFF, ON

logger = logging.getLogger(__name__)

ATTRIBUTES_S = 5.0
"""Attributes follow the stream at this pace: Home Assistant stores every one of them."""
FASTEST_S = 1.0
"""Nothing but news is published more often than this, however fast a stream runs."""
N_TOP = 5


class Signs(Protocol):
    """Signs a state."""

    def __call__(self, message: Signed) -> Signed:
        """Return it with its signature."""


class CameraTopics:
    """What is known of one camera, and publishing it; ``now_s`` is monotonic, in seconds.

    Args:
        camera: Its settings.
        broker: Where to publish.
        topic: Names a topic below ``<node>/<cam>/``, by its parts.
        sign: Signs a state.
        home: Whose camera it is where its settings name nobody; none: of any home of the broker.
        bundle: Name of the bundle that recognises, for the attributes.
        bundle_hash: Its hash.
        fall_file: Keeps a fall that nobody has answered to.
        watches_falls: Whether the bundle watches for falls.

    Attributes:
        id: The camera's id.
        room: Where it looks.
        home: Whose camera it is, if anybody said it.
        enabled: Whether its recognition is switched on.
        state: The state of its source.
        reason: Why it is in it, if there is more to say.
        fall: The newest fall, also of an earlier run; none: nobody watches for falls.
    """

    def __init__(
        self,
        camera: CameraSettings,
        broker: Publishes,
        *,
        topic: Callable[..., str],
        sign: Signs,
        home: str | None = None,
        bundle: str,
        bundle_hash: str,
        fall_file: Path,
        watches_falls: bool = False,
    ) -> None:
        self.id = camera.id
        self.room = camera.room
        self.home = camera.home or home
        self.enabled = camera.enabled
        self.state = CameraState.OFFLINE
        self.reason = ""
        self.fall = _read_fall(fall_file) if watches_falls else None
        self._fall_file = fall_file
        self._broker = broker
        self._topic = topic
        self._sign = sign
        self._bundle = bundle
        self._bundle_hash = bundle_hash
        self._newest: Recognition | None = None
        self._newest_s = 0.0
        self._is_running = False
        self._activity = UNKNOWN
        self._since: datetime | None = None
        self._published_activity: str | None = None
        self._published_state: tuple[Recognition | None, float] = (None, 0.0)
        self._published_attributes: tuple[Recognition | None, float] = (None, 0.0)

    def set_state(self, state: CameraState, reason: str = "") -> None:
        """Note that the camera came, stalled or went, and publish it at once."""
        self.state, self.reason = state, reason
        is_there = state is CameraState.ONLINE
        self._broker.publish(
            self._topic("availability"), ONLINE if is_there else OFFLINE, retain=True
        )

    def set_bundle(self, name: str, bundle_hash: str, *, watches_falls: bool) -> None:
        """Note which bundle recognises from here on, and whether it watches for falls."""
        self._bundle, self._bundle_hash = name, bundle_hash
        if watches_falls and self.fall is None:
            self.fall = _read_fall(self._fall_file)
        elif self.fall is not None and not watches_falls:
            self.fall = None
            self._broker.publish(self._topic("fall"), "", retain=True)

    def set_enabled(self, enabled: bool) -> None:
        """Note whether recognition is switched on, and publish it at once."""
        self.enabled = enabled
        self._broker.publish(self._topic("enabled", "state"), ON if enabled else OFF, retain=True)

    def add_recognition(self, recognition: Recognition, now_s: float) -> None:
        """Note a decision, which also shows that the camera is there."""
        if self.state is not CameraState.ONLINE:
            self.set_state(CameraState.ONLINE)
        self._newest, self._newest_s = recognition, now_s
        at_rest = _name_rest(recognition)
        if self._since is None or not (self._is_running or at_rest == self._activity):
            self._activity, self._since = at_rest, recognition.at

    def add_change(self, change: Change) -> None:
        """Note a change of the running activity."""
        if change.ended_at is not None:
            self._is_running = False
            self._activity = _name_rest(self._newest) if self._newest else UNKNOWN
            self._since = change.ended_at
        else:
            self._is_running = True
            self._activity, self._since = change.activity, change.started_at
        if self.fall is not None and change.fall_stage is not None:
            self._set_fall(self._fall_after(change, change.fall_stage, self.fall.since))

    def resume_activity(self, activity: str, since: datetime) -> None:
        """Note that an activity goes on that another process has said."""
        self._is_running, self._activity, self._since = True, activity, since

    def acknowledge_fall(self) -> bool:
        """Note that somebody knows of a fall; return whether there was one to know of."""
        if self.fall is None or not self.fall.alarm:
            return False
        self._set_fall(self.fall.model_copy(update={"alarm": False, "stage": "acknowledged"}))
        return True

    def forget_fall(self) -> None:
        """Note that a fall of an earlier run is over, if nobody has answered to one."""
        if self.fall is not None and self.fall.alarm:
            self._set_fall(FallState(alarm=False, stage="none"))

    def publish_again(self) -> None:
        """Tell a broker that may know nothing; the activity follows with the next `publish_due`."""
        self.set_enabled(self.enabled)
        self.set_state(self.state, self.reason)
        self._publish_fall()
        self._published_activity = None
        self._published_state = self._published_attributes = (None, 0.0)

    def publish_due(self, now_s: float) -> None:
        """Publish state and attributes where they changed, or their heartbeat is due."""
        state = self._due_state(now_s)
        if state is not None and self._broker.publish(
            self._topic("activity"), self._sign(state), retain=True, expiry_s=EXPIRE_AFTER_S
        ):
            self._published_activity = self._activity
            self._published_state = (self._newest, now_s)
        attributes = self._due_attributes(now_s)
        if attributes is not None and self._broker.publish(
            self._topic("activity", "attributes"),
            attributes,
            qos=0,
            retain=True,
            expiry_s=EXPIRE_AFTER_S,
        ):
            self._published_attributes = (self._newest, now_s)

    def _due_state(self, now_s: float) -> ActivityState | None:
        newest = self._newest
        before, before_s = self._published_state
        is_news = self._activity != self._published_activity
        beats = newest is not before and _is_due(
            newest, before, now_s - before_s, every_s=HEARTBEAT_S
        )
        if newest is None or self._since is None or not (is_news or beats):
            return None
        if now_s - self._newest_s > EXPIRE_AFTER_S:
            return None  # it is history; publishing it again would make it look alive
        confidence = newest.probabilities.get(self._activity, newest.confidence)
        if self._activity == FALLEN and self.fall is not None and self.fall.confidence is not None:
            confidence = self.fall.confidence  # what raised it: who lies is easily lost from sight
        return ActivityState(
            activity=self._activity,
            confidence=confidence,
            since=self._since,
            at=max(newest.at, self._since),
            room=self.room,
            region=newest.region,
            home=self.home,
        )

    def _fall_after(self, change: Change, stage: FallStage, since: datetime | None) -> FallState:
        return FallState(
            alarm=stage != "got_up",
            stage=stage,
            since=change.started_at if stage == "fallen" else since,
            at=change.ended_at or change.started_at,
            confidence=change.confidence,
            room=self.room,
            region=change.region,
        )

    def _set_fall(self, fall: FallState) -> None:
        """Keep a fall, so that no restart silences it, and publish it."""
        self.fall = fall
        self._publish_fall()
        try:
            if fall.alarm:
                self._fall_file.parent.mkdir(parents=True, exist_ok=True)
                with replacing(self._fall_file) as file:
                    file.write(fall.encode().decode())
            else:
                self._fall_file.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s: cannot be written: %s", self._fall_file, error.strerror)

    def _publish_fall(self) -> None:
        if self.fall is not None:
            self._broker.publish(self._topic("fall"), self._sign(self.fall), retain=True)

    def _due_attributes(self, now_s: float) -> ActivityAttributes | None:
        """What lies behind the newest decision, at its own pace."""
        newest = self._newest
        before, before_s = self._published_attributes
        if newest is None or newest is before:
            return None
        if not _is_due(newest, before, now_s - before_s, every_s=ATTRIBUTES_S):
            return None
        ranked = sorted(newest.probabilities.items(), key=lambda item: item[1], reverse=True)
        return ActivityAttributes(
            top=ranked[:N_TOP],
            margin=newest.margin,
            bundle=self._bundle,
            bundle_hash=self._bundle_hash,
            latency_ms=round(newest.latency_ms, 2),
        )


def _is_due(
    newest: Recognition | None, before: Recognition | None, elapsed_s: float, *, every_s: float
) -> bool:
    """Tell whether so much time has passed: the clock's, or the stream's where it outruns it."""
    if newest is None or before is None or elapsed_s >= every_s:
        return True
    streamed_s = (newest.at - before.at).total_seconds()
    return elapsed_s >= FASTEST_S and streamed_s >= every_s


def _name_rest(recognition: Recognition) -> str:
    """Name what is published where no activity runs: nobody is there, or nothing known goes on."""
    return IDLE if recognition.state == IDLE else UNKNOWN


def _read_fall(path: Path) -> FallState:
    """What nobody had answered to when the program ended; a file without sense counts as none."""
    try:
        return FallState.decode(path.read_bytes())
    except FileNotFoundError:
        pass
    except (OSError, MessageError) as error:
        logger.warning("%s: cannot be read, so a fall in it is forgotten: %s", path, error)
    return FallState(alarm=False, stage="none")
