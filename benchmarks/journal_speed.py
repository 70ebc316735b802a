"""What one event costs the journal at a million rows: `python benchmarks/journal_speed.py`.

Fills a SQLite journal with a year and more of events of four cameras, then times the commit of each
further one as the service makes it, duplicates included. Also times what a start costs: reading the
newest events back.
"""

import argparse
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from har_stream.mqtt.messages import ActivityEvent
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal

ACTIVITIES = ("sleeping", "cooking", "eating", "relaxing", "walking", "exercising")
START = datetime(2025, 1, 1, tzinfo=UTC)
N_CAMERAS = 4
N_TIMED = 500


def events(first: int, last: int) -> Iterator[ActivityEvent]:
    """Make the events of a home, numbered ``first`` to ``last`` - 1 over all cameras."""
    for number in range(first, last):
        activity = ACTIVITIES[number % len(ACTIVITIES)]
        yield ActivityEvent(
            id=str(uuid.uuid4()),
            seq=number // N_CAMERAS + 1,
            event_type="activity_started",
            activity=activity,
            confidence=0.9,
            probabilities={activity: 0.9, "unknown": 0.1},
            started_at=START + timedelta(seconds=37 * number),
            camera=f"cam{number % N_CAMERAS}",
            node="n1",
        )


def main() -> int:
    """Print the figures, also as JSON with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to put it (a temporary folder)")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as folder,
        Journal(sqlite_url(Path(folder, "journal.db"))) as journal,
    ):
        for first in range(0, options.rows, 50_000):
            last = min(first + 50_000, options.rows)
            journal.record_all(events(first, last), received_at=START)
            print(f"\r{last} rows", end="", file=sys.stderr)
        further = list(events(options.rows, options.rows + N_TIMED))
        costs_ms = [_timed_ms(journal, event) for event in further]
        duplicates_ms = [_timed_ms(journal, event) for event in further]
        began = time.perf_counter()
        n_read = sum(1 for _ in journal.memories(since=journal.instant_of(20_000)))
        figures = {
            "rows": journal.count(),
            "event_p50_ms": round(_share(costs_ms, 0.5), 3),
            "event_p95_ms": round(_share(costs_ms, 0.95), 3),
            "duplicate_p50_ms": round(_share(duplicates_ms, 0.5), 3),
            "read_20000_s": round(time.perf_counter() - began, 2),
            "n_read": n_read,
        }
    print(f"\n{json.dumps(figures, indent=1)}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def _timed_ms(journal: Journal, event: ActivityEvent) -> float:
    began = time.perf_counter()
    journal.record(event, received_at=START)
    return (time.perf_counter() - began) * 1e3


def _share(values: list[float], share: float) -> float:
    return sorted(values)[int(share * len(values))]


if __name__ == "__main__":
    sys.exit(main())
