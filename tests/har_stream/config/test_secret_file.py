"""A password file is read however an editor saved it, or refused in one line."""

from pathlib import Path

import pytest

from har_stream.config.secret_file import read_secret
from har_stream.core.errors import InputError


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_password_is_the_same_however_it_was_saved(
    tmp_path: Path, encoding: str, end: str
) -> None:
    path = _write(tmp_path / "secret", f" pässword\t{end}".encode(encoding))
    assert read_secret(path, "password") == " pässword\t"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("pässword".encode("latin-1"), "no text in UTF-8; save this password as one line"),
        ("pässword".encode("utf-16-le"), "a password is one line of text|no text in UTF-8"),
        (b"\xff\xfea", "no text in UTF-8"),
        (b"", "a password is one line of text, and not an empty one"),
        (b"\n", "a password is one line of text, and not an empty one"),
        (b"one\ntwo\n", "a password is one line of text"),
    ],
)
def test_what_is_no_line_of_text_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = _write(tmp_path / "secret", content)
    with pytest.raises(InputError, match=says) as raised:
        read_secret(path, "password")
    assert "ssword" not in str(raised.value).replace("password", "")
