"""One partition at work: the forecasters of its homes in one process, over one connection.

One thread keeps, learns and forecasts for all, a home at a time: whoever has been due for longest,
by its turn or as something was heard of it, then those that have not begun. A second one does what
takes long: a journal lived through from its start, the nightly learning, snapshots.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from fleet.lots.lot import LotStatus
from fleet.lots.lot_tables import EpochLostError
from fleet.partitions.due_times import DueTimes, next_turn_s, share_of
from fleet.partitions.home_routes import HomeRoutes, NotOursError
from fleet.partitions.home_store import HomeStore, SnapshotsAhead
from fleet.partitions.partition_task import PartitionStatus, PartitionTask
from har_stream.config.state_dir import home_client
from har_stream.core.log_once import LogOnce
from har_stream.mqtt.connection import OFFLINE, ONLINE, Connection
from har_stream.mqtt.messages import MessageError
from har_stream.mqtt.topics import Topics
from predictor.journal.journal import Journal
from predictor.service.home_learning import make_forecaster
from predictor.service.home_messages import HomeMessages

logger = logging.getLogger(__name__)

CONFIRM_S = 1.0
"""So often the partition's owner asks whether it still is."""
WAKE_S = 0.5
"""So often it looks whether it is to end."""
RETRY_S = 1.0
"""After so long a home whose journal could not be read is tried again."""
NIGHT_S = 4 * 3600.0
"""The heavy learning of all homes is spread over so long after their midnight."""
GREET_S = 10.0
"""All homes speak to a broker that may know nothing, spread over so long."""
TAKEN_OVER_S = 20.0
"""Whose turn was so shortly before the start comes first: nobody may have been there for it."""
STOP_S = 10.0
"""At the end snapshots are taken for so long; what has none is replayed from its last."""
LATE_OF_S = 60.0
"""Of so long the latest forecast is told."""
MAX_HEARD = 20_000
"""Messages that may wait; beyond it the broker has to."""
MAX_TOGETHER = 200
"""Of them so many are taken in before whoever is due has its turn."""


@dataclass(slots=True)
class _Home:
    """A home in this process.

    Attributes:
        name: Its name.
        turn_s: When its next refresh is due, monotonic.
        messages: Its journal and model, once it was its turn for the first time.
        has_begun: Whether it is forecast for.
        is_learning: Whether it waits for the second thread, or is learning there.
        lock: Held by whichever thread works for it.
        refit: The heavy learning of the night.
        refit_s: When that is due, monotonic.
    """

    name: str
    turn_s: float
    messages: HomeMessages | None = None
    journal: Journal | None = None
    has_begun: bool = False
    is_learning: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    refit: Callable[[], None] | None = None
    refit_s: float = 0.0


