"""PostgreSQL whose server may hang, neither refusing nor answering: the wait for it has an end.

Neither `statement_timeout` nor TCP's keepalives help: the server that should keep the time is
stopped, and its kernel acknowledges for it. So this side counts.
"""

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine, event

ANSWER_S = 20.0
"""For the answer to one statement; one that is slower than that is given up as well."""
CONNECT_S = 5
"""For a connection, where the URL has no ``connect_timeout``."""
PAUSE_S = 10.0
"""So long a server that did not answer is not asked again; forecasts need not wait meanwhile."""

Result = TypeVar("Result")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is given up where the server does not answer.

    Attributes:
        answer_s: How long an answer is waited for; none: `ANSWER_S`.
    """

    answer_s: float | None = None

    def wait(
        self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None
    ) -> Result:
        """Wait for the server, `answer_s` at most; overrides psycopg's.

        Raises:
            psycopg.OperationalError: It did not answer.
        """
        limit_s = timeout if timeout is not None else self.answer_s or ANSWER_S
        began_s = time.monotonic()
        try:
            return super().wait(gen, interval, limit_s)
        except psycopg.OperationalError as error:
            if time.monotonic() - began_s < limit_s:
                raise
            self.close()  # or its answer would be taken for the next statement's
            raise psycopg.OperationalError(f"no answer within {limit_s:.0f} s") from error


def bound_waiting(engine: Engine) -> None:
    """Let no connection of an engine wait without end."""
    asked_again_s = 0.0

    def connect(
        _dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]
    ) -> BoundedConnection:
        nonlocal asked_again_s
        if time.monotonic() < asked_again_s:
            raise psycopg.OperationalError("it did not answer just now")
        try:
            return BoundedConnection.connect(
                *arguments, **{"connect_timeout": CONNECT_S, **options}
            )
        except psycopg.errors.ConnectionTimeout:
            asked_again_s = time.monotonic() + PAUSE_S
            raise

    event.listen(engine, "do_connect", connect)
