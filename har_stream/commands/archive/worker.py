"""A worker process: recordings from its standard input, one after the other, through a pipeline.

A process and no thread: decoding, recognising and Python then share no lock, and a decoder that
crashes takes only its own clip with it. It ends when its input does, so it never outlives whoever
started it.
"""

import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TextIO

import av

from har_stream.bundles.bundle import load_bundle
from har_stream.cameras.camera import read_camera
from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.readers import Arrival, EndOfSource
from har_stream.commands.archive.object_store import brought_here
from har_stream.commands.archive.results import (
    START,
    ClipResult,
    ClipTask,
    WorkerReady,
    WorkerSetup,
)
from har_stream.commands.archive.start_times import container_time
from har_stream.core.activity import CameraStatus, Change
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.pipeline import Pipeline
from har_stream.recognition.recogniser import Recogniser

NO_TIME = (
    "neither its name nor its container says when it was recorded; give --clip-names or --start-at"
)


def recognise_clip(task: ClipTask, recogniser: Recogniser, *, n_threads: int = 1) -> ClipResult:
    """Recognise one recording from its first frame to its last.

    Returns:
        The changes, or why it could not be read; it never raises for what lies in a file.
    """
    try:
        with brought_here(task.path) as path:
            here = task.model_copy(update={"path": path})
            result = _recognise_file(here, recogniser, n_threads=n_threads)
    except InputError as error:
        return ClipResult(error=str(error))

    def naming(text: str) -> str:
        return text.replace(path, task.path)

    return result.model_copy(
        update={
            "error": result.error and naming(result.error),
            "warnings": tuple(map(naming, result.warnings)),
        }
    )


def _recognise_file(task: ClipTask, recogniser: Recogniser, *, n_threads: int) -> ClipResult:
    warnings = _Warnings()
    logging.getLogger().addHandler(warnings)
    camera = task.camera.model_copy(update={"source": task.path, "enabled": True})
    try:
        made_at = _made_at(Path(task.path))
        if task.needs_time and made_at is None:
            return ClipResult(error=f"{task.path}: {NO_TIME}")
        counts = SourceCounts()
        spec = recogniser.bundle.manifest.clip
        options = ReadOptions(
            sample_hz=spec.sample_hz,
            picture=spec.picture,
            start_at=START,
            n_threads=n_threads,
        )
        frames = _ClipFrames(camera.id, read_camera(camera, options, counts=counts))
        news = Pipeline(recogniser, [camera]).run(frames)
        changes = tuple(each for each in news if isinstance(each, Change))
        return ClipResult(
            warnings=tuple(warnings.lines),
            made_at=made_at.isoformat() if made_at else None,
            span_s=(frames.last_at - START).total_seconds() + 1 / spec.sample_hz,
            n_frames=counts.n_in,
            changes=changes,
        )
    except InputError as error:
        return ClipResult(error=str(error))
    except Exception as error:  # a decoder's own; the next clip may be well
        return ClipResult(error=f"{task.path}: cannot be read: {type(error).__name__}: {error}")
    finally:
        recogniser.forget(camera.id)
        logging.getLogger().removeHandler(warnings)


class _ClipFrames:
    """A recording as the pipeline takes it: item by item, decoded in the pipeline's own thread."""

    def __init__(self, camera: str, items: Iterator[Frame | CameraStatus]) -> None:
        self.ended = False
        self.last_at = START
        self._camera = camera
        self._items = items

    def next_arrivals(self, timeout_s: float) -> list[Arrival]:
        """Return the next frame or the end, however long that takes."""
        item = next(self._items, None)
        if isinstance(item, Frame):
            self.last_at = item.captured_at
        self.ended = item is None
        return [Arrival(self._camera, item or EndOfSource(), time.monotonic())]


class _Warnings(logging.Handler):
    """Gathers what is logged of a clip, so that it is said beside its name."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _made_at(path: Path) -> datetime | None:
    with suppress(av.FFmpegError, OSError, ValueError), av.open(str(path)) as container:
        tags = dict(container.metadata)
        for stream in container.streams.video:
            tags = {**stream.metadata, **tags}
        return container_time(tags)
    return None  # who reads the frames says what is wrong


def main() -> None:
    """Answer the setup, then every task, one JSON line each, until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    logging.basicConfig(level=logging.CRITICAL)  # what is said of a clip goes with its result
    setup = WorkerSetup.model_validate_json(sys.stdin.readline())
    try:
        recogniser = Recogniser(load_bundle(Path(setup.bundle)), engine=setup.engine)
    except InputError as error:
        _answer(answers, WorkerReady(error=str(error)))
        return
    _answer(answers, WorkerReady())
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(lines,), daemon=True).start()
    while True:
        task = ClipTask.model_validate_json(lines.get())
        _answer(answers, recognise_clip(task, recogniser, n_threads=setup.n_threads))


def _receive(lines: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)  # whoever asked has ended; what is half recognised is of no use to anybody


def _answer(answers: TextIO, answer: ClipResult | WorkerReady) -> None:
    print(answer.model_dump_json(), file=answers, flush=True)


if __name__ == "__main__":
    main()
