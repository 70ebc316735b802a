"""`/metrics` of a fleet for Prometheus: how every lot fares, and on which machine; on loopback."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fleet.cluster.supervisor import LotRun
from fleet.lots.lot import LotStatus
from har_stream.core.errors import InputError
from har_stream.core.url import LOOPBACK

Gauge = tuple[str, Callable[[LotStatus], float]]
GAUGES: Mapping[str, Gauge] = {
    "har_fleet_cameras_online": ("Cameras that deliver.", lambda status: status.n_online),
    "har_fleet_frames_per_second": ("Frames decoded a second.", lambda status: status.fps),
    "har_fleet_latency_ms": (
        "From a frame's arrival to its decision, median of late.",
        lambda status: status.latency_ms,
    ),
    "har_fleet_events_waiting": (
        "Events that the broker has not taken.",
        lambda status: status.n_waiting,
    ),
}


class FleetCollector(Collector):
    """Makes the metrics anew for each scrape.

    Args:
        runs: By lot, how it runs.
        sizes: By lot, its cameras.
    """

    def __init__(
        self,
        runs: Callable[[], Mapping[str, LotRun]],
        sizes: Callable[[], Mapping[str, int]],
    ) -> None:
        self._runs = runs
        self._sizes = sizes

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        runs, sizes = {**self._runs()}, self._sizes()
        labels = ["lot", "machine"]
        cameras = GaugeMetricFamily("har_fleet_cameras", "Cameras of the lot.", labels=labels)
        restarts = CounterMetricFamily(
            "har_fleet_restarts", "Times that the lot had ended or was silent.", labels=["lot"]
        )
        running = GaugeMetricFamily(
            "har_fleet_lot_running", "Whether the lot is heard of.", labels=labels
        )
        for lot, run in runs.items():
            place = [lot, run.machine or ""]
            cameras.add_metric(place, sizes.get(lot, 0))
            running.add_metric(place, run.status is not None)
            restarts.add_metric([lot], run.n_restarts)
        yield from (cameras, running, restarts)
        for name, (about, value) in GAUGES.items():
            gauge = GaugeMetricFamily(name, about, labels=labels)
            for lot, run in runs.items():
                if run.status is not None:
                    gauge.add_metric([lot, run.machine or ""], value(run.status))
            yield gauge


@contextmanager
def serve_metrics(port: int, collector: Collector) -> Iterator[int]:
    """Serve `/metrics` for the length of a block; yields the port, where 0 takes any.

    Raises:
        InputError: The port is taken.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    try:
        server, thread = start_http_server(port, addr=LOOPBACK, registry=registry)
    except (OSError, OverflowError) as error:
        raise InputError(f"metrics on {LOOPBACK}:{port}: {error}; give another port") from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
