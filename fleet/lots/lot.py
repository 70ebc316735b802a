"""One lot at work: the ordinary pipeline; its events and its right to speak are in PostgreSQL.

It goes on where the lot's last owner left: what was going on begins no second time, and a fall that
nobody has answered to stays one.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from fleet.lots.lot_outbox import LotOutbox
from har_stream.bundles.bundle import DEFAULT, Bundle
from har_stream.bundles.fetch_weights import load_with_weights
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.readers import Readers
from har_stream.config.regions import Regions
from har_stream.config.secret_file import read_own_key
from har_stream.config.settings import Settings
from har_stream.config.state_dir import fall_file
from har_stream.core.activity import FALLEN, Recognition
from har_stream.core.atomic_file import replacing
from har_stream.mqtt.messages import ActivityEvent, FallState
from har_stream.pipeline import Pipeline
from har_stream.publishing.node_stats import Statistics
from har_stream.publishing.publisher import Publisher, open_connection
from har_stream.recognition.engines.engine import Engine
from har_stream.recognition.recogniser import Recogniser

logger = logging.getLogger(__name__)

CONFIRM_S = 1.0
"""So often the lot's owner asks whether it still is."""


class LotTask(BaseModel):
    """What a lot is told.

    Attributes:
        settings: Of its node, which is called as the lot, its cameras and the broker.
        database: URL of the fleet's database.
        recognise_on: Whether its networks run in the lot's process, or all lots' on a GPU.
    """

    model_config = ConfigDict(frozen=True)

    settings: Settings
    database: str
    recognise_on: Literal["lot", "machine"] = "lot"


class LotStatus(BaseModel):
    """How a lot fares.

    Attributes:
        n_cameras: How many it has.
        n_online: How many of them deliver.
        away: Those that do not, by name.
        fps: Frames a second since the last time that somebody asked.
        latency_ms: Median of late, from a frame's arrival to its decision.
        n_waiting: Events that the broker does not have.
        is_lost: Another owner has taken it.
        has_decided: Whether there was any decision since it began.
    """

    model_config = ConfigDict(frozen=True)

    n_cameras: int
    n_online: int = 0
    away: tuple[str, ...] = ()
    fps: float = 0.0
    latency_ms: float = 0.0
    n_waiting: int = 0
    is_lost: bool = False
    has_decided: bool = False


class Watch:
    """What watches a lot's cameras: readers, recogniser, pipeline.

    Args:
        settings: Of the lot's node.
        open_engine: Finds an engine for the bundle elsewhere; none: it runs here.

    Attributes:
        bundle: What recognises.
        pipeline: Frames to news.
        readers: Where frames come from.
    """

    def __init__(
        self, settings: Settings, open_engine: Callable[[Bundle], Engine] | None = None
    ) -> None:
        self.bundle = load_with_weights(settings.bundle or DEFAULT, state_dir=settings.state_dir)
        engine = settings.engine if open_engine is None else open_engine(self.bundle)
        recogniser = Recogniser(self.bundle, engine=engine)
        self.pipeline = Pipeline(recogniser, settings.cameras)
        for camera in settings.cameras:
            self.pipeline.set_regions(camera.id, camera.regions)
        # Cameras without recognition are read as well: it may be switched on over MQTT. The
        # pipeline looks after that and after regions.
        looked_after = {"enabled": True, "regions": Regions()}
        now = datetime.now().astimezone()
        self.readers = Readers(
            [camera.model_copy(update=looked_after) for camera in settings.cameras],
            ReadOptions(
                sample_hz=self.pipeline.clip.sample_hz,
                picture=self.pipeline.clip.picture,
                start_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
                realtime=True,
            ),
        )


