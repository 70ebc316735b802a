"""How well several residents are followed, room by room, and what is known of what follows.

A log of several people, whose rows name their rooms, is lived through as cameras would tell it: one
in every room, which shows whoever came there last.
"""

import math
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta, tzinfo

import numpy as np

from har_stream.core.activity import IDLE, UNKNOWN
from har_stream.core.errors import InputError
from har_stream.core.log_once import LogOnce
from har_stream.mqtt.messages import ActivityEvent
from predictor.evaluation.figures import Watch, unwatched
from predictor.evaluation.prequential import first_test_day
from predictor.journal.records import JournalEntry
from predictor.models.store import create
from predictor.service.home_forecast import HomeForecast
from predictor.sessions import Session

LATE_S = (4.0, 20.0)
"""A camera is sure of what it sees so long after it began or ended."""
EVERY = timedelta(minutes=15)
"""So often it is asked what goes on in each room."""
FLOOR = 0.01
"""Share of an even guess in every forecast: no single surprise decides."""
NODE = "log"
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Shown:
    """What a room shows from an instant on.

    Attributes:
        at: The instant.
        room: The room.
        activity: Of whoever came last; ``idle`` where nobody is left.
    """

    at: datetime
    room: str
    activity: str


@dataclass(frozen=True, slots=True)
class Report:
    """An event as a camera sends it: when, which, and what was true then."""

    at: datetime
    event: ActivityEvent
    true: str


