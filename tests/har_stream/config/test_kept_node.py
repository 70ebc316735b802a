"""A node without a name is called after the first host, whatever a container is called later."""

import socket
from pathlib import Path

import pytest

from har_stream.commands.stream_arguments import make_parser, read_settings
from har_stream.config.kept_node import default_node, keep_node
from har_stream.config.state_dir import node_file


def _node(*flags: str | Path) -> str:
    return read_settings(make_parser().parse_args([str(flag) for flag in flags])).node


def test_the_first_hosts_name_is_kept_in_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "3f2a9c1d77ab")
    assert _node("--state-dir", tmp_path) == "3f2a9c1d77ab"
    keep_node(tmp_path, "3f2a9c1d77ab")
    monkeypatch.setattr(socket, "gethostname", lambda: "8be0c54e21f0")
    assert _node("--state-dir", tmp_path) == "3f2a9c1d77ab"
    keep_node(tmp_path, "3f2a9c1d77ab")
    assert _node("--state-dir", tmp_path, "--node", "attic") == "attic"
    assert _node("--state-dir", tmp_path / "other") == "8be0c54e21f0"


def test_a_name_that_was_given_is_not_kept(tmp_path: Path) -> None:
    keep_node(tmp_path, "attic-of-somebody")
    assert not node_file(tmp_path).exists()


@pytest.mark.parametrize("content", [b"", b"A B", b"\xff\xfe", b"../x"])
def test_a_file_that_names_no_node_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "host")
    node_file(tmp_path).write_bytes(content)
    assert default_node(tmp_path) == "host"
