"""`har-stream --archive`, from the list of recordings to the file of events."""

import json
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from har_stream.bundles.bundle import Bundle
from har_stream.commands.archive.clip_list import ArchiveClip, ClipList, camera_of, describe
from har_stream.commands.archive.event_table import write_table
from har_stream.commands.archive.progress_file import ProgressFile
from har_stream.commands.archive.progress_line import ProgressLine
from har_stream.commands.archive.results import START, ClipResult, ClipTask, WorkerSetup
from har_stream.commands.archive.start_times import name_reader
from har_stream.commands.archive.worker import NO_TIME
from har_stream.commands.archive.worker_pool import ArchiveWorkers, WorkerPool
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.frame import PIXELS
from har_stream.mqtt.messages import ActivityEvent
from har_stream.recognition.engines import EngineName

NODE = "archive"
"""The node of an archive's events; a live node numbers those of its cameras by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOptions:
    """How an archive is recognised.

    Attributes:
        bundle: The model.
        engine: Its runtime.
        cameras: Settings of cameras, by id: regions, masks, rooms, how to decide.
        room: Of every camera that has none of its own.
        home: Whose the events are; none: of any home.
        clip_names: The pattern of the clips' names, see `start_times`; none: the usual ones.
        start_at: When the first clip of each camera began, of those that do not say it; the others
            follow it in the order of their names.
        n_workers: Processes.
        n_threads: Decoding threads of each.
        open_workers: Starts them; they may be on other machines.
    """

    bundle: Bundle
    engine: EngineName
    cameras: Mapping[str, CameraSettings]
    room: str | None
    home: str | None
    clip_names: str | None
    start_at: datetime | None
    n_workers: int
    n_threads: int = 1
    open_workers: Callable[[WorkerSetup, int], ArchiveWorkers] = WorkerPool


@dataclass(frozen=True, slots=True)
class _Found:
    """A clip, its camera, and when it began, as far as its name says it."""

    clip: ArchiveClip
    camera: CameraSettings
    started_at: datetime | None


def recognise_archive(
    found: ClipList, out: Path, options: ArchiveOptions, *, progress_file: Path
) -> int:
    """Recognise what is not yet recognised, then write all events to one file.

    Every clip is added to the progress file as soon as it is recognised; a later run with the same
    one goes on from there.

    Returns:
        1 where a recording could not be read, otherwise 0.

    Raises:
        InputError: The bundle does not run here, or a file cannot be written.
        KeyboardInterrupt: It says how much is kept.
    """
    clips = {each.clip.name: each for each in _look_at_names(found, options)}
    unread = list(found.unread)
    with ProgressFile(progress_file, _settings_that_count(options)) as progress:
        names = _names_done(clips, progress)
        waiting = [each for name, each in clips.items() if name not in names]
        _say_beginning(found, n_waiting=len(waiting))
        try:
            unread += _recognise(waiting, progress, options)
        except KeyboardInterrupt as interrupt:
            n_kept = len(_names_done(clips, progress))
            raise KeyboardInterrupt(
                f"({n_kept} of {len(clips)} recordings are kept; the same command goes on)"
            ) from interrupt
        names = _names_done(clips, progress)
        gone = progress.states().keys() - clips.keys()
        done = {name: each for name, each in clips.items() if name in names}
        placed = _place(done, progress, options, unread)
        n_events = write_table(_events(placed, progress, home=options.home), out)
    for line in found.unread:
        print(f"not read: {line}", file=sys.stderr)
    if gone:
        print(f"no longer there, and left out: {_counted(len(gone), 'recording')} of earlier runs")
    events, recordings = _counted(n_events, "event"), _counted(len(placed), "recording")
    print(f"{out}: {events} of {recordings}, {len(unread)} not read")
    return 1 if unread else 0


def _look_at_names(found: ClipList, options: ArchiveOptions) -> Iterator[_Found]:
    read_name = name_reader(options.clip_names)
    for clip in found.clips:
        facts = read_name(clip.name)
        camera_id = facts.camera or camera_of(clip.name, found.root)
        camera = options.cameras.get(camera_id) or CameraSettings(source="archive", name=camera_id)
        camera = camera.model_copy(update={"room": camera.room or options.room})
        yield _Found(clip, camera, facts.started_at)


def _names_done(clips: Mapping[str, _Found], progress: ProgressFile) -> set[str]:
    """Names of the clips that are recognised as they are now; a changed one is another one."""
    states = progress.states()
    return {
        name
        for name, each in clips.items()
        if states.get(name) == (each.clip.n_bytes, each.clip.changed_ns)
    }


def _settings_that_count(options: ArchiveOptions) -> dict[str, str]:
    """What decides what comes out of a clip, by a person's name for it."""
    looks = {
        name: camera.model_dump(mode="json", exclude={"source", "room", "home", "enabled"})
        for name, camera in sorted(options.cameras.items())
    }
    return {
        "version of har-stream": f"{version('har-stream')}, pixels {PIXELS}",
        "--bundle": options.bundle.hash,
        "section cameras in the configuration": json.dumps(looks),
        "--clip-names": str(options.clip_names) if looks else "",  # it may name cameras
    }


