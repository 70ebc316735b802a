"""Whatever somebody publishes, the first page can be drawn."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.broker.message_maker import MessageMaker
from support.processes.home_page import write_journal

from har_stream.config.settings import Settings
from har_stream.mqtt.messages import MessageError
from page.now.home_link import HomeLink
from page.web.drawing import HOME_PARTS, JOURNAL_PARTS, Drawing, Reader
from page.words.translations import choose_words
from predictor.journal.database import sqlite_url
from predictor.journal.reader import JournalReader

TOPICS = {
    ("n1", "cam1", "activity"): "activity",
    ("n1", "cam1", "fall"): "fall",
    ("n1", "stats"): "stats",
    ("home", "h1", "forecast"): "forecast",
    ("home", "h1", "forecast", "attributes"): "forecast_attributes",
}


@pytest.mark.parametrize("parts", TOPICS, ids="/".join)
def test_odd_messages_are_shown_or_refused(parts: tuple[str, ...], tmp_path: Path) -> None:
    dice = random.Random(27)
    maker = MessageMaker(TOPICS[parts], dice)
    settings = Settings.model_validate({"home": "h1", "state_dir": tmp_path})
    link = HomeLink(settings, lambda _: None)
    journal = JournalReader(sqlite_url(write_journal(tmp_path, days=1)))
    drawing = Drawing(link, journal, zone=None, wall=lambda: datetime(2026, 11, 27, tzinfo=UTC))
    reader = Reader(words=choose_words("de"))
    link.home = link.home.take(("n1", "cam1", "availability"), b"online")
    n_shown = 0
    for _ in range(60):
        payload = dice.choice((maker.within(), maker.within(), maker.beyond(), dice.randbytes(40)))
        try:
            link.home = link.home.take(parts, payload)
        except MessageError:
            continue
        n_shown += 1
        for name in HOME_PARTS:
            drawing.part(name, reader)
    for name in JOURNAL_PARTS:
        drawing.part(name, reader)
    drawing.page("cameras.html", reader)
    assert n_shown > 15
