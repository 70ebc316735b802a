"""Which answers of the broker count, by a connection that answers when the test says so."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.processes.node import change

from har_stream.publishing.delivery import EventMail
from har_stream.publishing.echo import ECHO_S
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
def mail(outbox: Outbox, connection: Any) -> EventMail:
    return EventMail(outbox, connection, topic=lambda event: event.camera, answered=lambda: None)


def _warnings(caplog: pytest.LogCaptureFixture) -> int:
    return len([record for record in caplog.records if record.levelno == logging.WARNING])


def test_an_echo_that_stays_away_is_said_once(mail, connection, outbox, caplog) -> None:
    mail.step(0.0)
    connection.answers[0](0)
    for now_s in (0.0, ECHO_S + 1, 2 * ECHO_S):
        mail.step(now_s)
    assert outbox.depth() == 0
    assert _warnings(caplog) == 1


def test_no_echo_is_expected_of_a_connection_that_has_ended(
    mail, connection, outbox, caplog
) -> None:
    mail.step(0.0)
    connection.answers[0](0)  # the last that it said
    mail.reconnected()
    for now_s in (0.0, ECHO_S + 1):
        mail.step(now_s)
    assert outbox.depth() == 0, "though the event counts as sent"
    assert _warnings(caplog) == 0


def test_no_echo_is_expected_where_a_refusal_is_said_aloud(mail, connection, caplog) -> None:
    connection.reports_refusals = True
    mail.step(0.0)
    connection.answers[0](0)
    for now_s in (0.0, ECHO_S + 1):
        mail.step(now_s)
    assert _warnings(caplog) == 0
