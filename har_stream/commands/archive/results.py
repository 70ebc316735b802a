"""What a worker is told and what it answers, as lines of JSON between two processes."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import Change
from har_stream.recognition.engines import EngineName

START = datetime(2000, 1, 1, tzinfo=UTC)
"""Of every clip while it is recognised; when it really began is found out later."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkerSetup(_Line):
    """The first line to a worker: the bundle's folder, how it runs, and threads for decoding."""

    bundle: str
    engine: EngineName
    n_threads: int


class ClipTask(_Line):
    """One recording to recognise.

    Attributes:
        path: Where it lies.
        camera: How it is looked at; its source does not count.
        needs_time: Whether it is of no use unless its container says when it was recorded.
    """

    path: str
    camera: CameraSettings
    needs_time: bool


class ClipResult(_Line):
    """What became of one recording.

    Attributes:
        error: Why it could not be read; none: it was.
        warnings: What was said of it meanwhile, for example that it is cut off.
        made_at: When it was recorded, in ISO 8601, as its container says.
        span_s: From its first frame to the end of its last.
        n_frames: Frames that were decoded.
        changes: In order, with times since `START`.
    """

    error: str | None = None
    warnings: tuple[str, ...] = ()
    made_at: str | None = None
    span_s: float = 0.0
    n_frames: int = 0
    changes: tuple[Change, ...] = ()


class WorkerReady(_Line):
    """The answer to the setup; an error is one line, and ends the worker."""

    kind: Literal["ready"] = "ready"
    error: str | None = None
