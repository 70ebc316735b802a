"""What is asked of a node or a home over MQTT, and the answers; read and written as `messages`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from har_stream.mqtt.messages import (
    MAX_ERROR_LENGTH,
    MAX_NUMBER,
    MAX_RANKED,
    MAX_REPLAYED,
    ActivityEvent,
    Amount,
    Count,
    Identifier,
    Instant,
    Message,
    Name,
    Probability,
    Seq,
    Signature,
    Text,
    UnusualKind,
)

Transaction = Text | Annotated[int, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
"""What an answer gives back as it was."""
Corners = Annotated[list[tuple[Probability, Probability]], Field(max_length=MAX_RANKED)]
Drawn = Annotated[dict[Name, Annotated[list[Corners], Field(max_length=50)]], Field(max_length=10)]
"""Regions by their kind; see `har_stream.config.regions`."""


class BridgeRequest(Message):
    """On ``<node>/bridge/request/<x>``; docs/mqtt.md says which field each request needs."""

    transaction: Transaction | None = None
    camera: Name | None = None
    from_seq: Seq | None = None
    bundle: Name | None = None
    clip: Name | None = None
    label: Name | None = None
    seconds: Amount | None = None
    regions: Drawn | None = None


class _Asked(BaseModel):
    """What is read of a request that cannot be read otherwise, to answer it."""

    transaction: Transaction | None = None


class CorrectionRequest(Message):
    """On ``home/<home>/bridge/request/correct``: what really happened in front of a camera."""

    transaction: Transaction | None = None
    id: Identifier = Field(description="uuid4; the journal keeps each id once")
    node: Name
    camera: Name
    activity: Identifier = Field(description="idle: nobody; unknown: nothing that has a name")
    started_at: Instant
    ended_at: Instant = Field(description="not included")
    signer: Name | None = Field(default=None, description="whose key made the signature")
    signature: Signature | None = None


class UndoRequest(Message):
    """On ``home/<home>/bridge/request/undo``: a correction is taken back."""

    transaction: Transaction | None = None
    id: Identifier = Field(description="the correction's")
    node: Name
    camera: Name
    signer: Name | None = Field(default=None, description="whose key made the signature")
    signature: Signature | None = None


class AcknowledgeRequest(Message):
    """On ``home/<home>/bridge/request/acknowledge``: somebody knows of something unusual."""

    transaction: Transaction | None = None
    kind: UnusualKind
    activity: Name
    since: Instant = Field(description="as it was told")


class BridgeResponse(Message):
    """On ``<node>/bridge/response/<x>`` or a home's, in zigbee2mqtt's manner."""

    status: Literal["ok", "error"]
    error: Annotated[str, Field(max_length=MAX_ERROR_LENGTH)] | None = None
    transaction: Transaction | None = None
    data: dict[Name, Any] = Field(default_factory=dict, max_length=MAX_RANKED)

    @classmethod
    def refuse(cls, payload: bytes, problem: str) -> "BridgeResponse":
        """Answer a request that is not fulfilled, with its transaction where it can be read."""
        try:
            transaction = _Asked.model_validate_json(payload).transaction
        except ValidationError:
            transaction = None
        error = problem[:MAX_ERROR_LENGTH]
        return cls(status="error", error=error, transaction=transaction)


class Replay(Message):
    """``data`` of the answer to ``replay``: events that the outbox holds, at most 100 at a time.

    They travel in the answer, never again on ``<cam>/event``: Home Assistant would take them for
    new ones. Ask again from the last one's ``seq + 1`` until it is ``last_seq``.
    """

    camera: Name
    first_seq: Seq = Field(description="the oldest that is left; earlier ones are gone")
    last_seq: Count = Field(description="the newest that was ever given out")
    events: list[ActivityEvent] = Field(max_length=MAX_REPLAYED)
