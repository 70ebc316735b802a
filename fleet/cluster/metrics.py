"""`/metrics` of a fleet for Prometheus: how lots and partitions fare, and where; on loopback."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fleet.cluster.supervisor import LotRun
from fleet.lots.lot import LotStatus
from har_stream.core.errors import InputError
from har_stream.core.url import LOOPBACK

Runs = Callable[[], Mapping[str, LotRun]]
Sizes = Callable[[], Mapping[str, int]]


class Kind(NamedTuple):
    """What is told of lots, or of partitions.

    Attributes:
        name: What one is called, in labels and in names of metrics.
        members: What it has: a metric and its help.
        restarts: How often it was started again, likewise.
        gauges: What it says of itself: help and value by metric.
    """

    name: str
    members: tuple[str, str]
    restarts: tuple[str, str]
    gauges: Mapping[str, tuple[str, Callable[[LotStatus], float]]]


LOT = Kind(
    "lot",
    ("har_fleet_cameras", "Cameras of the lot."),
    ("har_fleet_restarts", "Times that the lot had ended or was silent."),
    {
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
    },
)
PARTITION = Kind(
    "partition",
    ("har_fleet_homes", "Homes of the partition."),
    ("har_fleet_partition_restarts", "Times that the partition had ended or was silent."),
    {
        "har_fleet_homes_forecasting": ("Homes forecast for.", lambda status: status.n_online),
        "har_fleet_forecast_late_ms": (
            "From when a forecast was due to when it was made, the latest of the last minute.",
            lambda status: status.latency_ms,
        ),
    },
)


class FleetCollector(Collector):
    """Makes the metrics of lots, or of partitions, anew for each scrape.

    Args:
        kind: Which of them.
        runs: By name, how it runs.
        sizes: By name, how many cameras or homes it has.
    """

    def __init__(self, kind: Kind, runs: Runs, sizes: Sizes) -> None:
        self._kind = kind
        self._runs = runs
        self._sizes = sizes

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        kind, runs, sizes = self._kind, {**self._runs()}, self._sizes()
        labels = [kind.name, "machine"]
        members = GaugeMetricFamily(*kind.members, labels=labels)
        restarts = CounterMetricFamily(*kind.restarts, labels=[kind.name])
        running = GaugeMetricFamily(
            f"har_fleet_{kind.name}_running", f"Whether the {kind.name} is heard of.", labels=labels
        )
        for name, run in runs.items():
            place = [name, run.machine or ""]
            members.add_metric(place, sizes.get(name, 0))
            running.add_metric(place, run.status is not None)
            restarts.add_metric([name], run.n_restarts)
        yield from (members, running, restarts)
        for metric, (about, value) in kind.gauges.items():
            gauge = GaugeMetricFamily(metric, about, labels=labels)
            for name, run in runs.items():
                if run.status is not None:
                    gauge.add_metric([name, run.machine or ""], value(run.status))
            yield gauge


@contextmanager
def serve_metrics(port: int, collectors: Iterable[Collector]) -> Iterator[int]:
    """Serve `/metrics` for the length of a block; yields the port, where 0 takes any.

    Raises:
        InputError: The port is taken.
    """
    registry = CollectorRegistry()
    for each in collectors:
        registry.register(each)
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
