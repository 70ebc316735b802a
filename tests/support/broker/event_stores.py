"""The two outboxes as one: what holds for SQLite's holds for a lot's in PostgreSQL."""

import uuid
from pathlib import Path

import sqlalchemy
from support.event_builder import COOKING, NOON

from fleet.lots.lot_outbox import LotOutbox
from har_stream.publishing.outbox import MAX_EVENTS, EventStore, Outbox

AnyOutbox = Outbox | LotOutbox


class Stored:
    """A node's events, which an outbox can be opened on again and again.

    Args:
        folder: Where SQLite's file lies.
        url: Of PostgreSQL; none: SQLite is meant.
    """

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.url = url
        self.node = f"lot-{uuid.uuid4()}"
        self.path = folder / "deep" / f"{self.node}.db"
        self._wall_s = NOON.timestamp()
        self._uptime_s = 1000.0

    def open(self, *, max_events: int = MAX_EVENTS) -> AnyOutbox:
        """Open the outbox."""
        if self.url:
            return LotOutbox(self.url, self.node, owner="test", max_events=max_events)
        return Outbox(
            self.path,
            max_events=max_events,
            clock=lambda: self._wall_s,
            monotonic=lambda: self._uptime_s,
        )

    def program(self) -> str:
        """Python that opens the outbox as `outbox`."""
        if self.url:
            module, made = "fleet.lots.lot_outbox", f"({self.url!r}, {self.node!r}, owner='child')"
            return f"from {module} import LotOutbox\noutbox = LotOutbox{made}\n"
        opened = f"outbox = Outbox(Path({str(self.path)!r}))\n"
        return f"from pathlib import Path\nfrom {Outbox.__module__} import Outbox\n{opened}"

    def pass_time(self, seconds: float) -> None:
        """Let what is stored grow older."""
        self._wall_s += seconds
        self._uptime_s += seconds
        if self.url:
            engine = sqlalchemy.create_engine(self.url)
            with engine.begin() as db:
                query = "UPDATE fleet_events SET stored_at = stored_at - :age * interval '1 s'"
                query += " WHERE lot = :lot"
                db.execute(sqlalchemy.text(query), {"age": seconds, "lot": self.node})
            engine.dispose()


def append(outbox: EventStore, camera: str = "cam1") -> int:
    """Append an event, which must be kept; returns its number."""
    event = outbox.append(COOKING, node="n1", camera=camera, room="kitchen")
    assert event is not None
    return event.seq


def send_all(outbox: EventStore) -> None:
    """Let the broker have taken everything."""
    for waiting in outbox.pending(limit=10**6):
        outbox.mark_sent(waiting.position)