class Lot:
    """A lot in the hands of this process: `run` works until it is lost, left, or its cameras end.

    Args:
        task: What it is told.
        owner: Who we are, for the one that comes after us.
        watch: What watches its cameras; none: made of the task.

    Raises:
        InputError: Settings, bundle, database or broker cannot be used.
    """

    def __init__(self, task: LotTask, *, owner: str, watch: Watch | None = None) -> None:
        settings = task.settings
        watch = watch or Watch(settings)
        self._settings = settings
        self._n_waiting = 0
        self._has_decided = False
        self._is_leaving = threading.Event()
        self._pipeline, self._readers = watch.pipeline, watch.readers
        self._statistics = Statistics(lambda: watch.readers.counts)
        signing_key = read_own_key(settings.signing_key_file)
        self._outbox = LotOutbox(task.database, settings.node, owner=owner, signing_key=signing_key)
        self._connection = open_connection(settings, may_speak=lambda: self._outbox.may_speak)
        running = self._outbox.running()
        _keep_falls(settings, running)
        self._publisher = Publisher(
            settings,
            connection=self._connection,
            outbox=self._outbox,
            bundle=watch.bundle,
            statistics=self._statistics,
            set_enabled=self._pipeline.enable,
            acknowledge_fall=self._pipeline.acknowledge_fall,
            is_alive=lambda: self._pipeline.is_alive,
            signing_key=signing_key,
        )
        self._take_over(running)

    def run(self) -> None:
        """Work; returns once somebody said `leave`, the lot is lost, or every camera has ended.

        Raises:
            InputError: The broker refuses us, or a source turned out to be unusable.
        """
        with ExitStack() as stack:
            stack.callback(self._outbox.close)
            confirming = threading.Thread(target=self._confirm, name="confirm", daemon=True)
            confirming.start()
            stack.callback(confirming.join)
            stack.callback(self._is_leaving.set)
            self._publisher.start(takes_over=True)
            stack.callback(self._publisher.close)
            stack.enter_context(self._readers)
            for news in self._pipeline.run(self._readers):
                if self._is_leaving.is_set():
                    return  # what goes on does so in the hands of the next owner
                self._publisher.publish(news)
                self._has_decided = self._has_decided or isinstance(news, Recognition)

    def leave(self) -> None:
        """Have `run` end soon, and leave what goes on to the next owner; from any thread."""
        self._is_leaving.set()
        self._pipeline.stop()

    def status(self) -> LotStatus:
        """How it fares; from any thread, and at once though the database may be away."""
        stats = self._statistics.summarise(outbox_depth=self._n_waiting)
        online = self._publisher.online
        names = [camera.id for camera in self._settings.cameras]
        return LotStatus(
            n_cameras=len(names),
            n_online=len(online),
            away=tuple(name for name in names if name not in online),
            fps=stats.fps_in,
            latency_ms=stats.latency_p50_ms,
            n_waiting=self._n_waiting,
            is_lost=self._outbox.is_lost,
            has_decided=self._has_decided,
        )

    def _confirm(self) -> None:
        """Ask every second whether the lot is ours; while that is not known, nobody hears of us."""
        while not self._is_leaving.wait(CONFIRM_S):
            if not self._outbox.confirm():
                self._connection.drop()
            if self._outbox.is_lost:
                self.leave()
            self._n_waiting = self._outbox.depth()

    def _take_over(self, running: Mapping[str, ActivityEvent]) -> None:
        """Let what goes on in front of our cameras go on."""
        now = datetime.now(UTC)
        for name, fall in self._publisher.open_falls().items():
            if fall.since is not None:
                self._pipeline.resume_fall(
                    name,
                    fall.since,
                    confidence=fall.confidence or 0.0,
                    has_lain_long=fall.stage == "long_lie",
                )
        ours = {camera.id for camera in self._settings.cameras}
        for name, event in running.items():
            if name in ours:
                self._pipeline.resume_activity(
                    name,
                    event.activity,
                    since=event.started_at,
                    at=now,
                    probabilities={event.activity: event.confidence} | event.probabilities,
                )
                self._publisher.resume_activity(name, event.activity, event.started_at)


def _keep_falls(settings: Settings, running: Mapping[str, ActivityEvent]) -> None:
    """Keep the open falls of the last owner, and none that this machine remembers from before."""
    for camera in settings.cameras:
        path = fall_file(settings.state_dir, settings.node, camera.id)
        event = running.get(camera.id)
        if event is None or event.activity != FALLEN:
            path.unlink(missing_ok=True)
            continue
        fall = FallState(
            alarm=True,
            stage=event.fall_stage or "fallen",
            since=event.started_at,
            at=event.started_at,
            confidence=event.confidence,
            room=event.room,
            region=event.region,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(fall.encode().decode())
