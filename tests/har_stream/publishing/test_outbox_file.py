"""What disks and people do to an outbox: no traceback, and every readable event is kept."""

import json
import random
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.event_builder import COOKING
from support.files.damage import DAMAGES, PAGE, copy_in_use, zero_pages
from support.limits import files_of_at_most, fill_up, tiny_disk

from har_stream.core.errors import InputError
from har_stream.core.sqlite.pages import log_of, stored_rows
from har_stream.mqtt.messages import ActivityEvent
from har_stream.publishing.outbox import Outbox

CAMERAS = ("cam0", "cam1")
FRAME = 24 + PAGE


def _append(outbox: Outbox, camera: str = "cam0") -> ActivityEvent | None:
    return outbox.append(COOKING, node="n1", camera=camera, room="kitchen")


def _held(outbox: Outbox) -> list[ActivityEvent]:
    """Every event that the outbox gives out, of both cameras."""
    held: list[ActivityEvent] = []
    for camera in CAMERAS:
        seq = 1
        while events := outbox.replay(camera, seq).events:
            held += events
            seq = events[-1].seq + 1
    return held


class Sound(NamedTuple):
    """An outbox before it is damaged.

    Attributes:
        path: Its file; its log beside it holds what a power cut would leave there.
        events: What is in it, by id.
        on_pages: The ids on each page of the file, by its place.
        in_frames: The ids in each frame of the log, by its place.
    """

    path: Path
    events: dict[str, ActivityEvent]
    on_pages: dict[int, set[str]]
    in_frames: dict[int, set[str]]

    def readable(self, damaged: Path) -> set[str]:
        """The ids of all events on pages and frames in which no byte was changed."""
        found: set[str] = set()
        for of, places, size in (
            (lambda path: path, self.on_pages, PAGE),
            (log_of, self.in_frames, FRAME),
        ):
            if of(damaged).exists() and of(self.path).exists():
                old, new = of(self.path).read_bytes(), of(damaged).read_bytes()
                for at, ids in places.items():
                    if old[at : at + size] == new[at : at + size]:
                        found |= ids
        return found


def _ids(path: Path) -> set[str]:
    return {
        json.loads(str(row.values[3]))["id"] for row in stored_rows(path) if len(row.values) == 9
    }


def _sound(path: Path, folder: Path) -> Sound:
    """Note which page and frame holds which events, by reading each alone."""
    alone = folder / "alone.db"
    file, log = path.read_bytes(), log_of(path).read_bytes() if log_of(path).exists() else b""
    on_pages, in_frames = {}, {}
    for at in range(0, len(file), PAGE):
        alone.write_bytes(bytes(at) + file[at : at + PAGE])
        on_pages[at] = _ids(alone)
    alone.unlink()
    for at in range(32, len(log) - FRAME + 1, FRAME):
        log_of(alone).write_bytes(log[:32] + log[at : at + FRAME])
        in_frames[at] = _ids(alone)
    log_of(alone).unlink(missing_ok=True)
    outbox = Outbox(copy_in_use(path, folder / "read" / path.name))
    events = {event.id: event for event in _held(outbox)}
    outbox.close()
    shutil.rmtree(folder / "read")
    return Sound(path, events, on_pages, in_frames)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> list[Sound]:
    """One closed cleanly, one in use, one in use an hour before, and one of another home."""
    folder = tmp_path_factory.mktemp("sound")
    path = folder / "outbox-n1.db"
    outbox = Outbox(path)
    for number in range(140):
        _append(outbox, CAMERAS[number % 2])
    for waiting in outbox.pending(limit=60):
        outbox.mark_sent(waiting.position)
    outbox.acknowledge("cam0", 20)
    outbox.age_out()
    copies = []
    for name in ("earlier", "in use"):
        for number in range(12):
            _append(outbox, CAMERAS[number % 2])
        copies.append(copy_in_use(path, folder / name / path.name))
    outbox.close()
    other = Outbox(folder / "other" / path.name)
    for _ in range(12):
        _append(other)
    copies.append(copy_in_use(folder / "other" / path.name, folder / "of another" / path.name))
    other.close()
    return [_sound(each, folder) for each in (path, *copies)]


