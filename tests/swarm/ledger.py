"""What devices told and gateways sent, and what became of it on the server's disk.

*Acknowledged ⊆ stored.* Of every number that the server acknowledges, and of every number that is gone from a spool,
each value is on the server's disk, or the row's bytes are in quarantine.

*Stored unique, and true.* A measurement is stored once (filed, or held under a question). It is one that a device made
and a gateway told, with the time it was told with, under the patient whose device it was then. Where the clocks were
right, that is the patient who was measured.

*Set aside with a reason.* Whatever is in quarantine was put there for something that really was so.

*Nothing is missing at the end.* When all is mended and drained, everything measured is stored or set aside.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from tests.swarm.bodies import Key, Naming, Record, keys
from tests.swarm.look import Aside, Look, Reading, acknowledged, batch_of
from tests.swarm.town import Assignments
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event, Fault
from vitals.wire import Row

AHEAD_NS = 300 * NS
EARLIEST_NS = 1_577_836_800 * NS
RIGHT_NS = 5 * NS
"""A time that was told is right if it is no further off."""
_DAMAGE = {"does not parse", "too long", "version", "topic", "foreign gateway", "unknown gateway"}


class Broken(Exception):
    """A promise was broken: which, and by what."""


Line = tuple[str, str]
"""A gateway and the epoch of its spool."""


class Ledger:
    """One world's. `wrong_clock`: how much was filed under another than the one measured, because of a wrong clock."""

    def __init__(self, look: Look, assignments: Assignments) -> None:
        self._look = look
        self._assignments = assignments
        self.wrong_clock = 0
        self._truth: dict[Key, Record] = {}
        self._told: dict[Key, set[tuple[int, int]]] = {}
        self._rows: dict[Line, dict[int, Row]] = {}
        self._gone: dict[Line, set[int]] = {}
        self._floor: dict[Line, int] = {}
        self._seen: set[bytes] = set()
        self._damaged: set[tuple[str, int]] = set()
        self._owed: dict[Key, Record] = {}
        self._stored: dict[Key, Reading] = {}
        self._known: set[bytes] = set()
        self._since_ns = 0
        self._aside_to = 0
        self._aside_keys: set[Key] = set()
        self._aside_rows: list[tuple[str, Row]] = []
        self._aside_spoilt: set[tuple[str, int]] = set()
        self._aside_faults: set[tuple[str, str | None, bytes]] = set()

    def says(self, record: Record, what: Block | Event, received_ns: int) -> None:
        """A gateway is about to keep this."""
        times = dict(
            zip(keys(record.device, what), what.t_ns if isinstance(what, Block) else (what.t_ns,), strict=True)
        )
        for key, t_ns in times.items():
            self._truth[key] = record
            self._told.setdefault(key, set()).add((t_ns, received_ns))
            if record.naming is not Naming.ROW:
                self._owed[key] = record

    def kept(self, keys_: Iterable[Key], record: Record) -> None:
        """A gateway surely has it: what a device says only once is owed from now on."""
        self._owed.update((key, record) for key in keys_)

    def disk_lost(self, waiting: Iterable[Row]) -> None:
        """A spool is gone with what waited in it. A device's memory can be read again; what it says once cannot."""
        lost = [key for row in waiting if isinstance(row.what, Block | Event) for key in keys(row.device, row.what)]
        for key in lost:
            if key in self._owed and self._owed[key].naming is Naming.ROW:
                del self._owed[key]

    def sent(self, topic: str, payload: bytes) -> None:
        """A gateway publishes this."""
        batch = None if payload in self._seen else batch_of(topic, payload)
        if batch is None:
            return
        self._seen.add(payload)
        line = self._rows.setdefault((batch.gateway, batch.epoch), {})
        for row in batch.rows:
            before = line.setdefault(row.seq, row)
            if before != row:
                raise Broken(f"number: {batch.gateway}/{batch.epoch}/{row.seq} was one row and is now another")

    def damaged(self, topic: str, payload: bytes) -> None:
        """A copy of this message arrives damaged."""
        batch = batch_of(topic, payload)
        if batch is not None:
            self._damaged.update((batch.gateway, row.seq) for row in batch.rows)

    def committed(self, now_ns: int) -> set[str]:
        """Look at what is new on the server's disk; returns the patients something was filed for. Raises Broken."""
        filed = set()
        for identity, reading in self._look.stored_since(self._since_ns):
            if identity in self._known:
                continue
            self._known.add(identity)
            self._check_stored(reading)
            if not reading.held:
                filed.add(reading.patient)
        self._since_ns = now_ns
        aside, self._aside_to = self._look.aside(self._aside_to)
        for one in aside:
            self._check_aside(one, now_ns)
        return filed

    def answered(self, topic: str, payload: bytes) -> None:
        """The server sends this; everything that it acknowledges must be on its disk."""
        found = acknowledged(topic, payload)
        if found is None:
            return
        gateway, epoch, ranges = found
        for low, high in ranges:
            for seq in range(low, high + 1):
                self._check_durable(gateway, epoch, seq, "acknowledged")

    def released(self, gateway: str, epoch: str, last_seq: int, waiting: set[int]) -> None:
        """What was given a number and is not in the spool any more must be on the server's disk."""
        line = gateway, epoch
        for seq in range(self._floor.get(line, 0) + 1, last_seq + 1):
            if seq not in waiting:
                self._check_durable(gateway, epoch, seq, "gone from the spool")
                if self._floor.get(line, 0) == seq - 1:
                    self._floor[line] = seq

    def everything(self) -> None:
        """At the end: nothing that was measured is missing."""
        for key, record in self._owed.items():
            if key not in self._stored and key not in self._aside_keys and not self._set_aside_damaged(key):
                raise Broken(f"missing: {key} measured at {record.true_ns} is neither stored nor set aside")

    def recount(self) -> None:
        """What was stored once is stored still, and once."""
        counted = Counter(reading.key for _, reading in self._look.stored_since(0))
        for key in self._stored:
            if counted[key] != 1:
                raise Broken(f"unique: {key} is stored {counted[key]} times")

    def _check_durable(self, gateway: str, epoch: str, seq: int, how: str) -> None:
        gone = self._gone.setdefault((gateway, epoch), set())
        if seq in gone:
            return
        row = self._rows.get((gateway, epoch), {}).get(seq)
        if row is None:
            raise Broken(f"durable: {gateway}/{epoch}/{seq} is {how} and was never sent")
        if not self._durable(gateway, row):
            raise Broken(f"durable: {gateway}/{epoch}/{seq} is {how} and is not on the server's disk: {row}")
        gone.add(seq)

    def _durable(self, gateway: str, row: Row) -> bool:
        if (gateway, row.seq) in self._aside_spoilt or (gateway, row) in self._aside_rows:
            return True
        if isinstance(row.what, Fault):
            return (gateway, row.device, row.what.data) in self._aside_faults
        return all(key in self._stored for key in keys(row.device, row.what))

    def _check_stored(self, reading: Reading) -> None:
        key = reading.key
        if key in self._stored:
            raise Broken(f"unique: {key} is stored twice: {self._stored[key]} and {reading}")
        self._stored[key] = reading
        if key not in self._truth:
            raise Broken(f"true: nobody ever measured {reading}")
        if (reading.t_ns, reading.received_ns) not in self._told[key]:
            raise Broken(f"true: {reading} was told with other times: {self._told[key]}")
        owner = self._assignments.patient_at(reading.device, reading.t_ns)
        if owner != reading.patient:
            raise Broken(f"patient: {reading} was filed under another than {owner}")
        self._check_who_was_measured(reading, self._truth[key].true_ns)

    def _check_who_was_measured(self, reading: Reading, true_ns: int) -> None:
        """That the clocks alone may have led to another patient; about the hour of the change it cannot be told."""
        owners = {self._assignments.patient_at(reading.device, true_ns + off) for off in (-RIGHT_NS, RIGHT_NS)}
        if reading.patient in owners:
            return
        if len(owners) == 1 and abs(reading.t_ns - true_ns) <= RIGHT_NS:
            raise Broken(f"patient: {reading} was measured at {true_ns} of {owners}")
        self.wrong_clock += 1

    def _check_aside(self, one: Aside, now_ns: int) -> None:
        if one.reason in _DAMAGE:
            if one.seq is not None:
                self._aside_spoilt.add((one.gateway, one.seq))
                if (one.gateway, one.seq) not in self._damaged:
                    raise Broken(f"aside: {one} was not damaged")
            return
        if one.row is None or isinstance(one.row.what, Fault):
            self._aside_faults.add((one.gateway, one.device, one.data))
            if one.reason != "short packet":
                raise Broken(f"aside: {one} was set aside for a reason that nobody knows")
            return
        self._aside_rows.append((one.gateway, one.row))
        self._aside_keys.update(keys(one.row.device, one.row.what))
        if not self._explained(one.reason, one.row, now_ns):
            raise Broken(f"aside: {one.row} was set aside as {one.reason!r}, and is not")

    def _explained(self, reason: str, row: Row, now_ns: int) -> bool:
        what = row.what
        assert not isinstance(what, Fault)
        times = what.t_ns if isinstance(what, Block) else (what.t_ns,)
        explanations: Mapping[str, Callable[[], bool]] = {
            "future": lambda: any(t_ns > now_ns + AHEAD_NS for t_ns in times),
            "past": lambda: any(t_ns < EARLIEST_NS for t_ns in times),
            "no patient": lambda: any(self._assignments.patient_at(row.device, t_ns) is None for t_ns in times),
            "implausible": lambda: isinstance(what, Block) and 1_000.0 in what.value,
        }
        return reason in explanations and explanations[reason]()

    def _set_aside_damaged(self, key: Key) -> bool:
        """Whether a row with it was acknowledged although it came damaged: its bytes are all that is left."""
        return any(
            (gateway, seq) in self._aside_spoilt and row.device == key[0] and not isinstance(row.what, Fault)
            and key in keys(row.device, row.what)
            for (gateway, _), line in self._rows.items()
            for seq, row in line.items()
        )  # fmt: skip

    @property
    def stored(self) -> int:
        return len(self._stored)
