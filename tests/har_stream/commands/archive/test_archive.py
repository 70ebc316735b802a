"""`har-stream --archive`: every recording once, as the stream would have seen it, come what may."""

import os
import random
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.processes.stream_process import (
    COMMAND,
    eager_copy,
    har_stream,
    read_events,
    write_video,
)
from support.repository import ENVIRONMENT, ROOT

from har_stream.commands import stream
from har_stream.commands.archive.clip_list import ArchiveClip
from har_stream.commands.archive.progress_file import ProgressFile
from har_stream.commands.archive.results import ClipResult, ClipTask, WorkerSetup
from har_stream.commands.archive.worker_pool import WorkerPool
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.errors import InputError
from har_stream.mqtt.messages import ActivityEvent

SHARED = Path(os.environ.get("HAR_SHARED", ROOT.parent / "shared"))
START, NAME = "2026-11-22T18:00:00+00:00", "20261122T180000Z"


@pytest.fixture(scope="module")
def eager_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return eager_copy(tmp_path_factory.mktemp("bundles") / "eager")


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cameras with three recordings."""
    root = tmp_path_factory.mktemp("footage")
    for n, name in enumerate((f"attic/{NAME}", f"hall/{NAME}", "hall/20261122T181000Z")):
        path = root / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_video(path, 100 + 50 * n)
    return root


@dataclass(frozen=True, slots=True)
class _Run:
    status: int
    stdout: str
    stderr: str


@pytest.fixture
def archive(eager_bundle: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., _Run]:
    """Run the command in this process, with one worker process."""

    def run(source: Path, out: Path, *more: str) -> _Run:
        arguments = ["--archive", source, "--out", out, "--bundle", eager_bundle, "--workers", "1"]
        status = stream.main([*map(str, arguments), *more])
        return _Run(status, *capsys.readouterr())

    return run


def _start(*arguments: str | Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )


def _children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for each in threads for child in (each / "children").read_text().split()]


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a run at once, and see that its workers end by themselves."""
    workers = [os.pidfd_open(child) for child in _children(process.pid)]
    process.kill()
    process.wait()
    for worker in workers:
        assert select.select([worker], [], [], 20)[0], "a worker outlives its parent"
        os.close(worker)


def _stamp(clip: Path, made_at: str) -> None:
    if not shutil.which("ffmpeg"):
        pytest.skip("no ffmpeg here: apt-get install ffmpeg")
    stamped = clip.with_name(f"stamped-{clip.name}")
    command = ["ffmpeg", "-loglevel", "error", "-i", clip, "-c", "copy"]
    subprocess.run([*command, "-metadata", f"creation_time={made_at}", stamped], check=True)
    stamped.replace(clip)


def _told(events: Sequence[ActivityEvent]) -> list[tuple[object, ...]]:
    return [
        (e.event_type, e.activity, e.previous, e.confidence, e.started_at, e.ended_at)
        for e in events
    ]


def test_a_recording_gives_the_events_of_a_stream(
    footage: Path, eager_bundle: Path, archive: Callable[..., _Run], tmp_path: Path
) -> None:
    out = tmp_path / "events.jsonl"
    (footage / "attic" / "copies").mkdir()
    shutil.copy(footage / "attic" / f"{NAME}.mp4", footage / "attic" / "copies")
    run = archive(footage, out, "--room", "flat", "--home", "attic")
    shutil.rmtree(footage / "attic" / "copies")
    assert run.status == 0, run.stderr
    assert f"attic/copies/{NAME}.mp4 is the same recording as attic/{NAME}.mp4" in run.stdout
    assert "3 recordings, 0 not read" in run.stdout
    events = read_events(out)
    assert {event.camera for event in events} == {"hall", "attic"}
    assert {(event.room, event.home) for event in events} == {("flat", "attic")}
    assert [e.seq for e in events if e.camera == "hall"] == list(range(1, len(events) - 1))
    alone = tmp_path / "alone.jsonl"
    har_stream(
        *("--camera", footage / "attic" / f"{NAME}.mp4", "--bundle", eager_bundle),
        *("--record-events", alone, "--start-at", START, "--state-dir", tmp_path / "state"),
        *("--broker", "mqtt://127.0.0.1:9"),
    )
    of_clip = [event for event in events if event.camera == "attic"]
    assert of_clip
    assert _told(of_clip) == _told(read_events(alone))


