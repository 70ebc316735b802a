"""Rows read straight from the pages of a SQLite file, where SQLite refuses or no longer sees them.

SQLite, and with it its shell's ``.recover``, stops at the first damaged frame of a write-ahead log
and believes a log that another file has left. This reads each page for itself, so a row is lost
only with its own page. Format: https://www.sqlite.org/fileformat2.html, sections 1.6 (b-tree
pages), 2.1 (records) and 4 (write-ahead log).

What comes out is not to be trusted: the reader must know its rows by their types and contents.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from mmap import ACCESS_READ, mmap
from pathlib import Path

Value = int | float | str | bytes | None
PAGE_SIZE = 4096
"""SQLite's default, for a file whose header is gone."""
MAX_PAYLOAD = 2**24
"""Bytes of a row; a length beyond comes from a damaged page."""
_TABLE_LEAF = 0x0D
_MAGIC = b"SQLite format 3\0"
_LOG_MAGICS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_LOG_HEADER, _FRAME_HEADER = 32, 24
_INTEGER_BYTES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8, 8: 0, 9: 0}


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row of some table.

    Attributes:
        rowid: Its number; the value of an ``INTEGER PRIMARY KEY``, whose own column is `None`.
        values: Its columns as they were stored; text that is not UTF-8 stays bytes.
        is_doubtful: It comes from a part of the log whose checksum is wrong.
    """

    rowid: int
    values: tuple[Value, ...]
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class _Frame:
    """A page in the write-ahead log.

    Attributes:
        page: Its number.
        n_pages: How many the file has from here on, where a commit ends; else 0.
        content: Its bytes.
        is_sound: Its checksum follows that of the frame before.
    """

    page: int
    n_pages: int
    content: bytes
    is_sound: bool


def log_of(path: Path) -> Path:
    """The write-ahead log of a database file."""
    return path.with_name(f"{path.name}-wal")


def stored_rows(path: Path, *, only_beside_log: bool = False) -> Iterator[StoredRow]:
    """Yield every row of every version of every table page: oldest first, doubtful ones at the end.

    Args:
        path: The database file; its log is read too. Either may be absent.
        only_beside_log: Only what the log holds and what it hides: rows on pages that it replaces.

    Raises:
        OSError: A file cannot be read.
    """
    log = log_of(path).read_bytes() if log_of(path).exists() else b""
    if not path.exists() or path.stat().st_size == 0:
        yield from _versions(b"", log, only_beside_log=only_beside_log)
        return
    with path.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as file:
        yield from _versions(file, log, only_beside_log=only_beside_log)


def committed_bytes(log: Path) -> int:
    """Return how much of a log is committed; the rest of it was refused or is of an earlier run.

    Raises:
        OSError: It cannot be read.
    """
    with log.open("rb") as file:
        whole = file.seek(0, os.SEEK_END)
        file.seek(0)
        start = file.read(_LOG_HEADER)
        if not _is_sound(start):
            return whole
        (size,) = struct.unpack(">I", start[8:12])
        committed = 0
        for at in range(_LOG_HEADER, whole - _FRAME_HEADER - size + 1, _FRAME_HEADER + size):
            file.seek(at)
            _, n_pages, salts = struct.unpack(">II8s", file.read(16))
            if n_pages and salts == start[16:24]:  # a commit says how large the database is
                committed = at + _FRAME_HEADER + size
        return committed


def _versions(file: bytes | mmap, log: bytes, *, only_beside_log: bool) -> Iterator[StoredRow]:
    size = _page_size(file, log)
    frames = list(_frames(log, size))
    sound = [frame for frame in frames if frame.is_sound]
    pages = _Pages(file, size, {frame.page: frame.content for frame in sound})
    replaced = {frame.page for frame in frames}
    commits = [frame.n_pages for frame in sound if frame.n_pages]
    n_seen = commits[-1] if commits else pages.n_in_file
    for page in range(1, pages.n_in_file + 1):
        if page in replaced or page > n_seen or not only_beside_log:
            yield from _rows_on(pages.in_file(page), pages, is_first=page == 1)
    for frame in sound:
        yield from _rows_on(frame.content, pages, is_first=frame.page == 1)
    for frame in frames:
        if not frame.is_sound:
            for row in _rows_on(frame.content, pages, is_first=frame.page == 1):
                yield replace(row, is_doubtful=True)


class _Pages:
    """The newest sound version of every page, by its number from 1 on."""

    def __init__(self, file: bytes | mmap, size: int, in_log: Mapping[int, bytes]) -> None:
        self._file = file
        self._size = size
        self._in_log = in_log
        self.n_in_file = -(-len(file) // size)

    def __getitem__(self, page: int) -> bytes:
        return self._in_log[page] if page in self._in_log else self.in_file(page)

    def in_file(self, page: int) -> bytes:
        """The version in the file; what is cut off is zeroes."""
        if not 1 <= page <= self.n_in_file:
            raise KeyError(page)
        return self._file[(page - 1) * self._size : page * self._size].ljust(self._size, b"\0")


def _page_size(file: bytes | mmap, log: bytes) -> int:
    candidates = []
    if len(log) >= _LOG_HEADER:
        candidates.append(int.from_bytes(log[8:12], "big"))
    if file[:16] == _MAGIC:
        stored = int.from_bytes(file[16:18], "big")
        candidates.append(65536 if stored == 1 else stored)
    return next((n for n in candidates if n in (512 << i for i in range(8))), PAGE_SIZE)


def _frames(log: bytes, size: int) -> Iterator[_Frame]:
    """Frames of the log's present run; of all runs where its header is damaged."""
    if len(log) < _LOG_HEADER:
        return
    order = ">" if log[3] & 1 else "<"
    salts, stored = log[16:24], struct.unpack(">II", log[24:32])
    has_header = _is_sound(log[:_LOG_HEADER])
    for at in range(_LOG_HEADER, len(log) - _FRAME_HEADER - size + 1, _FRAME_HEADER + size):
        header = log[at : at + _FRAME_HEADER]
        content = log[at + _FRAME_HEADER : at + _FRAME_HEADER + size]
        is_present = header[8:16] == salts
        seed, stored = stored, struct.unpack(">II", header[16:24])
        if is_present or not has_header:
            is_sound = is_present and _checksum(header[:8] + content, seed, order) == stored
            page, n_pages = struct.unpack(">II", header[:8])
            yield _Frame(page, n_pages, content, is_sound)


