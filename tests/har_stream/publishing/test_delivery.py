"""Which answers of the broker count, by a connection that answers when the test says so."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.processes.node import change

from har_stream.publishing.delivery import (
    LOOPBACK_S,
    N_REMEMBERED,
    EventDelivery,
    LoopbackCheck,
)
from har_stream.publishing.outbox import Outbox


class Connection:
    """Takes everything; ``answers`` holds what to call once the broker has it."""

    address = "mqtt://broker"
    reports_refusals = False

    def __init__(self) -> None:
        self.answers: list[Callable[[int], None]] = []

    def publish(self, _topic: str, _payload: object, *, on_sent: Callable[[int], None]) -> bool:
        """Hand over; the broker answers when the test says so."""
        self.answers.append(on_sent)
        return True


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    made = Outbox(tmp_path / "outbox.db")
    made.append(change(), node="n1", camera="cam1", room=None)
    return made


@pytest.fixture
def connection() -> Connection:
    return Connection()


@pytest.fixture
def delivery(outbox: Outbox, connection: Any) -> EventDelivery:
    return EventDelivery(
        outbox, connection, topic=lambda event: event.camera, on_answer=lambda: None
    )


def _warnings(caplog: pytest.LogCaptureFixture) -> int:
    return len([record for record in caplog.records if record.levelno == logging.WARNING])


def test_an_event_that_does_not_come_back_is_said_once(
    delivery, connection, outbox, caplog
) -> None:
    delivery.step(0.0)
    connection.answers[0](0)
    for now_s in (0.0, LOOPBACK_S + 1, 2 * LOOPBACK_S):
        delivery.step(now_s)
    assert outbox.depth() == 0
    assert _warnings(caplog) == 1


def test_no_event_is_expected_back_on_a_connection_that_has_ended(
    delivery, connection, outbox, caplog
) -> None:
    delivery.step(0.0)
    connection.answers[0](0)  # the last that it said
    delivery.restart()
    for now_s in (0.0, LOOPBACK_S + 1):
        delivery.step(now_s)
    assert outbox.depth() == 0, "though the event counts as sent"
    assert _warnings(caplog) == 0


def test_no_event_is_expected_back_where_refusals_are_reported(
    delivery, connection, caplog
) -> None:
    connection.reports_refusals = True
    delivery.step(0.0)
    connection.answers[0](0)
    for now_s in (0.0, LOOPBACK_S + 1):
        delivery.step(now_s)
    assert _warnings(caplog) == 0


def test_what_does_not_come_back_is_missed_once() -> None:
    loopback = LoopbackCheck()
    loopback.add_taken("a", now_s=0.0)
    assert not loopback.is_missing(now_s=LOOPBACK_S)
    assert loopback.is_missing(now_s=LOOPBACK_S + 1)
    assert not loopback.is_missing(now_s=LOOPBACK_S + 2)


def test_an_event_may_come_back_before_or_after_the_brokers_answer() -> None:
    loopback = LoopbackCheck()
    loopback.add_received("early")
    loopback.add_taken("early", now_s=0.0)
    loopback.add_taken("late", now_s=0.0)
    loopback.add_received("late")
    assert not loopback.is_missing(now_s=LOOPBACK_S + 1)


def test_what_an_earlier_connection_took_is_not_waited_for() -> None:
    loopback = LoopbackCheck()
    loopback.add_taken("a", now_s=0.0)
    loopback.clear()
    assert not loopback.is_missing(now_s=LOOPBACK_S + 1)


def test_strange_events_on_our_topic_do_not_pile_up() -> None:
    loopback = LoopbackCheck()
    for n in range(3 * N_REMEMBERED):
        loopback.add_received(f"strange{n}")
    assert len(loopback._early) == N_REMEMBERED
