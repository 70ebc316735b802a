"""Says on MQTT what is known of one camera; `camera_report` knows what is due."""

from har_stream.core.activity import CameraState
from har_stream.homeassistant.entities import EXPIRE_AFTER_S
from har_stream.mqtt.connection import OFFLINE, ONLINE, Connection
from har_stream.mqtt.topics import Topics
from har_stream.publishing.camera_topics import CameraReport
from har_stream.publishing.requests import OFF, ON


class CameraVoice:
    """One camera's retained topics; ``now_s`` is monotonic, in seconds.

    Args:
        report: What is known.
        connection: Where to say it.
        topics: The names of topics.
        node: The camera's node.
    """

    def __init__(
        self, report: CameraReport, connection: Connection, *, topics: Topics, node: str
    ) -> None:
        self._report = report
        self._connection = connection
        self._topics = topics
        self._node = node

    def say_everything(self, now_s: float) -> None:
        """Tell a broker that may know nothing."""
        self.say_enabled()
        self.say_availability()
        self._report.repeat()
        self.say_activity(now_s)

    def say_enabled(self) -> None:
        """Say whether recognition is switched on."""
        self._publish(ON if self._report.enabled else OFF, "enabled", "state")

    def say_availability(self) -> None:
        """Say whether the camera delivers."""
        is_there = self._report.status is CameraState.ONLINE
        self._publish(ONLINE if is_there else OFFLINE, "availability")

    def say_activity(self, now_s: float) -> None:
        """Say what goes on and what lies behind it, where that is due."""
        if not self._connection.is_connected:
            return
        state = self._report.due_state(now_s)
        if state is not None:
            topic = self._topic("activity")
            self._connection.publish(topic, state, retain=True, expiry_s=EXPIRE_AFTER_S)
        attributes = self._report.due_attributes(now_s)
        if attributes is not None:
            topic = self._topic("activity", "attributes")
            self._connection.publish(topic, attributes, qos=0, retain=True, expiry_s=EXPIRE_AFTER_S)

    def _publish(self, text: str, *parts: str) -> None:
        self._connection.publish(self._topic(*parts), text, retain=True)

    def _topic(self, *parts: str) -> str:
        return self._topics.camera(self._node, self._report.id, *parts)
