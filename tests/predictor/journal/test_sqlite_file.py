"""What disks and people do to a journal: no traceback, and every readable row is kept."""

import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy.exc import DBAPIError
from support.event_builder import EIGHT, started
from support.files.damage import DAMAGES, PAGE, copy_in_use, zero_pages
from support.limits import fill_up, tiny_disk
from support.repository import ENVIRONMENT

from har_stream.core.errors import InputError
from har_stream.core.sqlite.pages import log_of, stored_rows
from har_stream.mqtt.messages import ActivityEvent, RuleState
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal
from predictor.journal.records import ContextValue

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FRAME = 24 + PAGE
STATE = RuleState(state="on", changed_at=NOW, dry_run=False)
Facts = frozenset[str]


def _event(seq: int, camera: str = "cam1") -> ActivityEvent:
    return started("cooking", minute=seq, seq=seq, camera=camera, room="kitchen")


def _record(journal: Journal, first: int, last: int) -> None:
    for seq in range(first, last + 1):
        for camera in ("cam1", "cam2"):
            journal.record(_event(seq, camera), received_at=NOW)
        journal.record_context(ContextValue("light", seq + 0.5, EIGHT))


def _facts(path: Path) -> Facts:
    """Ids of events and values of contexts, read from the pages of a file."""
    return frozenset(
        str(row.values[0] if len(row.values) == 18 else row.values[1])
        for row in stored_rows(path)
        if len(row.values) == 18 or (len(row.values) == 5 and row.values[0] == "light")
    )


def _kept(journal: Journal) -> Facts:
    ids = [entry.event.id for entry in journal.entries()]
    assert len({*ids}) == len(ids)
    return frozenset({*ids, *(str(context.value) for context in journal.contexts())})


class Sound(NamedTuple):
    """A journal before it is damaged.

    Attributes:
        path: Its file; its log beside it holds what a power cut would leave there.
        facts: All that is in it.
        on_pages: The facts on each page of the file, by its place.
        in_frames: The facts in each frame of the log, by its place.
    """

    path: Path
    facts: Facts
    on_pages: dict[int, Facts]
    in_frames: dict[int, Facts]

    def readable(self, damaged: Path) -> Facts:
        """The facts on all pages and frames in which no byte was changed."""
        found: set[str] = set()
        for of, places, size in (
            (lambda path: path, self.on_pages, PAGE),
            (log_of, self.in_frames, FRAME),
        ):
            if of(damaged).exists() and of(self.path).exists():
                old, new = of(self.path).read_bytes(), of(damaged).read_bytes()
                for at, facts in places.items():
                    if old[at : at + size] == new[at : at + size]:
                        found |= facts
        return frozenset(found)


def _sound(path: Path, folder: Path) -> Sound:
    """Note which page and frame holds what, by reading each alone."""
    alone = folder / "alone.db"
    file, log = path.read_bytes(), log_of(path).read_bytes() if log_of(path).exists() else b""
    on_pages, in_frames = {}, {}
    for at in range(0, len(file), PAGE):
        alone.write_bytes(bytes(at) + file[at : at + PAGE])
        on_pages[at] = _facts(alone)
    alone.unlink()
    for at in range(32, len(log) - FRAME + 1, FRAME):
        log_of(alone).write_bytes(log[:32] + log[at : at + FRAME])
        in_frames[at] = _facts(alone)
    log_of(alone).unlink(missing_ok=True)
    with Journal(sqlite_url(copy_in_use(path, folder / "read" / path.name))) as journal:
        facts = _kept(journal)
    shutil.rmtree(folder / "read")
    return Sound(path, facts, on_pages, in_frames)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> list[Sound]:
    """One closed cleanly, one in use an hour before, one in use, and one of another home."""
    folder = tmp_path_factory.mktemp("sound")
    path = folder / "journal.db"
    copies = []
    with Journal(sqlite_url(path)) as journal:
        journal.keep_rule_state("light", STATE)
        _record(journal, 1, 60)
        for name, first in (("earlier", 61), ("in use", 67)):
            _record(journal, first, first + 5)
            copies.append(copy_in_use(path, folder / name / path.name))
    with Journal(sqlite_url(folder / "other" / path.name)) as other:
        _record(other, 1, 6)
        copies.append(copy_in_use(folder / "other" / path.name, folder / "another" / path.name))
    return [_sound(each, folder) for each in (path, *copies)]


