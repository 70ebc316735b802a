"""One camera's retained topics: what is known of it, and what of that the broker has been told."""

from collections.abc import Callable
from datetime import datetime

from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import IDLE, UNKNOWN, CameraState, Change, Recognition
from har_stream.homeassistant.entities import EXPIRE_AFTER_S, HEARTBEAT_S
from har_stream.mqtt.connection import OFFLINE, ONLINE, Publishes
from har_stream.mqtt.messages import ActivityAttributes, ActivityState
from har_stream.publishing.bridge_requests import OFF, ON

ATTRIBUTES_S = 5.0
"""Attributes follow the stream at this pace: Home Assistant stores every one of them."""
FASTEST_S = 1.0
"""Nothing but news is published more often than this, however fast a stream runs."""
N_TOP = 5


class CameraTopics:
    """What is known of one camera, and publishing it; ``now_s`` is monotonic, in seconds.

    Args:
        camera: Its settings.
        broker: Where to publish.
        topic: Names a topic below ``<node>/<cam>/``, by its parts.
        sign: Signs a state.
        bundle: Name of the bundle that recognises, for the attributes.
        bundle_hash: Its hash.

    Attributes:
        id: The camera's id.
        room: Where it looks.
        enabled: Whether its recognition is switched on.
        state: The state of its source.
    """

    def __init__(
        self,
        camera: CameraSettings,
        broker: Publishes,
        *,
        topic: Callable[..., str],
        sign: Callable[[ActivityState], ActivityState],
        bundle: str,
        bundle_hash: str,
    ) -> None:
        self.id = camera.id
        self.room = camera.room
        self.enabled = camera.enabled
        self.state = CameraState.OFFLINE
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

    def set_state(self, state: CameraState) -> None:
        """Note that the camera came, stalled or went, and publish it at once."""
        self.state = state
        is_there = state is CameraState.ONLINE
        self._broker.publish(
            self._topic("availability"), ONLINE if is_there else OFFLINE, retain=True
        )

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

    def publish_again(self) -> None:
        """Tell a broker that may know nothing; the activity follows with the next `publish_due`."""
        self.set_enabled(self.enabled)
        self.set_state(self.state)
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
        return ActivityState(
            activity=self._activity,
            confidence=newest.probabilities.get(self._activity, newest.confidence),
            since=self._since,
            at=max(newest.at, self._since),
            room=self.room,
        )

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
