"""Rates and percentiles against numbers worked out by hand; pages that Prometheus understands."""

import json
import os
import re
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from har_stream.core.errors import InputError
from har_stream.publishing import systemd as watchdog
from har_stream.publishing.health import Health
from har_stream.publishing.node_stats import Statistics
from har_stream.publishing.prometheus import MetricsServer

WELL = Health(alive=True, connected=True, cameras={"cam1": True}, outbox_depth=2, n_malformed=1)


@dataclass
class Counted:
    """What a source counts up."""

    n_in: int = 0
    n_dropped: int = 0
    n_reconnects: int = 0
    n_stalls: int = 0


def test_rates_are_those_of_the_last_minute_and_the_last_hour() -> None:
    now_s = 0.0
    cameras = {"a": Counted(), "b": Counted()}
    statistics = Statistics(lambda: cameras, clock=lambda: now_s)
    for latency_ms in range(101):
        statistics.decided(float(latency_ms))
    now_s = 60.0
    cameras["a"].n_in, cameras["b"].n_in = 1500, 300
    cameras["a"].n_dropped = 7
    first = statistics.summarise(outbox_depth=3)
    assert (first.fps_in, first.processed, first.dropped) == (30.0, 101, 7)
    assert (first.latency_p50_ms, first.latency_p95_ms) == (50.0, 95.0)
    assert first.outbox_depth == 3
    cameras["a"].n_reconnects, cameras["b"].n_stalls = 4, 2
    now_s = 1800.0
    later = statistics.summarise(outbox_depth=0)
    assert (later.fps_in, later.reconnects_per_h, later.stalls_per_h) == (0.0, 8.0, 4.0)
    now_s = 1800.0 + 3601
    assert statistics.summarise(outbox_depth=0).reconnects_per_h == 0.0


def test_a_node_that_has_seen_nothing_has_statistics() -> None:
    stats = Statistics(dict, clock=lambda: 0.0).summarise(outbox_depth=0)
    assert (stats.fps_in, stats.processed, stats.latency_p95_ms) == (0.0, 0, 0.0)


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_pages() -> None:
    statistics = Statistics(lambda: {"cam1": Counted(n_in=10, n_stalls=1)})
    statistics.decided(12.5)
    health = WELL
    with MetricsServer(0, statistics=statistics, health=lambda: health) as server:
        status, page = _get(server.port, "/metrics")
        assert status == 200
        assert {
            'har_frames_total{camera="cam1"} 10',
            'har_camera_stalls_total{camera="cam1"} 1',
            'har_camera_up{camera="cam1"} 1',
            'har_decision_latency_ms{quantile="0.95"} 12.5',
            "har_decision_latency_ms_count 1",
            "har_broker_connected 1",
            "har_outbox_depth 2",
            "har_malformed_messages_total 1",
        } <= set(page.splitlines())
        sample = r'[a-z_]+(\{[a-z]+="[^"]*"\})? [0-9.]+'
        for line in page.splitlines():
            assert re.fullmatch(rf"# (HELP|TYPE) [a-z_]+ .+|{sample}", line), line
        assert _get(server.port, "/healthz")[0] == 200
        assert _get(server.port, "/frames")[0] == 404
        for trouble in ({"cameras": {"cam1": False}}, {"alive": False}, {"connected": False}):
            health = replace(WELL, **trouble)  # type: ignore[arg-type]
            status, page = _get(server.port, "/healthz")
            assert status == 503
            well = {"alive": True, "broker": True, "cameras": {"cam1": True}}
            said = {name.replace("connected", "broker"): is_so for name, is_so in trouble.items()}
            assert json.loads(page) == well | said | {"well": False}
        with pytest.raises(InputError, match="give another port"):
            MetricsServer(server.port, statistics=statistics, health=lambda: health)


def test_only_loopback_is_listened_on() -> None:
    server = MetricsServer(0, statistics=Statistics(dict), health=lambda: WELL)
    with server, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port), 5)  # any other address of ours


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(os.fspath(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        watchdog.notify("READY=1")
        assert systemd.recv(100) == b"READY=1"
    watchdog.notify("WATCHDOG=1")  # nobody listens any more: no error
    monkeypatch.delenv("NOTIFY_SOCKET")
    watchdog.notify("WATCHDOG=1")