class Partition:
    """A partition in the hands of this process: `run` works until it is lost or left.

    Args:
        task: What it is told.
        owner: Who we are, for the one that comes after us.

    Raises:
        InputError: Settings, database or broker cannot be used.
    """

    def __init__(self, task: PartitionTask, *, owner: str) -> None:
        self._task = task
        self._topics = Topics(task.settings.base_topic)
        self._refresh_s = task.settings.forecast.refresh_s
        self._routes = HomeRoutes(self._topics, task.homes)
        self._heard: queue.Queue[tuple[str, bytes]] = queue.Queue(MAX_HEARD)
        self._done: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._is_leaving = threading.Event()
        self._is_greeting = threading.Event()
        self._once = LogOnce()
        self._due = DueTimes()
        self._n_refused = 0
        self._late: deque[tuple[float, float]] = deque(maxlen=1000)
        first_s, now_s = time.time() - TAKEN_OVER_S, time.monotonic()
        self._homes = {}
        for name in task.homes:
            turn_s = next_turn_s(name, every_s=self._refresh_s, after_s=first_s)
            home = self._homes[name] = _Home(name, now_s + turn_s - time.time())
            self._due.set(name, home.turn_s)
        self._unbegun = deque(sorted(self._homes.values(), key=lambda home: home.turn_s))
        self._store = HomeStore(task.database, task.partition, owner=owner)
        in_order = [home.name for home in self._unbegun]
        self._snapshots = SnapshotsAhead(self._store.load_snapshot, in_order)
        self._connection = Connection(
            task.settings.broker,
            client_id=home_client(task.partition),
            persistent=True,
            may_speak=lambda: self._store.may_speak,
        )
        for topic_filter, with_retained in self._routes.filters():
            self._connection.subscribe(topic_filter, self._hear, retained=with_retained)
        self._connection.on_connected(self._is_greeting.set)

    def run(self) -> None:
        """Work; returns once somebody said `leave`, or another owner has the partition.

        Raises:
            InputError: The broker refuses us.
        """
        with ExitStack() as stack:
            stack.callback(self._store.close)
            stack.callback(self._snapshots.close)
            for work in (self._confirm, self._do_jobs):
                thread = threading.Thread(target=work, name=work.__name__, daemon=True)
                thread.start()
                stack.callback(thread.join, STOP_S)
            stack.callback(self._jobs.put, None)
            stack.callback(self._is_leaving.set)
            stack.callback(self._connection.close)
            self._connection.start()
            while not self._is_leaving.is_set():
                self._step()
            if not self._store.is_lost:
                self._take_snapshots()
                for home in self._begun():
                    topic = self._topics.home(home.name, "availability")
                    self._connection.publish(topic, OFFLINE, retain=True)

    def leave(self) -> None:
        """Have `run` end soon; from any thread."""
        self._is_leaving.set()

    def status(self) -> LotStatus:
        """How it fares to whoever starts it elsewhere, to whom a home is what a camera is."""
        told = self.tell()
        return LotStatus(
            n_cameras=told.n_homes,
            n_online=told.n_forecasting,
            latency_ms=1000.0 * told.late_s,
            is_lost=self._store.is_lost,
            has_decided=told.n_forecasting > 0,
        )

    def tell(self) -> PartitionStatus:
        """How it fares; from any thread, and at once."""
        since_s = time.monotonic() - LATE_OF_S
        homes, late = list(self._homes.values()), list(self._late)
        return PartitionStatus(
            n_homes=len(homes),
            n_forecasting=sum(home.has_begun for home in homes),
            n_learning=sum(home.is_learning for home in homes),
            late_s=max((late_s for at_s, late_s in late if at_s > since_s), default=0.0),
            n_refused=self._n_refused,
        )

    def _begun(self) -> list[_Home]:
        return [home for home in self._homes.values() if home.has_begun]

    def _hear(self, topic: str, payload: bytes) -> None:
        self._heard.put((topic, payload))

    def _step(self) -> None:
        """Take in what was heard, then do what is due."""
        if self._is_greeting.is_set():
            self._is_greeting.clear()
            self._greet()
        now_s = time.monotonic()
        wait_s = 0.0 if self._unbegun else min(max(self._due.next_s - now_s, 0.0), WAKE_S)
        heard = self._take_in(wait_s)
        now_s = time.monotonic()
        for name in heard:  # in its turn: at a start more is heard than there is time for
            self._due.hasten(name, now_s)
        due = self._due.pop(now_s)
        if due is not None:
            home = self._homes[due[0]]
            if home.has_begun:
                self._late.append((now_s, now_s - due[1]))
            self._work(home)
        elif self._unbegun:
            home = self._unbegun.popleft()
            if home.messages is None:
                self._work(home)

    def _take_in(self, wait_s: float) -> dict[str, None]:
        """Hand on what was heard; returns the homes for which there is something to do."""
        woken: dict[str, None] = {}
        try:
            for n_taken in range(MAX_TOGETHER):
                topic, payload = self._heard.get(timeout=0.0 if n_taken else wait_s)
                woken |= dict.fromkeys(self._hand_on(topic, payload))
        except queue.Empty:
            pass
        while not self._done.empty():
            woken[self._done.get()] = None
        return woken

    def _hand_on(self, topic: str, payload: bytes) -> tuple[str, ...]:
        try:
            route = self._routes.route(topic, payload)
            for name in route.homes:
                home = self._homes[name]
                # Heartbeats come again; what a home was told while it learns would fill its queue.
                if not (home.is_learning and route.kind == "activity"):
                    self._tell(self._made(home), route.kind, topic, payload)
            return tuple(route.homes)
        except (NotOursError, MessageError) as error:
            self._n_refused += 1
            self._once.warn(
                ("refused", type(error)),
                f"a message on {topic[:100]!r} is refused: {str(error)[:200]!r}; the next ones "
                "silently",
            )
        except DBAPIError as error:
            self._once.warn("journal", f"a message is lost on the journal: {error.orig}")
        return ()

    def _tell(self, messages: HomeMessages, kind: str, topic: str, payload: bytes) -> None:
        ingest = messages.ingest
        match kind:
            case "event":
                ingest.take_event(topic, payload)
            case "activity":
                messages.take_state(topic, payload)
            case "replay":
                ingest.take_replay(topic, payload)
            case "availability" if payload.decode(errors="replace") == ONLINE:
                ingest.ask_again()
            case "context":
                messages.take_context(topic, payload)
            case _:
                handler = messages.requests().get(kind)
                if handler is not None:
                    handler(topic, payload)

    def _made(self, home: _Home) -> HomeMessages:
        """Return a home's journal and model, which are opened at the first time."""
        if home.messages is not None:
            return home.messages
        settings = self._task.settings.model_copy(update={"home": home.name})
        home.journal = self._store.journal_of(home.name)
        home.messages = HomeMessages(
            settings,
            home.journal,
            self._connection,
            make_forecaster=lambda: make_forecaster(settings),
            announce=lambda _model, _labels: None,  # a partition may write to its homes alone
            load_snapshot=lambda: self._snapshots.load(home.name),
            refit=lambda refit: self._refit_tonight(home, refit),
        )
        home.messages.ingest.ask_again()
        for camera in self._task.homes[home.name]:
            home.messages.ingest.meet(camera)
        return home.messages

    def _work(self, home: _Home) -> None:
        """Do all that there is to do for a home now, and say when there may be more."""
        if not home.lock.acquire(blocking=False):
            return  # the second thread has it, and says when it is done
        now_s, wait_s = time.monotonic(), RETRY_S
        try:
            wait_s = self._do_what_is_due(home, now_s)
            self._once.forget(("journal", home.name))
        except DBAPIError as error:
            self._once.warn(("journal", home.name), f"home {home.name}: {error.orig}")
        except EpochLostError as error:
            logger.warning("partition %s is lost to %s", self._task.partition, error)
            self.leave()
        except Exception:  # one home that fails must not end the others
            logger.exception("home %s", home.name)
        finally:
            home.lock.release()
        self._due.set(home.name, min(now_s + wait_s, home.turn_s))

    def _do_what_is_due(self, home: _Home, now_s: float) -> float:
        messages = self._made(home)
        messages.keep(0.0)
        worker = messages.worker
        if now_s >= home.turn_s:
            home.turn_s += (1.0 + (now_s - home.turn_s) // self._refresh_s) * self._refresh_s
            worker.refresh()
        if home.is_learning:
            return self._refresh_s
        if not home.has_begun and worker.resume():
            self._begin(home)
        if home.has_begun:
            messages.take_in(0.0)
        if worker.is_to_learn:
            home.is_learning = True
            self._jobs.put(lambda: self._learn(home))
            return self._refresh_s
        if home.refit is not None and now_s >= home.refit_s:
            refit, home.refit = home.refit, None
            self._jobs.put(lambda: self._refit(home, refit))
        return max(worker.work(), 0.0)

    def _begin(self, home: _Home) -> None:
        home.has_begun = True
        topic = self._topics.home(home.name, "availability")
        self._connection.publish(topic, ONLINE, retain=True)

    def _greet(self) -> None:
        """Tell a broker that may know nothing, and ask for what may be missing."""
        for home in self._begun():
            if home.messages is not None:
                self._begin(home)
                home.messages.ingest.ask_again()
                home.messages.worker.greet_after(share_of(home.name) * GREET_S)
                self._due.set(home.name, time.monotonic())

    def _refit_tonight(self, home: _Home, refit: Callable[[], None]) -> None:
        home.refit, home.refit_s = refit, time.monotonic() + share_of(home.name) * NIGHT_S

    def _confirm(self) -> None:
        """Tell every second how it fares, if it is ours; while nobody knows, say nothing."""
        while not self._is_leaving.wait(CONFIRM_S):
            if not self._store.confirm(self.tell()):
                self._connection.drop()
            if self._store.is_lost:
                self.leave()

    def _do_jobs(self) -> None:
        """Do what takes long, until there is `None` to do."""
        while (job := self._jobs.get()) is not None and not self._is_leaving.is_set():
            try:
                job()
            except DBAPIError as error:
                self._once.warn("jobs", f"the journal cannot be used: {error.orig}")
            except EpochLostError:
                self.leave()
            except Exception:
                logger.exception("partition %s", self._task.partition)

    def _learn(self, home: _Home) -> None:
        """Live through a home's journal, then keep a snapshot of what that came to."""
        try:
            with home.lock:  # nobody else works for it meanwhile; what it hears waits
                if home.messages is not None:
                    home.messages.worker.work()
                    self._begin(home)
        finally:
            home.is_learning = False
            self._done.put(home.name)
        self._snapshot(home)

    def _refit(self, home: _Home, refit: Callable[[], None]) -> None:
        refit()
        self._snapshot(home)

    def _snapshot(self, home: _Home) -> None:
        """Keep what is known of a home, unless something is to be learnt first."""
        messages, journal = home.messages, home.journal
        if messages is None or journal is None:
            return
        try:
            with home.lock:
                messages.take_in(0.0)
                content = messages.worker.snapshot()
                if content is not None:
                    self._store.save_snapshot(home.name, content, received_s=journal.running_s())
        finally:
            self._done.put(home.name)

    def _take_snapshots(self) -> None:
        """At the end: of as many homes as there is time for."""
        until_s = time.monotonic() + STOP_S
        n_taken, begun = 0, self._begun()
        try:
            for home in begun:
                if time.monotonic() < until_s and not home.is_learning:
                    self._snapshot(home)
                    n_taken += 1
        except DBAPIError as error:
            logger.warning("no further snapshots: %s", error.orig)
        logger.info("homes with a snapshot at the end: %d of %d", n_taken, len(begun))
