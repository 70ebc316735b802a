"""Corrections are asked of the forecaster: it judges, keeps and answers them, and learns anew."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.broker.real_broker import Listener, Mosquitto
from support.broker.recording_publisher import RecordingPublisher
from support.event_builder import EIGHT, started
from support.processes.forecast_process import HarForecast, Node

from har_stream.mqtt.requests import BridgeResponse, CorrectionRequest, UndoRequest
from har_stream.mqtt.signing import SignatureCheck, sign
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.service.correction_requests import CorrectionRequests

KEY, PAGE_KEY = b"k" * 32, b"p" * 32


class Asked:
    """Requests on a journal of two activities, an hour long, and what came of them."""

    def __init__(self, journal: Journal, keys: dict[str, bytes]) -> None:
        journal.record_all(
            [started("cooking", minute=0, seq=1), started("eating", minute=30, seq=2)],
            received_at=EIGHT,
        )
        self.journal = journal
        self.said = RecordingPublisher()
        self.n_changes = 0
        self.requests = CorrectionRequests(
            journal,
            self.said,
            topic=lambda name: f"response/{name}",
            signatures=SignatureCheck(keys),
            now=lambda: EIGHT + timedelta(hours=1),
            when_changed=self._change,
        )

    def _change(self) -> None:
        self.n_changes += 1

    def correct(self, **fields: Any) -> BridgeResponse:
        """Ask for a correction; returns the answer."""
        self.requests.correct(request(**fields).encode())
        return self.last("correct")

    def last(self, name: str) -> BridgeResponse:
        """Return the newest answer to a kind of request."""
        return BridgeResponse.model_validate(self.said.on(f"response/{name}")[-1])


def request(*, start: float = 0, end: float = 30, **fields: Any) -> CorrectionRequest:
    values = {
        "id": "c1",
        "transaction": "7",
        "node": "n1",
        "camera": "cam1",
        "activity": "washing",
        "started_at": EIGHT + timedelta(minutes=start),
        "ended_at": EIGHT + timedelta(minutes=end),
    }
    return CorrectionRequest(**(values | fields))


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        yield Asked(journal, {})


def test_a_correction_is_kept_answered_and_learnt_from(asked: Asked) -> None:
    answer = asked.correct()
    assert (answer.status, answer.transaction, answer.data) == ("ok", "7", {"correction": "c1"})
    assert [bout.activity for bout in asked.journal.bouts()] == ["washing", "eating"]
    assert asked.n_changes == 1
    asked.requests.undo(UndoRequest(id="c1", node="n1", camera="cam1", transaction=8).encode())
    assert asked.last("undo").status == "ok"
    assert [bout.activity for bout in asked.journal.bouts()] == ["cooking", "eating"]
    assert asked.n_changes == 2


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"start": 30, "end": 30}, "ends before it starts"),
        ({"end": 61}, "beyond now"),
        ({"start": -8 * 24 * 60}, "longer than 7 days"),
        ({"camera": "cam9"}, "knows no camera n1/cam9"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], why: str, asked: Asked) -> None:
    answer = asked.correct(**fields)
    assert answer.status == "error" and answer.error is not None and why in answer.error
    assert not asked.journal.corrections.since()
    assert asked.n_changes == 0


def test_an_unknown_correction_cannot_be_undone(asked: Asked) -> None:
    asked.requests.undo(UndoRequest(id="c9", node="n1", camera="cam1").encode())
    assert asked.last("undo").error == "the journal knows no such correction"


def test_the_same_correction_twice_is_one_and_another_of_its_id_is_refused(asked: Asked) -> None:
    assert asked.correct().status == asked.correct().status == "ok"
    answer = asked.correct(activity="ironing")
    assert answer.error == "another correction has the id c1; give each its own"
    assert [bout.activity for bout in asked.journal.bouts()] == ["washing", "eating"]


@pytest.mark.parametrize(
    ("payload", "transaction", "why"),
    [
        (b"not JSON", None, "CorrectionRequest: payload"),
        (b'{"transaction": 7}', 7, "CorrectionRequest: id: Field required"),
        (b'{"transaction": ["a"]}', None, "CorrectionRequest: transaction"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered(
    payload: bytes, transaction: int | None, why: str, asked: Asked
) -> None:
    asked.requests.correct(payload)
    answer = asked.last("correct")
    assert (answer.status, answer.transaction) == ("error", transaction)
    assert answer.error is not None and why in answer.error


def test_with_keys_only_signed_corrections_count(tmp_path: Path) -> None:
    """Whoever has the broker's password alone teaches the model nothing."""
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        asked = Asked(journal, {"n1": KEY, "page": PAGE_KEY})
        for forged in (
            request(),
            request(signer="page"),
            request(signer="n1", signature="0" * 64),
            sign(request(signer="page"), KEY, node="n1", camera="cam1"),
            sign(request(signer="page"), PAGE_KEY, node="n1", camera="cam1").model_copy(
                update={"activity": "sleeping"}
            ),
        ):
            asked.requests.correct(forged.encode())
            assert asked.last("correct").status == "error"
        signed = sign(request(signer="page"), PAGE_KEY, node="n1", camera="cam1")
        asked.requests.correct(signed.encode())
        assert asked.last("correct").status == "ok"


def test_the_running_service_takes_corrections_and_forecasts_anew(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    events = [started("cooking", minute=0, seq=1), started("eating", minute=30, seq=2)]
    node = Node(mosquitto.port, events)
    with HarForecast(mosquitto.url, tmp_path):
        node.wait_until_online()
        node.send(*events)
        node.wait_until_acknowledged(2)
        answers = Listener(mosquitto.port, "har/home/h1/bridge/response/#")
        topic = "har/home/h1/bridge/request/correct"
        answers.publish(topic, "not JSON")
        answers.publish(topic, request().encode())
        answers.wait_for(lambda came: len(came) > 1)
        said = [BridgeResponse.decode(message.payload) for message in answers.messages]
        assert [(each.status, each.transaction) for each in said] == [("error", None), ("ok", "7")]
        known = "har/home/h1/forecast/attributes"
        node.wait_for(lambda _: any(b"washing" in said for said in node.on(known)))
        answers.close()
    node.close()