def _say_beginning(found: ClipList, *, n_waiting: int) -> None:
    n_done = len(found.clips) - n_waiting
    recordings = _counted(len(found.clips), "recording")
    print(f"{recordings}, {n_done} of them recognised in an earlier run")
    if found.passed_over:
        print(f"passed over, no videos by their names: {describe(found.passed_over)}")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _recognise(waiting: list[_Found], progress: ProgressFile, options: ArchiveOptions) -> list[str]:
    """Recognise clips, the largest first, so that none is left for one worker at the end.

    Returns:
        A line for each that could not be read.
    """
    if not waiting:
        return []
    setup = WorkerSetup(
        bundle=str(options.bundle.path), engine=options.engine, n_threads=options.n_threads
    )
    by_name = {each.clip.name: each.clip for each in waiting}
    tasks = [
        (
            each.clip.name,
            ClipTask(
                path=each.clip.path,
                camera=each.camera,
                needs_time=each.started_at is None and options.start_at is None,
            ),
        )
        for each in sorted(waiting, key=lambda each: -each.clip.n_bytes)
    ]
    line = ProgressLine(len(tasks), sum(clip.n_bytes for clip in by_name.values()))
    unread = []
    with options.open_workers(setup, min(options.n_workers, len(tasks))) as workers, line:
        for name, result in workers.recognise(tasks):
            if result.error:
                unread.append(result.error)
                line.say(f"not read: {result.error}")
            else:
                progress.add(by_name[name], result)
            for warning in result.warnings:
                line.say(warning)
            line.advance(by_name[name].n_bytes)
    return unread


def _place(
    clips: Mapping[str, _Found], progress: ProgressFile, options: ArchiveOptions, unread: list[str]
) -> list[_Found]:
    """Give every clip its start, and put all in their order."""
    placed = []
    next_at: dict[str, datetime] = {}
    for name, each in clips.items():
        started_at, camera = each.started_at, each.camera.id
        if started_at is None:
            result = progress.result(name)
            if result.made_at is not None:
                started_at = datetime.fromisoformat(result.made_at)
            elif options.start_at is not None:
                started_at = next_at.get(camera, options.start_at)
                next_at[camera] = started_at + timedelta(seconds=result.span_s)
            else:
                unread.append(f"{each.clip.path}: {NO_TIME}")
                print(f"not read: {unread[-1]}", file=sys.stderr)
                continue
        placed.append(_Found(each.clip, each.camera, started_at))
    placed.sort(key=lambda each: (each.started_at, each.camera.id, each.clip.name))
    once: dict[str, _Found] = {}
    for each in placed:
        first = once.setdefault(_identity(each), each)
        if first is not each:
            print(f"left out: {each.clip.name} is the same recording as {first.clip.name}")
    return list(once.values())


def _identity(placed: _Found) -> str:
    """What a recording is, wherever it lies: camera, name and start."""
    name = PurePosixPath(placed.clip.name).name
    assert placed.started_at is not None  # noqa: S101 -- `_place` left out what has no start
    return f"{NODE} {placed.camera.id} {name} {placed.started_at.astimezone(UTC)}"


def _events(
    placed: list[_Found], progress: ProgressFile, *, home: str | None
) -> Iterator[tuple[ActivityEvent, str]]:
    """Number the events of every camera; the same clip gives the same ids, wherever it lies."""
    seqs: Counter[str] = Counter()
    for each in placed:
        camera = each.camera.id
        result: ClipResult = progress.result(each.clip.name)
        assert each.started_at is not None  # noqa: S101 -- `_place` left out what has no start
        shift = each.started_at - START
        for n, change in enumerate(result.changes):
            seqs[camera] += 1
            change = replace(
                change,
                started_at=change.started_at + shift,
                ended_at=change.ended_at and change.ended_at + shift,
            )
            event = ActivityEvent.from_change(
                change,
                event_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{_identity(each)} {n}")),
                seq=seqs[camera],
                node=NODE,
                camera=camera,
                room=each.camera.room,
                home=each.camera.home or home,
            )
            yield event, each.clip.name
