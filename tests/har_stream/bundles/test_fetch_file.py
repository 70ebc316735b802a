"""A file comes whole over HTTP, goes on where it stopped, and is kept if it is the right one."""

import errno
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from support.broker.real_broker import free_port
from support.limits import files_of_at_most
from support.video.file_server import FileServer

from har_stream.bundles.fetch_file import N_IDLE_ATTEMPTS, fetch_file
from har_stream.bundles.published_weights import Remote
from har_stream.core.errors import InputError

CONTENT = bytes(range(256)) * 40_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def _fetch(remote: Remote, path: Path) -> list[tuple[int, int]]:
    seen: list[tuple[int, int]] = []
    assert fetch_file(remote, path, advance=lambda *at: seen.append(at)) == SHA256
    return seen


def test_a_file_comes_whole_and_is_not_fetched_again(tmp_path: Path) -> None:
    with FileServer({"a": CONTENT}) as server:
        remote = Remote(f"{server.url}/a", "a", len(CONTENT), SHA256)
        seen = _fetch(remote, tmp_path / "a")
        assert _fetch(remote, tmp_path / "a") == []
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert server.asked == [("a", 0)]


def test_a_cut_connection_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with FileServer({"a": CONTENT}, cuts=(1_000_000, 0, 2_500_000)) as server:
        _fetch(Remote(f"{server.url}/a", "a"), tmp_path / "a")
    assert server.asked == [("a", 0), ("a", 1_000_000), ("a", 1_000_000), ("a", 3_500_000)]
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_an_interrupted_program_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with FileServer({"a": CONTENT}, cuts=(1_000_000, *[0] * N_IDLE_ATTEMPTS)) as server:
        remote = Remote(f"{server.url}/a", "a", len(CONTENT), SHA256)
        with pytest.raises(InputError, match=r"stopped at 1 of 10.2 MB.*; start a"):
            _fetch(remote, tmp_path / "a")
        assert not (tmp_path / "a").exists()
        server.asked.clear()
        _fetch(remote, tmp_path / "a")
        assert server.asked == [("a", 1_000_000)]


def test_a_connection_that_never_came_is_said_with_the_published_size(tmp_path: Path) -> None:
    remote = Remote(f"http://127.0.0.1:{free_port()}/a", "a", 2_894_840, SHA256)
    with pytest.raises(InputError, match=r"stopped at 0 of 2\.9 MB \(no connection"):
        fetch_file(remote, tmp_path / "a", advance=lambda *_: None, n_idle=1)


def test_all_bytes_were_here_when_the_program_was_interrupted(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(CONTENT)
    with FileServer({"a": CONTENT}) as server:
        _fetch(Remote(f"{server.url}/a", "a"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_of_it_anew(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(CONTENT[:5000])
    with FileServer({"a": CONTENT}, ranges=False) as server:
        _fetch(Remote(f"{server.url}/a", "a"), tmp_path / "a")


@pytest.mark.parametrize(
    "published", [{"sha256": "0" * 64}, {"n_bytes": 5, "sha256": SHA256}], ids=["hash", "size"]
)
def test_another_file_than_the_published_one_is_thrown_away(
    tmp_path: Path, published: dict[str, str | int]
) -> None:
    with FileServer({"a": CONTENT}) as server:
        remote = replace(Remote(f"{server.url}/a", "a"), **published)  # type: ignore[arg-type]
        with pytest.raises(InputError, match=f"not the published file, so thrown away.*{SHA256}"):
            _fetch(remote, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_what_the_server_or_the_network_refuses_is_said(tmp_path: Path) -> None:
    with FileServer({}) as server, pytest.raises(InputError, match="says 404; bring it with a bro"):
        _fetch(Remote(f"{server.url}/a", "a"), tmp_path / "a")
    with pytest.raises(
        InputError, match=r"stopped at 0 MB \(no connection.*refused\); .* or bring it"
    ):
        _fetch(Remote(f"http://127.0.0.1:{free_port()}/a", "a"), tmp_path / "a")
    for url in (f"file://{tmp_path}/a", "mirror/a"):
        with pytest.raises(InputError, match="http and https alone are fetched"):
            _fetch(Remote(url, "a"), tmp_path / "a")
    with pytest.raises(InputError, match="cannot be written"), FileServer({"a": b"a"}) as server:
        _fetch(Remote(f"{server.url}/a", "a"), tmp_path / "nowhere/a")


@pytest.mark.parametrize(
    "of_network", ["http.client.HTTPResponse.read", "har_stream.bundles.fetch_file.urlopen"]
)
def test_what_the_network_refuses_is_no_fault_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_network: str
) -> None:
    def lost(*_: object, **__: object) -> bytes:
        raise OSError(errno.EHOSTUNREACH, "No route to host")

    with FileServer({"a": CONTENT}, cuts=(1_000_000,)) as server:
        remote = Remote(f"{server.url}/a", "a")
        with monkeypatch.context() as patched:
            patched.setattr(of_network, lost)
            with pytest.raises(
                InputError,
                match=r"stopped at 0 MB \(.*No route to host\); start again",
            ):
                _fetch(remote, tmp_path / "a")
        _fetch(remote, tmp_path / "a")


def test_what_the_disk_refuses_while_receiving_is_said(tmp_path: Path) -> None:
    with FileServer({"a": CONTENT}) as server, files_of_at_most(100_000):
        with pytest.raises(InputError, match=r"a\.part: cannot be written: File too large"):
            _fetch(Remote(f"{server.url}/a", "a"), tmp_path / "a")
        assert len(server.asked) == 1
