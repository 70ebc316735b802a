"""Writes the JSON schema and an example of every payload.

`python -m har_stream.mqtt.message_schema FOLDER` does so.

The examples are built from the very models that travel, so that the documentation cannot lag.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from har_stream.mqtt.messages import (
    ActivityAttributes,
    ActivityEvent,
    ActivityState,
    EventAck,
    FallState,
    Forecast,
    ForecastAttributes,
    Likely,
    Message,
    NextStart,
    NodeStats,
    RuleState,
    Score,
    Skeleton,
    Unusual,
    UnusualFinding,
)
from har_stream.mqtt.requests import (
    AcknowledgeRequest,
    BridgeRequest,
    BridgeResponse,
    CorrectionRequest,
    Replay,
    UndoRequest,
)

_SIX = datetime(2026, 11, 22, 18, tzinfo=timezone(timedelta(hours=1)))
_EVENT = ActivityEvent(
    id="0b1f6a4e-6f0e-4f3a-9d51-3f8f6f2f7d10",
    seq=184,
    event_type="activity_changed",
    activity="eating",
    previous="cooking",
    room="kitchen",
    confidence=0.88,
    probabilities={"eating": 0.88, "cooking": 0.12},
    started_at=_SIX + timedelta(minutes=4),
    ended_at=None,
    camera="cam1",
    node="n1",
)
_FORECAST = Forecast(
    at=_SIX,
    activity=Likely(label="cooking", probability=0.93),
    next=[("eating", 0.62), ("relaxing", 0.2), ("sleeping", 0.16), ("unknown", 0.02)],
    next_room=[("kitchen", 0.7), ("living_room", 0.3)],
    next_start=NextStart(p10_s=300, p50_s=900, p90_s=2400, p50_at=_SIX + timedelta(minutes=15)),
    within={
        "15min": {"eating": 0.41},
        "60min": {"eating": 0.9, "relaxing": 0.3},
        "180min": {"eating": 0.97, "relaxing": 0.8, "sleeping": 0.2},
    },
    sequence=["eating", "relaxing", "sleeping"],
    model="dbn-2026-11-22",
    training_days=34,
    enough_data=True,
)
_CORRECTION = "5d2c8f1e-3c55-4a0e-9a3a-0f6f1b7c2e44"
_REQUESTS = (AcknowledgeRequest, BridgeRequest, CorrectionRequest, UndoRequest)


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """What travels on one kind of topic.

    Attributes:
        topic: Where it travels, below the base topic ``har``.
        qos: With which quality of service.
        retained: Whether the broker keeps it.
        example: One that really could travel.
    """

    topic: str
    qos: int
    retained: bool
    example: Message


PAYLOADS = {
    "activity": TopicDescription(
        "<node>/<cam>/activity",
        1,
        True,
        ActivityState(
            activity="cooking",
            confidence=0.91,
            since=_SIX + timedelta(minutes=2, seconds=11, milliseconds=120),
            at=_SIX + timedelta(minutes=4),
            room="kitchen",
        ),
    ),
    "activity_attributes": TopicDescription(
        "<node>/<cam>/activity/attributes",
        0,
        True,
        ActivityAttributes(
            top=[("cooking", 0.91), ("eating", 0.05)],
            margin=0.86,
            bundle="home",
            bundle_hash="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            latency_ms=12.1,
        ),
    ),
    "event": TopicDescription("<node>/<cam>/event", 1, False, _EVENT),
    "event_ack": TopicDescription(
        "<node>/<cam>/event/ack", 1, False, EventAck(journal="3f6c", seq=184)
    ),
    "fall": TopicDescription(
        "<node>/<cam>/fall",
        1,
        True,
        FallState(
            alarm=True,
            stage="long_lie",
            since=_SIX + timedelta(minutes=4),
            at=_SIX + timedelta(minutes=5),
            confidence=0.84,
            room="bathroom",
            region="floor",
        ),
    ),
    "skeleton": TopicDescription(
        "<node>/<cam>/skeleton",
        0,
        False,
        Skeleton(at=_SIX, points=[(round(0.4 + n / 100, 2), 0.3, 0.9) for n in range(17)]),
    ),
    "stats": TopicDescription(
        "<node>/stats",
        0,
        False,
        NodeStats(
            fps_in=24.98,
            processed=43210,
            dropped=12,
            latency_p50_ms=11.8,
            latency_p95_ms=19.4,
            reconnects_per_h=0.5,
            stalls_per_h=0.0,
            outbox_depth=0,
        ),
    ),
    "bridge_request": TopicDescription(
        "<node>/bridge/request/<x>",
        1,
        False,
        BridgeRequest(transaction="7", camera="cam1", label="cooking", seconds=60.0),
    ),
    "bridge_response": TopicDescription(
        "<node>/bridge/response/<x>",
        1,
        False,
        BridgeResponse(status="ok", transaction="7", data={"healthy": True}),
    ),
    "correction_request": TopicDescription(
        "home/<home>/bridge/request/correct",
        1,
        False,
        CorrectionRequest(
            transaction="8",
            id=_CORRECTION,
            node="n1",
            camera="cam1",
            activity="washing_up",
            started_at=_SIX,
            ended_at=_SIX + timedelta(minutes=4),
        ),
    ),
    "undo_request": TopicDescription(
        "home/<home>/bridge/request/undo",
        1,
        False,
        UndoRequest(transaction="9", id=_CORRECTION, node="n1", camera="cam1"),
    ),
    "acknowledge_request": TopicDescription(
        "home/<home>/bridge/request/acknowledge",
        1,
        False,
        AcknowledgeRequest(
            transaction="10",
            kind="not_yet",
            activity="eating",
            since=_SIX - timedelta(hours=5, minutes=20),
        ),
    ),
    "replay": TopicDescription(
        "<node>/bridge/response/replay, in data",
        1,
        False,
        Replay(camera="cam1", first_seq=1, last_seq=184, events=[_EVENT]),
    ),
    "forecast": TopicDescription("home/<home>/forecast", 1, True, _FORECAST),
    "forecast_attributes": TopicDescription(
        "home/<home>/forecast/attributes",
        0,
        True,
        ForecastAttributes(
            next={"eating": 0.62, "relaxing": 0.2, "sleeping": 0.16, "unknown": 0.02},
            current={"cooking": 0.93, "eating": 0.07},
            n_scored=412,
            scores={
                "dbn": Score(log_loss=0.94, top1=0.71),
                "most_frequent": Score(log_loss=1.72, top1=0.31),
                "markov": Score(log_loss=1.08, top1=0.66),
            },
        ),
    ),
    "rule": TopicDescription(
        "home/<home>/rule/<name>",
        1,
        True,
        RuleState(state="on", changed_at=_SIX.astimezone(UTC), dry_run=False, cause=_FORECAST),
    ),
    "unusual": TopicDescription(
        "home/<home>/unusual",
        1,
        True,
        Unusual(
            at=_SIX,
            findings=[
                UnusualFinding(
                    kind="not_yet",
                    activity="eating",
                    probability=0.002,
                    since=_SIX - timedelta(hours=5, minutes=20),
                    words="eating usually by 12:40, 95 % by 13:50, not yet",
                )
            ],
            learning=True,
            days=94,
            per_month=1.0,
            past_days=87,
            past_days_told=2,
        ),
    ),
}


def describe(payload: TopicDescription) -> dict[str, Any]:
    """Return the JSON schema of a payload, with its topic and its example."""
    model = type(payload.example)
    # A request is written by others, who may leave out what it does not need.
    schema = model.model_json_schema(mode="validation" if model in _REQUESTS else "serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "x-topic": payload.topic,
        "x-qos": payload.qos,
        "x-retained": payload.retained,
        "examples": [json.loads(payload.example.encode())],
    }


def schema_files() -> dict[str, str]:
    """Return the text of every file by its name."""
    return {
        f"{name}.json": json.dumps(describe(payload), indent=2, ensure_ascii=False) + "\n"
        for name, payload in PAYLOADS.items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Write the files into the folder that is named."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 1:
        print("usage: python -m har_stream.mqtt.message_schema FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schema_files().items():
        (folder / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
