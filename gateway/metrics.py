"""How the hub is, for a monitor beside it: Prometheus' text format over `gateway.door`.

The numbers are gathered in the event loop at the moment somebody asks, from what the parts know anyway; the spool's
own thread is asked for the size of its file. So nothing here needs a lock, and a hub that nobody asks pays nothing:
this module, and the library it imports, are loaded only where `[metrics] listen` is set.

There is no password: listen on the loopback, or on a network where everyone may know. No label names a device or
its owner; what a driver calls a fault is a word of `vitals.events.FAULTS`, or "other".
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway import VERSION, door
from gateway.spool.rows import Room
from gateway.spool.store import Spool
from gateway.uplink.sending import Uplink
from gateway.visits.session import Session
from vitals.clock import NS, Clock
from vitals.events import FAULTS

OTHER = "other"
LINKS = ("never", "idle", "connected", "lost")


class Parts:
    """What there is to tell of. `sessions`, `notes` and `troubles` are asked each time."""

    def __init__(
        self,
        spool: Spool,
        sessions: Callable[[], Sequence[Session]],
        uplink: Uplink,
        clock: Clock,
        notes: Callable[[], Sequence[str]],
        troubles: Callable[[], Mapping[str, int]],
    ) -> None:
        self._spool = spool
        self._sessions = sessions
        self._uplink = uplink
        self._clock = clock
        self._notes = notes
        self._troubles = troubles

    async def gathered(self) -> list[Metric]:
        """The numbers of now."""
        room = await self._spool.room()
        return [
            InfoMetricFamily("hjemvakt_build", "What runs here", {"part": "gateway", "version": VERSION}),
            *self._of_spool(room),
            *self._of_uplink(),
            *self._of_devices(),
            GaugeMetricFamily("hjemvakt_hub_notes", "Troubles the hub would tell a person of", len(self._notes())),
        ]

    def _of_spool(self, room: Room) -> Iterator[Metric]:
        status = self._spool.status
        wait_s = 0.0 if status.oldest_ns is None else max(0, self._clock.now_ns() - status.oldest_ns) / NS
        yield GaugeMetricFamily("hjemvakt_hub_rows_queued", "Rows the server does not have yet", status.queued)
        yield GaugeMetricFamily("hjemvakt_hub_oldest_wait_seconds", "Age of the oldest of them", wait_s)
        before = self._spool.before
        stored = status.last_seq - before.last_seq
        yield CounterMetricFamily("hjemvakt_hub_rows_stored", "Rows stored since the start", stored)
        # A row leaves the spool in these two ways only.
        acknowledged = stored - (status.queued - before.queued) - (status.shed - before.shed)
        yield CounterMetricFamily("hjemvakt_hub_rows_acknowledged", "Rows the server has taken over", acknowledged)
        yield CounterMetricFamily("hjemvakt_hub_rows_shed", "Rows of waves thrown away to make room", status.shed)
        yield GaugeMetricFamily("hjemvakt_hub_spool_bytes", "Bytes of the spool in use", room.used)
        yield GaugeMetricFamily("hjemvakt_hub_spool_limit_bytes", "Bytes the spool may grow to", room.most)
        yield GaugeMetricFamily("hjemvakt_hub_spool_full", "Whether the spool refuses rows", self._spool.full)
        yield GaugeMetricFamily("hjemvakt_hub_raw_bytes", "Bytes of packets not understood yet", room.raw)

    def _of_uplink(self) -> Iterator[Metric]:
        uplink = self._uplink
        connected = uplink.connected.is_set()
        yield GaugeMetricFamily("hjemvakt_hub_uplink_connected", "Whether the broker is connected", connected)
        yield CounterMetricFamily(
            "hjemvakt_hub_uplink_connections", "Connections made since the start", uplink.connections
        )
        yield CounterMetricFamily(
            "hjemvakt_hub_acknowledgements_ignored", "Acknowledgements of nothing under way", uplink.ignored_acks
        )

    def _of_devices(self) -> Iterator[Metric]:
        links = Counter(session.health().link for session in self._sessions())
        yield _counts(GaugeMetricFamily("hjemvakt_hub_devices", "Devices by how they are reached", labels=["link"]),
                      {link: links[link] for link in LINKS})  # fmt: skip
        faults: Counter[str] = Counter()
        for session in self._sessions():
            for code, count in session.account.faults.items():
                faults[code if code in FAULTS else OTHER] += count
        yield _counts(CounterMetricFamily("hjemvakt_hub_faults", "Faults since the start", labels=["code"]), faults)
        yield _counts(
            CounterMetricFamily("hjemvakt_hub_adapter_troubles", "Failures of the adapter", labels=["trouble"]),
            self._troubles(),
        )


async def serve(at: tuple[str, int], parts: Parts) -> None:
    """Answer at this host and port, for ever."""
    await door.serve(at, "metrics", partial(_answer, parts))


async def _answer(parts: Parts, asked: door.Asked) -> bytes:
    if asked.path != "/metrics":
        return door.response("404 Not Found", b"there is /metrics\n")
    if asked.method != "GET":
        return door.response("405 Method Not Allowed", b"only GET\n", "Allow: GET")
    encode, content_type = choose_encoder(asked.headers.get("accept", ""))
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Gathered(await parts.gathered()))
    return door.response("200 OK", encode(registry), f"Content-Type: {content_type}", "Cache-Control: no-store")


class _Gathered(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Sequence[Metric]:
        return self._metrics


def _counts(family: GaugeMetricFamily | CounterMetricFamily, counts: Mapping[str, int]) -> Metric:
    for label, count in sorted(counts.items()):
        family.add_metric([label], count)
    return family
