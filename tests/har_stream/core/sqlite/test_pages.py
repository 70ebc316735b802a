"""Rows read from pages are those that SQLite wrote, and each is lost only with its own page."""

import math
import random
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.files.damage import DAMAGES, copy_in_use

from har_stream.core.sqlite.pages import StoredRow, Value, log_of, stored_rows

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-200, 200),
    st.floats(allow_nan=False).filter(lambda number: not number.is_integer() or abs(number) > 1e15),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    st.binary(max_size=200),
    st.integers(200, 20_000).map(lambda n: "long " * (n // 5)),
)
ROWS = st.dictionaries(
    st.integers(-(2**63), 2**63 - 1) | st.integers(1, 1000), st.tuples(VALUES, VALUES), max_size=60
)
Contents = dict[int, tuple[Value, ...]]


def _write(path: Path, rows: Contents, *, page_size: int = 4096) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA page_size = {page_size}")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA secure_delete = ON")
    db.execute("CREATE TABLE kept (number INTEGER PRIMARY KEY, first, second)")
    _insert(db, rows)
    return db


def _insert(db: sqlite3.Connection, rows: Contents) -> None:
    """Insert rows, each in a transaction of its own."""
    for rowid, (first, second) in rows.items():
        db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (rowid, first, second))


def _newest(rows: Iterable[StoredRow]) -> Contents:
    """The last of each number, with its own column left out; the schema's rows have five."""
    return {row.rowid: row.values[1:] for row in rows if len(row.values) == 3}


def _many(n: int) -> Contents:
    return {number: (f"row {number} " * 5, number * 0.37) for number in range(1, n + 1)}


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, later=ROWS, page_size=st.sampled_from([512, 4096, 65536]))
def test_what_sqlite_wrote_is_read_from_file_and_log(
    tmp_path_factory: pytest.TempPathFactory, rows: Contents, later: Contents, page_size: int
) -> None:
    folder = tmp_path_factory.mktemp("pages")
    db = _write(folder / "a.db", rows, page_size=page_size)
    db.execute("PRAGMA wal_checkpoint (TRUNCATE)")
    _insert(db, later)
    copied = copy_in_use(folder / "a.db", folder / "b.db")
    db.close()
    read = _newest(stored_rows(copied))
    assert read == rows | later
    assert _newest(stored_rows(folder / "a.db")) == rows | later
    assert not any(isinstance(value, float) and math.isnan(value) for value in read.values())


def test_a_page_takes_no_other_page_along(tmp_path: Path) -> None:
    """Also where the page is the first, with the header and all that SQLite needs to begin."""
    rows = _many(500) | {501: ("long " * 3000, None)}
    path = tmp_path / "a.db"
    _write(path, rows).close()
    whole = path.read_bytes()
    lost: list[Contents] = []
    for at in range(0, len(whole), 4096):
        path.write_bytes(whole[:at] + b"\xa5" * 4096 + whole[at + 4096 :])
        left = _newest(stored_rows(path))
        assert all(left[n] == rows[n] for n in left if n != 501), "nothing that was not there"
        lost.append({number: row for number, row in rows.items() if left.get(number) != row})
    assert sum(len(each.keys() - {501}) for each in lost) == 500, "each row lies on one page"
    assert not lost[0], "the first page holds the schema only"
    assert sum(501 in each for each in lost) == 4, "a leaf, and a chain of three pages"


def test_a_damaged_frame_of_the_log_takes_no_other_frame_along(tmp_path: Path) -> None:
    rows = _many(300)
    db = _write(tmp_path / "a.db", rows)
    copied = copy_in_use(tmp_path / "a.db", tmp_path / "b.db")
    db.close()
    log = bytearray(log_of(copied).read_bytes())
    third = 32 + 2 * (24 + 4096)
    log[third + 24 + 4000] ^= 0xFF
    log_of(copied).write_bytes(log)
    assert _newest(stored_rows(copied)) == rows
    assert any(row.is_doubtful for row in stored_rows(copied))
    with closing(sqlite3.connect(copied)) as seen:
        (n_seen,) = seen.execute("SELECT COUNT(*) FROM kept").fetchone()
    assert n_seen < 3, "SQLite drops all frames from the damaged one on, and says nothing"


@pytest.mark.parametrize("header", [bytes(32), b"\xff" * 32])
def test_a_log_without_its_header_is_read_frame_by_frame(tmp_path: Path, header: bytes) -> None:
    """Zeroes are the checksum of zeroes."""
    db = _write(tmp_path / "a.db", _many(30))
    copied = copy_in_use(tmp_path / "a.db", tmp_path / "b.db")
    db.close()
    log_of(copied).write_bytes(header + log_of(copied).read_bytes()[32:])
    assert _newest(stored_rows(copied)) == _many(30)


def test_a_log_of_an_earlier_day_hides_rows_which_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    early = _write(path, _many(5))
    copied = copy_in_use(path, tmp_path / "b.db")
    _insert(early, _many(40))
    early.close()
    copied.write_bytes(path.read_bytes())
    hidden = _newest(stored_rows(copied, only_beside_log=True))
    assert hidden == _many(40)
    db = sqlite3.connect(copied)
    assert db.execute("SELECT COUNT(*) FROM kept").fetchone() == (5,)
    db.close()


def test_what_was_deleted_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = _write(path, _many(400))
    db.execute("DELETE FROM kept WHERE number > 10")
    db.close()
    assert _newest(stored_rows(path)) == _many(10)


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_raises(tmp_path: Path, damage: Callable[[Path, random.Random], None]) -> None:
    path = tmp_path / "a.db"
    db = _write(path, _many(150))
    db.execute("PRAGMA wal_checkpoint (TRUNCATE)")
    _insert(db, {151: ("long " * 3000, None)} | {n: (n, n) for n in range(200, 220)})
    for seed in range(20):
        copied = copy_in_use(path, tmp_path / "b.db")
        damage(log_of(copied) if seed % 2 else copied, random.Random(seed))
        for row in stored_rows(copied):
            assert isinstance(row.rowid, int)
    db.close()