@dataclass(slots=True)
class RoomScores:
    """How well the residents of one home were followed; counts and sums add up over homes.

    Attributes:
        n_occupied: Instants and rooms with somebody there.
        n_occupied_right: Of these, how many were told rightly.
        n_empty: Instants and rooms without anybody.
        n_empty_right: Of these, how many were told rightly.
        n_next: How often it was asked what somebody begins next.
        n_first: Right first guesses of these.
        log_loss: Sum of their log-losses, in nats.
    """

    n_occupied: int = 0
    n_occupied_right: int = 0
    n_empty: int = 0
    n_empty_right: int = 0
    n_next: int = 0
    n_first: int = 0
    log_loss: float = 0.0

    def __add__(self, other: "RoomScores") -> "RoomScores":
        """Take two homes together."""
        return RoomScores(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def figures(self) -> dict[str, float]:
        """Return shares and the mean loss."""
        return {
            "occupied_rooms": self.n_occupied_right / max(self.n_occupied, 1),
            "empty_rooms": self.n_empty_right / max(self.n_empty, 1),
            "log_loss": self.log_loss / max(self.n_next, 1),
            "top1": self.n_first / max(self.n_next, 1),
            "n": self.n_next,
        }


def judge_log(
    sessions: Sequence[Session],
    n_residents: int,
    *,
    model: str,
    noise: float = 0.0,
    seed: int = 0,
    watch: Watch = unwatched,
) -> RoomScores:
    """Live through a log as cameras would tell it, and judge its test days.

    Args:
        sessions: In the order of their starts; those of different rooms may overlap.
        n_residents: How many are supposed to live there.
        model: ``hmm`` or ``dbn``.
        noise: Share of wrong labels; the recogniser says how unsure it is.
        seed: Of the noise.
        watch: Shows progress.

    Raises:
        InputError: A row names no room, or there are too few days.
    """
    if any(session.room is None for session in sessions):
        raise InputError("rows without a room: it is by their rooms that residents are told apart")
    begin, first_day = sessions[0].started_at, first_test_day(sessions)
    if first_day == begin.date():
        raise InputError("too little to evaluate: a log of several days is needed")
    seen = shown(sessions)
    judged_from = datetime.combine(first_day, datetime.min.time(), begin.tzinfo)
    reports = reported(seen, noise, np.random.default_rng([seed, 7]))
    return judge(
        seen,
        reports,
        n_residents,
        model=model,
        judged_from=judged_from,
        zone=begin.tzinfo,
        watch=watch,
    )


def shown(sessions: Iterable[Session]) -> list[Shown]:
    """Return what rooms would show to cameras that are always right, in order."""
    steps = sorted(
        (
            (at, is_end, number, session)
            for number, session in enumerate(sessions)
            for at, is_end in ((session.started_at, False), (session.ended_at, True))
            if session.ended_at > session.started_at
        ),
        key=lambda step: step[:3],
    )
    there: defaultdict[str, dict[int, str]] = defaultdict(dict)
    seen: list[Shown] = []
    for at, is_end, number, session in steps:
        room = session.room or ""
        before = _newest(there[room])
        there[room].pop(number, None)
        if not is_end:
            there[room][number] = session.activity
        now = _newest(there[room])
        if now != before:
            seen.append(Shown(at, room, now))
    return seen


def reported(
    seen: Sequence[Shown], noise: float, random: Rng, cameras: "Cameras | None" = None
) -> list[Report]:
    """Return the events of cameras that see this, some seconds late, and err so often.

    Args:
        seen: What is true, in order.
        noise: Share of wrong labels.
        random: For noise, lateness and ids.
        cameras: Go on numbering from here; none: from the first event.
    """
    labels = sorted({each.activity for each in seen} - {IDLE})
    cameras = cameras or Cameras(lambda: uuid.UUID(bytes=random.bytes(16)))
    told: list[Report] = []
    newest: dict[str, datetime] = {}
    for each in seen:
        at = each.at + timedelta(seconds=random.uniform(*LATE_S))
        at = newest[each.room] = max(at, newest.get(each.room, at))
        label, probabilities = _recognised(each.activity, labels, noise, random)
        event = cameras.event(each, label=label, probabilities=probabilities)
        if event is not None:
            told.append(Report(at, event, each.activity))
    return sorted(told, key=lambda report: report.at)


class Cameras:
    """One camera in every room: numbers its events, and says what an activity was before.

    Args:
        new_id: Makes the id of an event.
    """

    def __init__(self, new_id: Callable[[], uuid.UUID] = uuid.uuid4) -> None:
        self._new_id = new_id
        self._n_events: defaultdict[str, int] = defaultdict(int)
        self._running: dict[str, ActivityEvent] = {}

    def event(
        self, seen: Shown, *, label: str, probabilities: Mapping[str, float]
    ) -> ActivityEvent | None:
        """Return the event of a room that shows something else; none where nothing had begun."""
        before = self._running.pop(seen.room, None)
        if seen.activity == IDLE and before is None:
            return None
        self._n_events[seen.room] += 1
        numbered = {"id": str(self._new_id()), "seq": self._n_events[seen.room]}
        if before is not None and seen.activity == IDLE:
            update = numbered | {"event_type": "activity_ended", "ended_at": seen.at}
            return before.model_copy(update=update)
        event = ActivityEvent(
            **numbered,
            event_type="activity_changed" if before else "activity_started",
            activity=label,
            previous=before.activity if before else None,
            room=seen.room,
            confidence=max(probabilities.values(), default=1.0),
            probabilities=dict(probabilities),
            started_at=seen.at,
            node=NODE,
            camera=seen.room,
        )
        self._running[seen.room] = event
        return event


def judge(
    seen: Sequence[Shown],
    reports: Sequence[Report],
    n_residents: int,
    *,
    model: str,
    judged_from: datetime,
    zone: tzinfo | None,
    watch: Watch = unwatched,
) -> RoomScores:
    """Let a forecaster that supposes so many residents live through reports.

    Args:
        seen: What is true, in order.
        reports: What is told of it, in order.
        n_residents: How many are supposed.
        model: ``hmm`` or ``dbn``.
        judged_from: What is before is learnt from alone.
        zone: The home's.
        watch: Shows progress.
    """
    home = HomeForecast(
        create(model), LogOnce(), stale_after_s=1e9, zone=zone, n_residents=n_residents
    )
    verdict = RoomScores()
    rooms = {each.room: IDLE for each in seen}
    ask_at, pending, days = judged_from, list(reversed(seen)), set()
    for number in watch(f"residents: {n_residents}", range(len(reports)), len(reports)):
        report = reports[number]
        while ask_at < report.at:
            while pending and pending[-1].at <= ask_at:
                each = pending.pop()
                rooms[each.room] = each.activity
            _judge_rooms(verdict, home, ask_at, rooms)
            ask_at += EVERY
        if report.at >= judged_from and report.true != IDLE:
            _judge_next(verdict, home.messages(report.at)[1].next, report.true)
        if report.at.date() not in days:
            days.add(report.at.date())
            home.forecaster.refit()
        home.take_event(JournalEntry(report.event, report.at))
    return verdict


def _judge_rooms(
    verdict: RoomScores, home: HomeForecast, at: datetime, rooms: Mapping[str, str]
) -> None:
    told = {each.room: each.label for each in home.messages(at)[0].residents}
    for room, activity in rooms.items():
        is_right = told.get(room, IDLE) == activity
        if activity == IDLE:
            verdict.n_empty += 1
            verdict.n_empty_right += is_right
        else:
            verdict.n_occupied += 1
            verdict.n_occupied_right += is_right


def _judge_next(verdict: RoomScores, likely: Mapping[str, float], true: str) -> None:
    share = likely.get(true, likely.get(UNKNOWN, 0.0))
    verdict.log_loss -= math.log((1 - FLOOR) * share + FLOOR / max(len(likely), 1))
    verdict.n_first += bool(likely) and max(likely, key=likely.__getitem__) == true
    verdict.n_next += 1


def _newest(there: dict[int, str]) -> str:
    return next(reversed(there.values()), IDLE)


def _recognised(
    activity: str, labels: Sequence[str], noise: float, random: Rng
) -> tuple[str, dict[str, float]]:
    """Return what a recogniser says that is wrong so often, and knows it."""
    others = [label for label in labels if label != activity]
    if not noise or activity == IDLE or not others:
        return activity, {}
    label = others[random.integers(len(others))] if random.random() < noise else activity
    share = noise / len(others)
    return label, {each: 1 - noise if each == label else share for each in labels}
