"""What each page shows: it reads the home and the journal, and fills the templates."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from har_stream.core.errors import InputError
from page.days.colours import PATTERNED, look_of
from page.days.timeline import Row, TimeSpan, day_span, draw_rows, hours_span
from page.now.home_link import HomeLink
from page.web.updates import Updates, version_of
from page.words.translations import Words
from predictor.journal.reader import JournalReader, NoJournalError
from predictor.journal.records import Bout

N_DAYS = 7
"""Rows of the timeline on the first page."""
N_TODAY = 40
"""Newest stretches that the first page lists."""
N_LISTED = 300
"""Stretches that a day's page lists; who zooms in sees the others."""
MAX_KEPT = 31
"""Days whose rows are kept, drawn."""
MAX_SHARED = 500
"""Parts that are kept for all languages and prefixes together."""
HOME_PARTS = ("link", "falls", "now", "next", "cameras")
"""Parts of the first page that messages change."""
JOURNAL_PARTS = ("today", "days")
"""Parts that the journal changes."""
START = "start"
"""The part that leads to the first event; both change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who looks: in which words, and under which address.

    Attributes:
        words: The language.
        prefix: Path under which a proxy shows the page; empty where none does.
        theme: ``light``, ``dark`` or ``system``.
        can_sign_out: Whether a password is asked for.
    """

    words: Words
    prefix: str = ""
    theme: str = "system"
    can_sign_out: bool = False


class Drawing:
    """Draws pages and parts of pages.

    Args:
        link: What is known of the home.
        journal: What is remembered.
        zone: The home's; ``None`` stands for this machine's.
        wall: This machine's clock.
        has_fleet: Whether there is a page of a fleet to lead to.
    """

    def __init__(
        self,
        link: HomeLink,
        journal: JournalReader,
        *,
        zone: tzinfo | None,
        wall: Callable[[], datetime],
        has_fleet: bool = False,
    ) -> None:
        self._link = link
        self._journal = journal
        self._zone = zone
        self._wall = wall
        self._has_fleet = has_fleet
        self._kept: dict[TimeSpan, tuple[object, Sequence[Row]]] = {}
        self._read: tuple[TimeSpan, object, Sequence[Bout]] | None = None
        self._keeping = threading.Lock()

    def now(self) -> datetime:
        """Return the home's time, by its own clocks."""
        return self._link.home.now(self._wall()).astimezone(self._zone)

    def page(self, template: str, reader: Reader, **values: Any) -> str:
        """Fill a template; everything in it is escaped."""
        now = self.now()
        return (
            _environment(reader.words)
            .get_template(template)
            .render(
                reader=reader,
                words=reader.words,
                now=now,
                today=now.date(),
                home=self._link.home,
                link=self._link,
                timedelta=timedelta,
                later=_later,
                look_of=look_of,
                patterned=PATTERNED,
                has_fleet=self._has_fleet,
                version_of=version_of,
                local=lambda at: at.astimezone(self._zone),
                **values,
            )
        )

    def part(self, name: str, reader: Reader) -> str:
        """Draw a part of the first page."""
        values: dict[str, Any] = {}
        if name in JOURNAL_PARTS:
            values = self._today(reader) if name == "today" else self._days()
        elif name == START:
            values = {"has_events": self._has_events()}
        return self.page(f"parts/{name}.html", reader, **values)

    def home(self, reader: Reader, drawn: Mapping[str, str]) -> str:
        """Draw the first page of its parts."""
        parts = {name: Markup(part) for name, part in drawn.items()}  # noqa: S704 -- escaped by their own templates
        return self.page("home.html", reader, parts=parts)

    def day(self, reader: Reader, day: date, *, hour: int, n_hours: int) -> str:
        """Draw a day, or some hours of it."""
        whole = day_span(day, self._zone)
        span = whole if n_hours >= 24 else hours_span(whole, hour, n_hours)
        found = self._journal.span(span.start, span.end)
        now = self.now()
        bouts = [each for each in found.bouts if (each.ended_at or now) > span.start]
        return self.page(
            "day.html",
            reader,
            day=day,
            hour=hour,
            n_hours=n_hours,
            span=span,
            rows=draw_rows(bouts, span, now=now),
            bouts=bouts[:N_LISTED],
            n_bouts=len(bouts),
            labels=_labels(bouts),
            corrections=[
                (each, _said_within(found.said, each.camera, each.started_at, each.ended_at, now))
                for each in found.corrections
            ],
            ticks=_ticks(span),
        )

    def known_activities(self) -> list[str]:
        """Return what a stretch may be called: what was seen in the last four weeks, and forecast.

        Raises:
            InputError: The journal cannot be read.
        """
        seen = set(self._journal.activities(self.now() - timedelta(days=28)))
        attributes = self._link.home.attributes
        forecast = set(attributes.next) if attributes else set()
        return sorted((seen | forecast) - {"idle", "unknown"})

    def said(self, camera: tuple[str, str], start: datetime, end: datetime) -> list[Bout]:
        """Return what the recogniser said of a stretch.

        Raises:
            InputError: The journal cannot be read.
        """
        found = self._journal.span(start, end)
        return _said_within(found.said, camera, start, end, self.now())

    def _has_events(self) -> bool:
        try:
            return bool(self._journal.cameras())
        except InputError:
            return False

    def _today(self, reader: Reader) -> dict[str, Any]:
        now = self.now()
        span = day_span(now.date(), self._zone)
        try:
            bouts = self._bouts_of(span, self._journal.state_of(span.start, span.end))
        except NoJournalError:
            return {"bouts": [], "n_bouts": 0, "problem": None}  # the steps to it stand above
        except InputError as error:
            return {"bouts": [], "n_bouts": 0, "problem": str(error)}
        return {"bouts": bouts[::-1][:N_TODAY], "n_bouts": len(bouts), "problem": None}

    def _days(self) -> dict[str, Any]:
        now = self.now()
        days = [now.date() - timedelta(days=back) for back in range(N_DAYS)]
        spans = [day_span(day, self._zone) for day in days]
        try:
            drawn = [self._rows_of(span, now=now) for span in spans]
        except InputError:
            drawn = [() for _ in spans]  # the part above says so
        labels = {shape.activity for rows in drawn for row in rows for shape in row.shapes}
        return {
            "days": list(zip(days, drawn, strict=True)),
            "labels": sorted(labels),
            "ticks": _ticks(spans[0]),
        }

    def _rows_of(self, span: TimeSpan, *, now: datetime) -> Sequence[Row]:
        """Draw a day; one that is over is drawn again only where the journal has changed."""
        state = self._journal.state_of(span.start, span.end)
        kept = self._kept.get(span)
        if kept is None or kept[0] != state or span.end > now:
            rows = draw_rows(self._bouts_of(span, state), span, now=now)
            kept = state, rows
            with self._keeping:
                self._kept[span] = kept
                if len(self._kept) > MAX_KEPT:
                    del self._kept[next(iter(self._kept))]
        return kept[1]

    def _bouts_of(self, span: TimeSpan, state: object) -> Sequence[Bout]:
        """Read a day; the one that was read last is kept as long as its state is the same."""
        read = self._read
        if read is None or read[:2] != (span, state):
            found = self._journal.span(span.start, span.end).bouts
            read = self._read = span, state, found
        return read[2]


