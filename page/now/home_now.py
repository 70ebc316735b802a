"""What goes on in a home, as far as MQTT messages have told.

Immutable, so that any thread may read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

from har_stream.core.activity import IDLE, UNKNOWN
from har_stream.mqtt.connection import ONLINE
from har_stream.mqtt.messages import (
    ActivityState,
    FallState,
    Forecast,
    ForecastAttributes,
    NodeStats,
    Unusual,
)
from predictor.journal.records import CameraKey

MAX_CAMERAS = 200
"""Whoever may publish can invent cameras and nodes; so many are shown."""
AHEAD = timedelta(days=1)
"""Forecasts come every minute; a camera's clock that is ahead of them by more is wrong."""
_NOBODYS = frozenset({IDLE, UNKNOWN})


@dataclass(frozen=True, slots=True)
class CameraNow:
    """What is known of one camera.

    Attributes:
        state: What it sees; ``None`` where it has not spoken.
        fall: Whether somebody lies there; ``None`` where nobody watches for falls.
        is_online: Whether it is there.
        is_enabled: Whether it is looked at.
    """

    state: ActivityState | None = None
    fall: FallState | None = None
    is_online: bool = False
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class HomeNow:
    """What is known of a home.

    Attributes:
        home: Its name; what names another is left out.
        cameras: By node and camera.
        nodes: Whether each node is there.
        stats: How each node fares.
        forecast: What comes next; ``None`` where nobody has said.
        attributes: What lies behind it.
        unusual: What is unusual now; ``None`` where nobody has said.
        has_forecaster: Whether `har-forecast` is there; ``None`` before anybody said.
    """

    home: str
    cameras: Mapping[CameraKey, CameraNow] = field(default_factory=dict)
    nodes: Mapping[str, bool] = field(default_factory=dict)
    stats: Mapping[str, NodeStats] = field(default_factory=dict)
    forecast: Forecast | None = None
    attributes: ForecastAttributes | None = None
    unusual: Unusual | None = None
    has_forecaster: bool | None = None

    def take(self, parts: tuple[str, ...], payload: bytes) -> Self:
        """Return what is known after a message.

        Args:
            parts: Its topic, split, without the base.
            payload: What it says; nothing: a retained message was removed.

        Raises:
            MessageError: The payload is not what its topic promises.
        """
        match parts:
            case ("home", self.home, *kind):
                return self._take_forecaster(tuple(kind), payload)
            case ("home", *_):
                return self
            case (node, _) if node not in self.nodes and len(self.nodes) >= MAX_CAMERAS:
                return self
            case (node, "availability"):
                return replace(self, nodes={**self.nodes, node: _is_online(payload)})
            case (node, "stats"):
                return replace(self, stats={**self.stats, node: NodeStats.decode(payload)})
            case (node, camera, *kind):
                return self._take_camera((node, camera), tuple(kind), payload)
        return self

    def _take_forecaster(self, kind: tuple[str, ...], payload: bytes) -> Self:
        match kind:
            case ("forecast",):
                return replace(self, forecast=Forecast.decode(payload) if payload else None)
            case ("forecast", "attributes"):
                told = ForecastAttributes.decode(payload) if payload else None
                return replace(self, attributes=told)
            case ("unusual",):
                return replace(self, unusual=Unusual.decode(payload) if payload else None)
            case ("availability",):
                return replace(self, has_forecaster=_is_online(payload))
        return self

    def _take_camera(self, camera: CameraKey, kind: tuple[str, ...], payload: bytes) -> Self:
        match kind:
            case ("activity",):
                state = ActivityState.decode(payload) if payload else None
                if state is not None and state.home not in (None, self.home):
                    return self
                return self._with(camera, state=state)
            case ("fall",):
                return self._with(camera, fall=FallState.decode(payload) if payload else None)
            case ("availability",):
                return self._with(camera, is_online=_is_online(payload))
            case ("enabled", "state"):
                return self._with(camera, is_enabled=payload != b"OFF")
        return self

    def _with(self, camera: CameraKey, **changes: object) -> Self:
        before = self.cameras.get(camera)
        if before is None and len(self.cameras) >= MAX_CAMERAS:
            return self
        after = replace(before or CameraNow(), **changes)  # type: ignore[arg-type]  # by name
        return replace(self, cameras={**self.cameras, camera: after})

    def now(self, wall: datetime) -> datetime:
        """Return the home's time: of a simulated or recorded day it is not the wall clock's.

        A camera whose clock is far ahead of what `har-forecast` believes is not believed either.
        """
        told = [camera.state.at for camera in self.cameras.values() if camera.state]
        if self.forecast is not None:
            latest = self.forecast.at + AHEAD
            told = [at for at in told if at <= latest or not self.has_forecaster]
            told.append(self.forecast.at)
        return max(told, default=wall)

    def falls(self) -> list[tuple[CameraKey, FallState]]:
        """Return where somebody lies after a fall and nobody has answered, the newest first."""
        found = [
            (key, camera.fall)
            for key, camera in self.cameras.items()
            if camera.fall is not None and camera.fall.alarm
        ]
        return sorted(found, key=lambda each: str(each[1].at), reverse=True)

    def activity(self) -> tuple[CameraKey, ActivityState] | None:
        """Return what counts as the home's activity: what began last, of cameras that are there.

        Where nobody does anything, it is what the camera says that spoke last.
        """
        spoken = [
            (key, camera.state)
            for key, camera in self.cameras.items()
            if camera.state is not None and camera.is_online
        ]
        doing = [each for each in spoken if each[1].activity not in _NOBODYS]
        if doing:
            return max(doing, key=lambda each: each[1].since)
        return max(spoken, key=lambda each: each[1].at, default=None)


def _is_online(payload: bytes) -> bool:
    return payload == ONLINE.encode()
