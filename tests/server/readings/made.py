"""Readings, entries and a journal made up for tests, and a store of a few lines that is surely right."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from server.readings.contract import Buckets, Entry, Withdrawn
from server.readings.store import Reading, SeriesColumns
from tests.server.conftest import START_NS
from vitals.clock import NS


def reading(
    value: float = 94.0,
    t_ns: int = START_NS,
    *,
    name: object = "",
    patient: str = "eva",
    channel: str = "spo2",
    device: str = "oximeter",
    decimals: int = 0,
    status: tuple[str, ...] = (),
) -> Reading:
    """One reading. `name`: what tells it from another one that is the same otherwise."""
    identity = blake2b(repr((device, channel, t_ns, value, name)).encode(), digest_size=16).digest()
    return Reading(patient, channel, t_ns, identity, value, decimals, status, device, None, None, t_ns + NS)


def gone(one: Reading) -> Withdrawn:
    return Withdrawn(one.patient_id, one.channel, one.t_ns, one.identity)


class MadeJournal:
    """A journal in memory."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = list(entries)

    def file(self, *readings: Reading, withdrawn: Sequence[Reading] = ()) -> Entry:
        seq = len(self.entries) + 1
        entry = Entry(seq, START_NS + seq * NS, readings, withdrawn=tuple(map(gone, withdrawn)))
        self.entries.append(entry)
        return entry

    def read(self, after_seq: int, limit: int) -> Sequence[Entry]:
        return self.entries[after_seq : after_seq + limit]

    def last(self) -> int:
        return len(self.entries)

    def standing(self) -> dict[tuple[str, str, int, bytes], Reading]:
        """What is not withdrawn. Of what is twice in one entry, which a server never files, the first."""
        left: dict[tuple[str, str, int, bytes], Reading] = {}
        for entry in self.entries:
            for one in entry.withdrawn:
                left.pop((one.patient_id, one.channel, one.t_ns, one.identity), None)
            first_last = reversed(entry.readings)
            left |= {(one.patient_id, one.channel, one.t_ns, one.identity): one for one in first_last}
        return left

    def series(self, patient_id: str, channel: str, from_ns: int, to_ns: int) -> SeriesColumns:
        """What a store must say."""
        rows = self._between(patient_id, channel, from_ns, to_ns)
        return SeriesColumns(
            [one.t_ns for one in rows], [one.value for one in rows], [one.good for one in rows],
            max((one.decimals for one in rows), default=0),
        )  # fmt: skip

    def buckets(self, patient_id: str, channel: str, from_ns: int, to_ns: int, step_s: int) -> Buckets:
        """What a store must say."""
        rows = self._between(patient_id, channel, from_ns, to_ns)
        step_ns = step_s * NS
        found = Buckets([], [], [], [], [])
        for begin_ns in sorted({one.t_ns // step_ns * step_ns for one in rows}):
            values = [one.value for one in rows if one.t_ns // step_ns * step_ns == begin_ns]
            found.t_ns.append(begin_ns)
            found.low.append(min(values))
            found.mean.append(sum(values) / len(values))
            found.high.append(max(values))
            found.count.append(len(values))
        return found

    def _between(self, patient_id: str, channel: str, from_ns: int, to_ns: int) -> list[Reading]:
        found = [
            one
            for one in self.standing().values()
            if (one.patient_id, one.channel) == (patient_id, channel) and from_ns <= one.t_ns <= to_ns
        ]
        return sorted(found, key=lambda one: (one.t_ns, one.identity[-8:]))
