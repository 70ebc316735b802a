"""What sensors say (motion, doors, beds, power), and what that alone makes certain of a place.

Pure: the clock comes in as an argument. A reading is evidence for the model; where a person has
given likelihoods that leave hardly a doubt, it is an event as well, as if a camera had seen it.
"""

import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from har_stream.config.forecast_settings import SensorSettings
from har_stream.config.ids import SENSORS, label_id
from har_stream.core.activity import IDLE, UNKNOWN
from har_stream.mqtt.messages import ActivityEvent
from predictor.estimators.evidence import OTHERWISE, SENSOR_BOUND
from predictor.journal.corrections import NOBODYS
from predictor.journal.records import CameraKey, ContextValue, JournalEntry

CONTEXT = "sensor-"
"""What the journal calls a sensor's readings begins so."""
SURE = 0.8
"""An activity that is at least so probable, all that are named and any other alike before, is one
that sensors have seen."""
READINGS: dict[str, bool | None] = {"on": True, "off": False, "unknown": None}
"""What the journal calls them."""
_WORDS = {reading: word for word, reading in READINGS.items()}


def given_shares(sensors: Sequence[SensorSettings]) -> dict[str, dict[str, float]]:
    """Return the shares that a person gave, by sensor and label, as the model takes them."""
    return {
        sensor.name: {**sensor.activities, OTHERWISE: sensor.otherwise}
        for sensor in sensors
        if sensor.activities
    }


@dataclass(slots=True)
class _Reading:
    """What a sensor said last.

    Attributes:
        is_on: What that was.
        heard_at: When it said so.
        held_until: Until when it counts as on, having gone off.
        told: What it counted as when somebody last asked.
    """

    is_on: bool | None
    heard_at: datetime
    held_until: datetime | None = None
    told: bool | None = None


class SensorReadings:
    """The sensors of a home, and what they have said of its places.

    Args:
        sensors: Their settings.
    """

    def __init__(self, sensors: Sequence[SensorSettings]) -> None:
        self._sensors = {sensor.name: sensor for sensor in sensors}
        self._readings: dict[str, _Reading] = {}
        self._places = {
            label_id(sensor.room) if sensor.room else "anywhere": sensor.room
            for sensor in sensors
            if sensor.activities
        }
        self._running: dict[str, ActivityEvent] = {}
        self._n_events: dict[str, int] = {}
        self.likely: dict[CameraKey, tuple[str, str | None]] = {}
        """What goes on by the sensors alone, ``idle`` or ``unknown`` included, and the room."""

    def hear(self, name: str, is_on: bool | None, at: datetime, *, is_kept: bool) -> None:
        """Take in what a sensor says.

        Args:
            name: Which one.
            is_on: What it says.
            at: When.
            is_kept: Whether the broker had kept it: a word of now only where it is news.
        """
        before = self._readings.get(name)
        if before is None:
            self._readings[name] = _Reading(is_on, at)
        elif not (is_kept and before.is_on is is_on):
            if before.is_on and is_on is False:
                before.held_until = at + timedelta(seconds=self._sensors[name].hold_s)
            before.is_on, before.heard_at = is_on, at

    def is_known(self, memory: ContextValue) -> bool:
        """Tell whether a value is of no sensor, or of one that there still is."""
        name = memory.name.removeprefix(CONTEXT)
        return name == memory.name or name in self._sensors

    def remember(self, memory: ContextValue | JournalEntry) -> None:
        """Take in what the journal holds: what sensors said, and what was made of it."""
        if isinstance(memory, ContextValue):
            name = memory.name.removeprefix(CONTEXT)
            if name != memory.name and name in self._sensors:
                is_on = READINGS.get(str(memory.value))
                self._readings[name] = _Reading(is_on, memory.happened_at, told=is_on)
        elif memory.event.node == SENSORS:
            self.note_kept(memory.event)

    def changes(self, at: datetime) -> Iterator[ContextValue]:
        """Yield what counts as on, off or unknown otherwise than when last asked."""
        for name, reading in self._readings.items():
            counts_as = self._counts_as(self._sensors[name], reading, at)
            if counts_as is not reading.told:
                reading.told = counts_as
                yield ContextValue(f"{CONTEXT}{name}", _WORDS[counts_as], at)

    def events(self, at: datetime) -> Iterator[ActivityEvent]:
        """Yield what follows from the readings for each place, where it is another thing."""
        for place, room in self._places.items():
            label, share = self._most_likely(room)
            self.likely[SENSORS, place] = label, room
            running = self._running.get(place)
            if label in NOBODYS:
                if running is not None:
                    update = {"event_type": "activity_ended", "ended_at": at}
                    yield self._numbered(running.model_copy(update=update), place)
            elif running is None or running.activity != label:
                event = ActivityEvent(
                    id="",
                    seq=1,
                    event_type="activity_started" if running is None else "activity_changed",
                    activity=label,
                    previous=None if running is None else running.activity,
                    room=room,
                    confidence=round(share, 6),
                    started_at=at,
                    node=SENSORS,
                    camera=place,
                )
                yield self._numbered(event, place)

    def note_kept(self, event: ActivityEvent) -> None:
        """Take in that the journal holds one of the events."""
        self._n_events[event.camera] = max(event.seq, self._n_events.get(event.camera, 0))
        if event.event_type == "activity_ended":
            self._running.pop(event.camera, None)
        else:
            self._running[event.camera] = event

    @property
    def tell_activities(self) -> bool:
        """Whether a person has given of any what it says of activities."""
        return bool(self._places)

    @property
    def is_speaking(self) -> bool:
        """Whether any sensor that tells activities says anything."""
        return any(
            reading.told is not None and self._sensors[name].activities
            for name, reading in self._readings.items()
        )

    def _numbered(self, event: ActivityEvent, place: str) -> ActivityEvent:
        seq = self._n_events.get(place, 0) + 1
        return event.model_copy(update={"id": str(uuid.uuid4()), "seq": seq})

    def _counts_as(self, sensor: SensorSettings, reading: _Reading, at: datetime) -> bool | None:
        if reading.is_on is None or at - reading.heard_at > timedelta(
            seconds=sensor.silent_after_s
        ):
            return None
        return reading.is_on or (reading.held_until is not None and at < reading.held_until)

    def _most_likely(self, room: str | None) -> tuple[str, float]:
        """Return what goes on in a room by its sensors alone, and how sure that is."""
        speaking = [
            (sensor, told)
            for name, sensor in self._sensors.items()
            if sensor.activities
            and sensor.room == room
            and (reading := self._readings.get(name))
            and (told := reading.told) is not None
        ]
        if not speaking:
            return UNKNOWN, 1.0
        labels = {label for sensor, _ in speaking for label in sensor.activities}
        likelihood = {
            label: math.prod(_likelihood(sensor, label, told) for sensor, told in speaking)
            for label in (*sorted(labels), IDLE)
        }
        label = max(likelihood, key=likelihood.__getitem__)
        share = likelihood[label] / sum(likelihood.values())
        return (label, share) if share >= SURE or label == IDLE else (UNKNOWN, share)


def _likelihood(sensor: SensorSettings, label: str, is_on: bool) -> float:
    share_on = sensor.activities.get(label, sensor.otherwise)
    share_on = min(max(share_on, SENSOR_BOUND), 1.0 - SENSOR_BOUND)
    return share_on if is_on else 1.0 - share_on
