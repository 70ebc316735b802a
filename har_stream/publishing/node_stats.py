"""How a node fares: rates, latencies and losses."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import quantiles
from typing import Protocol

from har_stream.mqtt.messages import NodeStats

HOUR_S = 3600.0
N_LATENCIES = 2000


class Counts(Protocol):
    """What a source counts up while it is read."""

    n_in: int
    n_dropped: int
    n_reconnects: int
    n_stalls: int


@dataclass(frozen=True, slots=True)
class _Sample:
    at_s: float
    n_in: int
    n_reconnects: int
    n_stalls: int


class Statistics:
    """Counts what passes; safe to use from several threads.

    Args:
        counts: Gives the running counts of every camera.
        clock: Monotonic seconds.

    Attributes:
        n_processed: Decisions so far.
    """

    def __init__(
        self,
        counts: Callable[[], Mapping[str, Counts]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.n_processed = 0
        self._counts = counts
        self._clock = clock
        self._lock = threading.Lock()
        self._latencies_ms: deque[float] = deque(maxlen=N_LATENCIES)
        self._samples: deque[_Sample] = deque([self._sample()])

    @property
    def counts(self) -> Mapping[str, Counts]:
        """The running counts of every camera."""
        return self._counts()

    def add_decision(self, latency_ms: float) -> None:
        """Count a decision of the recogniser."""
        with self._lock:
            self.n_processed += 1
            self._latencies_ms.append(latency_ms)

    def latencies_ms(self) -> tuple[float, float]:
        """50th and 95th percentile of late, in milliseconds; zeros where there are none."""
        with self._lock:
            latencies = list(self._latencies_ms)
        if len(latencies) < 2:
            only = round(latencies[0], 2) if latencies else 0.0
            return only, only
        cuts = quantiles(latencies, n=20, method="inclusive")
        return round(cuts[9], 2), round(cuts[18], 2)

    def summarise(self, *, outbox_depth: int) -> NodeStats:
        """Sum up: fps since the last summary, latencies of late, troubles of the last hour."""
        with self._lock:
            now = self._sample()
            last = self._samples[-1]
            self._samples.append(now)
            while now.at_s - self._samples[0].at_s > HOUR_S:
                self._samples.popleft()
            first = self._samples[0]
        p50, p95 = self.latencies_ms()
        hours = max(now.at_s - first.at_s, 60.0) / HOUR_S
        return NodeStats(
            fps_in=round((now.n_in - last.n_in) / max(now.at_s - last.at_s, 1e-3), 2),
            processed=self.n_processed,
            dropped=sum(each.n_dropped for each in self.counts.values()),
            latency_p50_ms=p50,
            latency_p95_ms=p95,
            reconnects_per_h=round((now.n_reconnects - first.n_reconnects) / hours, 2),
            stalls_per_h=round((now.n_stalls - first.n_stalls) / hours, 2),
            outbox_depth=outbox_depth,
        )

    def _sample(self) -> _Sample:
        counts = list(self._counts().values())
        return _Sample(
            at_s=self._clock(),
            n_in=sum(each.n_in for each in counts),
            n_reconnects=sum(each.n_reconnects for each in counts),
            n_stalls=sum(each.n_stalls for each in counts),
        )
