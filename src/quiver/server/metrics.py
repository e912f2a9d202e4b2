"""Metrics: what the server does, for Prometheus. Counts and times; never a text or a key."""

import os
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from quiver.server.batching.batcher import Batcher, BatcherCounts

CONTENT_TYPE = CONTENT_TYPE_LATEST
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Names, in the environment, the folder where workers keep their figures, so that each can tell all."""
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Borders of the buckets of latencies."""

COUNTED = {
    "calls": "Calls that came to the queue",
    "refused": "Calls for which the queue had no room",
    "tokens_in": "Tokens of all calls",
    "tokens_computed": "Tokens that ran",
    "sequences": "Distinct sequences that ran",
    "sequences_cached": "Sequences whose results were kept from earlier calls",
    "batches": "Batches that ran",
    "seconds": "Time in which the engine ran",
}


class Metrics:
    """The figures of a server, or of one of its workers.

    Tokens saved are ``tokens_in`` without ``tokens_computed``; the mean fill of a batch is
    ``tokens_computed`` by ``batches``.
    """

    def __init__(self, batchers: Sequence[Batcher]) -> None:
        self._registry = CollectorRegistry()
        self._batchers = batchers
        self._known = {batcher.name: BatcherCounts() for batcher in batchers}
        self._requests = Counter(
            "quiver_requests", "Requests answered", ["route", "status"], registry=self._registry
        )
        self._latency = Histogram(
            "quiver_request_seconds",
            "From a request's first byte to its answer's last",
            ["route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._counters = {
            name: Counter(f"quiver_engine_{name}", text, ["model"], registry=self._registry)
            for name, text in COUNTED.items()
        }
        self._waiting = {
            name: Gauge(
                f"quiver_queue_{name}",
                f"Waiting {name}",
                ["model"],
                registry=self._registry,
                multiprocess_mode="livesum",
            )
            for name in ("requests", "tokens")
        }

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count a request; ``route`` is the path as the server knows it, not as a client wrote it."""
        self._requests.labels(route, str(status)).inc()
        self._latency.labels(route).observe(seconds)
        self._take_over()

    def exposition(self) -> bytes:
        """All figures in Prometheus' text format; of several workers their sums."""
        self._take_over()
        if not os.environ.get(SHARED_FOLDER):
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def _take_over(self) -> None:
        for batcher in self._batchers:
            before, now = self._known[batcher.name], batcher.counts
            self._known[batcher.name] = now
            for name, counter in self._counters.items():
                counter.labels(batcher.name).inc(getattr(now, name) - getattr(before, name))
            self._waiting["requests"].labels(batcher.name).set(batcher.waiting_requests)
            self._waiting["tokens"].labels(batcher.name).set(batcher.waiting_tokens)