def test_a_run_goes_on_where_another_was_killed(
    footage: Path, eager_bundle: Path, archive: Callable[..., _Run], tmp_path: Path
) -> None:
    """Then the outcome is the one of a run that was not, to the byte."""
    archive(footage, tmp_path / "whole.jsonl")
    out = tmp_path / "killed.jsonl"
    process = _start("--archive", footage, "--out", out, "--bundle", eager_bundle)
    with suppress(subprocess.TimeoutExpired):
        process.wait(1.5)
    _kill(process)
    run = archive(footage, out)
    assert run.status == 0, run.stderr
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert "3 recordings, 3 of them recognised in an earlier run" in archive(footage, out).stdout
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_what_cannot_be_read_is_named_and_counted_and_read_once_it_can_be(
    footage: Path, archive: Callable[..., _Run], tmp_path: Path
) -> None:
    source = shutil.copytree(footage / "attic", tmp_path / "attic")
    good = (source / f"{NAME}.mp4").read_bytes()
    (source / "20261122T182000Z.mp4").write_bytes(b"no video")
    (source / "undated.mp4").write_bytes(good)
    (source / "dated.mp4").write_bytes(good)
    _stamp(source / "dated.mp4", "2026-11-22T05:00:00Z")
    out = tmp_path / "events.jsonl"
    run = archive(source, out)
    assert run.status == 1
    unread = [line for line in run.stderr.splitlines() if line.startswith("not read: ")]
    assert len(unread) == 2
    assert any("20261122T182000Z.mp4: not a video" in line for line in unread)
    assert any("undated.mp4: neither its name nor its container" in line for line in unread)
    assert "2 recordings, 2 not read" in run.stdout
    starts = [event.started_at for event in read_events(out) if event.ended_at]
    assert starts == [datetime.fromisoformat(at) for at in ("2026-11-22T05:00:00Z", START)]
    (source / "20261122T182000Z.mp4").write_bytes(good)
    (source / "undated2.mp4").write_bytes(good)
    mended = archive(source, out, "--start-at", "2026-11-23T00:00:00+00:00")
    assert mended.status == 0, mended.stderr
    assert "5 recordings, 2 of them recognised" in mended.stdout
    first, second = [event.started_at for event in read_events(out) if event.ended_at][-2:]
    assert first == datetime.fromisoformat("2026-11-23T00:00:00Z")
    assert timedelta(seconds=3.9) < second - first < timedelta(seconds=4.2)  # one after the other
    for path in sorted(source.iterdir())[1:]:
        path.write_bytes(b"no video any more")
    worse = archive(source, out, "--start-at", "2026-11-23T00:00:00+00:00")
    assert worse.status == 1
    assert "events of 1 recording, 4 not read" in worse.stdout  # nothing of what it was before


