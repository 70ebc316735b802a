"""What is known of one camera, and what of it is to be said now; no I/O, time comes in."""

from datetime import datetime

from har_stream.config.camera import CameraSettings
from har_stream.core.activity import IDLE, UNKNOWN, CameraState, Change, Recognition
from har_stream.homeassistant.entities import EXPIRE_AFTER_S, HEARTBEAT_S
from har_stream.mqtt.messages import ActivityAttributes, ActivityState

ATTRIBUTES_S = 5.0
"""Attributes follow the stream at this pace: Home Assistant stores every one of them."""
FASTEST_S = 1.0
"""Nothing but news is said more often than this, however fast a stream runs."""
N_TOP = 5


class CameraReport:
    """One camera's activity as it is published; ``now_s`` is monotonic, in seconds.

    Args:
        camera: Its settings.
        bundle: Name of the bundle that recognises, for the attributes.
        bundle_hash: Its hash.

    Attributes:
        id: The camera's id.
        room: Where it looks.
        enabled: Whether its recognition is switched on.
        status: The state of its source.
    """

    def __init__(self, camera: CameraSettings, *, bundle: str, bundle_hash: str) -> None:
        self.id = camera.id
        self.room = camera.room
        self.enabled = camera.enabled
        self.status = CameraState.OFFLINE
        self._bundle = bundle
        self._bundle_hash = bundle_hash
        self._newest: Recognition | None = None
        self._heard_s = 0.0
        self._is_running = False
        self._activity = UNKNOWN
        self._since: datetime | None = None
        self.repeat()

    def recognised(self, recognition: Recognition, now_s: float) -> None:
        """Take in a decision, which also shows that the camera is there."""
        self.status = CameraState.ONLINE
        self._newest, self._heard_s = recognition, now_s
        resting = _resting(recognition)
        if self._since is None or not (self._is_running or resting == self._activity):
            self._activity, self._since = resting, recognition.at

    def changed(self, change: Change) -> None:
        """Take in a change of the running activity."""
        if change.ended_at is not None:
            self._is_running = False
            self._activity = _resting(self._newest) if self._newest else UNKNOWN
            self._since = change.ended_at
        else:
            self._is_running = True
            self._activity, self._since = change.activity, change.started_at

    def repeat(self) -> None:
        """Say everything again at the next opportunity, for the broker may have lost it."""
        self._said_activity: str | None = None
        self._said_state: tuple[Recognition | None, float] = (None, 0.0)
        self._said_attributes: tuple[Recognition | None, float] = (None, 0.0)

    def due_state(self, now_s: float) -> ActivityState | None:
        """The state, where it has changed or its heartbeat is due; then it counts as said."""
        newest = self._newest
        said, said_s = self._said_state
        is_news = self._activity != self._said_activity
        beats = newest is not said and _is_due(newest, said, now_s - said_s, every_s=HEARTBEAT_S)
        if newest is None or self._since is None or not (is_news or beats):
            return None
        if now_s - self._heard_s > EXPIRE_AFTER_S:
            return None  # it is history; saying it again would make it look alive
        self._said_activity, self._said_state = self._activity, (newest, now_s)
        return ActivityState(
            activity=self._activity,
            confidence=newest.probabilities.get(self._activity, newest.confidence),
            since=self._since,
            at=max(newest.at, self._since),
            room=self.room,
        )

    def due_attributes(self, now_s: float) -> ActivityAttributes | None:
        """What lies behind the newest decision, at its own pace; then it counts as said."""
        newest = self._newest
        said, said_s = self._said_attributes
        if newest is None or newest is said:
            return None
        if not _is_due(newest, said, now_s - said_s, every_s=ATTRIBUTES_S):
            return None
        self._said_attributes = (newest, now_s)
        ranked = sorted(newest.probabilities.items(), key=lambda item: item[1], reverse=True)
        return ActivityAttributes(
            top=ranked[:N_TOP],
            margin=newest.margin,
            bundle=self._bundle,
            bundle_hash=self._bundle_hash,
            latency_ms=round(newest.latency_ms, 2),
        )


def _is_due(
    newest: Recognition | None, said: Recognition | None, elapsed_s: float, *, every_s: float
) -> bool:
    """Tell whether so much time has passed: the clock's, or the stream's where it outruns it."""
    if newest is None or said is None or elapsed_s >= every_s:
        return True
    streamed_s = (newest.at - said.at).total_seconds()
    return elapsed_s >= FASTEST_S and streamed_s >= every_s


def _resting(recognition: Recognition) -> str:
    """What is said where no activity runs: nobody is there, or nothing known is going on."""
    return IDLE if recognition.state == IDLE else UNKNOWN
