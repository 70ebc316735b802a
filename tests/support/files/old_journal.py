"""A journal as earlier versions wrote it: their very statements, no code of today."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from har_stream.mqtt.messages import ActivityEvent

ID = "0123456789abcdef0123456789abcdef"
STEPS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE events (
            id TEXT PRIMARY KEY,
            node TEXT NOT NULL,
            camera TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            seq BIGINT NOT NULL,
            event_type TEXT NOT NULL,
            activity TEXT NOT NULL,
            previous TEXT,
            room TEXT,
            confidence DOUBLE PRECISION NOT NULL,
            probabilities TEXT NOT NULL,
            started_ms BIGINT NOT NULL,
            ended_ms BIGINT,
            happened_ms BIGINT NOT NULL,
            utc_offset_s INTEGER NOT NULL,
            received_ms BIGINT NOT NULL
        )
        """,
        "CREATE INDEX events_by_seq ON events (node, camera, epoch, seq)",
        "CREATE INDEX events_by_time ON events (happened_ms)",
        """
        CREATE TABLE cameras (
            node TEXT NOT NULL,
            camera TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            contiguous_seq BIGINT NOT NULL,
            highest_seq BIGINT NOT NULL,
            PRIMARY KEY (node, camera)
        )
        """,
        """
        CREATE TABLE contexts (
            name TEXT NOT NULL,
            value TEXT NOT NULL,
            happened_ms BIGINT NOT NULL,
            utc_offset_s INTEGER NOT NULL
        )
        """,
        "CREATE INDEX contexts_by_time ON contexts (happened_ms)",
        "CREATE TABLE rules (name TEXT PRIMARY KEY, state TEXT NOT NULL)",
    ),
    (
        """
        CREATE VIEW bouts AS
        SELECT * FROM (
            SELECT event_type, activity, room, node, camera, seq, utc_offset_s, started_ms,
                LEAD(happened_ms) OVER (
                    PARTITION BY node, camera ORDER BY happened_ms, epoch, seq
                ) AS ended_ms
            FROM events
        ) AS changes
        WHERE event_type <> 'activity_ended'
        """,
        """
        CREATE VIEW sessions AS
        WITH marked AS (
            SELECT bouts.*,
                CASE WHEN activity = LAG(activity) OVER in_order
                    AND started_ms - LAG(ended_ms) OVER in_order < 1800000
                THEN 0 ELSE 1 END AS opens
            FROM bouts
            WINDOW in_order AS (ORDER BY started_ms, node, camera, seq)
        ),
        numbered AS (
            SELECT marked.*,
                SUM(opens) OVER (ORDER BY started_ms, node, camera, seq) AS session
            FROM marked
        )
        SELECT MIN(activity) AS activity,
            MAX(CASE WHEN opens = 1 THEN room END) AS room,
            MAX(CASE WHEN opens = 1 THEN utc_offset_s END) AS utc_offset_s,
            MIN(started_ms) AS started_ms,
            CASE WHEN COUNT(*) = COUNT(ended_ms) THEN MAX(ended_ms) END AS ended_ms,
            COUNT(*) AS n_bouts
        FROM numbered
        GROUP BY session
        """,
    ),
)
"""What brought a journal to versions 1 and 2."""
INSERT = (
    "INSERT INTO events (id, node, camera, epoch, seq, event_type, activity, previous, room,"
    " confidence, probabilities, started_ms, ended_ms, happened_ms, utc_offset_s, received_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def write_old_journal(
    path: Path, events: list[ActivityEvent], *, received_at: datetime, version: int
) -> None:
    """Write a journal that holds events of one camera, numbered from 1, and a context value."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE journal (id TEXT NOT NULL, version INTEGER NOT NULL)")
        database.execute("INSERT INTO journal VALUES (?, ?)", (ID, version))
        for step in STEPS[:version]:
            for statement in step:
                database.execute(statement)
        for event in events:
            started_ms, received_ms = _ms(event.started_at), _ms(received_at)
            ended_ms = None if event.ended_at is None else _ms(event.ended_at)
            offset = event.started_at.utcoffset() or timedelta(0)
            database.execute(
                INSERT,
                (event.id, event.node, event.camera, 1, event.seq, event.event_type,
                 event.activity, event.previous, event.room, event.confidence,
                 json.dumps(event.probabilities), started_ms, ended_ms,
                 started_ms if ended_ms is None else ended_ms, int(offset.total_seconds()),
                 received_ms),
            )  # fmt: skip
        camera = (events[0].node, events[0].camera, 1, len(events), len(events))
        database.execute("INSERT INTO cameras VALUES (?, ?, ?, ?, ?)", camera)
        context = ("temperature", json.dumps(21.5), _ms(received_at), 0)
        database.execute("INSERT INTO contexts VALUES (?, ?, ?, ?)", context)
    database.close()


def _ms(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