def _damage(sounds: list[Sound], path: Path, rng: random.Random) -> tuple[str, Facts]:
    """Lay a damaged journal at a path; returns what was done, and what is readable."""
    closed, earlier, in_use, other = sounds
    kind = rng.choice(("closed", "file", "log", "swapped log", "lost"))
    before = closed if kind == "closed" else in_use
    copy_in_use(before.path, path)
    if kind == "swapped log":
        stranger = rng.choice((earlier, other))
        shutil.copy(log_of(stranger.path), log_of(path))
        foreign = frozenset().union(*stranger.in_frames.values())
        return kind, foreign | before._replace(in_frames={}).readable(path)
    if kind == "lost":
        lost = rng.choice((path, log_of(path)))
        lost.unlink()
        return f"lost {'file' if lost == path else 'log'}", before.readable(path)
    damage = rng.choice(DAMAGES)
    damage(log_of(path) if kind == "log" else path, rng)
    return f"{damage.__name__} of {kind}", before.readable(path)


@pytest.mark.parametrize("n_damages", [25, pytest.param(200, marks=pytest.mark.slow)])
def test_whatever_is_damaged_every_readable_row_is_kept(
    sounds: list[Sound], tmp_path: Path, n_damages: int, caplog: pytest.LogCaptureFixture
) -> None:
    kinds: Counter[str] = Counter()
    n_kept = n_readable = n_aside = 0
    slowest_s = 0.0
    for seed in range(n_damages):
        rng = random.Random(seed)
        path = tmp_path / str(seed) / "journal.db"
        done, readable = _damage(sounds, path, rng)
        kinds[done] += 1
        started_s = time.monotonic()
        with Journal(sqlite_url(path)) as journal:
            journal.progress()
            slowest_s = max(slowest_s, time.monotonic() - started_s)
            kept = _kept(journal)
            assert readable <= kept, (seed, done, len(readable - kept))
            held = {(e.event.camera, e.event.seq) for e in journal.entries()}
            for (_, camera), progress in journal.progress().items():
                assert all((camera, seq) in held for seq in range(1, progress.contiguous_seq + 1))
            journal.rule_states()
            assert journal.record(_event(1000), received_at=NOW).is_new, (seed, done)
        n_kept, n_readable = n_kept + len(kept), n_readable + len(readable)
        n_aside += bool(list(path.parent.glob("*.damaged-*")))
    print(f"\n{n_damages} damages: {dict(sorted(kinds.items()))}")
    print(
        f"{n_readable} rows on sound pages, all kept; {n_kept} kept in all; {n_aside} files moved "
        f"aside; slowest start {slowest_s:.2f} s; {len(caplog.records)} lines in the log"
    )
    assert slowest_s < 5
    assert not [record for record in caplog.records if record.exc_info]


def test_a_file_that_is_no_database_is_moved_aside_under_a_name_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "certainly not a database, but long enough to look at"
    (tmp_path / "journal.db").write_text(text)
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        assert journal.record(_event(1), received_at=NOW).is_new
    (aside,) = tmp_path.glob("journal.db.damaged-*")
    assert aside.read_text() == text
    (record,) = caplog.records
    assert aside.name in record.getMessage()
    assert "file is not a database" in record.getMessage()


def test_a_database_of_another_program_is_not_moved_aside(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
    Journal(sqlite_url(tmp_path / "journal.db")).close()
    assert [path.name for path in tmp_path.iterdir()] == ["journal.db"]


def test_what_is_begun_anew_has_the_id_the_rules_and_the_numbers(tmp_path: Path) -> None:
    """A hole is asked for again, and a row of an earlier epoch counts in its own."""
    url = sqlite_url(tmp_path / "journal.db")
    with Journal(url) as journal:
        name = journal.id
        journal.keep_rule_state("light", STATE)
        _record(journal, 1, 3)
        journal.record(_event(5), received_at=NOW)
        journal.record(started("eating", minute=9, seq=2, camera="cam2"), received_at=NOW)
        progress = journal.progress()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE journal SET version = 'x'")
        db.execute("UPDATE cameras SET highest_seq = 'y' WHERE camera = 'cam1'")
    with Journal(url) as journal:
        assert len(journal.id) == len(name)
        assert journal.rule_states() == {"light": STATE}
        assert journal.progress() == progress
    assert list(tmp_path.glob("*.damaged-*"))


def test_a_file_that_another_process_has_open_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(sqlite_url(path)) as journal:
        _record(journal, 1, 30)
    holding = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]);"
    holding += "db.execute('PRAGMA journal_mode = WAL'); db.execute('SELECT * FROM journal');"
    holding += "print(flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", holding, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout is not None
        other.stdout.readline()
        zero_pages(path, random.Random(2))
        with suppress(InputError):
            Journal(sqlite_url(path)).close()
        assert not list(tmp_path.glob("*.damaged-*"))
        other.kill()
    Journal(sqlite_url(path)).close()
    assert list(tmp_path.glob("*.damaged-*"))


def _break_inner_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for at in range(PAGE, len(content), PAGE):
        if content[at] in (2, 5):  # an inner page of an index or a table
            content[at] = 0
    path.write_bytes(content)


