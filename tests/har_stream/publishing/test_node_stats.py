"""Rates and percentiles against numbers worked out by hand."""

from har_stream.cameras.capture import SourceCounts
from har_stream.publishing.node_stats import Statistics


def test_rates_are_those_of_the_last_minute_and_the_last_hour() -> None:
    now_s = 0.0
    cameras = {"a": SourceCounts(), "b": SourceCounts()}
    statistics = Statistics(lambda: cameras, clock=lambda: now_s)
    for latency_ms in range(101):
        statistics.add_decision(float(latency_ms))
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
