"""What only the moment itself can tell: how long something took, how often something came.

Everything else is read from the database when somebody asks (`server.metrics.standing`), so it costs nothing while
nobody does. What is counted here is counted after its commit, begins at 0 with each start of the server, and is kept
in a registry of the server's own: two servers in one process do not share a number.

*No personal data.* A label has one of few values, all of them written in this program. The reason of a fault is a
word that a gateway sent, so one that is not known here is counted as OTHER: nobody can put a name into a label, or
grow the monitor's memory without end.
"""

import threading
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from server.ingest.store import Tally
from vitals.clock import NS
from vitals.events import FAULTS

OTHER = "other"
REASONS = frozenset(
    {
        *FAULTS, "does not parse", "foreign gateway", "future", "no patient", "past", "revoked", "seal", "server error",
        "too long", "topic", "unknown channel", "unknown gateway", "version",
    }
)  # fmt: skip
"""Why things are set aside: the words of the drivers' faults, of `vitals.wire`, `vitals.seal` and `server.ingest`."""

ENGINES = ("engine", "ladder", "post", "fold", "emergency")

_QUICK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_LONG_S = (0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 900, 3600, 6 * 3600, 24 * 3600)
"""From a live reading to what waited out a night without a network."""


class _Crowd(Collector):
    """A histogram that takes many observations at once, in seconds."""

    def __init__(self, name: str, says: str, bounds_s: Sequence[float]) -> None:
        self._name = name
        self._says = says
        self._bounds_s = np.array([*bounds_s, np.inf])
        self._lock = threading.Lock()
        self._counts = np.zeros(len(self._bounds_s), np.int64)
        self._sum_s = 0.0

    def observe(self, took_s: NDArray[np.float64]) -> None:
        """Count these."""
        places = self._bounds_s.searchsorted(took_s, "left")
        with self._lock:
            self._counts += np.bincount(places, minlength=len(self._counts))
            self._sum_s += float(took_s.sum())

    def collect(self) -> Iterable[Metric]:
        """Called by the registry."""
        with self._lock:
            counts, sum_s = np.cumsum(self._counts).tolist(), self._sum_s
        bounds = [str(floatToGoString(bound)) for bound in self._bounds_s.tolist()]  # type: ignore[no-untyped-call]
        yield HistogramMetricFamily(self._name, self._says, list(zip(bounds, counts, strict=True)), sum_s)


class Meter:
    """The server's counters and their registry. Thread-safe."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._messages = Counter(
            "hjemvakt_messages", "MQTT messages taken in since the start", ["kind"], registry=self.registry
        )
        self._rows = Counter(
            "hjemvakt_rows", "Rows of batches since the start, new or come before", ["outcome"], registry=self.registry
        )
        self._aside = Counter(
            "hjemvakt_quarantined", "Things set aside since the start", ["reason"], registry=self.registry
        )
        self._commit = Histogram(
            "hjemvakt_ingest_commit_seconds", "From taking messages up to their commit, the rules included",
            buckets=_QUICK_S, registry=self.registry,
        )  # fmt: skip
        self._way = _Crowd(
            "hjemvakt_receipt_to_commit_seconds", "From a gateway's receipt to the commit, in the clock's time", _LONG_S
        )
        self.registry.register(self._way)
        self._rounds = Histogram(
            "hjemvakt_engine_round_seconds", "How long a round of an engine took", ["engine"], buckets=_QUICK_S,
            registry=self.registry,
        )  # fmt: skip
        self._idle = Gauge(
            "hjemvakt_engine_round_age_seconds", "Since an engine last finished a round", ["engine"],
            registry=self.registry,
        )  # fmt: skip

    def took_in(self, tally: Tally, received_ns: Sequence[int], now_ns: int, took_s: float) -> None:
        """A transaction with these was committed at `now_ns`; `received_ns`: the gateways' times of what is new, once.

        A gateway whose clock is ahead of ours counts as no wait at all.
        """
        for kind, count in tally.messages.items():
            self._messages.labels(kind).inc(count)
        for outcome, count in (("new", tally.new), ("duplicate", tally.again)):
            if count:
                self._rows.labels(outcome).inc(count)
        for reason, count in tally.aside.items():
            self.set_aside(reason, count)
        self._way.observe(np.maximum(now_ns - np.array(received_ns, np.int64), 0) / NS)
        self._commit.observe(took_s)

    def set_aside(self, reason: str, count: int = 1) -> None:
        """So many things went to quarantine."""
        self._aside.labels(reason if reason in REASONS else OTHER).inc(count)

    def rounds_of(self, engine: str) -> Callable[[float], None]:
        """Where an engine tells how long each of its rounds took, in seconds."""
        return self._rounds.labels(engine).observe

    def watch(self, engine: str, age_s: Callable[[], float]) -> None:
        """Ask this engine with each scrape how long ago it finished a round."""
        self._idle.labels(engine).set_function(age_s)