def test_damage_that_comes_while_it_runs_is_told_and_repaired_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal.db"
    told: list[str] = []
    with Journal(sqlite_url(path)) as journal:
        journal.when_damaged(lambda: told.append("damaged"))
        journal.record_all([_event(seq) for seq in range(1, 301)], received_at=NOW)
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint (TRUNCATE)")
        _break_inner_pages(path)
        with pytest.raises(DBAPIError):
            list(journal.entries())
        with suppress(DBAPIError):
            journal.record(_event(301), received_at=NOW)
        assert journal.is_damaged
    assert told == ["damaged"]
    assert "ending, to begin it anew" in caplog.records[0].getMessage()
    assert "was damaged" in caplog.records[-1].getMessage()
    with Journal(sqlite_url(path)) as journal:
        assert {entry.event.seq for entry in journal.entries()} >= set(range(1, 301))


def test_damage_that_nothing_reads_is_found_by_looking(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    told: list[str] = []
    with Journal(sqlite_url(path)) as journal:
        journal.when_damaged(lambda: told.append("damaged"))
        journal.record_all([_event(seq) for seq in range(1, 301)], received_at=NOW)
        journal.look_for_damage()
        assert not told
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint (TRUNCATE)")
        _break_inner_pages(path)
        journal.look_for_damage()
        assert told == ["damaged"]


def test_a_look_leaves_the_file_in_use_for_other_processes(tmp_path: Path) -> None:
    """POSIX drops a process's locks with the first descriptor that it closes."""
    path = tmp_path / "journal.db"
    url = sqlite_url(path)
    export = f"from predictor.journal.journal import Journal\nwith Journal({url!r}) as j: j.count()"
    with Journal(url) as journal:
        _record(journal, 1, 20)
        journal.look_for_damage()
        log = log_of(path).stat().st_ino
        subprocess.run([sys.executable, "-c", export], check=True, env=ENVIRONMENT)
        assert log_of(path).stat().st_ino == log


@pytest.mark.parametrize("lost", ["", "-wal"])
def test_a_file_deleted_while_in_use_is_said_and_written_anew(
    tmp_path: Path, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state" / "journal.db"
    with Journal(sqlite_url(path)) as journal:
        _record(journal, 1, 20)
        path.with_name(f"journal.db{lost}").unlink()
        _record(journal, 21, 22)
        (record,) = caplog.records
        assert "was deleted while in use" in record.getMessage()
        killed = copy_in_use(path, tmp_path / "killed" / "journal.db")
        kept = _kept(journal)
    with Journal(sqlite_url(killed)) as journal:
        assert _kept(journal) == kept
        assert journal.progress()["n1", "cam2"].contiguous_seq == 22


def test_a_file_that_another_one_replaced_takes_nothing_and_says_what_to_do(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    with Journal(sqlite_url(path)) as journal:
        _record(journal, 1, 2)
        (tmp_path / "restored").write_text("a backup")
        (tmp_path / "restored").replace(path)
        with pytest.raises(DBAPIError, match="start this program again"):
            journal.record(_event(3), received_at=NOW)
        assert len(list(journal.entries())) == 4


@pytest.mark.parametrize("n_bytes", [420_000, 450_000])
def test_a_disk_that_fills_costs_no_event_that_was_kept(tmp_path: Path, n_bytes: int) -> None:
    """What fails is not acknowledged; it starts on a full disk, and goes on once there is room."""
    disk = tmp_path / "disk"
    with tiny_disk(disk, n_bytes):
        url = sqlite_url(disk / "journal.db")
        with Journal(url) as journal:
            _record(journal, 1, 20)
            filler = fill_up(disk)
            last = 20
            n_failed = 0
            while n_failed < 4:
                try:
                    journal.record(_event(last + 1), received_at=NOW)
                    last += 1
                except DBAPIError:
                    n_failed += 1
            assert last > 60, "the log gives its room back, so that a full disk holds more"
            assert journal.progress()["n1", "cam1"].contiguous_seq == last
            killed = copy_in_use(disk / "journal.db", tmp_path / "killed" / "journal.db")
        with Journal(url) as journal:
            assert journal.progress()["n1", "cam1"].contiguous_seq == last
            filler.unlink()
            journal.record(_event(last + 1), received_at=NOW)
            assert journal.progress()["n1", "cam1"].contiguous_seq == last + 1
            assert len(list(journal.entries())) == last + 21
        print(f"\ndisk of {n_bytes} bytes: {last} events kept")
    with Journal(sqlite_url(killed)) as journal:  # one that failed may be in the log as well
        kept = {(entry.event.camera, entry.event.seq) for entry in journal.entries()}
        assert {("cam1", seq) for seq in range(1, last + 1)} < kept
        assert len(kept) <= last + 21
