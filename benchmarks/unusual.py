"""How well the unusual is found in simulated homes: changes planted into a year of each.

`python benchmarks/unusual.py` prints the table of docs/unusual.md; a resident has habits of
weekdays and weekends, wakes at night, goes out on most days, and is never quite on time.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from predictor.estimators.filtering import Array
from predictor.evaluation.planted import Judgement, judge, table
from predictor.sessions import Session

ZONE = ZoneInfo("Europe/Berlin")
FIRST_DAY = datetime(2025, 1, 6, tzinfo=ZONE)
MEALS = (
    # activity, hour on weekdays, at weekends, its spread in minutes, length in minutes, missed
    ("breakfast", 7.7, 9.2, 20.0, 25.0, 0.0),
    ("lunch", 12.5, 13.0, 30.0, 35.0, 0.05),
    ("dinner", 18.6, 18.9, 35.0, 40.0, 0.02),
)

ERRANDS = (
    # activity, hour, its spread in minutes, length in minutes, share of days
    ("toilet", 10.2, 50.0, 5.0, 0.8),
    ("toilet", 14.8, 50.0, 5.0, 0.8),
    ("toilet", 17.0, 50.0, 5.0, 0.8),
    ("toilet", 20.9, 50.0, 5.0, 0.8),
    ("out", 14.9, 50.0, 95.0, 0.7),
    ("reading", 16.3, 45.0, 45.0, 0.6),
)


def live_a_year(seed: int, n_days: int) -> list[Session]:
    """Return the sessions of one home."""
    random = np.random.default_rng(seed)
    habits = random.normal(0.0, 0.4, 4)  # every home has hours of its own
    sessions: list[Session] = []
    for number in range(n_days):
        midnight = FIRST_DAY + timedelta(days=number)
        for session in sorted(_day(midnight, habits, random), key=lambda each: each.started_at):
            if sessions and session.started_at < sessions[-1].ended_at:
                late = sessions[-1].ended_at + timedelta(minutes=1)
                session = Session(
                    session.activity, late, late + (session.ended_at - session.started_at)
                )
            sessions.append(session)
    return sessions


def _day(midnight: datetime, habits: Array, random: np.random.Generator) -> Iterator[Session]:
    is_free = midnight.weekday() >= 5
    chance = Chance(midnight, random)
    wakes = chance.at((8.4 if is_free else 7.0) + habits[0], 20.0)
    yield from _night(wakes, chance)
    yield chance.lasting("washing", wakes + timedelta(minutes=4), 14.0)
    for number, (activity, weekday, weekend, spread, minutes, missed) in enumerate(MEALS):
        if random.random() >= missed:
            start = chance.at((weekend if is_free else weekday) + habits[number], spread)
            if activity != "breakfast":
                yield chance.lasting("cooking", start - timedelta(minutes=35), 25.0)
            yield chance.lasting(activity, max(start, wakes + timedelta(minutes=25)), minutes)
    for activity, hour, spread, minutes, share in ERRANDS:
        if random.random() < share:
            yield chance.lasting(activity, chance.at(hour, spread), minutes, 0.4)
    yield chance.lasting("watching_tv", chance.at(20.1 + habits[3], 30.0), 100.0, 0.25)
    yield chance.lasting("washing", chance.at(22.9, 20.0), 9.0)
    yield Session("sleeping", chance.at(23.4, 15.0), midnight + timedelta(hours=24, minutes=15))


def _night(wakes: datetime, chance: "Chance") -> Iterator[Session]:
    """Sleep up to waking, in stretches with the toilet between."""
    since = chance.midnight + timedelta(minutes=20 + float(chance.random.uniform(0, 30)))
    for _ in range(chance.random.poisson(0.9)):
        up = since + timedelta(hours=float(chance.random.uniform(1.0, 4.0)))
        if up > wakes - timedelta(minutes=40):
            break
        yield Session("sleeping", since, up)
        yield chance.lasting("toilet", up, 4.0)
        since = up + timedelta(minutes=9)
    yield Session("sleeping", since, wakes)


@dataclass(frozen=True, slots=True)
class Chance:
    """Draws times and lengths of one day."""

    midnight: datetime
    random: np.random.Generator

    def at(self, hour: float, spread_min: float) -> datetime:
        """Draw an instant around an hour."""
        return self.midnight + timedelta(
            hours=hour, minutes=float(self.random.normal(0.0, spread_min))
        )

    def lasting(
        self, activity: str, start: datetime, minutes: float, spread: float = 0.35
    ) -> Session:
        """Draw how long something lasts, around so many minutes."""
        length = minutes * float(np.exp(self.random.normal(0.0, spread)))
        return Session(activity, start, start + timedelta(minutes=length))


def _judge(seed_and_days: tuple[int, int]) -> Judgement:
    seed, n_days = seed_and_days
    return judge(live_a_year(seed, n_days), seed=seed)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="homes (5)")
    parser.add_argument("--days", type=int, default=365, help="days of each (365)")
    options = parser.parse_args()
    with ProcessPoolExecutor(2) as pool:
        homes = [(seed, options.days) for seed in range(options.seeds)]
        verdicts = list(pool.map(_judge, homes))
    for seed, verdict in enumerate(verdicts):
        print(f"home {seed}:", dict(table([verdict])))
    for name, value in table(verdicts):
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
