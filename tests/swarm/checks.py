"""What must hold after every step, and at the end.

*Acknowledged ⊆ stored.* Of every number that the server acknowledges, and of every number that is gone from a spool,
each value is on the server's disk, or the row's bytes are in quarantine.

*Stored unique, and true.* A measurement is stored once (filed, or held under a question). It is one that a device made
and a gateway told, with the time it was told with, under the patient whose device it was then.

*Set aside with a reason.* Whatever is in quarantine was put there for something that really was so.

*Nothing is missing at the end.* When all is mended and drained, everything measured is stored or set aside.

*Alarms.* At each moment at which the server has surely looked at a patient (something was filed for the patient in that
transaction, or the engine had its whole turn), the second opinion (`tests.swarm.evaluator`) is asked the same from the
same stored rows. Then

    none missing   for each rule that must speak, an alarm of its kind stands that has this rule at this level or worse.
                   One that stands is open, or was closed by a person and is still quiet about what it was closed for.
    none invented  every reason of an alarm was given at a moment, and at that moment the second opinion permits the
                   rule to say so. An alarm is as bad as its worst reason.
    none vanishes  a clinical alarm ends by a person's hand. A technical one ends by itself, but not before nothing has
                   spoken for SETTLE_S, and, if nobody has it, not later either.
    settled        an alarm is marked as settled once all its rules have surely been calm for SETTLE_S, and not before.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.swarm import evaluator
from tests.swarm.bodies import Key, Naming, Record, keys
from tests.swarm.evaluator import CALM, TECHNICAL, Gateway, Levels, Patient
from tests.swarm.look import Alarm, Aside, Look, Reading, acknowledged, batch_of
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event, Fault
from vitals.wire import Row

SETTLE_S = 600.0
LONG_SILENCE_S = 300.0
AHEAD_NS = 300 * NS
EARLIEST_NS = 1_577_836_800 * NS
_DAMAGE = {"does not parse", "too long", "version", "topic", "foreign gateway", "unknown gateway"}


class Broken(Exception):
    """A promise was broken: which, and by what."""


@dataclass(frozen=True)
class Assignment:
    """Whose the device is, from (inclusive) to (exclusive)."""

    device: str
    patient: str
    from_ns: int
    to_ns: int | None


Line = tuple[str, str]
"""A gateway and the epoch of its spool."""


class Ledger:
    """What devices told and gateways sent, and what became of it on the server's disk."""

    def __init__(self, look: Look, assignments: Sequence[Assignment]) -> None:
        self._look = look
        self._assignments = assignments
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
                raise Broken(f"{batch.gateway}/{batch.epoch}/{row.seq} was one row and is now another")

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
        owner = self.patient_at(reading.device, reading.t_ns)
        if owner != reading.patient:
            raise Broken(f"patient: {reading} was filed under another than {owner}")

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
            "no patient": lambda: any(self.patient_at(row.device, t_ns) is None for t_ns in times),
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

    def patient_at(self, device: str, t_ns: int) -> str | None:
        for one in self._assignments:
            if one.device == device and one.from_ns <= t_ns and (one.to_ns is None or t_ns < one.to_ns):
                return one.patient
        return None

    def watched_since(self, patient: str, now_ns: int, known_ns: int) -> int | None:
        """Since when the patient has had some device that is still theirs, and the server has known of it."""
        return min(
            (
                max(one.from_ns, known_ns)
                for one in self._assignments
                if one.patient == patient and one.from_ns <= now_ns and (one.to_ns is None or now_ns < one.to_ns)
            ),
            default=None,
        )

    @property
    def stored(self) -> int:
        return len(self._stored)


