"""`/metrics` for Prometheus and `/healthz` for whoever restarts things; on loopback, if asked for.

The text format is that of Prometheus, version 0.0.4; nine counters need no library.
"""

import json
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from har_stream.core.errors import InputError
from har_stream.publishing.health import Health
from har_stream.publishing.node_stats import Statistics

HOST = "127.0.0.1"


def exposition(statistics: Statistics, health: Health) -> str:
    """Write all metrics in Prometheus' text format."""
    return "".join(f"{line}\n" for line in _lines(statistics, health))


def _lines(statistics: Statistics, health: Health) -> Iterator[str]:
    counters = {
        "frames": ("n_in", "Frames decoded."),
        "frames_dropped": ("n_dropped", "Sampled frames that a newer one replaced."),
        "camera_reconnects": ("n_reconnects", "Times that a lost camera came back."),
        "camera_stalls": ("n_stalls", "Times that a camera stopped or froze."),
    }
    for name, (attribute, about) in counters.items():
        yield from _head(f"har_{name}_total", "counter", about)
        for camera, counts in statistics.counts.items():
            yield f'har_{name}_total{{camera="{camera}"}} {getattr(counts, attribute)}'
    yield from _head("har_camera_up", "gauge", "Whether the camera delivers.")
    for camera, is_up in health.cameras.items():
        yield f'har_camera_up{{camera="{camera}"}} {int(is_up)}'
    yield from _head(
        "har_decision_latency_ms", "summary", "From a frame's arrival to its decision."
    )
    for quantile, value in zip(("0.5", "0.95"), statistics.latencies_ms(), strict=True):
        yield f'har_decision_latency_ms{{quantile="{quantile}"}} {value}'
    yield f"har_decision_latency_ms_count {statistics.n_processed}"
    yield from _head("har_broker_connected", "gauge", "Whether the broker is there.")
    yield f"har_broker_connected {int(health.connected)}"
    yield from _head("har_outbox_depth", "gauge", "Events that the broker has not taken.")
    yield f"har_outbox_depth {health.outbox_depth}"
    yield from _head("har_malformed_messages_total", "counter", "Messages that made no sense.")
    yield f"har_malformed_messages_total {health.n_malformed}"


def _head(name: str, kind: str, about: str) -> tuple[str, str]:
    return f"# HELP {name} {about}", f"# TYPE {name} {kind}"


class MetricsServer:
    """Serves both pages on 127.0.0.1 while its block lasts.

    Args:
        port: Where; 0 takes any that is free.
        statistics: What is counted.
        health: Says how things are now.

    Raises:
        InputError: The port is taken.
    """

    def __init__(self, port: int, *, statistics: Statistics, health: Callable[[], Health]) -> None:
        class Pages(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                now = health()
                if self.path == "/metrics":
                    self._answer(
                        HTTPStatus.OK, "text/plain; version=0.0.4", exposition(statistics, now)
                    )
                elif self.path == "/healthz":
                    status = HTTPStatus.OK if now.is_well else HTTPStatus.SERVICE_UNAVAILABLE
                    page = {
                        "well": now.is_well,
                        "alive": now.alive,
                        "broker": now.connected,
                        "cameras": now.cameras,
                    }
                    self._answer(status, "application/json", json.dumps(page))
                else:
                    self.send_error(HTTPStatus.NOT_FOUND, "there are /metrics and /healthz")

            def _answer(self, status: HTTPStatus, kind: str, page: str) -> None:
                content = page.encode()
                self.send_response(status)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing: a scrape every few seconds is no news."""

        try:
            self._server = ThreadingHTTPServer((HOST, port), Pages)
        except (OSError, OverflowError) as error:
            raise InputError(f"metrics on {HOST}:{port}: {error}; give another port") from error
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
