"""`/metrics` for Prometheus and `/healthz` for whoever restarts things; on loopback only."""

import json
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Self

from prometheus_client import CollectorRegistry, MetricsHandler
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from har_stream.core.errors import InputError
from har_stream.core.url import LOOPBACK
from har_stream.publishing.health import Health
from har_stream.publishing.node_stats import Statistics

_COUNTS = {
    "frames": ("n_in", "Frames decoded."),
    "frames_dropped": ("n_dropped", "Sampled frames that a newer one replaced."),
    "camera_reconnects": ("n_reconnects", "Times that a lost camera came back."),
    "camera_stalls": ("n_stalls", "Times that a camera stopped or froze."),
}


class _NodeCollector(Collector):
    """Makes the metrics anew for each scrape."""

    def __init__(self, statistics: Statistics, health: Callable[[], Health]) -> None:
        self._statistics = statistics
        self._health = health

    def collect(self) -> Iterator[Metric]:
        statistics, health = self._statistics, self._health()
        for name, (attribute, about) in _COUNTS.items():
            counter = CounterMetricFamily(f"har_{name}", about, labels=["camera"])
            for camera, counts in statistics.counts.items():
                counter.add_metric([camera], getattr(counts, attribute))
            yield counter
        up = GaugeMetricFamily("har_camera_up", "Whether the camera delivers.", labels=["camera"])
        for camera, is_up in health.cameras.items():
            up.add_metric([camera], is_up)
        yield up
        # The library's own summary knows no quantiles.
        name = "har_decision_latency_ms"
        latency = Metric(name, "From a frame's arrival to its decision.", "summary")
        for quantile, value in zip(("0.5", "0.95"), statistics.latencies_ms(), strict=True):
            latency.add_sample(name, {"quantile": quantile}, value)
        latency.add_sample(f"{name}_count", {}, statistics.n_processed)
        yield latency
        yield GaugeMetricFamily(
            "har_broker_connected", "Whether the broker is there.", health.connected
        )
        yield GaugeMetricFamily(
            "har_outbox_depth", "Events that the broker has not taken.", health.outbox_depth
        )
        yield CounterMetricFamily(
            "har_malformed_messages", "Messages that made no sense.", health.n_malformed
        )


class MetricsServer:
    """Serves both pages on loopback while its block lasts.

    Args:
        port: Where; 0 takes any that is free.
        statistics: What is counted.
        health: Says how things are now.

    Raises:
        InputError: The port is taken.
    """

    def __init__(self, port: int, *, statistics: Statistics, health: Callable[[], Health]) -> None:
        metrics = CollectorRegistry()
        metrics.register(_NodeCollector(statistics, health))

        class Pages(MetricsHandler):
            registry = metrics

            def do_GET(self) -> None:  # noqa: N802 -- named by http.server
                page = self.path.partition("?")[0]
                if page == "/metrics":
                    super().do_GET()
                elif page == "/healthz":
                    self._answer_health(health())
                else:
                    self.send_error(HTTPStatus.NOT_FOUND, "there are /metrics and /healthz")

            def _answer_health(self, now: Health) -> None:
                page = {
                    "well": now.is_well,
                    "alive": now.alive,
                    "broker": now.connected,
                    "cameras": now.cameras,
                }
                content = json.dumps(page).encode()
                self.send_response(HTTPStatus.OK if now.is_well else HTTPStatus.SERVICE_UNAVAILABLE)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), Pages)
        except (OSError, OverflowError) as error:
            raise InputError(f"metrics on {LOOPBACK}:{port}: {error}; give another port") from error
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