def _damage(sounds: list[Sound], path: Path, rng: random.Random) -> tuple[str, Sound, set[str]]:
    """Lay a damaged outbox at a path; returns what was done, to which, and what is readable."""
    closed, earlier, in_use, other = sounds
    kind = rng.choice(("closed", "file", "log", "swapped log", "lost"))
    before = closed if kind == "closed" else in_use
    copy_in_use(before.path, path)
    readable: set[str] = set()
    if kind == "swapped log":
        stranger = rng.choice((earlier, other))
        shutil.copy(log_of(stranger.path), log_of(path))
        for ids in stranger.in_frames.values():
            readable |= ids
        before = Sound(before.path, before.events | stranger.events, before.on_pages, {})
        done = kind
    elif kind == "lost":
        lost = rng.choice((path, log_of(path)))
        lost.unlink()
        done = f"lost {'file' if lost == path else 'log'}"
    else:
        damage = rng.choice(DAMAGES)
        damage(log_of(path) if kind == "log" else path, rng)
        done = f"{damage.__name__} of {kind}"
    return done, before, readable | before.readable(path)


@pytest.mark.parametrize("n_damages", [25, pytest.param(200, marks=pytest.mark.slow)])
def test_whatever_is_damaged_every_readable_event_is_kept(
    sounds: list[Sound], tmp_path: Path, n_damages: int, caplog: pytest.LogCaptureFixture
) -> None:
    kinds: Counter[str] = Counter()
    n_kept = n_readable = n_aside = 0
    slowest_s = 0.0
    for seed in range(n_damages):
        rng = random.Random(seed)
        path = tmp_path / str(seed) / "outbox-n1.db"
        done, before, readable = _damage(sounds, path, rng)
        kinds[done] += 1
        started_s = time.monotonic()
        outbox = Outbox(path)
        outbox.pending()
        slowest_s = max(slowest_s, time.monotonic() - started_s)
        held = _held(outbox)
        assert len({(event.camera, event.seq) for event in held}) == len(held), (seed, done)
        kept = {event.id for event in held} | {_id(event) for event in _set_aside(outbox)}
        assert readable <= kept, (seed, done, len(readable - kept))
        for event in held:
            assert before.events.get(event.id) == event or event.id not in readable, (seed, done)
        n_kept, n_readable = n_kept + len(held), n_readable + len(readable)
        event = _append(outbox)
        assert event is not None, (seed, done)
        assert event.seq > max((e.seq for e in held if e.camera == "cam0"), default=0)
        outbox.acknowledge("cam0", event.seq)
        outbox.age_out()
        assert outbox.depth() <= len(held) + 1
        outbox.close()
        n_aside += bool(list(path.parent.glob("*.damaged-*")))
    print(f"\n{n_damages} damages: {dict(sorted(kinds.items()))}")
    print(
        f"{n_readable} events on sound pages, all kept; {n_kept} kept in all; "
        f"{n_aside} files moved aside; slowest start {slowest_s:.2f} s; "
        f"{len(caplog.records)} lines in the log"
    )
    assert slowest_s < 5
    assert not [record for record in caplog.records if record.exc_info]


def _run(outbox: Outbox, sql: str) -> list[Any]:
    return outbox._file.attempt(lambda db: db.execute(sql).fetchall(), otherwise=[], costs="")


def _set_aside(outbox: Outbox) -> list[object]:
    return [event for (event,) in _run(outbox, "SELECT event FROM set_aside")]


def _id(event: object) -> str:
    try:
        return str(json.loads(event)["id"])  # type: ignore[arg-type]
    except (ValueError, KeyError, TypeError):
        return ""


def test_a_file_that_is_no_outbox_is_moved_aside_under_a_name_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "outbox-n1.db"
    text = "something else entirely, and long enough to be read as a header" * 50
    path.write_text(text)
    outbox = Outbox(path)
    assert outbox.pending() == []
    assert _append(outbox) is not None
    (aside,) = tmp_path.glob("outbox-n1.db.damaged-*")
    assert aside.read_text() == text
    (record,) = caplog.records
    assert aside.name in record.getMessage()
    assert "file is not a database" in record.getMessage()


def test_a_power_cut_in_the_middle_of_a_repair_costs_nothing(
    sounds: list[Sound], tmp_path: Path
) -> None:
    """The new file is there, and beside it still the log of the old one."""
    path = copy_in_use(sounds[2].path, tmp_path / "outbox.db")
    zero_pages(path, random.Random(4))
    log = log_of(path).read_bytes()
    outbox = Outbox(path)
    held = _held(outbox)
    outbox.close()
    assert list(tmp_path.glob("*.damaged-*"))
    log_of(path).write_bytes(log)
    again = Outbox(path)
    assert {event.id for event in _held(again)} >= {event.id for event in held}
    again.close()


def test_damage_that_comes_while_it_runs_is_repaired(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path)
    for _ in range(300):
        _append(outbox)
    _run(outbox, "PRAGMA cache_size = 1")
    outbox.age_out()  # all is in the file now, and little of it in memory
    content = bytearray(path.read_bytes())
    for at in range(PAGE, len(content), PAGE):
        if content[at] == 5:  # an inner page of a table
            content[at] = 0
    path.write_bytes(content)
    assert len(outbox.pending(limit=1000)) == 300
    assert _append(outbox) is not None
    (record,) = caplog.records
    assert "was damaged" in record.getMessage()


