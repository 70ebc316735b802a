"""The report card, made by a process of its own: `python -m page.report_card.card`.

It lives through the journal's newest weeks, which takes a while and much memory; so the page stays
small. It reads what to do as JSON from its standard input, and writes the card to its output.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from har_stream.config.settings import Settings
from har_stream.core.errors import InputError
from page.report_card.forecasts import PERIOD, JudgedForecasts, Week
from page.report_card.hours import ActivityHours
from predictor.journal.reader import JournalReader
from predictor.journal.records import Bout, Correction

MOST_S = 900.0
"""So long it may take."""
NICENESS = 10
LOOK_S = 0.5
"""So often it is looked whether the page is still there."""


class Corrected(NamedTuple):
    """What the recogniser said where a person said something else.

    Attributes:
        said: What it said for most of the time; ``None``: nothing.
        really: What the person said.
        n: How often.
    """

    said: str | None
    really: str
    n: int


class ReportCard(NamedTuple):
    """How good forecasts and recogniser were, and how the days were spent.

    Attributes:
        hours: Hours a day of each activity.
        corrected: What was corrected, the most frequent first.
        forecasts: How good they were; ``None`` where nothing can be said.
        problem: Why not.
    """

    hours: Sequence[ActivityHours]
    corrected: Sequence[Corrected]
    forecasts: JudgedForecasts | None
    problem: str | None


def ask_for_card(settings: Settings, url: str, *, now: datetime) -> ReportCard:
    """Have a process of its own make the card.

    Args:
        settings: Model and time zone.
        url: The journal's; it may hold a password, so it is no argument.
        now: The home's time.

    Raises:
        InputError: It could not be made; the line says why.
    """
    asked = {
        "parent": os.getpid(),
        "url": url,
        "model": settings.forecast.model,
        "zone": settings.timezone,
        "now": now.isoformat(),
    }
    try:
        process = subprocess.run(
            [sys.executable, "-m", "page.report_card.card"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=MOST_S,
            check=False,
        )
        found: dict[str, Any] = json.loads(process.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise InputError("the report card could not be made") from error
    if "error" in found:
        raise InputError(str(found["error"]))
    return _read(found)


def make_card(url: str, model: str, *, zone: ZoneInfo | None, now: datetime) -> ReportCard:
    """Count hours, and let the model and the baselines live through the journal.

    Raises:
        InputError: The journal cannot be read.
    """
    from page.report_card.forecasts import judge
    from page.report_card.hours import count_hours

    journal = JournalReader(url)
    found = journal.span(now - PERIOD, now)
    bouts, corrected = found.bouts, count_corrected(found.said, found.corrections, now=now)
    hours = count_hours(bouts, now=now, first_at=journal.first_at())
    try:
        return ReportCard(hours, corrected, judge(bouts, model, zone=zone, now=now), None)
    except InputError as error:
        return ReportCard(hours, corrected, None, str(error))
    except ModuleNotFoundError as error:
        remedy = "pip install 'har-stream[forecast]'"
        return ReportCard(hours, corrected, None, f"{error.name} is not installed: {remedy}")


def count_corrected(
    said: Sequence[Bout], corrections: Sequence[Correction], *, now: datetime
) -> list[Corrected]:
    """Count what was said where a person said something else, the most frequent first."""
    pairs: Counter[tuple[str | None, str]] = Counter()
    for each in corrections:
        lasted: Counter[str] = Counter()
        for bout in said:
            if bout.camera == each.camera:
                end = min(bout.ended_at or now, each.ended_at)
                lasts = end - max(bout.started_at, each.started_at)
                if lasts > timedelta(0):
                    lasted[bout.activity] += lasts // timedelta(milliseconds=1)
        most = lasted.most_common(1)
        pairs[most[0][0] if most else None, each.activity] += 1
    return [Corrected(was, really, n) for (was, really), n in pairs.most_common()]


def _write(card: ReportCard) -> dict[str, Any]:
    forecasts = card.forecasts
    return {
        "hours": [asdict(each) for each in card.hours],
        "corrected": card.corrected,
        "problem": card.problem,
        "forecasts": forecasts
        and forecasts._asdict()
        | {
            "weeks": [
                week._asdict() | {"monday": week.monday.isoformat()} for week in forecasts.weeks
            ]
        },
    }


def _read(found: dict[str, Any]) -> ReportCard:
    told = found["forecasts"]
    if told is not None:
        weeks = [
            Week(**week | {"monday": date.fromisoformat(week["monday"])}) for week in told["weeks"]
        ]
        bins = [(said, came, n) for said, came, n in told["reliability"]]
        told = JudgedForecasts(**told | {"weeks": weeks, "reliability": bins})
    hours = [ActivityHours(**each) for each in found["hours"]]
    corrected = [Corrected(said, really, n) for said, really, n in found["corrected"]]
    return ReportCard(hours, corrected, told, found["problem"])


def end_with(parent: int) -> None:
    """End this process once another one is no longer its parent."""
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os._exit(1)


def main() -> int:
    """Make the card that standard input asks for; without who asked, for nobody."""
    os.nice(NICENESS)
    asked = json.load(sys.stdin)
    threading.Thread(target=end_with, args=(asked["parent"],), daemon=True).start()
    zone = ZoneInfo(asked["zone"]) if asked["zone"] else None
    now = datetime.fromisoformat(asked["now"])
    try:
        found = _write(make_card(asked["url"], asked["model"], zone=zone, now=now))
    except InputError as error:
        found = {"error": str(error)}
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
