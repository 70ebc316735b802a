"""Homes with a past, for benchmarks of a fleet: one lives, the others have copies of its journal.

Camera and room of each home have a name of their own, in journal and snapshot.
"""

import argparse
import random
import time
import uuid
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from support.processes.postgresql import PostgreSQL

from fleet.partitions.home_store import HomeStore
from har_stream.config.settings import Settings
from har_stream.mqtt.connection import Connection
from har_stream.mqtt.messages import ActivityEvent
from predictor.models.state_bytes import CHECKSUM, HEAD
from predictor.service.home_learning import make_forecaster
from predictor.service.home_messages import HomeMessages

N_LIVED = 1
LOT_HOMES = 50
N_DAYS_COPIED = 60
"""Of a year's journal the newest days are copied: a start reads those since the snapshot alone."""
ROUTINE = (  # hour, activity, minutes, share of days
    (0.2, "sleeping", 400, 1.0),
    (7.2, "washing", 20, 0.9),
    (7.7, "cooking", 20, 0.95),
    (8.2, "eating", 25, 1.0),
    (9.0, "cleaning", 50, 0.5),
    (10.3, "reading", 60, 0.7),
    (12.0, "cooking", 30, 0.9),
    (12.7, "eating", 30, 1.0),
    (13.6, "sleeping", 60, 0.4),
    (15.0, "exercising", 35, 0.5),
    (16.2, "reading", 60, 0.6),
    (18.0, "cooking", 35, 0.9),
    (18.8, "eating", 35, 1.0),
    (19.8, "relaxing", 150, 1.0),
)
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
"""The year ends there; half a day later homes are live."""


def names(number: int) -> tuple[str, str, str, str]:
    """Home, lot, camera and room of a home; all homes' are equally long."""
    lot = f"lot-{number // LOT_HOMES:05}"
    return f"home-{number:05}", lot, f"cam-{number:05}", f"room-{number:05}"


def day(number: int, at: datetime, seed: int) -> Iterator[tuple[datetime, datetime, str]]:
    """Begin, end and activity of all that a home does in a day."""
    drawn = random.Random(f"{number} {at} {seed}")  # noqa: S311 -- nothing secret
    free_at = at
    for hour, activity, minutes, share in ROUTINE:
        begin = max(at + timedelta(hours=hour + drawn.gauss(0.0, 0.4)), free_at)
        if drawn.random() < share:
            free_at = begin + timedelta(minutes=minutes * drawn.uniform(0.6, 1.5))
            yield begin, free_at, activity
            free_at += timedelta(minutes=drawn.uniform(1, 8))


def events_of(number: int, *, days: range, first_seq: int, seed: int = 0) -> list[ActivityEvent]:
    """All that a home's camera says in some days after `MIDNIGHT`."""
    home, lot, camera, room = names(number)
    told: list[ActivityEvent] = []
    for each in days:
        for begin, end, activity in day(number, MIDNIGHT + timedelta(days=each), seed):
            for kind, ended_at in (("activity_started", None), ("activity_ended", end)):
                told.append(
                    ActivityEvent(
                        id=str(uuid.UUID(int=random.getrandbits(128))),
                        seq=first_seq + len(told),
                        event_type=kind,
                        activity=activity,
                        room=room,
                        confidence=0.9,
                        probabilities={activity: 0.9, "unknown": 0.1},
                        started_at=begin,
                        ended_at=ended_at,
                        node=lot,
                        camera=camera,
                        home=home,
                    )
                )
    return told


def happened_at(event: ActivityEvent) -> datetime:
    """When an event's change happened."""
    return event.ended_at or event.started_at


