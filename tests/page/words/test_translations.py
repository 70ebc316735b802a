"""Every string is translated, and times are written as the reader writes them."""

import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from support.repository import ROOT

from page.words.translations import FOLDER, LANGUAGES, choose_words

METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext:babel_extract")]
OPTIONS = {"**/templates/**.html": {"trimmed": "true", "silent": "false"}}
KEYWORDS = {"_": None, "say": None, "mark": None, "gettext": None, "ngettext": (1, 2)}
NOON = datetime(2026, 11, 27, 12, 5, tzinfo=ZoneInfo("Europe/Berlin"))


def strings() -> Iterator[str]:
    """Every string in code and templates that is marked for translation."""
    for _, _, found, _, _ in extract_from_dir(
        str(ROOT / "page"), METHODS, OPTIONS, keywords=KEYWORDS
    ):
        yield found if isinstance(found, str) else found[0]


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_every_string_is_translated_and_none_is_left_over(language: str) -> None:
    catalog = read_po(io.BytesIO((FOLDER / f"{language}.po").read_bytes()))
    translated = {message.id: message.string for message in catalog if message.id}
    wanted = set(strings())
    assert len(wanted) > 80
    assert wanted == set(translated)
    assert all(translated.values())
    for message in catalog:
        assert not list(message.check(catalog)), message.id


@pytest.mark.parametrize(
    ("accepted", "tag", "time"),
    [
        ("en-GB,en;q=0.8", "en", "12:05"),
        ("en-US", "en", "12:05\N{NARROW NO-BREAK SPACE}PM"),
        ("de-CH;q=0.9,fr", "de", "12:05"),
        ("fr-FR,fr;q=0.9", "en", "12:05\N{NARROW NO-BREAK SPACE}PM"),
        ("fr, de;q=0.7", "de", "12:05"),
        ("en-<script>", "en", "12:05\N{NARROW NO-BREAK SPACE}PM"),
        ("", "en", "12:05\N{NARROW NO-BREAK SPACE}PM"),
    ],
)
def test_a_browser_s_language_is_spoken(accepted: str, tag: str, time: str) -> None:
    words = choose_words(accepted)
    assert words.tag == tag
    assert words.time(NOON) == time


def test_moments_name_the_day_where_it_is_not_today() -> None:
    words = choose_words("en-GB")
    assert words.moment(NOON, today=NOON.date()) == "12:05"
    assert words.moment(NOON, today=date(2026, 11, 28)) == "Fri 12:05"
    assert words.moment(NOON, today=date(2026, 12, 28)) == "27 Nov 2026 12:05"


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0, "0 %"), (0.001, "< 1 %"), (0.414, "41 %"), (0.997, "> 99 %"), (1.0, "100 %")],
)
def test_what_is_nearly_certain_is_not_called_certain(share: float, said: str) -> None:
    shown = choose_words("de").percent(share)
    assert (
        shown.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ") == said
    )


def test_labels_of_the_bundles_are_said_in_words() -> None:
    words = choose_words("de")
    assert words.label("cooking") == "Kochen"
    assert words.label("living_room") == "Wohnzimmer"
    assert words.label("ironing_shirts") == "ironing shirts"


def test_durations_are_hours_and_minutes() -> None:
    words = choose_words("en")
    assert words.duration(timedelta(minutes=12)) == "12 min"
    assert words.duration(timedelta(hours=2, minutes=5)) == "2 h 05 min"
