"""Who runs a fleet: one `har-fleet run` at a time, for two would take each other's lots for ever.

Like a lot, a fleet has an epoch, in the same table under its own name; a former owner that was
frozen learns from it that another one has taken its place.
"""

import os
import socket
import time

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from fleet.lots.lot_tables import run, take_epoch
from har_stream.core.errors import InputError

WATCH_S = 3.0
"""Whoever runs a fleet tells of its lots every second; who has not for so long is gone."""
LOOK_S = 0.2


def take_fleet(engine: Engine, fleet: str) -> int:
    """Become who runs a fleet; returns the epoch, which a former owner finds is not its own.

    Args:
        engine: Of its database.
        fleet: Its name.

    Raises:
        InputError: Somebody else runs it: its lots are told of while we watch. Or the database
            does not answer.
    """
    try:
        _watch(engine, fleet)
        with engine.begin() as db:
            return take_epoch(db, fleet, f"{socket.gethostname()}, process {os.getpid()}")
    except DBAPIError as error:
        raise InputError(f"database: {' '.join(str(error.orig).split())}") from error


def _watch(engine: Engine, fleet: str) -> None:
    first, age_s = _last_told(engine, fleet)
    until_s = time.monotonic() + WATCH_S
    while age_s < WATCH_S and time.monotonic() < until_s:
        time.sleep(LOOK_S)
        now, age_s = _last_told(engine, fleet)
        if now != first:
            with engine.begin() as db:
                query = "SELECT owner FROM fleet_lots WHERE lot = :lot"
                owner = run(db, query, lot=fleet).scalar()
            raise InputError(
                f"fleet {fleet} is run by another har-fleet run already ({owner}); end that first"
            )


def _last_told(engine: Engine, fleet: str) -> tuple[object, float]:
    """When a lot was told of last, and how many seconds ago that is."""
    with engine.begin() as db:
        told = run(
            db,
            "SELECT max(told_at) AS at, extract(epoch FROM now() - max(told_at)) AS age_s"
            " FROM fleet_status WHERE starts_with(lot, :prefix)",
            prefix=f"{fleet}-",
        ).one()
    return told.at, float("inf") if told.age_s is None else float(told.age_s)