class SharedParts:
    """The parts of the first page, drawn once for all who read the same words.

    Args:
        drawing: Draws them.
        updates: Says how often what has changed.
    """

    def __init__(self, drawing: Drawing, updates: Updates) -> None:
        self._drawing = drawing
        self._updates = updates
        self._drawn: dict[tuple[str, Reader], tuple[object, str]] = {}
        self._drawing_them = threading.Lock()

    def draw(self, reader: Reader) -> dict[str, str]:
        """Return every part by its name; what has not changed is not drawn again.

        What runs grows, so the journal's parts are drawn every minute in which something comes.
        """
        numbers, minute = self._updates.numbers, f"{self._drawing.now():%d %H:%M}"
        states: dict[str, object] = dict.fromkeys(HOME_PARTS, numbers["home"])
        states |= dict.fromkeys(JOURNAL_PARTS, (numbers["journal"], minute))
        states[START] = numbers["home"], numbers["journal"]
        with self._drawing_them:  # who comes meanwhile finds them drawn
            if len(self._drawn) > MAX_SHARED:
                self._drawn.clear()
            for name, state in states.items():
                if self._drawn.get((name, reader), (None,))[0] != state:
                    self._drawn[name, reader] = state, self._drawing.part(name, reader)
            return {name: self._drawn[name, reader][1] for name in states}


def _later(at: datetime, seconds: float) -> datetime:
    """Return a later instant, a year at most: somebody may forecast ages."""
    return at + min(timedelta(days=366), timedelta(seconds=min(seconds, 1e9)))


def _labels(bouts: Sequence[Bout]) -> list[str]:
    return sorted({each.activity for each in bouts})


def _said_within(
    said: Sequence[Bout], camera: tuple[str, str], start: datetime, end: datetime, now: datetime
) -> list[Bout]:
    return [
        each
        for each in said
        if each.camera == camera and each.started_at < end and (each.ended_at or now) > start
    ]


def _ticks(span: TimeSpan) -> list[tuple[float, datetime]]:
    """Return where the hours of a span are, eight at most, or the quarters of one."""
    n_hours = round(span.duration / timedelta(hours=1))
    step = timedelta(hours=max(1, n_hours // 8)) if n_hours > 1 else timedelta(minutes=15)
    at = [span.start + n * step for n in range(8)]
    share_of = span.shares()
    return [(share_of(each), each) for each in at if each < span.end]


@cache
def _environment(words: Words) -> Environment:
    environment = Environment(
        loader=PackageLoader("page.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(words.translations, newstyle=True)  # type: ignore[attr-defined]  # the extension's
    return environment
