"""A file is the old one or the new one, never half of either."""

from pathlib import Path

import pytest

from har_stream.core.atomic_file import replacing


def test_a_file_is_replaced_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("old\n")
    with replacing(path) as file:
        file.write("new\r\nänew\n")
        file.flush()
        assert path.read_text() == "old\n"
    assert path.read_bytes() == "new\r\nänew\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_what_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("old\n")
    with pytest.raises(ValueError, match="torn"), replacing(path) as file:
        file.write("ne")
        raise ValueError("torn")
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]
