"""The password's file: a hash of argon2id that its owner alone may read."""

from pathlib import Path

import pytest

from har_stream.core.errors import InputError
from page.guard import passwords
from page.guard.passwords import MIN_LENGTH, Password, make_password_file

SECRET = "correct horse battery"  # noqa: S105 -- of these tests alone


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person types, line by line."""
    lines: list[str] = []
    monkeypatch.setattr(passwords, "getpass", lambda _: lines.pop(0))
    return lines


def test_a_password_is_kept_as_its_hash(typed: list[str], tmp_path: Path) -> None:
    typed += [SECRET, SECRET]
    path = tmp_path / "new" / "page.password"
    make_password_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().startswith("$argon2id$")
    assert SECRET not in path.read_text()
    password = Password(path)
    assert password.is_right(SECRET)
    assert not password.is_right(SECRET[:-1])
    assert not password.is_right("")


@pytest.mark.parametrize(
    ("lines", "says"), [([SECRET, "another one"], "not the same"), (["short"], str(MIN_LENGTH))]
)
def test_what_is_no_password_writes_nothing(
    lines: list[str], says: str, typed: list[str], tmp_path: Path
) -> None:
    typed += lines
    with pytest.raises(InputError, match=says):
        make_password_file(tmp_path / "page.password")
    assert not list(tmp_path.iterdir())


def test_a_file_that_others_may_read_or_that_holds_no_hash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.password"
    path.write_text(SECRET)
    path.chmod(0o600)
    with pytest.raises(InputError, match="--make-password"):
        Password(path)
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        Password(path)
