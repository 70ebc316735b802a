"""A home's snapshot: what goes on from it forecasts as what was never interrupted."""

import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.broker.forecast_bench import FORECAST, Bench
from support.event_builder import EIGHT, living, started

from har_stream.mqtt.messages import ActivityEvent
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.journal.records import Correction
from predictor.models import store
from predictor.service import home_learning

N_DAYS = 9
LIVED = list(living(days=N_DAYS))
UNTIL = len(LIVED) - 6


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        yield journal


def _bench(journal: Journal, *, model: str = "dbn", **options: Any) -> Bench:
    """A home with a clock that stands still, so that two say the same."""
    made = Bench(journal, begins=False, make=lambda: store.create(model), model=model, **options)
    made.wall = EIGHT + timedelta(days=N_DAYS)
    return made


def _begun(journal: Journal, **options: Any) -> Bench:
    made = _bench(journal, refit=lambda refit: refit(), **options)
    made.worker.begin()
    return made


def _resumed(journal: Journal, snapshot: bytes | None, **options: Any) -> Bench:
    return _bench(journal, load_snapshot=lambda: snapshot, **options)


def _record(journal: Journal, events: list[ActivityEvent]) -> None:
    journal.record_all(events, received_at=EIGHT + timedelta(days=N_DAYS))


def test_from_a_snapshot_on_it_forecasts_as_if_it_had_never_ended(journal: Journal) -> None:
    _record(journal, LIVED[:UNTIL])
    never_ended = _begun(journal)
    never_ended.worker.work()
    snapshot = never_ended.worker.snapshot()
    for event in LIVED[UNTIL:]:
        never_ended.wall = event.started_at
        never_ended.tell(event)
    again = _resumed(journal, snapshot)
    again.wall = never_ended.wall
    assert again.worker.resume()
    again.worker.work()
    for topic in (FORECAST, f"{FORECAST}/attributes", "har/home/h1/unusual"):
        assert again.said.on(topic)[-1] == never_ended.said.on(topic)[-1], topic
    assert again.forecasts()[-1]["residents"], "it is fresh"


def test_what_happened_before_the_snapshot_needs_the_journal(journal: Journal) -> None:
    _record(journal, LIVED[:UNTIL])
    first = _begun(journal, model="hmm")
    snapshot = first.worker.snapshot()
    early = started("relaxing", minute=5.0, seq=1, camera="cam2")
    _record(journal, [early])
    again = _resumed(journal, snapshot, model="hmm")
    assert not again.worker.resume()
    assert again.worker.is_to_learn


def test_one_event_is_counted_in_words(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    _record(journal, LIVED[:1])
    _begun(journal, model="hmm").worker.work()
    assert "the model has lived through 1 event in " in caplog.text


def test_a_snapshot_of_another_version_is_not_called_damaged_and_the_journal_is_replayed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _record(journal, LIVED[:UNTIL])
    first = _begun(journal, model="hmm")
    first.worker.work()
    snapshot = first.worker.snapshot()
    assert snapshot is not None
    with monkeypatch.context() as patch:
        patch.setattr(home_learning, "SCHEMA", home_learning.SCHEMA + 1)
        of_another_schema = first.worker.snapshot()
    other = "it was made by another version of har-stream"
    for found, said in (
        (zlib.compress(snapshot[4:]), other),  # packed, as they once were
        (of_another_schema, f"{other}: schema 2, not 1"),
        (snapshot[:-1], "it is damaged"),
    ):
        caplog.clear()
        again = _resumed(journal, found, model="hmm")
        assert not again.worker.resume()
        assert f"home h1 is not used: {said}; its journal is replayed instead" in caplog.text
        again.worker.work()
        assert again.forecasts()[-1] == first.forecasts()[-1]


def test_a_correction_a_deletion_or_another_setting_makes_a_snapshot_useless(
    journal: Journal,
) -> None:
    _record(journal, LIVED[:UNTIL])
    first = _begun(journal, model="hmm")
    snapshot = first.worker.snapshot()
    assert not _resumed(journal, snapshot, model="hmm", residents=2).worker.resume()
    assert not _resumed(journal, None, model="hmm").worker.resume()
    correction = Correction(
        id="c1",
        camera=("n1", "cam1"),
        activity="eating",
        started_at=EIGHT,
        ended_at=EIGHT + timedelta(minutes=10),
        corrected_at=EIGHT + timedelta(days=1),
    )
    journal.corrections.record(correction)
    assert not _resumed(journal, snapshot, model="hmm").worker.resume()
    journal.corrections.undo("c1", at=EIGHT + timedelta(days=2))
    assert _resumed(journal, snapshot, model="hmm").worker.resume()


def test_with_something_to_learn_there_is_no_snapshot(journal: Journal) -> None:
    unbegun = _bench(journal)
    assert unbegun.worker.snapshot() is None
    begun = _begun(journal)
    assert begun.worker.snapshot() is not None
    begun.worker.catch_up()
    assert begun.worker.snapshot() is None