def test_a_version_that_is_newer_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path)
    _run(outbox, "PRAGMA user_version = 7")
    outbox.close()
    with pytest.raises(InputError, match=r"version 7.*update har-stream"):
        Outbox(path)
    assert path.exists()
    assert not list(tmp_path.glob("*damaged*"))


@pytest.mark.parametrize("n_bytes", [200_000, 1_000_000])
def test_a_disk_that_fills_costs_no_event_that_was_kept(
    tmp_path: Path, n_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    """All calls go on, each loss is one line, and once there is room all goes out."""
    disk = tmp_path / "disk"
    with tiny_disk(disk, n_bytes):
        outbox = Outbox(disk / "outbox.db")
        kept = [_append(outbox) for _ in range(20)]
        filler = fill_up(disk)
        while len(kept) < 5000 and (event := _append(outbox)):
            kept.append(event)
        assert len(kept) >= 50, "the log gives its room back, so that a full disk holds more"
        for _ in range(3):
            assert _append(outbox) is None
            outbox.mark_sent(outbox.pending()[0].position)
            outbox.acknowledge("cam0", 3)
            outbox.age_out()
            outbox.replay("cam0", 1)
        lines = [record.getMessage() for record in caplog.records]
        assert len(lines) == len({*lines}), "each is said once"
        killed = copy_in_use(disk / "outbox.db", tmp_path / "killed" / "outbox.db")
        outbox.close()
        outbox = Outbox(disk / "outbox.db")
        assert _held(outbox) == kept, "it starts on a full disk"
        filler.unlink()
        again = _append(outbox)
        assert again is not None
        assert again.seq == len(kept) + 1, "a number is not spent on what was lost"
        outbox.close()
        print(f"\ndisk of {n_bytes} bytes: {len(kept)} events kept, all there after room was made")
    outbox = Outbox(killed)
    assert _held(outbox) == kept
    outbox.close()


def test_what_cannot_be_read_keeps_nothing_back_on_a_full_disk_either(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with tiny_disk(disk, 200_000):
        outbox = Outbox(disk / "outbox.db")
        kept = [_append(outbox) for _ in range(20)]
        _run(outbox, "UPDATE events SET event = '{' WHERE seq = 7")
        filler = fill_up(disk)
        while event := _append(outbox):
            kept.append(event)
        del kept[6]
        assert [p.event for p in outbox.pending(limit=5000)] == kept
        filler.unlink()
        assert [p.event for p in outbox.pending(limit=5000)] == kept
        assert _set_aside(outbox) == [b"{"]
        outbox.close()


def test_a_limit_on_files_is_met_as_a_full_disk_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    kept = [_append(outbox)]
    with files_of_at_most(150_000):
        while event := _append(outbox):
            kept.append(event)
        outbox.mark_sent(1)
        outbox.acknowledge("cam0", 1)
    assert _append(outbox) is not None
    assert _held(outbox)[:-1] == kept
    assert [r.getMessage() for r in caplog.records if "events are lost" in r.getMessage()]


@pytest.mark.parametrize("lost", ["", "-wal"])
def test_a_file_deleted_while_in_use_is_said_and_written_anew(
    tmp_path: Path, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path)
    kept = [_append(outbox) for _ in range(30)]
    (tmp_path / f"outbox.db{lost}").unlink()
    kept += [_append(outbox) for _ in range(2)]
    (record,) = caplog.records
    assert "was deleted while in use" in record.getMessage()
    killed = copy_in_use(path, tmp_path / "killed" / "outbox.db")
    assert _held(outbox) == kept
    outbox.close()
    assert _held(Outbox(killed)) == kept


def test_another_file_in_its_place_is_said_once_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path)
    _append(outbox)
    (tmp_path / "restored").write_text("a backup")
    (tmp_path / "restored").replace(path)
    assert [_append(outbox) is not None for _ in range(3)] == [True] * 3
    (record,) = caplog.records
    assert "another file has taken its place" in record.getMessage()
    outbox.close()
    assert path.read_text() == "a backup"


def test_nothing_is_left_beside_a_file_that_was_closed(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    _append(outbox)
    assert {each.name for each in tmp_path.iterdir()} == {
        "outbox.db",
        "outbox.db-wal",
        "outbox.db.reserve",
    }
    outbox.close()
    Outbox(tmp_path / "outbox.db").close()
    assert [each.name for each in tmp_path.iterdir()] == ["outbox.db"]
