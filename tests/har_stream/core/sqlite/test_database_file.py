"""A damaged file is told from a sound one, moved aside, and begun anew from what can be read."""

import os
import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.files.damage import copy_in_use, no_database, truncate

from har_stream.core.sqlite import database_file
from har_stream.core.sqlite.database_file import find_damage, had_unclean_end, rebuild
from har_stream.core.sqlite.pages import StoredRow, log_of

TABLE = "CREATE TABLE kept (number INTEGER PRIMARY KEY, said TEXT NOT NULL DEFAULT 'nothing')"


def _schema(version: int) -> frozenset[str] | None:
    return frozenset([TABLE]) if version == 0 else None


def _damage(path: Path, check: str = "integrity_check") -> str | None:
    return find_damage(path, check=check, schema_of=_schema)


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    database_file.set_durable(db)
    return db


def _fill(path: Path, rows: Iterable[StoredRow]) -> None:
    with closing(_open(path)) as db, db:
        db.execute("BEGIN")
        db.execute(TABLE)
        for row in rows:
            if len(row.values) == 2:
                db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (row.rowid, row.values[1]))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "kept.db"
    _fill(path, (StoredRow(n, (None, f"row {n} " * 20)) for n in range(1, 101)))
    return path


def test_a_sound_file_and_an_absent_one_are_well(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    assert _damage(path) is None
    assert _damage(path, "quick_check") is None
    assert path.read_bytes() == before
    assert _damage(tmp_path / "absent.db") is None


@pytest.mark.parametrize(
    ("at", "byte", "words"),
    [
        (0, 0x00, "not a database"),
        (18, 0x07, "header is damaged"),  # SQLite would read it and never write
        (63, 0x09, "it has version 9"),
    ],
)
def test_one_byte_is_found(path: Path, at: int, byte: int, words: str) -> None:
    content = bytearray(path.read_bytes())
    content[at] = byte
    path.write_bytes(content)
    assert words in str(_damage(path))


def test_a_default_that_was_changed_is_found(path: Path) -> None:
    """No check of SQLite sees it, and every new row would be wrong."""
    path.write_bytes(path.read_bytes().replace(b"DEFAULT 'nothing'", b"DEFAULT 'mothing'"))
    assert _damage(path) == "its tables are not as they were made"


def test_an_empty_file_with_a_log_is_damaged_for_sqlite_would_delete_the_log(path: Path) -> None:
    with closing(_open(path)) as db:
        db.execute("INSERT INTO kept (said) VALUES ('new')")
        copied = copy_in_use(path, path.with_name("copy.db"))
    assert had_unclean_end(copied)
    assert not had_unclean_end(path)
    copied.write_bytes(b"")
    assert _damage(copied) == "it is empty, its log is not"
    copied.unlink()
    assert _damage(copied) == "it is empty, its log is not"


def test_a_file_that_another_process_holds_is_not_damaged(path: Path) -> None:
    with closing(_open(path)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("INSERT INTO kept (said) VALUES ('new')")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            _damage(path)


def test_what_is_damaged_is_moved_aside_and_begun_anew(path: Path) -> None:
    with closing(_open(path)) as db:
        db.execute("INSERT INTO kept (said) VALUES ('new')")
        copied = copy_in_use(path, path.with_name("copy.db"))
    truncate(copied, random.Random(1))
    old, log = copied.read_bytes(), log_of(copied).read_bytes()
    aside = rebuild(copied, fill=_fill)
    assert aside.name.startswith("copy.db.damaged-")
    assert (aside.read_bytes(), log_of(aside).read_bytes()) == (old, log)
    assert _damage(copied) is None
    with closing(sqlite3.connect(copied)) as db:
        assert ("new",) in db.execute("SELECT said FROM kept").fetchall()
    no_database(copied, random.Random(1))
    assert rebuild(copied, fill=_fill) != aside, "an earlier one is not overwritten"


def test_where_there_is_no_room_the_old_file_stays_as_it_is(path: Path) -> None:
    old = path.read_bytes()

    def fill(fresh: Path, rows: Iterator[StoredRow]) -> None:
        _fill(fresh, rows)
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(sqlite3.OperationalError):
        rebuild(path, fill=fill)
    assert path.read_bytes() == old


def test_a_file_deleted_while_in_use_comes_back(path: Path) -> None:
    db = _open(path)
    db.execute("INSERT INTO kept (said) VALUES ('new')")
    path.unlink()
    database_file.write_anew(db, path)
    db.close()
    with closing(sqlite3.connect(path)) as read:
        assert read.execute("SELECT COUNT(*) FROM kept").fetchone() == (101,)


def test_a_commit_is_on_disk_when_it_returns(path: Path) -> None:
    with closing(_open(path)) as db:
        asked = ("journal_mode", "synchronous", "secure_delete")
        told = [db.execute(f"PRAGMA {each}").fetchone()[0] for each in asked]
    assert told == ["wal", 2, 1], "2 is FULL: the log is synced at every commit"


def test_the_log_stays_short(path: Path) -> None:
    with closing(_open(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        for _ in range(1000):
            db.execute("INSERT INTO kept (said) VALUES ('new')")
        assert log_of(path).stat().st_size < 3 * database_file.LOG_PAGES * 4096
        database_file.empty_log(db)
        assert log_of(path).stat().st_size == 0


def test_a_new_folder_is_synced_into_the_one_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    database_file.make_folder(tmp_path / "deep" / "deeper")
    assert synced == [tmp_path, tmp_path / "deep"]
    database_file.make_folder(tmp_path / "deep")
    assert len(synced) == 2


def test_the_reserve_is_held_and_given_back(path: Path) -> None:
    database_file.hold_reserve(path)
    (reserve,) = path.parent.glob("kept.db.reserve")
    assert reserve.stat().st_size == database_file.RESERVE_BYTES
    database_file.release_reserve(path)
    database_file.release_reserve(path)
    assert not reserve.exists()
