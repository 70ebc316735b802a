"""Two residents of a simulated home: a forecaster told of two beside one that supposes one.

`python benchmarks/residents.py` prints the table of docs/forecasting.md. Both live in one flat,
each with habits and a bed of their own. A camera in every room reports whoever came there last,
some seconds late, and now and then a wrong label; the last 30 % of the days are judged.
"""

import argparse
import math
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import numpy as np

from har_stream.core.activity import IDLE, UNKNOWN
from har_stream.core.log_once import LogOnce
from har_stream.mqtt.messages import ActivityEvent
from har_stream.simulation.truth import Stay, truth
from predictor.journal.records import JournalEntry
from predictor.models.store import create
from predictor.service.home_forecast import HomeForecast
from training.evaluation.simulated_home import drop_brief_stays

ZONE = ZoneInfo("Europe/Berlin")
FIRST_DAY = datetime(2026, 1, 5, tzinfo=ZONE)
TEST_SHARE = 0.3
BRIEF_S = 60.0
"""What is over sooner no camera reports."""
LATE_S = (4.0, 20.0)
"""A camera is sure of what it sees so long after it began or ended."""
EVERY = timedelta(minutes=15)
"""So often it is asked what goes on in each room."""
FLOOR = 0.01
"""Share of an even guess in every forecast: no single surprise decides."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a camera shows from an instant on.

    Attributes:
        at: The instant.
        room: The camera's.
        activity: Of whoever came last; ``idle`` where nobody is left.
    """

    at: datetime
    room: str
    activity: str


@dataclass(slots=True)
class Verdict:
    """How well one forecaster did in one home; counts and sums add up over homes.

    Attributes:
        occupied: Instants and rooms with somebody there: right, and all.
        empty: The same of rooms without.
        log_loss: Sum of the log-losses of what somebody began next, in nats.
        first: Of these, right first guesses.
        n: How many were asked for.
    """

    occupied: list[int] = field(default_factory=lambda: [0, 0])
    empty: list[int] = field(default_factory=lambda: [0, 0])
    log_loss: float = 0.0
    first: int = 0
    n: int = 0

    def add(self, other: "Verdict") -> None:
        """Take in another home."""
        for mine, more in ((self.occupied, other.occupied), (self.empty, other.empty)):
            mine[0] += more[0]
            mine[1] += more[1]
        self.log_loss += other.log_loss
        self.first += other.first
        self.n += other.n


def live_together(seed: int, n_days: int) -> list[list[Stay]]:
    """Return what two residents of a flat do, each with a bedroom of their own."""
    lives = []
    for number in range(2):
        stays = truth(2 * seed + number, start_at=FIRST_DAY, days=n_days)
        beds = [
            replace(stay, room=f"bedroom_{number + 1}") if stay.room == "bedroom" else stay
            for stay in drop_brief_stays(stays, at_least_s=BRIEF_S)
        ]
        lives.append([stay for stay in beds if stay.activity != IDLE])
    return lives


def shown(lives: Sequence[Sequence[Stay]]) -> list[Shown]:
    """Return what the cameras would show if they were always right, in order."""
    steps = sorted(
        (
            (at, is_start, number, stay)
            for number, life in enumerate(lives)
            for stay in life
            for at, is_start in ((stay.ended_at, False), (stay.started_at, True))
        ),
        key=lambda step: step[:3],
    )
    there: defaultdict[str, dict[int, str]] = defaultdict(dict)
    seen: list[Shown] = []
    for at, is_start, number, stay in steps:
        before = _newest(there[stay.room])
        there[stay.room].pop(number, None)
        if is_start:
            there[stay.room][number] = stay.activity
        now = _newest(there[stay.room])
        if now != before:
            seen.append(Shown(at, stay.room, now))
    return seen


def reported(
    seen: Sequence[Shown], noise: float, random: np.random.Generator
) -> list[tuple[datetime, ActivityEvent, str]]:
    """Return events as cameras report them: when, which, and what was true."""
    labels = sorted({each.activity for each in seen} - {IDLE})
    n_events: defaultdict[str, int] = defaultdict(int)
    running: dict[str, ActivityEvent] = {}
    told = []
    for each in seen:
        before = running.pop(each.room, None)
        n_events[each.room] += 1
        late_s = random.uniform(*LATE_S)
        if each.activity == IDLE:
            if before is None:
                continue
            update = {"event_type": "activity_ended", "ended_at": each.at}
            event = before.model_copy(update=update)
        else:
            label, probabilities = _recognised(each.activity, labels, noise, random)
            event = ActivityEvent(
                id="",
                seq=1,
                event_type="activity_changed" if before else "activity_started",
                activity=label,
                previous=before.activity if before else None,
                room=each.room,
                confidence=max(probabilities.values(), default=1.0),
                probabilities=probabilities,
                started_at=each.at,
                node="n1",
                camera=each.room,
            )
            running[each.room] = event
        numbered = {"id": str(uuid.UUID(bytes=random.bytes(16))), "seq": n_events[each.room]}
        at = each.at + timedelta(seconds=late_s)
        told.append((at, event.model_copy(update=numbered), each.activity))
    return sorted(told, key=lambda one: one[0])


