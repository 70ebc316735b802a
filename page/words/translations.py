"""The languages of the page: every string in each of them, and how times and numbers are written.

The strings stand in templates and code in English; ``de.po`` holds their German. Messages are read
from the text files themselves, so that no compiled copy can lag behind.
"""

import io
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_skeleton, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from page.words.labels import say_label

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "de")
"""English stands in the code."""


class Words:
    """How one reader is spoken to.

    Args:
        locale: Language and, where it is known, region: it says whether a day has twice 12 hours.

    Attributes:
        locale: The same.
        translations: What each string is in that language.
    """

    def __init__(self, locale: Locale) -> None:
        self.locale = locale
        self.translations = _translations(locale.language)
        self.say = self.translations.gettext

    @property
    def tag(self) -> str:
        """The language, as HTML names it."""
        return str(self.locale.language)

    def label(self, label: str) -> str:
        """Return an activity, a room or a region as people say it."""
        return say_label(label, self.say)

    def time(self, at: datetime) -> str:
        """Return the time of day."""
        return _format_time(time(at.hour, at.minute), self.locale)

    def moment(self, at: datetime, *, today: date) -> str:
        """Return the time of day, with the weekday or the date where that is not today."""
        if at.date() == today:
            return self.time(at)
        near = abs(at.date() - today) < timedelta(days=6)
        day = self.weekday(at.date()) if near else format_date(at, "medium", locale=self.locale)
        return f"{day} {self.time(at)}"

    def weekday(self, day: date) -> str:
        """Return a weekday, in short."""
        return format_date(day, "EEE", locale=self.locale)

    def short_date(self, day: date) -> str:
        """Return weekday, day and month."""
        return format_skeleton("MEd", datetime(day.year, day.month, day.day), locale=self.locale)

    def long_date(self, day: date) -> str:
        """Return a date in full."""
        return format_date(day, "full", locale=self.locale)

    def instant(self, at: datetime) -> str:
        """Return date and time, to the second."""
        return format_datetime(at, "medium", tzinfo=at.tzinfo, locale=self.locale)

    def percent(self, share: float) -> str:
        """Return a share; one that is nearly 0 or 1 is not called so."""
        if 0.0 < share < 0.01:
            return f"< {_format_percent(1, self.locale)}"
        if 0.99 < share < 1.0:
            return f"> {_format_percent(99, self.locale)}"
        return _format_percent(round(share * 100), self.locale)

    def number(self, value: float, digits: int = 1) -> str:
        """Return a number with so many digits behind the point."""
        return format_decimal(value, f"#,##0.{'0' * digits}", locale=self.locale)

    def duration(self, lasts: timedelta) -> str:
        """Return how long something lasts, in hours and minutes."""
        minutes = max(0, round(lasts.total_seconds() / 60.0))
        if minutes < 60:
            return self.say("%(minutes)s min") % {"minutes": minutes}
        hours, minutes = divmod(minutes, 60)
        return self.say("%(hours)s h %(minutes)02d min") % {"hours": hours, "minutes": minutes}


def choose_words(accepted: str) -> Words:
    """Choose a language by a browser's ``Accept-Language``; English where none is known."""
    for wanted in accepted[:200].split(","):
        tag = wanted.partition(";")[0].strip()
        if tag.partition("-")[0].lower() in LANGUAGES:
            return _words(tag)
    return _words("en")


@lru_cache(maxsize=4 * 24 * 60)
def _format_time(at: time, locale: Locale) -> str:
    """Format the time of day, once for all stretches of a day that begin with the same minute."""
    return format_time(at, "short", locale=locale)


@lru_cache(maxsize=4 * 101)
def _format_percent(percent: int, locale: Locale) -> str:
    return format_percent(percent / 100, locale=locale)


def _words(tag: str) -> Words:
    try:
        locale = Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        locale = Locale(tag.partition("-")[0].lower())
    return _words_of(str(locale))


@cache
def _words_of(locale: str) -> Words:
    return Words(Locale.parse(locale))


@cache
def _translations(language: str) -> NullTranslations:
    path = FOLDER / f"{language}.po"
    if not path.is_file():
        return NullTranslations()
    with path.open("rb") as file:
        catalog = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return GNUTranslations(compiled)
