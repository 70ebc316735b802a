"""A node without cameras or networks: the real publisher on a real broker, fed by the test."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.bundles.manifest_builder import manifest

from har_stream.bundles.bundle import Bundle
from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.settings import Settings
from har_stream.core.activity import Change, FallStage, Recognition
from har_stream.core.thresholds import FallRule
from har_stream.mqtt.connection import Connection
from har_stream.mqtt.messages import ActivityEvent
from har_stream.publishing.node_stats import Statistics
from har_stream.publishing.outbox import Outbox
from har_stream.publishing.publisher import Publisher, open_connection

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LABELS = ("cooking", "eating", "sleeping")


FALLS = FallRule(floor=("sleeping",), upright=("cooking",))


def bundle(falls: FallRule | None = None) -> Bundle:
    """A bundle as far as a publisher needs one: its name, hash, labels and fall rule."""
    return Bundle(Path("home"), manifest(labels=LABELS, falls=falls), "0" * 64, brought={})


def recognition(
    label: str = "cooking", *, minute: float = 0, camera: str = "cam1", state: str = "unknown"
) -> Recognition:
    """A confident decision, some minutes after noon."""
    rest = dict.fromkeys(LABELS, 0.05)
    return Recognition(
        camera=camera,
        at=NOON + timedelta(minutes=minute),
        probabilities=rest | ({label: 0.9} if label in LABELS else {}),
        label=label,
        confidence=0.9,
        margin=0.85,
        latency_ms=12.1,
        state=state,
    )


def change(
    activity: str = "cooking",
    *,
    minute: float = 0,
    previous: str | None = None,
    ended: float | None = None,
    camera: str = "cam1",
    fall_stage: FallStage | None = None,
) -> Change:
    """A change to an activity or, with ``ended``, the end of one."""
    kind = "activity_changed" if previous else "activity_started"
    return Change(
        camera=camera,
        event_type="activity_ended" if ended is not None else kind,  # type: ignore[arg-type]
        activity=activity,
        previous=previous,
        probabilities={activity: 0.9},
        confidence=0.9,
        started_at=NOON + timedelta(minutes=minute),
        ended_at=None if ended is None else NOON + timedelta(minutes=ended),
        fall_stage=fall_stage,
    )


class Node:
    """A publisher and all that belongs to it.

    Attributes:
        recorded: Events in the order in which `record` got them.
        switched: What `set_enabled` was told.
        acknowledged: Cameras whose falls somebody acknowledged.
        now_s: The publisher's clock, where the test does not leave it to the real one.
    """

    def __init__(
        self,
        url: str,
        state_dir: Path,
        *,
        cameras: tuple[str | CameraSettings, ...] = ("cam1",),
        clock: Callable[[], float] | None = None,
        record: Callable[[ActivityEvent], None] | None = None,
        is_alive: Callable[[], bool] = lambda: True,
        signing_key: bytes | None = None,
        falls: FallRule | None = None,
        skeleton: bool = False,
        **options: Any,
    ) -> None:
        self.recorded: list[ActivityEvent] = []
        self.switched: list[tuple[str, bool]] = []
        self.acknowledged: list[str] = []
        self.now_s = 0.0
        broker = {"broker": BrokerSettings(url=url)} | options
        self.settings = Settings(
            node="n1",
            cameras=tuple(
                CameraSettings(source=each, name=each) if isinstance(each, str) else each
                for each in cameras
            ),
            state_dir=state_dir,
            **broker,
        )
        clock = clock or (lambda: self.now_s)
        self.connection: Connection = open_connection(self.settings)
        self.outbox = Outbox(state_dir / "outbox.db", signing_key=signing_key)
        self.publisher = Publisher(
            self.settings,
            connection=self.connection,
            outbox=self.outbox,
            bundle=bundle(falls),
            statistics=Statistics(dict, clock=clock),
            set_enabled=lambda camera, enabled: self.switched.append((camera, enabled)),
            acknowledge_fall=self.acknowledged.append,
            record=record or self.recorded.append,
            is_alive=is_alive,
            signing_key=signing_key,
            skeleton=skeleton,
            clock=clock,
        )

    def close(self) -> None:
        """End cleanly."""
        self.publisher.close()
        self.outbox.close()
