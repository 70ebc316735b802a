"""The wire: every payload that travels over MQTT, read tolerantly and written strictly.

Readers skip fields they do not know; writers emit exactly the fields below. Instants carry their
zone and milliseconds. `docs/schema` holds the JSON schema and an example of each.
"""

import json
import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)

from har_stream.core.activity import EventType


def _to_milliseconds(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds")


Instant = Annotated[
    AwareDatetime,
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC)),
    PlainSerializer(_to_milliseconds, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Bounded, so that arithmetic on an instant that somebody sent cannot overflow."""
Probability = Annotated[float, Field(ge=0, le=1)]
_SCHEMA_ALIAS = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)
MAX_CONTEXT_LENGTH = 64
Ranked = list[tuple[str, Probability]]


class MessageError(ValueError):
    """A payload is not what its topic promises; the message names the field."""


class Message(BaseModel):
    """A payload: immutable, tolerant of unknown fields when read."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        json_schema_serialization_defaults_required=True,  # a writer leaves nothing out
    )

    def encode(self) -> bytes:
        """Return the payload as compact UTF-8 JSON."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, payload: bytes | str) -> Self:
        """Read a payload.

        Raises:
            MessageError: It is not JSON, or a field is missing or wrong; the text names the field.
        """
        try:
            return cls.model_validate_json(payload)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "payload"
            raise MessageError(f"{cls.__name__}: {where}: {first['msg']}") from error


class ActivityState(Message):
    """Retained on ``<cam>/activity``: what is going on now; repeated as a heartbeat."""

    activity: str
    confidence: Probability
    since: Instant
    at: Instant = Field(description="stream time of the newest decision")
    room: str | None = None


class ActivityAttributes(Message):
    """Retained on ``<cam>/activity/attributes``: what lies behind the state."""

    top: Ranked
    margin: Probability
    bundle: str
    bundle_hash: str
    latency_ms: float


class ActivityEvent(Message):
    """Never retained, on ``<cam>/event``: one per change of activity."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    id: str = Field(description="uuid4; the journal keeps each id once")
    seq: int = Field(ge=1, lt=2**63, description="gapless per camera, survives restarts")
    event_type: EventType
    activity: str
    previous: str | None = None
    room: str | None = None
    confidence: Probability
    probabilities: dict[str, Probability] = Field(default_factory=dict)
    started_at: Instant
    ended_at: Instant | None = None
    camera: str
    node: str

    model_config = _SCHEMA_ALIAS


class EventAck(Message):
    """On ``<cam>/event/ack``: the journal holds every event of this camera up to ``seq``."""

    journal: str
    seq: int = Field(ge=0)


class NodeStats(Message):
    """On ``<node>/stats``, once a minute."""

    fps_in: float
    processed: int
    dropped: int
    latency_p50_ms: float
    latency_p95_ms: float
    reconnects_per_h: float
    stalls_per_h: float
    outbox_depth: int


class BridgeRequest(Message):
    """On ``<node>/bridge/request/<x>``; ``replay`` needs ``camera`` and ``from_seq``."""

    transaction: str | int | None = None
    camera: str | None = None
    from_seq: int | None = Field(default=None, ge=1)


class BridgeResponse(Message):
    """On ``<node>/bridge/response/<x>``, in zigbee2mqtt's manner."""

    status: Literal["ok", "error"]
    error: str | None = None
    transaction: str | int | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class Replay(Message):
    """``data`` of the answer to ``replay``: events that the outbox holds, at most 100 at a time.

    They travel in the answer, never again on ``<cam>/event``: Home Assistant would take them for
    new ones. Ask again from the last one's ``seq + 1`` until it is ``last_seq``.
    """

    camera: str
    first_seq: int = Field(ge=1, description="the oldest that is left; earlier ones are gone")
    last_seq: int = Field(ge=0, description="the newest that was ever given out")
    events: list[ActivityEvent]


class Likely(Message):
    """A label with its probability."""

    label: str
    probability: Probability


class NextStart(Message):
    """When the next activity starts: quantiles of the time from now, in seconds."""

    p10_s: float = Field(ge=0)
    p50_s: float = Field(ge=0)
    p90_s: float = Field(ge=0)
    p50_at: Instant


class Forecast(Message):
    """Retained on ``home/<home>/forecast``."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    at: Instant
    activity: Likely
    next: Ranked
    next_room: Ranked
    next_start: NextStart
    within: dict[str, dict[str, Probability]]
    sequence: list[str]
    model: str
    training_days: int = Field(ge=0)
    enough_data: bool

    model_config = _SCHEMA_ALIAS


class Score(Message):
    """A forecaster's running score: mean log-loss in nats and share of right first guesses."""

    log_loss: float | None
    top1: Probability | None


class ForecastAttributes(Message):
    """Retained on ``home/<home>/forecast/attributes``: full distributions and running scores."""

    next: dict[str, Probability]
    current: dict[str, Probability]
    n_scored: int = Field(ge=0)
    scores: dict[str, Score]


class RuleState(Message):
    """Retained on ``home/<home>/rule/<name>``: a rule's state and the forecast that caused it."""

    state: Literal["on", "off"]
    changed_at: Instant
    dry_run: bool
    cause: Forecast | None = None


def read_context_value(payload: bytes) -> float | str:
    """Read a context value: a number, ``true`` or ``false``, or a word.

    Raises:
        MessageError: It is none of these, or too long.
    """
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError as error:
        raise MessageError("context: not UTF-8") from error
    if not 0 < len(text) <= MAX_CONTEXT_LENGTH or not text.isprintable():
        raise MessageError(
            f"context: a number or a word of 1 to {MAX_CONTEXT_LENGTH} characters expected"
        )
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    raise MessageError("context: a number or a word expected")
