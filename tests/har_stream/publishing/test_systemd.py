"""systemd is told over its socket, and nobody is where there is none."""

import os
import socket
from pathlib import Path

import pytest

from har_stream.publishing import systemd


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(os.fspath(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        systemd.notify("READY=1")
        assert listener.recv(100) == b"READY=1"
    systemd.notify("WATCHDOG=1")  # nobody listens any more: no error
    monkeypatch.delenv("NOTIFY_SOCKET")
    systemd.notify("WATCHDOG=1")
