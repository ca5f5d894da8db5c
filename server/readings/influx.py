"""InfluxDB as a series store, for a hospital that wants Grafana and Flux: one bucket, fed from the journal.

A write that got no answer is sent again: the same reading is the same point (`server.readings.lines`), so nothing is
there twice. A batch that is refused as a whole is halved until what is refused stands alone; that is noted, and the
rest goes in.

What is withdrawn is deleted, so that no query of anybody's has to know of it. A point is found by its identity, deleted
by its tags and time, and looked for again. A withdrawal that cannot be carried out is never passed over: the feed waits
there.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from server.config import Influx
from server.readings.bucket import Bucket, Refused
from server.readings.contract import Buckets, Entry, Withdrawn
from server.readings.cursor import Cursor
from server.readings.flux import quoted
from server.readings.lines import EARLIEST_NS, LATEST_NS, MEASUREMENT, Point, Refusal, change, millisecond, short
from server.readings.moments import moment, nanoseconds
from server.readings.store import SeriesColumns
from vitals.clock import MS, NS
from vitals.errors import StoreError

AT_ONCE = 5_000
"""Points in one request: what InfluxDB advises."""


class InfluxStore:
    """One bucket. Not thread-safe: the feed has one of its own, and so has whoever reads. `close` it."""

    def __init__(self, config: Influx, cursor: Cursor) -> None:
        """Raises ConfigError for a token that cannot be read."""
        self._bucket = Bucket(config)
        self._cursor = cursor

    def close(self) -> None:
        self._bucket.close()

    def position(self) -> int:
        """The journal's seq up to which everything is in it; 0 for nothing."""
        return self._cursor.seq()

    def take(self, entries: Sequence[Entry]) -> None:
        """Add these, in order of seq; raises StoreError while it is away, and then all of them wait."""
        at = self.position()
        new = [one for one in entries if one.seq > at]
        if not new:
            return
        found = change(new)
        for gone in found.remove.values():
            self._remove(gone)
        points = list(found.write.values())
        for start in range(0, len(points), AT_ONCE):
            found.refused += self._send(points[start : start + AT_ONCE])
        self._cursor.advance(new[-1].seq, _by_reason(found.refused))

    def refused(self) -> int:
        """Readings that it would not take, since the beginning."""
        return self._cursor.refused()

    def refused_last(self) -> tuple[int, str] | None:
        """When that was last, and why."""
        return self._cursor.refused_last()

    def series(self, patient_id: str, channel: str, from_ns: int, to_ns: int) -> SeriesColumns:
        """One channel of one patient between two moments, both inclusive."""
        rows = self._rows(patient_id, channel, from_ns, to_ns)
        return SeriesColumns(
            [row.t_ns for row in rows], [row.value for row in rows], [row.good for row in rows],
            max((row.decimals for row in rows), default=0),
        )  # fmt: skip

    def buckets(self, patient_id: str, channel: str, from_ns: int, to_ns: int, step_s: int) -> Buckets:
        """The same, in steps of whole seconds; the server adds up, but for the odd ends of the span."""
        whole_from_ns, whole_to_ns = -(-from_ns // MS) * MS, (to_ns + 1) // MS * MS
        sums: dict[int, _Sum] = {}
        if whole_from_ns >= whole_to_ns:
            self._add_rows(sums, self._rows(patient_id, channel, from_ns, to_ns), step_s)
        else:
            self._add_rows(sums, self._rows(patient_id, channel, from_ns, whole_from_ns - 1), step_s)
            self._add_sums(sums, patient_id, channel, whole_from_ns, whole_to_ns, step_s)
            self._add_rows(sums, self._rows(patient_id, channel, whole_to_ns, to_ns), step_s)
        every = [(t_ns, sums[t_ns]) for t_ns in sorted(sums)]
        return Buckets(
            [t_ns for t_ns, _ in every], [one.low for _, one in every], [one.total / one.count for _, one in every],
            [one.high for _, one in every], [one.count for _, one in every],
        )  # fmt: skip

    def _send(self, points: Sequence[Point]) -> list[Refusal]:
        """Write these; returns what of them is refused for good."""
        try:
            self._bucket.write([one.line for one in points])
        except Refused as error:
            if error.points is None and len(points) > 1:
                half = len(points) // 2
                return self._send(points[:half]) + self._send(points[half:])
            return [Refusal(points[0].seq, points[-1].seq, error.points or 1, error.reason)]
        return []

    def _remove(self, gone: Withdrawn) -> None:
        for device, t in self._points_of(gone):
            tags = {"patient": gone.patient_id, "channel": gone.channel, "device": device}
            self._bucket.delete(MEASUREMENT, tags, t)
        if self._points_of(gone):
            raise StoreError("InfluxDB still shows a withdrawn reading after it was deleted", "see InfluxDB's log")

    def _points_of(self, gone: Withdrawn) -> list[tuple[str, str]]:
        """The device and the time of the withdrawn reading's points, as InfluxDB writes them."""
        begin_ns = millisecond(gone.t_ns)
        found = self._bucket.ask(
            f"{self._from(gone.patient_id, gone.channel, begin_ns, begin_ns + MS)}"
            f' |> filter(fn: (r) => r._field == "identity" and r._value == {short(gone.identity)})'
            ' |> keep(columns: ["_time", "_value", "device"])'
        )
        return [(row["device"], row["_time"]) for row in found]

    def _rows(self, patient_id: str, channel: str, from_ns: int, to_ns: int) -> "list[_Row]":
        """The readings between two moments, both inclusive, in order of time and identity."""
        if from_ns > to_ns:
            return []
        points: dict[tuple[str, str], dict[str, str]] = {}
        for row in self._bucket.ask(
            f"{self._from(patient_id, channel, millisecond(from_ns), millisecond(to_ns) + MS)}"
            ' |> filter(fn: (r) => r._field == "value" or r._field == "good" or r._field == "decimals"'
            ' or r._field == "t_ns" or r._field == "identity")'
            ' |> keep(columns: ["_time", "_field", "_value", "device"])'
        ):
            points.setdefault((row["device"], row["_time"]), {})[row["_field"]] = row["_value"]
        rows = (_row(fields) for fields in points.values())
        return sorted(row for row in rows if from_ns <= row.t_ns <= to_ns)

    def _add_rows(self, sums: "dict[int, _Sum]", rows: "Sequence[_Row]", step_s: int) -> None:
        for row in rows:
            sums.setdefault(row.t_ns // NS // step_s * step_s * NS, _Sum()).add(row.value, row.value, row.value, 1)

    def _add_sums(
        self, sums: "dict[int, _Sum]", patient_id: str, channel: str, from_ns: int, to_ns: int, step_s: int
    ) -> None:
        """What the server makes of whole milliseconds, `to_ns` exclusive. Each device has sums of its own there."""
        query = f'data = {self._from(patient_id, channel, from_ns, to_ns)} |> filter(fn: (r) => r._field == "value")\n'
        for name in ("min", "max", "sum", "count"):
            query += (
                f'data |> aggregateWindow(every: {step_s}s, fn: {name}, createEmpty: false, timeSrc: "_start")'
                f' |> keep(columns: ["_time", "_value", "device"]) |> yield(name: "{name}")\n'
            )
        parts: dict[tuple[str, int], dict[str, str]] = {}
        for row in self._bucket.ask(query):
            begin_ns = nanoseconds(row["_time"]) // NS // step_s * step_s * NS  # the first one begins with the span
            parts.setdefault((row["device"], begin_ns), {})[row["result"]] = row["_value"]
        for (_, t_ns), part in parts.items():
            sums.setdefault(t_ns, _Sum()).add(
                float(part["min"]), float(part["max"]), float(part["sum"]), int(part["count"])
            )

    def _from(self, patient_id: str, channel: str, from_ns: int, to_ns: int) -> str:
        """The beginning of a query; `to_ns` is exclusive."""
        begin_ns, end_ns = max(EARLIEST_NS, from_ns), min(LATEST_NS, to_ns)
        return (
            f"from(bucket: {quoted(self._bucket.name)}) |> range(start: {moment(begin_ns)}, stop: {moment(end_ns)})"
            f" |> filter(fn: (r) => r._measurement == {quoted(MEASUREMENT)} and r.patient == {quoted(patient_id)}"
            f" and r.channel == {quoted(channel)})"
        )


class _Row(NamedTuple):
    """A reading, in the order of comparison: moment, then identity."""

    t_ns: int
    identity: int
    value: float
    good: bool
    decimals: int


class _Sum(msgspec.Struct):
    """What the readings of a bucket come to."""

    low: float = float("inf")
    high: float = float("-inf")
    total: float = 0.0
    count: int = 0

    def add(self, low: float, high: float, total: float, count: int) -> None:
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.total += total
        self.count += count


def _by_reason(refused: Sequence[Refusal]) -> list[Refusal]:
    """One for each reason: a bucket's retention may refuse half a journal."""
    found: dict[str, Refusal] = {}
    for one in refused:
        other = found.get(one.reason, one)
        found[one.reason] = Refusal(
            min(one.first_seq, other.first_seq), max(one.last_seq, other.last_seq),
            one.points + (0 if other is one else other.points), one.reason,
        )  # fmt: skip
    return list(found.values())


def _row(fields: dict[str, str]) -> _Row:
    return _Row(
        int(fields["t_ns"]), int(fields["identity"]) % 2**64, float(fields["value"]), fields["good"] == "true",
        int(fields["decimals"]),
    )  # fmt: skip
