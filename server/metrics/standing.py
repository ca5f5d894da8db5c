"""How things stand, read from the database at the moment somebody asks, in one short look that no writer waits for.

Ages are in the clock's time and 0 where nothing waits. No label names a person, a device or a home; the gateways' own
names are told only where the configuration says so (`[metrics] per_gateway`), since a gateway stands in somebody's
home.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import sqlalchemy as sa
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from server.alarms import table
from server.alarms.model import PRIORITY
from server.db import troubled
from server.fleet import store as fleet
from server.fleet.store import Queue
from server.held import store as held
from server.house import House
from server.ingest import store as ingest
from server.notify import outbox
from vitals.alarm import Kind
from vitals.clock import NS

Samples = Iterable[tuple[Sequence[str], float]]


class Standing(Collector):
    """The numbers of `house`, made anew with each scrape. `version` is the program's."""

    def __init__(self, house: House, version: str) -> None:
        self._house = house
        self._version = version

    def collect(self) -> list[Metric]:
        """Called by the registry."""
        return [
            InfoMetricFamily("hjemvakt_build", "What runs here", {"part": "server", "version": self._version}),
            _gauge("hjemvakt_problems", "What /api/health complains about", len(self._house.problems())),
            *self._counted(self._house.clock.now_ns()),
        ]

    def _counted(self, now_ns: int) -> list[Metric]:
        """What the database has; nothing of it while the database does not answer, which is one of the problems."""
        house = self._house
        try:
            with house.db.read() as tx:
                stored = [*_stored(tx), *_questions(tx, now_ns), *_alarms(tx, now_ns), *_outbox(tx, now_ns)]
                queues, sizes = fleet.queues(tx), house.db.sizes(tx)
        except Exception as error:
            if not troubled(error):
                raise
            return []
        return [
            _labelled("hjemvakt_database_bytes", "Size of the database's files", ["file"], _by_file(sizes)),
            *stored,
            *_fleet(queues, now_ns),
            *(_each_gateway(queues, now_ns) if house.config.metrics.per_gateway else ()),
        ]


def _stored(tx: sa.Connection) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "hjemvakt_readings_stored", "Readings and events stored since the beginning", ingest.stored(tx)
    )
    yield _gauge("hjemvakt_quarantine_things", "Different things in quarantine", fleet.counts(tx).quarantined)


def _questions(tx: sa.Connection, now_ns: int) -> Iterator[Metric]:
    count, oldest_ns = held.open_questions(tx)
    yield _gauge("hjemvakt_questions_open", "Held measurements nobody has answered for", count)
    yield _gauge("hjemvakt_question_oldest_seconds", "Age of the oldest open question", _age_s(oldest_ns, now_ns))


def _alarms(tx: sa.Connection, now_ns: int) -> Iterator[Metric]:
    standing = table.open_by_kind(tx)
    every = ((kind, level) for kind, level in itertools.product(Kind, PRIORITY))
    counts = (((kind.value, PRIORITY[level]), standing.get((kind, level), 0)) for kind, level in every)
    yield _labelled("hjemvakt_alarms_open", "Alarms that are not closed", ["kind", "level"], counts)
    waiting = table.oldest_unacknowledged(tx)
    ages = (((kind.value,), _age_s(waiting.get(kind), now_ns)) for kind in Kind)
    yield _labelled(
        "hjemvakt_alarm_oldest_unacknowledged_seconds", "Age of the oldest alarm that nobody has", ["kind"], ages
    )


def _outbox(tx: sa.Connection, now_ns: int) -> Iterator[Metric]:
    waiting = outbox.waiting(tx)
    yield _labelled(
        "hjemvakt_outbox_waiting", "Messages not sent yet", ["about"],
        (((about,), count) for about, (count, _) in waiting.items()),
    )  # fmt: skip
    yield _labelled(
        "hjemvakt_outbox_oldest_seconds", "Age of the oldest message not sent yet", ["about"],
        (((about,), _age_s(oldest_ns, now_ns)) for about, (_, oldest_ns) in waiting.items()),
    )  # fmt: skip
    yield CounterMetricFamily("hjemvakt_outbox_failed", "Messages given up since the beginning", outbox.failed(tx))


def _fleet(queues: Sequence[Queue], now_ns: int) -> Iterator[Metric]:
    queued = [one.queued or 0 for one in queues]
    oldest = max((_age_s(one.oldest_ns, now_ns) for one in queues), default=0)
    yield _gauge("hjemvakt_gateways", "Gateways of the municipality file, now or once", len(queues))
    yield _gauge("hjemvakt_gateways_online", "Gateways that can be heard", sum(one.online for one in queues))
    yield _gauge("hjemvakt_gateways_queued_rows", "Rows waiting in all gateways, as last told", sum(queued))
    yield _gauge("hjemvakt_gateways_queued_rows_max", "Rows waiting in one gateway at most", max(queued, default=0))
    yield _gauge("hjemvakt_gateways_oldest_wait_seconds", "Age of the oldest row waiting in any gateway", oldest)


def _each_gateway(queues: Sequence[Queue], now_ns: int) -> Iterator[Metric]:
    columns: dict[str, tuple[str, list[float]]] = {
        "hjemvakt_gateway_online": ("Whether it can be heard", [float(one.online) for one in queues]),
        "hjemvakt_gateway_queued_rows": ("Rows waiting in it, as last told", [one.queued or 0 for one in queues]),
        "hjemvakt_gateway_oldest_wait_seconds": (
            "Age of the oldest row waiting in it", [_age_s(one.oldest_ns, now_ns) for one in queues]
        ),
        "hjemvakt_gateway_silent_seconds": (
            "Since it was last heard of, or was added", [_age_s(one.since_ns, now_ns) for one in queues]
        ),
    }  # fmt: skip
    names = [(one.id,) for one in queues]
    for name, (says, values) in columns.items():
        yield _labelled(name, says, ["gateway"], zip(names, values, strict=True))


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(name, says, value)


def _labelled(name: str, says: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = GaugeMetricFamily(name, says, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _age_s(since_ns: int | None, now_ns: int) -> float:
    """0 for nothing, and for what a clock that is ahead has dated later than now."""
    return 0.0 if since_ns is None else max(0, now_ns - since_ns) / NS


def _by_file(sizes: Mapping[str, int]) -> Samples:
    return (((name,), size) for name, size in sizes.items())
