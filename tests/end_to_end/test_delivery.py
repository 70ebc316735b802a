"""Whatever dies: every event that was announced is in the journal, exactly once and in order.

The real broker, the real har-stream and har-forecast and a busy node with the real publisher are
stopped and killed at random points; the files of `--record-events` say what was announced.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.broker.real_broker import Mosquitto

from har_stream.mqtt.messages import ActivityEvent

pytest.importorskip("sqlalchemy")
from support.processes.household import Household

AWAY_S = float(os.environ.get("HAR_AWAY_S", "120"))
"""How long the forecaster is away in the long run; set it to 3600 to see an hour."""
BROKER_AWAY_S = 120.0


@pytest.fixture
def make_house(
    make_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> Iterator[Callable[..., Household]]:
    houses: list[Household] = []

    def make(*lines: str, **options: Any) -> Household:
        houses.append(Household(tmp_path, make_mosquitto(*lines), **options))
        return houses[-1]

    yield make
    for house in houses:
        house.close()


@pytest.mark.parametrize(
    "n_faults", [5, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(5400)])]
)
def test_random_faults_lose_nothing_and_double_nothing(make_house, n_faults: int) -> None:
    house = make_house(seed=n_faults)
    dice = random.Random(n_faults)
    kinds = list(house.faults)
    # Each kind comes equally often, in a random order; five faults leave out three of the eight.
    befallen = [kinds[n % len(kinds)] for n in range(n_faults)]
    dice.shuffle(befallen)
    for kind in befallen:
        house.befall(kind)
    settled_s = _settle(house)
    announced, journalled = house.announced(), house.journalled()
    print(
        f"\n{n_faults} faults ({dict(Counter(befallen))}): {_count(announced)} announced, "
        f"{len(journalled)} in the journal, complete {settled_s:.1f} s after the last"
    )
    assert len(announced) > 5 * n_faults
    # A kill between outbox and file leaves an event that was sent and not announced.
    assert 0 <= len(journalled) - len(announced) <= house.n_node_kills
    _check_once_and_in_order(announced, journalled)


def test_a_forecaster_that_was_away_gets_more_than_the_broker_keeps_for_it(make_house) -> None:
    house = make_house("max_queued_messages 20", seed=1, every_s=0.005)
    house.wait_for_each_node()
    house.leave_forecaster_away(n_events=250)  # an answer to `replay` holds 100
    _settle(house)
    announced, journalled = house.announced(), house.journalled()
    assert len(journalled) == len(announced)
    _check_once_and_in_order(announced, journalled)


@pytest.mark.slow
@pytest.mark.timeout(4 * AWAY_S + 1800)
def test_minutes_without_a_broker_and_longer_without_a_forecaster(make_house) -> None:
    house = make_house(seed=2, every_s=0.5, pace=600)
    house.wait_for_events(10)
    house.leave_broker_away_for(BROKER_AWAY_S)
    house.wait_for_events(10)
    house.leave_forecaster_away(seconds=AWAY_S)
    settled_s = _settle(house)
    announced, journalled = house.announced(), house.journalled()
    print(
        f"\nbroker away for {BROKER_AWAY_S:.0f} s, then forecaster for {AWAY_S:.0f} s: "
        f"{_count(announced)} announced, {len(journalled)} in the journal, complete "
        f"{settled_s:.1f} s after the last"
    )
    assert len(journalled) == len(announced)
    _check_once_and_in_order(announced, journalled)


def _settle(house: Household) -> float:
    house.quieten()
    return house.settle()


def _count(announced: list[ActivityEvent]) -> str:
    of_stream = sum(event.node == "n2" for event in announced)
    return f"{len(announced)} events ({of_stream} of them by har-stream)"


def _check_once_and_in_order(
    announced: list[ActivityEvent], journalled: list[ActivityEvent]
) -> None:
    assert len({event.id for event in journalled}) == len(journalled)
    cameras = {(event.node, event.camera) for event in announced}
    assert len(cameras) == 3
    for camera in cameras:
        said = [event.id for event in announced if (event.node, event.camera) == camera]
        kept = {e.seq: e.id for e in journalled if (e.node, e.camera) == camera}
        assert sorted(kept) == list(range(1, len(kept) + 1)), "numbers without a gap"
        known = set(said)
        assert [kept[seq] for seq in sorted(kept) if kept[seq] in known] == said
