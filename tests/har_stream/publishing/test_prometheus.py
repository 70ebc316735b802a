"""Pages that Prometheus' own parser reads, on loopback only, and a health check by status."""

import json
import socket
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from har_stream.cameras.capture import SourceCounts
from har_stream.core.errors import InputError
from har_stream.publishing.health import Health
from har_stream.publishing.node_stats import Statistics
from har_stream.publishing.prometheus import MetricsServer

WELL = Health(alive=True, connected=True, cameras={"cam1": True}, outbox_depth=2, n_malformed=1)
KINDS = {
    "har_frames": "counter",
    "har_frames_dropped": "counter",
    "har_camera_reconnects": "counter",
    "har_camera_stalls": "counter",
    "har_camera_up": "gauge",
    "har_decision_latency_ms": "summary",
    "har_broker_connected": "gauge",
    "har_outbox_depth": "gauge",
    "har_malformed_messages": "counter",
}


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_pages() -> None:
    statistics = Statistics(lambda: {"cam1": SourceCounts(n_in=10, n_stalls=1)})
    statistics.add_decision(12.5)
    health = WELL
    with MetricsServer(0, statistics=statistics, health=lambda: health) as server:
        status, page = _get(server.port, "/metrics")
        assert status == 200
        families = {family.name: family for family in text_string_to_metric_families(page)}
        assert {name: family.type for name, family in families.items()} == KINDS
        samples = [each for family in families.values() for each in family.samples]
        assert {(each.name, *each.labels.values()): each.value for each in samples} == {
            ("har_frames_total", "cam1"): 10,
            ("har_frames_dropped_total", "cam1"): 0,
            ("har_camera_reconnects_total", "cam1"): 0,
            ("har_camera_stalls_total", "cam1"): 1,
            ("har_camera_up", "cam1"): 1,
            ("har_decision_latency_ms", "0.5"): 12.5,
            ("har_decision_latency_ms", "0.95"): 12.5,
            ("har_decision_latency_ms_count",): 1,
            ("har_broker_connected",): 1,
            ("har_outbox_depth",): 2,
            ("har_malformed_messages_total",): 1,
        }
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