def judge(seed: int, noise: float, n_residents: int, *, n_days: int, model: str) -> Verdict:
    """Live through a home with a forecaster that supposes so many residents."""
    lives = live_together(seed, n_days)
    seen = shown(lives)
    home = HomeForecast(
        create(model), LogOnce(), stale_after_s=1e9, zone=ZONE, n_residents=n_residents
    )
    judged_from = FIRST_DAY + timedelta(days=round((1 - TEST_SHARE) * n_days))
    verdict = Verdict()
    random = np.random.default_rng([seed, 7])
    rooms = {each.room for each in seen}
    days = {FIRST_DAY.date()}
    ask_at, is_shown, pending = judged_from, dict.fromkeys(rooms, IDLE), list(reversed(seen))
    for at, event, true in reported(seen, noise, random):
        while ask_at < at:
            while pending and pending[-1].at <= ask_at:
                each = pending.pop()
                is_shown[each.room] = each.activity
            _judge_rooms(verdict, home, ask_at, is_shown)
            ask_at += EVERY
        if at >= judged_from and true != IDLE:
            _judge_next(verdict, home.messages(at)[1].next, true)
        if at.date() not in days:
            days.add(at.date())
            home.forecaster.refit()
        home.take_event(JournalEntry(event, at))
    return verdict


def _judge_rooms(
    verdict: Verdict, home: HomeForecast, at: datetime, is_shown: Mapping[str, str]
) -> None:
    told = {each.room: each.label for each in home.messages(at)[0].residents}
    for room, activity in is_shown.items():
        counts = verdict.empty if activity == IDLE else verdict.occupied
        counts[0] += told.get(room, IDLE) == activity
        counts[1] += 1


def _judge_next(verdict: Verdict, likely: Mapping[str, float], true: str) -> None:
    share = likely.get(true, likely.get(UNKNOWN, 0.0))
    verdict.log_loss -= math.log((1 - FLOOR) * share + FLOOR / max(len(likely), 1))
    verdict.first += bool(likely) and max(likely, key=likely.__getitem__) == true
    verdict.n += 1


def _newest(there: Mapping[int, str]) -> str:
    return next(reversed(there.values()), IDLE)


def _recognised(
    activity: str, labels: Sequence[str], noise: float, random: np.random.Generator
) -> tuple[str, dict[str, float]]:
    """Return what a recogniser says that is wrong so often, and knows it."""
    if not noise:
        return activity, {}
    others = [label for label in labels if label != activity]
    label = others[random.integers(len(others))] if random.random() < noise else activity
    share = noise / len(others)
    return label, {each: 1 - noise if each == label else share for each in labels}


def _run(job: tuple[int, float, int, int, str]) -> tuple[float, int, Verdict]:
    seed, noise, n_residents, n_days, model = job
    return noise, n_residents, judge(seed, noise, n_residents, n_days=n_days, model=model)


def rows(verdicts: Mapping[tuple[float, int], Verdict]) -> Iterator[str]:
    """Yield the table."""
    yield "| wrong labels | supposed residents | right, of occupied rooms | of empty rooms | next |"
    yield "|---|---|---|---|---|"
    for (noise, n_residents), verdict in sorted(verdicts.items()):
        occupied, empty = (right / n for right, n in (verdict.occupied, verdict.empty))
        loss, first = verdict.log_loss / verdict.n, verdict.first / verdict.n
        yield (
            f"| {noise:.0%} | {n_residents} | {occupied:.1%} | {empty:.1%} "
            f"| {loss:.2f} nats, {first:.0%} of {verdict.n} |"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.1, 0.2])
    parser.add_argument("--model", choices=("hmm", "dbn"), default="dbn")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    jobs = [
        (seed, noise, n_residents, options.days, options.model)
        for seed, noise, n_residents in product(options.seeds, options.noise, (1, 2))
    ]
    verdicts: defaultdict[tuple[float, int], Verdict] = defaultdict(Verdict)
    with ProcessPoolExecutor(options.workers) as pool:
        for noise, n_residents, verdict in pool.map(_run, jobs):
            verdicts[noise, n_residents].add(verdict)
    print(*rows(verdicts), sep="\n")


if __name__ == "__main__":
    main()
