"""What har-stream says on MQTT, and what it hears there.

The pipeline's thread hands in what was recognised, the network thread what others ask; a thread of
its own sends, so that neither waits for the broker. An event goes to the outbox first, then to
`record`, then to the broker.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

from har_stream.bundles.bundle import Bundle
from har_stream.config.settings import Settings, named_home
from har_stream.config.state_dir import fall_file, node_announcements, node_client
from har_stream.core.activity import CameraState, CameraStatus, Change, News, Recognition
from har_stream.core.log_once import LogOnce
from har_stream.homeassistant.discovery import BIRTH_TOPIC, Announcer, camera_device, to_messages
from har_stream.mqtt.connection import ONLINE, Connection
from har_stream.mqtt.messages import ActivityEvent, EventAck, FallState, MessageError, Skeleton
from har_stream.mqtt.probe import check_name_is_free
from har_stream.mqtt.signing import sign
from har_stream.mqtt.topics import Topics
from har_stream.publishing import systemd
from har_stream.publishing.bridge_requests import OFF, ON, Answer, Responder, read_switch
from har_stream.publishing.camera_topics import CameraTopics
from har_stream.publishing.delivery import EarlierOutboxes, EventDelivery
from har_stream.publishing.health import Health, check_health, describe
from har_stream.publishing.node_stats import Statistics
from har_stream.publishing.outbox import EventStore

logger = logging.getLogger(__name__)

STATS_S = 60.0
FIRST_STATS_S = 10.0
"""The first summary comes sooner: whoever has just started it looks on."""
AGE_OUT_S = 3600.0
TICK_S = 1.0
"""The publisher's thread looks at least this often whether something is due."""
BIRTH_DELAY_S = 3.0
"""After Home Assistant's birth every device speaks; spread over this long at random."""
FLUSH_S = 5.0
"""A clean end waits so long for the broker to take the last events."""


def open_connection(
    settings: Settings, *, may_speak: Callable[[], bool] = lambda: True
) -> Connection:
    """Make a node's connection; its will says that the node is offline."""
    return Connection(
        settings.broker,
        client_id=node_client(settings.node),
        availability=Topics(settings.base_topic).node(settings.node, "availability"),
        may_speak=may_speak,
    )