def _is_sound(header: bytes) -> bool:
    """Tell whether a log's header is as SQLite wrote it."""
    if header[:4] not in _LOG_MAGICS:  # zeroes have the right checksum
        return False
    order = ">" if header[3] & 1 else "<"
    return _checksum(header[:24], (0, 0), order) == struct.unpack(">II", header[24:])


def _checksum(content: bytes, seed: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = seed
    words = iter(struct.unpack(f"{order}{len(content) // 4}I", content))
    for even, odd in zip(words, words, strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def _rows_on(page: bytes, pages: _Pages, *, is_first: bool) -> Iterator[StoredRow]:
    header = 100 if is_first else 0  # the file's header lies before that of its first page
    if page[header] != _TABLE_LEAF:
        return
    n_cells = int.from_bytes(page[header + 3 : header + 5], "big")
    pointers = page[header + 8 : header + 8 + 2 * n_cells]
    for (start,) in struct.iter_unpack(">H", pointers[: len(pointers) // 2 * 2]):
        try:
            payload_size, at = _varint(page, start)
            rowid, at = _varint(page, at)
            payload = _payload(page, at, payload_size, pages)
            values = _record(payload)
        except (IndexError, KeyError, ValueError, struct.error):
            continue
        yield StoredRow(rowid - 2**64 if rowid >= 2**63 else rowid, values)


def _payload(page: bytes, at: int, n_bytes: int, pages: _Pages) -> bytes:
    """A row's bytes, from its page and, where it is long, from a chain of further ones."""
    if n_bytes > MAX_PAYLOAD:
        raise ValueError
    usable = len(page)
    if n_bytes <= usable - 35:
        return page[at : at + n_bytes]
    least = (usable - 12) * 32 // 255 - 23
    fitting = least + (n_bytes - least) % (usable - 4)
    n_here = fitting if fitting <= usable - 35 else least
    payload = page[at : at + n_here]
    following = int.from_bytes(page[at + n_here : at + n_here + 4], "big")
    while len(payload) < n_bytes:  # ends, for each page adds some bytes
        content = pages[following]
        payload += content[4 : 4 + n_bytes - len(payload)]
        following = int.from_bytes(content[:4], "big")
    return payload


def _record(payload: bytes) -> tuple[Value, ...]:
    """Read a row's columns; they must take up its bytes exactly."""
    header_size, at = _varint(payload, 0)
    start = header_size
    values: list[Value] = []
    while at < header_size:
        kind, at = _varint(payload, at)
        n_bytes = _INTEGER_BYTES[kind] if kind < 12 else (kind - 12) // 2
        values.append(_value(kind, payload[start : start + n_bytes]))
        start += n_bytes
    if at != header_size or start != len(payload):
        raise ValueError
    return tuple(values)


def _value(kind: int, content: bytes) -> Value:
    if kind >= 12:
        if kind % 2 == 0:
            return content
        try:
            return content.decode()
        except UnicodeDecodeError:
            return content
    if kind == 0:
        return None
    if kind in (8, 9):
        return kind - 8
    if kind == 7:
        number: float = struct.unpack(">d", content)[0]
        return number
    return int.from_bytes(content, "big", signed=True)


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Read a number of one to nine bytes; returns it with the place behind it."""
    number = content[at]
    if number < 0x80:  # as most are
        return number, at + 1
    number = 0
    for place in range(at, at + 8):
        number = number << 7 | content[place] & 0x7F
        if content[place] < 0x80:
            return number, place + 1
    return number << 8 | content[at + 8], at + 9
