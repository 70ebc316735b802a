"""A disk that fills or a file that is deleted under an open database costs nothing but time."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.files.damage import copy_in_use
from support.limits import fill_up, tiny_disk

from har_stream.core.sqlite import database_file
from har_stream.core.sqlite.file_in_use import FileInUse
from har_stream.core.sqlite.pages import log_of

PAGE = 4096


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    database_file.set_durable(db)
    db.execute("CREATE TABLE kept (content BLOB)")
    return db


def _insert(db: sqlite3.Connection, n_pages: int) -> None:
    db.execute("INSERT INTO kept VALUES (?)", (os.urandom(n_pages * PAGE),))


def _count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT COUNT(*) FROM kept").fetchone()[0])


def test_what_a_full_disk_refused_does_not_take_the_room_that_is_made(tmp_path: Path) -> None:
    """The log needs 20 pages to go into the file; what was refused has taken all 30 that came."""
    disk = tmp_path / "disk"
    with tiny_disk(disk, 400_000), closing(_opened(disk / "kept.db")) as db:
        file = FileInUse(disk / "kept.db")
        _insert(db, 20)
        database_file.release_reserve(disk / "kept.db")
        filler = fill_up(disk)
        os.truncate(filler, filler.stat().st_size - 30 * PAGE)
        with pytest.raises(sqlite3.OperationalError, match="full") as refused:
            _insert(db, 60)
        assert file.make_room(db, refused.value)
        assert log_of(disk / "kept.db").stat().st_size == 0, "it went into the file"
        _insert(db, 1)
        assert _count(db) == 2


def test_no_room_is_made_for_any_other_error(tmp_path: Path) -> None:
    with closing(_opened(tmp_path / "kept.db")) as db:
        file = FileInUse(tmp_path / "kept.db")
        with pytest.raises(sqlite3.OperationalError) as error:
            db.execute("SELECT * FROM absent")
        assert not file.make_room(db, error.value)
    assert (tmp_path / "kept.db.reserve").exists()


def test_only_what_was_never_committed_is_cut_off_a_log(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with closing(_opened(path)) as db:
        for _ in range(3):
            _insert(db, 2)
        committed = log_of(path).stat().st_size
        db.execute("PRAGMA cache_size = 5")  # so that pages go to the log before the commit
        db.execute("BEGIN")
        _insert(db, 40)
        db.execute("ROLLBACK")
        assert log_of(path).stat().st_size > committed
        database_file.cut_log(db, path)
        assert log_of(path).stat().st_size == committed
        with closing(sqlite3.connect(copy_in_use(path, tmp_path / "killed" / "kept.db"))) as killed:
            assert _count(killed) == 3
        _insert(db, 1)
        assert _count(db) == 4


def test_another_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with closing(_opened(path)) as db:
        file = FileInUse(path)
        assert not file.bring_back(db)
        (tmp_path / "restored").write_text("a backup")
        (tmp_path / "restored").replace(path)
        with pytest.raises(FileExistsError, match="start this program again"):
            file.bring_back(db)
    assert path.read_text() == "a backup"