class Alarms:
    """The alarms held against the second opinion. `patients` without what changes; `began_ns`: the first start."""

    def __init__(
        self, look: Look, ledger: Ledger, patients: Sequence[Patient], offline_s: float, began_ns: int
    ) -> None:
        self._look = look
        self._ledger = ledger
        self._patients = {one.id: one for one in patients}
        self._offline_s = offline_s
        self._began_ns = began_ns
        self._started_ns = began_ns
        self._early: dict[str, int] = {}
        self._late: dict[str, int] = {}
        self._heard: set[tuple[int, str, int, int]] = set()
        self._restless_ns: dict[int, int] = {}
        self._calm_ns: dict[int, int] = {}
        self._over: set[int] = set()
        self._alarms: dict[int, Alarm] = {}
        self.asked = 0
        """How many verdicts were compared."""
        self.by_rule: Counter[str] = Counter()
        """How many reasons of each rule were given."""

    def started(self, now_ns: int) -> None:
        """The server is up again: what it knew only in its head is gone."""
        self._started_ns = now_ns
        self._early.clear()
        self._late.clear()

    def check(self, now_ns: int, looked_at: Iterable[str], *, sure: bool) -> None:
        """`looked_at`: whom the server has looked at in what it has just committed (`sure`), or may have."""
        self._listen(now_ns, sure=sure)
        names = set(looked_at)
        alarms = self._look.alarms()
        fresh = {one.patient for one in alarms if self._news(one)}
        if not names and not fresh:
            self._alarms = {one.id: one for one in alarms}
            return
        said = {name: self._verdicts(name, now_ns) for name in sorted(names | fresh)}
        for one in alarms:
            self._check_alarm(one, said, now_ns)
        if sure:
            for name in sorted(names):
                self._check_patient(name, said[name], alarms, now_ns)
        self._alarms = {one.id: one for one in alarms}

    def _news(self, alarm: Alarm) -> bool:
        """Whether it is not as it was when last looked at."""
        return self._alarms.get(alarm.id) != alarm

    def _listen(self, now_ns: int, *, sure: bool) -> None:
        """Since when the server knows each gateway to be heard, if it has looked."""
        for pulse in self._look.pulses():
            silent_s = (now_ns - self._since_ns(pulse.heard_ns, pulse.known_ns)) / NS
            not_yet = pulse.heard_ns is None or pulse.heard_ns < self._started_ns
            if not_yet or silent_s > max(self._offline_s, LONG_SILENCE_S):
                self._late.pop(pulse.patient, None)
                if sure:
                    self._early.pop(pulse.patient, None)
            else:
                self._early.setdefault(pulse.patient, now_ns)
                if sure:
                    self._late.setdefault(pulse.patient, now_ns)

    def _since_ns(self, heard_ns: int | None, known_ns: int) -> int:
        return max(heard_ns or 0, known_ns, self._started_ns)

    def _verdicts(self, name: str, now_ns: int) -> dict[str, Levels]:
        pulse = next(one for one in self._look.pulses() if one.patient == name)
        gateway = Gateway(
            self._since_ns(pulse.heard_ns, pulse.known_ns), self._early.get(name), self._late.get(name), pulse.ahead_ns
        )
        watched_ns = self._ledger.watched_since(name, now_ns, self._began_ns)
        patient = replace(self._patients[name], watched_ns=watched_ns, gateway=gateway)
        found = evaluator.verdicts(patient, self._look.filed(name), now_ns, self._offline_s)
        self.asked += len(found)
        return found

    def _check_alarm(self, alarm: Alarm, said: Mapping[str, Mapping[str, Levels]], now_ns: int) -> None:
        """None invented, none vanished."""
        if not self._news(alarm):
            return
        for one in alarm.reasons:
            reason = (alarm.id, one.rule, one.level, one.t_ns)
            if reason in self._heard:
                continue
            self._heard.add(reason)
            self.by_rule[one.rule] += 1
            if one.t_ns != now_ns:
                raise Broken(f"invented: {alarm} has {one}, said at no moment that was looked at")
            permitted = said[alarm.patient].get(one.rule, frozenset())
            if one.level not in permitted:
                raise Broken(f"invented: {alarm} has {one}; the second opinion is {set(permitted)}")
        if alarm.level != max(one.level for one in alarm.reasons):
            raise Broken(f"level: {alarm} is not as bad as its worst reason")
        if not alarm.open and alarm.id not in self._over:
            self._over.add(alarm.id)
            self._check_end(alarm, said[alarm.patient], now_ns)

    def _check_end(self, alarm: Alarm, verdicts: Mapping[str, Levels], now_ns: int) -> None:
        if alarm.by_hand:
            return
        if alarm.kind == "clinical":
            raise Broken(f"vanished: {alarm} ended by itself")
        self._check_calm(alarm, verdicts, now_ns)

    def _check_patient(self, name: str, verdicts: Mapping[str, Levels], alarms: Sequence[Alarm], now_ns: int) -> None:
        """None missing, and settled in time."""
        mine = [one for one in alarms if one.patient == name]
        standing = [one for one in mine if one.open or one.quiet_until_ns > now_ns]
        for rule, levels in verdicts.items():
            level = min(levels)
            stands = [one for one in standing if one.kind == kind_of(rule)]
            if level > CALM and not any(
                said.rule == rule and said.level >= level for one in stands for said in one.reasons
            ):
                raise Broken(f"missing: {rule} says {level} of {name}, and of that there stands {stands}")
        for one in mine:
            if one.open:
                self._check_settled(one, verdicts, now_ns)

    def _check_settled(self, alarm: Alarm, verdicts: Mapping[str, Levels], now_ns: int) -> None:
        """Marked as settled not before it may be, and not later than it must."""
        before = self._alarms.get(alarm.id)
        if alarm.settled and not (before and before.settled):
            self._check_calm(alarm, verdicts, now_ns)
        own = {rule: levels for rule, levels in verdicts.items() if kind_of(rule) == alarm.kind}
        if alarm.settled and any(min(levels) > CALM for levels in own.values()):
            raise Broken(f"settled: {alarm} is marked as settled while a rule speaks: {own}")
        if self._restless(alarm, verdicts):
            self._restless_ns[alarm.id] = now_ns
        stacked = {one.rule for one in alarm.reasons}
        if any(levels != {CALM} if rule in stacked else max(levels) > CALM for rule, levels in own.items()):
            self._calm_ns.pop(alarm.id, None)
            return
        calm_s = (now_ns - self._calm_ns.setdefault(alarm.id, now_ns)) / NS
        over = alarm.settled and not (alarm.kind == "technical" and not alarm.acknowledged)
        if calm_s >= SETTLE_S and not over:
            raise Broken(f"settled: {alarm} has been calm for {calm_s:.0f} s and is neither settled nor over")

    def _check_calm(self, alarm: Alarm, verdicts: Mapping[str, Levels], now_ns: int) -> None:
        """That nothing has surely spoken, and nothing that spoke has surely been unknown, for SETTLE_S until now."""
        calm_s = (now_ns - self._restless_ns.get(alarm.id, alarm.raised_ns)) / NS
        if calm_s < SETTLE_S or self._restless(alarm, verdicts):
            raise Broken(f"settled: {alarm} was not calm for long enough ({calm_s:.0f} s): {verdicts}")

    @staticmethod
    def _restless(alarm: Alarm, verdicts: Mapping[str, Levels]) -> bool:
        """Whether a rule of its kind surely speaks now, or one that has spoken in it surely does not know."""
        stacked = {one.rule for one in alarm.reasons}
        return any(
            min(levels) > CALM or (rule in stacked and max(levels) < CALM)
            for rule, levels in verdicts.items()
            if kind_of(rule) == alarm.kind
        )


def kind_of(rule: str) -> str:
    return "technical" if rule in TECHNICAL else "clinical"