def live_a_year(store: HomeStore, number: int, settings: Settings, n_days: int) -> int:
    """Let a home live, keep its snapshot, then half a day more; returns its events."""
    home = names(number)[0]
    told = events_of(number, days=range(-n_days, 1), first_seq=1)
    noon = MIDNIGHT + timedelta(hours=12)
    before = [event for event in told if happened_at(event) < MIDNIGHT]
    since = [event for event in told if MIDNIGHT <= happened_at(event) < noon]
    journal = store.journal_of(home)
    journal.record_all(before, received_at=MIDNIGHT)
    settings = settings.model_copy(update={"home": home})
    messages = HomeMessages(
        settings,
        journal,
        Connection(settings.broker, client_id="nobody"),
        make_forecaster=lambda: make_forecaster(settings),
        announce=lambda _model, _labels: None,
        refit=lambda refit: refit(),
    )
    messages.worker.work()
    content = messages.worker.snapshot()
    if content is None:
        raise RuntimeError("no snapshot")
    store.save_snapshot(home, content, received_s=journal.running_s())
    journal.record_all(since, received_at=noon)
    return len(before) + len(since)


def copy_home(db: psycopg.Connection[Any], number: int) -> None:
    """Give a home a copy of the journal and snapshot of one that has lived."""
    old, new = names(number % N_LIVED), names(number)
    pairs = list(zip(old, new, strict=True))
    row = db.execute(
        "SELECT content, received_s FROM snapshots WHERE home = %s", old[:1]
    ).fetchone()
    if row is None:
        raise RuntimeError("no snapshot")
    content = row[0]
    body = content[HEAD:]
    for before, after in pairs:
        body = body.replace(before.encode(), after.encode())
    content = bytearray(content[:HEAD] + body)
    content[CHECKSUM] = zlib.crc32(body).to_bytes(4, "big")
    db.execute(
        "INSERT INTO snapshots (home, content, received_s) VALUES (%s, %s, %s)",
        (new[0], content, row[1]),
    )
    columns = [
        each[0]
        for each in db.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'events'::regclass AND attnum > 0"
            " AND NOT attisdropped"
        ).fetchall()
    ]
    values = {name: name for name in columns} | {"checksum": "NULL"}
    own = zip(("home", "node", "camera", "room"), new, strict=True)
    values |= {name: f"'{said}'" for name, said in own}
    listed, chosen = ", ".join(columns), ", ".join(values[name] for name in columns)
    copying = f"INSERT INTO events ({listed}) SELECT {chosen} FROM events WHERE home = %s"  # noqa: S608
    since_ms = 1000 * (MIDNIGHT - timedelta(days=N_DAYS_COPIED)).timestamp()
    db.execute(f"{copying} AND happened_ms >= %s".encode(), (old[0], since_ms))
    db.execute(
        "INSERT INTO cameras (home, node, camera, epoch, contiguous_seq, highest_seq) SELECT %s,"
        " %s, %s, epoch, contiguous_seq, highest_seq FROM cameras WHERE home = %s",
        (*new[:3], old[0]),
    )


def fill(server: PostgreSQL, url: str, settings: Settings, options: argparse.Namespace) -> None:
    """Have all homes' journals and snapshots in the database."""
    began_s = time.monotonic()
    store = HomeStore(url, "nobody", owner="nobody")
    n_events = [live_a_year(store, each, settings, options.days) for each in range(N_LIVED)]
    store.close()
    lived_s = time.monotonic() - began_s
    owner = server.url.replace("+psycopg", "").replace("@/postgres", "@/fleet")
    with psycopg.connect(owner) as db:
        db.execute("SET search_path TO fleet_homes")
        for number in range(N_LIVED, options.homes):
            copy_home(db, number)
            db.commit()
        size = db.execute(
            "SELECT pg_size_pretty(pg_database_size('fleet')), (SELECT avg(length(content))::int"
            " FROM snapshots)"
        ).fetchone()
    print(
        f"{N_LIVED} homes lived {options.days} days ({n_events} events) in {lived_s:.0f} s; "
        f"{options.homes} homes in the database after {time.monotonic() - began_s:.0f} s; its size "
        f"and a snapshot's: {size}",
        flush=True,
    )