class Publisher:
    """Speaks and listens for one node.

    Args:
        settings: Names, cameras, discovery.
        connection: From `open_connection`, not started.
        outbox: Where events wait.
        bundle: What recognises.
        statistics: What is summed up once a minute.
        set_enabled: Switches a camera's recognition; called from the network thread.
        acknowledge_fall: Told that somebody knows of a fall in front of a camera; likewise.
        record: Called with every event once it is safe in the outbox, before anybody else hears.
        is_alive: Tells whether recognition goes on; this alone is told to systemd.
        signing_key: Signs what it says of its cameras' activities; events are signed already.
        skeleton: Whether to publish people's joints; no picture ever is.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        connection: Connection,
        outbox: EventStore,
        bundle: Bundle,
        statistics: Statistics,
        set_enabled: Callable[[str, bool], None],
        acknowledge_fall: Callable[[str], None],
        record: Callable[[ActivityEvent], None] | None = None,
        is_alive: Callable[[], bool] = lambda: True,
        signing_key: bytes | None = None,
        skeleton: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._outbox = outbox
        self._bundle = bundle
        self._statistics = statistics
        self._set_enabled = set_enabled
        self._acknowledge_fall = acknowledge_fall
        self._record = record
        self._is_alive = is_alive
        self._skeleton = skeleton
        self._clock = clock
        self._topics = Topics(settings.base_topic)
        self._lock = threading.RLock()
        self._cameras = {
            camera.id: CameraTopics(
                camera,
                connection,
                topic=partial(self._topics.camera, settings.node, camera.id),
                sign=partial(sign, key=signing_key, node=settings.node, camera=camera.id),
                home=named_home(settings),
                bundle=bundle.manifest.name,
                bundle_hash=bundle.hash,
                fall_file=fall_file(settings.state_dir, settings.node, camera.id),
                watches_falls=bundle.manifest.falls is not None,
            )
            for camera in settings.cameras
        }
        self._announcer = Announcer(
            node_announcements(settings.state_dir, settings.node), connection
        )
        self._once = LogOnce()
        self._responder = Responder(outbox, self._describe)
        self._slow: frozenset[str] = frozenset()
        self._at_leisure = ThreadPoolExecutor(1, thread_name_prefix="requests")
        self._wake = threading.Event()
        self._delivery = EventDelivery(
            outbox, connection, topic=self._event_topic, on_answer=self._wake.set
        )
        self._earlier = EarlierOutboxes(
            settings.state_dir,
            settings.node,
            connection,
            topic=self._event_topic,
            on_answer=self._wake.set,
            signing_key=signing_key,
        )
        self._announce_s: float | None = None
        self._stats_s = clock() + FIRST_STATS_S
        self._age_out_s = clock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def answer_also(self, answers: Mapping[str, Answer]) -> None:
        """Answer more requests, one after the other in a thread of their own; before `start`."""
        self._responder.add(answers)
        self._slow |= answers.keys()

    def change_bundle(self, bundle: Bundle) -> None:
        """Say from here on that another bundle recognises; from any thread."""
        with self._lock:
            self._bundle = bundle
            for camera in self._cameras.values():
                falls = bundle.manifest.falls
                camera.set_bundle(
                    bundle.manifest.name, bundle.hash, watches_falls=falls is not None
                )
            self._announce()

    def start(self, *, fail_fast: bool = False, takes_over: bool = False) -> None:
        """Connect and begin to speak.

        Args:
            fail_fast: End where it would try again.
            takes_over: Whoever is at work under the node's name is to be thrown out.

        Raises:
            InputError: The node's name is taken, the broker refuses our credentials or, with
                ``fail_fast``, does not answer.
        """
        if not takes_over:
            check_name_is_free(self._settings)
        node = self._settings.node
        subscribe = self._connection.subscribe
        subscribe(self._topics.camera(node, "+", "event"), self._on_own_event)
        subscribe(self._topics.camera(node, "+", "event", "ack"), self._on_ack)
        subscribe(self._topics.camera(node, "+", "enabled", "set"), self._on_switch)
        answer = self._topics.camera(node, "+", "fall", "ack")
        subscribe(answer, self._on_fall_ack, retained=False)  # it would silence all to come
        subscribe(self._topics.node(node, "bridge", "request", "+"), self._on_request)
        if self._settings.discovery.enabled:
            subscribe(f"{self._settings.discovery.prefix}/{BIRTH_TOPIC}", self._on_birth)
        self._connection.on_connected(self._on_connect)
        self._connection.start(fail_fast=fail_fast)
        systemd.notify("READY=1")
        self._thread.start()

    def publish(self, news: News) -> None:
        """Take in news of a camera; when this returns, the event of a change is on disk."""
        match news:
            case Recognition():
                self._statistics.add_decision(news.latency_ms)
                with self._lock:
                    self._cameras[news.camera].add_recognition(news, self._clock())
                self._wake.set()
                if self._skeleton and news.key_points:
                    topic = self._topics.camera(self._settings.node, news.camera, "skeleton")
                    points = Skeleton(at=news.at, points=list(news.key_points))
                    self._connection.publish(topic, points, qos=0)
            case CameraStatus():
                with self._lock:
                    self._cameras[news.camera].set_state(news.state, news.reason)
            case Change():
                self._add_event(news)
                self._wake.set()

    def _add_event(self, change: Change) -> None:
        with self._lock:  # `step` waits: an event is not on its way before it is recorded
            topics = self._cameras[change.camera]
            topics.add_change(change)
            event = self._outbox.append(
                change,
                node=self._settings.node,
                camera=change.camera,
                room=topics.room,
                home=topics.home,
            )
            if self._record is not None and event is not None:
                self._record(event)

    def resume_activity(self, camera: str, activity: str, since: datetime) -> None:
        """Note that an activity goes on that another process has said."""
        with self._lock:
            self._cameras[camera].resume_activity(activity, since)

    def open_falls(self) -> Mapping[str, FallState]:
        """Falls of an earlier run that nobody has answered to, by camera."""
        cameras = self._cameras.values()
        return {each.id: each.fall for each in cameras if each.fall and each.fall.alarm}

    def forget_fall(self, camera: str) -> None:
        """Take back an alarm of an earlier run, if there is one; call before `start`."""
        self._cameras[camera].forget_fall()

    @property
    def online(self) -> frozenset[str]:
        """The cameras that deliver; from any thread."""
        cameras = self._cameras.items()
        return frozenset(name for name, each in cameras if each.state is CameraState.ONLINE)

    def health(self) -> Health:
        """How things are now; from any thread."""
        with self._lock:
            return check_health(
                self._connection,
                self._cameras.values(),
                outbox_depth=self._outbox.depth(),
                alive=self._is_alive(),
            )

    def close(self) -> None:
        """Send what waits (a broker that is there gets some seconds), say `offline`, disconnect."""
        self._at_leisure.shutdown(wait=False, cancel_futures=True)
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        deadline_s = self._clock() + FLUSH_S
        while self._connection.is_connected and self._clock() < deadline_s:
            self.step()
            if self._delivery.is_idle and self._earlier.is_idle:
                break
            self._wake.wait(0.1)
            self._wake.clear()
        with self._lock:
            self._earlier.close()
            for camera in self._cameras.values():
                camera.set_state(CameraState.OFFLINE)
        self._connection.close()

    def step(self) -> None:
        """Say whatever is due now; the publisher's thread does nothing else."""
        with self._lock:
            now_s = self._clock()
            if self._connection.is_connected:  # before `online` nobody heeds an event
                self._delivery.step(now_s)
                self._earlier.step(now_s)
            else:
                self._earlier.close()
            if self._announce_s is not None and now_s >= self._announce_s:
                self._announce()
            if self._connection.is_connected:
                for camera in self._cameras.values():
                    camera.publish_due(now_s)
            if now_s >= self._stats_s:
                self._stats_s = now_s + STATS_S
                stats = self._statistics.summarise(outbox_depth=self._outbox.depth())
                topic = self._topics.node(self._settings.node, "stats")
                self._connection.publish(topic, stats, qos=0)
            if now_s >= self._age_out_s:
                self._age_out_s = now_s + AGE_OUT_S
                self._outbox.age_out()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.step()
            except Exception as error:
                if self._once.is_news(("step", type(error))):
                    logger.exception("publishing failed; trying again")
            if self._is_alive():
                systemd.notify("WATCHDOG=1")
            self._wake.wait(TICK_S)
            self._wake.clear()

    def _on_connect(self) -> None:
        self._delivery.restart()
        self._earlier.restart()
        with self._lock:
            self._announce()
        self._wake.set()

    def _announce(self) -> None:
        """Discovery, then states: at every connection and at every birth of Home Assistant."""
        self._announce_s = None
        manifest = self._bundle.manifest
        devices = [
            camera_device(
                self._settings,
                camera,
                model=manifest.name,
                labels=manifest.activities,
                watches_falls=manifest.falls is not None,
            )
            for camera in self._settings.cameras
        ]
        self._announcer.announce(
            to_messages(devices, self._settings.discovery),
            states=self._topics.retained(self._settings.node, self._cameras),
        )
        for known in self._cameras.values():
            known.publish_again()

    def _on_own_event(self, _topic: str, payload: bytes) -> None:
        event = ActivityEvent.decode(payload)
        with self._lock:
            self._delivery.add_received(event)

    def _on_ack(self, topic: str, payload: bytes) -> None:
        self._outbox.acknowledge(self._camera_in(topic), EventAck.decode(payload).seq)

    def _on_switch(self, topic: str, payload: bytes) -> None:
        enabled = read_switch(payload)
        with self._lock:
            camera = self._named_in(topic)
            if camera.enabled != enabled:
                self._set_enabled(camera.id, enabled)
                logger.info("camera %s: recognition is %s", camera.id, ON if enabled else OFF)
            camera.set_enabled(enabled)

    def _on_fall_ack(self, topic: str, _payload: bytes) -> None:
        with self._lock:
            camera = self._named_in(topic)
            if camera.acknowledge_fall():
                self._acknowledge_fall(camera.id)
                logger.info("camera %s: the fall is acknowledged", camera.id)

    def _on_request(self, topic: str, payload: bytes) -> None:
        name = topic.rsplit("/", 1)[-1]
        if name in self._slow:
            self._at_leisure.submit(self._answer_slowly, name, payload)
        else:
            self._answer(name, payload)

    def _answer_slowly(self, name: str, payload: bytes) -> None:
        try:
            self._answer(name, payload)
        except Exception:  # a thread that nobody waits for: it is said here, or nowhere
            logger.exception("request %s failed", name)

    def _answer(self, name: str, payload: bytes) -> None:
        response = self._responder.answer(name, payload)
        answer_topic = self._topics.node(self._settings.node, "bridge", "response", name)
        self._connection.publish(answer_topic, response)

    def _on_birth(self, _topic: str, payload: bytes) -> None:
        if payload == ONLINE.encode():
            delay_s = random.uniform(0.0, BIRTH_DELAY_S)  # noqa: S311 -- it spreads load only
            self._announce_s = self._clock() + delay_s

    def _describe(self) -> Mapping[str, object]:
        with self._lock:
            cameras = self._cameras.values()
            return describe(self._settings, self._bundle, cameras, outbox=self._outbox)

    def _event_topic(self, event: ActivityEvent) -> str:
        return self._topics.camera(event.node, event.camera, "event")

    def _named_in(self, topic: str) -> CameraTopics:
        camera = self._cameras.get(self._camera_in(topic))
        if camera is None:
            raise MessageError(f"this node has no such camera; it has {list(self._cameras)}")
        return camera

    def _camera_in(self, topic: str) -> str:
        return self._topics.split(topic)[1]
