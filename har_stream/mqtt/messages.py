"""The wire: every payload that travels over MQTT, read tolerantly and written strictly.

Readers skip fields they do not know; writers emit exactly the fields below. Instants carry their
zone and milliseconds. `docs/schema` holds the JSON schema and an example of each.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)

from har_stream.core.activity import (
    MAX_LABELS,
    MAX_NAME_LENGTH,
    Change,
    EventType,
    FallStage,
    clean_name,
)


def _to_milliseconds(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds")


_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_AS_TEXT = PlainSerializer(_to_milliseconds, when_used="json")
_IN_SCHEMA = WithJsonSchema({"type": "string", "format": "date-time"})
Instant = Annotated[
    AwareDatetime, Field(ge=_1970, lt=datetime(2200, 1, 1, tzinfo=UTC)), _AS_TEXT, _IN_SCHEMA
]
"""Bounded, so that arithmetic on an instant that somebody sent cannot overflow."""
LaterInstant = Annotated[
    AwareDatetime, Field(ge=_1970, lt=datetime(2300, 1, 1, tzinfo=UTC)), _AS_TEXT, _IN_SCHEMA
]
"""What is reckoned from an `Instant`, the last of them too."""
MAX_NUMBER = 2**53 - 1
"""The largest whole number that every reader of JSON reads exactly."""
MAX_ERROR_LENGTH = 2000
MAX_RANKED = 100
MAX_REPLAYED = 100
Count = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
Seq = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Amount = Annotated[float, Field(ge=0, le=MAX_NUMBER), AfterValidator(lambda x: round(x, 3))]
Probability = Annotated[float, Field(ge=0, le=1), AfterValidator(lambda p: float(f"{p:.4g}"))]
"""With the four digits that mean something; what is unlikely does not become impossible."""
Text = Annotated[str, Field(max_length=MAX_NAME_LENGTH)]
Name = Annotated[Text, AfterValidator(clean_name)]
Identifier = Annotated[Name, Field(min_length=1)]
Share = Annotated[float, Field(ge=-10, le=10), AfterValidator(lambda x: round(x, 4))]
_REGION = "kind of the drawn region that the person is in, where that is known"
Distribution = Annotated[dict[Name, Probability], Field(max_length=MAX_LABELS)]
Signature = Annotated[str, Field(max_length=64)]
Ranked = Annotated[list[tuple[Name, Probability]], Field(max_length=MAX_RANKED)]
_SCHEMA_ALIAS = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)


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
            raise _explained(cls, error) from error

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Make a message of fields that came from elsewhere.

        Raises:
            MessageError: A field is missing or wrong; the text names the field.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise _explained(cls, error) from error


def _explained(kind: type[Message], error: ValidationError) -> MessageError:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:MAX_NAME_LENGTH] or "payload"
    return MessageError(f"{kind.__name__}: {where}: {first['msg']}")


class ActivityState(Message):
    """Retained on ``<cam>/activity``: what is going on now; repeated as a heartbeat."""

    activity: Name
    confidence: Probability = Field(
        description="of the activity; beside unknown, of the likeliest label"
    )
    since: Instant
    at: Instant = Field(description="stream time of the newest decision")
    room: Name | None = None
    region: Name | None = Field(default=None, description=_REGION)
    home: Name | None = Field(default=None, description="whose; null: of any home of the broker")
    signature: Signature | None = None


class ActivityAttributes(Message):
    """Retained on ``<cam>/activity/attributes``: what lies behind the state."""

    top: Ranked
    margin: Probability
    bundle: Name
    bundle_hash: Name
    latency_ms: Amount


class ActivityEvent(Message):
    """Never retained, on ``<cam>/event``: one per change of activity."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    id: Name = Field(description="uuid4; the journal keeps each id once")
    seq: Seq = Field(description="gapless per camera, survives restarts")
    event_type: EventType
    activity: Name
    previous: Name | None = None
    room: Name | None = None
    region: Name | None = Field(default=None, description=_REGION)
    fall_stage: FallStage | None = Field(
        default=None,
        description="of a fall, with the event that begins a stage; null: no stage begins",
    )
    confidence: Probability
    probabilities: Distribution = Field(default_factory=dict)
    started_at: Instant
    ended_at: Instant | None = None
    camera: Name
    node: Name
    home: Name | None = Field(default=None, description="whose; null: of any home of the broker")
    lot_epoch: Count | None = Field(
        default=None, description="of the owner of a fleet's lot that says it; null: no lot"
    )
    signature: Signature | None = Field(default=None, description="see docs/security.md")

    model_config = _SCHEMA_ALIAS

    @classmethod
    def from_change(
        cls,
        change: Change,
        *,
        event_id: str,
        seq: int,
        node: str,
        camera: str,
        room: str | None,
        home: str | None = None,
    ) -> "ActivityEvent":
        """Make the event of a change."""
        return cls(
            id=event_id,
            seq=seq,
            event_type=change.event_type,
            activity=change.activity,
            previous=change.previous,
            room=room,
            region=change.region,
            fall_stage=change.fall_stage,
            confidence=change.confidence,
            probabilities=dict(change.probabilities),
            started_at=change.started_at,
            ended_at=change.ended_at,
            camera=camera,
            node=node,
            home=home,
        )


