"""The report card: this home's forecasts against simple ones, judged in a process of its own."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support.event_builder import EIGHT, living

from har_stream.config.settings import Settings
from har_stream.core.errors import InputError
from page.report_card import forecasts
from page.report_card.card import Corrected, ask_for_card, count_corrected, make_card
from page.report_card.forecasts import BASELINES
from predictor.evaluation.figures import evaluate
from predictor.evaluation.prequential import Question
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.journal.records import Bout, Correction
from predictor.logs.read_logs import read_logs

SETTINGS = Settings.model_validate({"timezone": "Europe/Berlin", "forecast": {"model": "hmm"}})


def test_it_says_what_train_hmm_evaluate_says(tmp_path: Path) -> None:
    """The same log, the same test days, the same code: the same figures."""
    url = sqlite_url(tmp_path / "journal.db")
    events = list(living(days=20))
    with Journal(url) as journal:
        journal.record_all(events, received_at=events[-1].started_at)
    zone = ZoneInfo("Europe/Berlin")
    card = make_card(url, "hmm", zone=zone, now=events[-1].started_at)
    judged = card.forecasts
    assert judged is not None
    figures = evaluate("hmm", read_logs([url]).sessions, Question())
    assert set(judged.weeks[0].losses) == {"hmm", *BASELINES}
    n_cases = sum(n for _, n, _ in judged.weeks)
    assert n_cases == figures["n_test"]
    for name, expected in {"hmm": figures, **figures["baselines"]}.items():
        mean = sum(losses[name] * n for _, n, losses in judged.weeks) / n_cases
        assert mean == pytest.approx(expected["log_loss"])
    assert judged.coverage == pytest.approx(figures["coverage80"])
    assert judged.reliability == figures["calibration"]


def test_more_than_can_be_lived_through_soon_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    events = list(living(days=20))
    with Journal(url) as journal:
        journal.record_all(events, received_at=events[-1].started_at)
    monkeypatch.setattr(forecasts, "MOST_LIVED", 20)
    judged = make_card(url, "hmm", zone=None, now=events[-1].started_at).forecasts
    assert judged is not None
    assert sum(week.n for week in judged.weeks) < 20


@pytest.mark.slow
def test_a_process_of_its_own_judges_week_by_week(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    events = list(living(days=20))
    with Journal(url) as journal:
        journal.record_all(events, received_at=events[-1].started_at)
        correction = Correction(
            *("c1", ("n1", "cam1"), "washing", events[1].started_at, events[2].started_at),
            corrected_at=events[-1].started_at,
        )
        journal.corrections.record(correction)
    now = events[-1].started_at
    card = ask_for_card(SETTINGS, url, now=now)
    assert card == make_card(url, "hmm", zone=ZoneInfo("Europe/Berlin"), now=now)
    assert card.corrected == [Corrected(events[1].activity, "washing", 1)]
    judged = card.forecasts
    assert judged is not None
    assert [week.monday.isoformat() for week in judged.weeks] == ["2026-01-19"]
    assert set(judged.weeks[0].losses) == {"hmm", *BASELINES}
    assert 0.0 < judged.coverage < 1.0


def test_too_little_is_said_to_be_too_little(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.db")
    events = list(living(days=1))[:2]
    with Journal(url) as journal:
        journal.record_all(events, received_at=events[-1].started_at)
    card = make_card(url, "hmm", zone=None, now=events[-1].started_at)
    assert card.forecasts is None
    assert card.problem is not None and "too few" in card.problem
    assert [each.activity for each in card.hours] == ["sleeping", "cooking"]
    with pytest.raises(InputError, match="there is no journal yet"):
        make_card(f"{url}.absent", "hmm", zone=None, now=events[-1].started_at)


def test_corrections_say_what_the_recogniser_took_for_what() -> None:
    def at(minute: float) -> datetime:
        return EIGHT + timedelta(minutes=minute)

    camera = ("n1", "cam1")
    said = [
        Bout("cooking", None, at(0), at(20), camera, 0.9),
        Bout("eating", None, at(20), None, camera, 0.9),
    ]
    corrections = [
        Correction(str(number), camera, really, at(start), at(end), corrected_at=at(99))
        for number, (really, start, end) in enumerate(
            [("washing", 0, 20), ("washing", 5, 25), ("idle", 30, 40), ("reading", -10, -5)]
        )
    ]
    assert count_corrected(said, corrections, now=at(60)) == [
        Corrected("cooking", "washing", 2),
        Corrected("eating", "idle", 1),
        Corrected(None, "reading", 1),
    ]


def test_a_card_that_nobody_waits_for_is_not_made_on() -> None:
    code = "import sys; from page.report_card.card import end_with; end_with(int(sys.argv[1]))"
    another = str(os.getppid())
    run = subprocess.run([sys.executable, "-c", code, another], timeout=20, check=False)
    assert run.returncode == 1
    with pytest.raises(subprocess.TimeoutExpired):  # it goes on while its parent does
        subprocess.run([sys.executable, "-c", code, str(os.getpid())], timeout=2, check=False)