def test_a_decoder_that_crashes_costs_its_own_clip_only(footage: Path, eager_bundle: Path) -> None:
    setup = WorkerSetup(bundle=str(eager_bundle), engine="litert", n_threads=1)
    camera = CameraSettings(source="archive", name="hall")
    clips = sorted(footage.rglob("*.mp4"))
    tasks = [
        (clip.name, ClipTask(path=str(clip), camera=camera, needs_time=False)) for clip in clips
    ]
    others = set(_children(os.getpid()))  # of tests before this one
    with WorkerPool(setup, n_workers=1) as pool:
        (child,) = set(_children(os.getpid())) - others
        os.kill(child, signal.SIGKILL)
        results = [result for _, result in pool.recognise(tasks)]
    assert [bool(result.error) for result in results] == [True, False, False]
    assert results[0].error == f"{clips[0]}: cannot be read: its decoder ended with status -9"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--out", "e.csv"], "--out e.csv: give a name that ends in .parquet or .jsonl"),
        ([], "--archive: give --out"),
        (["--out", "e.jsonl", "--camera", "0"], "--archive and --camera: give one of them"),
        (["--out", "no/e.jsonl"], "there is no folder no; make it first"),
        (
            ["--out", "e.jsonl", "--bundle", "lrcn-ucf", "--clip-names", "%H"],
            "a date and a time are needed",
        ),
        (["--out", "e.jsonl", "--bundle", "none"], "none"),
    ],
)
def test_what_cannot_work_is_said_at_once(
    footage: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stream.main(["--archive", str(footage), "--bundle", "lrcn-ucf", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_results_of_another_bundle_are_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl.progress"
    clip = ArchiveClip("a.mp4", str(tmp_path / "a.mp4"), 7, 8)
    with ProgressFile(path, {"--bundle": "1"}) as progress:
        progress.add(clip, ClipResult(n_frames=9))
        with pytest.raises(InputError, match="another har-stream works on it"):
            ProgressFile(path, {"--bundle": "1"})
    with ProgressFile(path, {"--bundle": "1"}) as progress:
        assert progress.states() == {"a.mp4": (7, 8)}
        assert progress.result("a.mp4").n_frames == 9
    with pytest.raises(InputError, match=r"made with a different --bundle; give another --out"):
        ProgressFile(path, {"--bundle": "2"})
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(InputError, match="delete it to begin anew"):
        ProgressFile(path, {"--bundle": "1"})


def test_without_pyarrow_one_line_says_so_before_any_work(footage: Path, tmp_path: Path) -> None:
    (tmp_path / "pyarrow").mkdir()
    (tmp_path / "pyarrow" / "__init__.py").write_text("raise ModuleNotFoundError(name='pyarrow')\n")
    path = os.pathsep.join((str(tmp_path), ENVIRONMENT["PYTHONPATH"]))
    run = subprocess.run(
        [*COMMAND, "--archive", footage, "--out", tmp_path / "events.parquet"],
        env=ENVIRONMENT | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    says = "har-stream: pyarrow is not installed: pip install 'har-stream[archive]'\n"
    assert (run.returncode, run.stderr) == (2, says)


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "data" / "ucf").is_dir(), reason="no real clips at HAR_SHARED")
def test_ctrl_c_says_what_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    process = subprocess.Popen(
        [
            *(*COMMAND, "--archive", SHARED / "data" / "ucf", "--start-at", START, "--out", out),
            *("--bundle", "lrcn-ucf"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    with suppress(subprocess.TimeoutExpired):
        process.wait(6)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.splitlines()[-1].endswith("recordings are kept; the same command goes on)")
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.skipif(not (SHARED / "data" / "ucf").is_dir(), reason="no real clips at HAR_SHARED")
def test_twenty_kills_on_real_clips(tmp_path: Path) -> None:
    """Killed twenty times at any moment, 300 real clips give the same file to the byte."""
    clips = sorted((SHARED / "data" / "ucf").rglob("*.mp4"))[::5][:300]
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{clip}\n" for clip in clips))
    arguments = ("--bundle", "lrcn-ucf", "--archive", listed, "--start-at", START, "--out")
    assert har_stream(*arguments, tmp_path / "whole.jsonl", timeout_s=900).returncode == 0
    out = tmp_path / "killed.jsonl"
    rng = random.Random(27)
    n_killed = 0
    while n_killed < 20:
        process = _start(*arguments, out)
        try:
            process.wait(rng.uniform(0.5, 6.0))
            out.unlink()  # it was done before the kill: whole again from what is kept
        except subprocess.TimeoutExpired:
            _kill(process)
            n_killed += 1
    assert har_stream(*arguments, out, timeout_s=900).returncode == 0
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