class FallState(Message):
    """Retained on ``<cam>/fall``: whether somebody lies there after a fall, and nobody answers."""

    alarm: bool = Field(description="on until somebody is up again, or acknowledges")
    stage: FallStage | Literal["none", "acknowledged"]
    since: Instant | None = Field(default=None, description="when the person fell")
    at: Instant | None = Field(default=None, description="stream time at which the stage began")
    confidence: Probability | None = None
    room: Name | None = None
    region: Name | None = Field(default=None, description=_REGION)
    signature: Signature | None = None


class Skeleton(Message):
    """On ``<cam>/skeleton`` where ``--skeleton`` asks for it: joints, nothing of the picture."""

    at: Instant
    points: Annotated[list[tuple[Share, Share, Probability]], Field(max_length=MAX_RANKED)] = Field(
        description="x, y as shares of the image looked at, and score; in COCO's order"
    )


class EventAck(Message):
    """On ``<cam>/event/ack``: the journal holds every event of this camera up to ``seq``."""

    journal: Name
    seq: Count


class NodeStats(Message):
    """On ``<node>/stats``, once a minute."""

    fps_in: Amount
    processed: Count
    dropped: Count
    latency_p50_ms: Amount
    latency_p95_ms: Amount
    reconnects_per_h: Amount
    stalls_per_h: Amount
    outbox_depth: Count


class Likely(Message):
    """A label with its probability."""

    label: Name
    probability: Probability


class Resident(Likely):
    """What one of the residents does, and where; nobody says who it is."""

    room: Name | None = None
    camera: Name = Field(description="node/camera that reported it last")
    since: Instant


class NextStart(Message):
    """When the next activity starts: quantiles of the time from now, in seconds."""

    p10_s: Amount
    p50_s: Amount
    p90_s: Amount
    p50_at: LaterInstant


class Forecast(Message):
    """Retained on ``home/<home>/forecast``."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    at: LaterInstant
    activity: Likely
    next: Ranked
    next_room: Ranked
    next_start: NextStart
    within: dict[Name, Distribution] = Field(max_length=MAX_RANKED)
    sequence: list[Name] = Field(max_length=MAX_RANKED)
    model: Name
    training_days: Count
    enough_data: bool = Field(
        description="whether to act on it: enough was learnt, and it is fresh"
    )
    evidence_age_s: Amount | None = Field(
        default=None, description="how long no camera has spoken; null: none ever has"
    )
    fresh: bool = Field(default=True, description="whether a camera has spoken lately")
    residents: Annotated[list[Resident], Field(max_length=MAX_RANKED)] = Field(
        default_factory=list, description="all who are seen; who began something last comes first"
    )

    model_config = _SCHEMA_ALIAS


class Score(Message):
    """A forecaster's running score: mean log-loss in nats and share of right first guesses."""

    log_loss: Amount | None
    top1: Probability | None


class ForecastAttributes(Message):
    """Retained on ``home/<home>/forecast/attributes``: full distributions and running scores."""

    next: Distribution
    current: Distribution
    n_scored: Count
    scores: dict[Name, Score] = Field(max_length=MAX_RANKED)


class RuleState(Message):
    """Retained on ``home/<home>/rule/<name>``: a rule's state and the forecast that caused it."""

    state: Literal["on", "off"]
    changed_at: LaterInstant
    dry_run: bool
    cause: Forecast | None = None


UnusualKind = Literal["not_yet", "too_long", "at_odd_hour", "quiet"]


class UnusualFinding(Message):
    """Something unusual that goes on now."""

    kind: UnusualKind
    activity: Name = Field(description="of which; of quiet, what was seen last")
    probability: Probability = Field(description="of something as far out, or further")
    since: Instant = Field(description="when it began; of not_yet, when it usually does")
    words: Name
    acknowledged: bool = Field(default=False, description="whether somebody knows of it")


class Unusual(Message):
    """Retained on ``home/<home>/unusual``: what is unusual now, and how easily that is said."""

    at: LaterInstant
    findings: Annotated[list[UnusualFinding], Field(max_length=MAX_RANKED)]
    learning: bool = Field(description="false while paused: nothing is learnt or told")
    days: Count = Field(description="days learnt from; nothing is told before 21")
    per_month: Amount = Field(description="false alarms a month that are allowed")
    past_days: Count = Field(description="newest days that set the bounds")
    past_days_told: Count = Field(description="of these, on how many it would have told something")
