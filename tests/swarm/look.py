"""What the server has on its disk, read from outside: here alone the server's tables and the wire's batch are known.

A connection of its own, read-only, sees what is committed and nothing else. Whoever rebuilds how readings are stored
mends this file, and the swarm goes on.
"""

import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.faults.ledger import Packed, unpacked
from tests.swarm.bodies import Key, name_of
from vitals import wire
from vitals.errors import WireError
from vitals.wire import Ack, Batch, Row

_SEQ = re.compile(rb'"seq":(\d+)')


class Reading(NamedTuple):
    """One stored value or event (`channel`: its kind, `value`: 0). `held`: kept, but not filed under the patient."""

    patient: str
    device: str
    channel: str
    t_ns: int
    value: float
    name: str
    received_ns: int
    held: bool

    @property
    def key(self) -> Key:
        return self.device, self.channel, self.name, self.value


class Sample(NamedTuple):
    """What a rule may see of one thing that is filed. `value` of an event is a number of its dose, 0: none."""

    t_ns: int
    value: float
    good: bool


class Aside(NamedTuple):
    """Something in quarantine. `row` where its bytes still are one, `seq` where at least its number can be read."""

    gateway: str
    device: str | None
    reason: str
    data: bytes
    row: Row | None
    seq: int | None


class Said(NamedTuple):
    """One reason of an alarm."""

    rule: str
    level: int
    t_ns: int


class Alarm(NamedTuple):
    id: int
    patient: str
    kind: str
    level: int
    open: bool
    settled: bool
    by_hand: bool
    """Closed by a person."""
    acknowledged: bool
    raised_ns: int
    closed_ns: int | None
    quiet_until_ns: int
    reasons: tuple[Said, ...]


class Pulse(NamedTuple):
    """What is known of a gateway."""

    patient: str
    heard_ns: int | None
    known_ns: int
    ahead_ns: int | None


_DOUBTED = {
    "estimated", "motion", "low_perfusion", "poor_signal", "questionable", "demo_data", "calibration", "cuff_loose",
    "bad_position",
}  # fmt: skip

_NEW = """
SELECT patient_id, device, channel, t_ns, value, record, device_t_ns, status, received_ns, identity, 1
FROM held_readings WHERE stored_ns >= :since UNION ALL
SELECT patient_id, device, kind, t_ns, 0.0, record, device_t_ns, '', received_ns, identity, 0 FROM events
WHERE stored_ns >= :since
"""
_HAPPENED = """
SELECT kind, t_ns, device, coalesce(json_extract(data, '$.dose_id'), 0),
       CASE WHEN json_extract(data, '$.time_critical') THEN 'critical' ELSE '' END FROM events
WHERE patient_id = :patient
"""
_ALARMS = """
SELECT id, patient_id, kind, level, state, settled, closed_by, raised_ns, closed_ns, quiet_until_ns, reasons FROM alarms
"""


class Look:
    """The server's file, through eyes that cannot change it."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self._seq = 0
        self._doses: dict[tuple[str, int], int] = {}
        """Each dose of each dispenser by a number of its own, from 1 on."""
        self._filed: dict[bytes, list[Packed]] = {}
        """What counts of the journal up to that row, by identity: more than one reading of any is one too many."""

    def close(self) -> None:
        self._db.close()

    def stored_since(self, since_ns: int) -> list[tuple[bytes, Reading]]:
        """What was stored at `since_ns` or later, each with what the server itself knows it by."""
        found = []
        for one in self._readings():
            if one.stored_ns >= since_ns:
                name = name_of(one.record, one.device_t_ns, one.status, one.t_ns)
                reading = Reading(
                    one.patient, one.device, one.channel, one.t_ns, one.value, name, one.received_ns, False
                )
                found.append((one.identity, reading))
        for (
            patient, device, channel, t_ns, value, record, device_t_ns, status, received_ns, identity, held,
        ) in self._db.execute(_NEW, {"since": since_ns}):  # fmt: skip
            name = name_of(record, device_t_ns, status.split(), t_ns)
            found.append((identity, Reading(patient, device, channel, t_ns, value, name, received_ns, bool(held))))
        return found

    def filed(self, patient: str) -> dict[str, list[Sample]]:
        """What is filed under the patient, by channel or kind of event, oldest first."""
        found: dict[str, list[Sample]] = {}
        for one in self._readings():
            if one.patient == patient:
                good = _DOUBTED.isdisjoint(one.status)
                found.setdefault(one.channel, []).append(Sample(one.t_ns, one.value, good))
        for kind, t_ns, device, dose, critical in self._db.execute(_HAPPENED, {"patient": patient}):
            value = self._doses.setdefault((device, dose), len(self._doses) + 1) if dose else 0
            found.setdefault(f"{kind}_critical" if critical else kind, []).append(Sample(t_ns, value, True))
        for samples in found.values():
            samples.sort()
        return found

    def _readings(self) -> list[Packed]:
        for seq, blob in self._db.execute("SELECT seq, blob FROM journal WHERE seq > ? ORDER BY seq", (self._seq,)):
            readings, withdrawn = unpacked(blob)
            for name in withdrawn:
                self._filed.pop(name, None)
            for one in readings:
                self._filed.setdefault(one.identity, []).append(one)
            self._seq = seq
        return [one for them in self._filed.values() for one in them]

    def aside(self, after_id: int) -> tuple[list[Aside], int]:
        """What was set aside since that number, and the highest number now."""
        found = []
        for number, gateway, device, reason, data in self._db.execute(
            "SELECT id, gateway, device, reason, data FROM quarantine WHERE id > ? ORDER BY id", (after_id,)
        ):
            after_id = number
            seq = _SEQ.search(data[:40])
            found.append(Aside(gateway, device, reason, data, _row(data), int(seq[1]) if seq else None))
        return found, after_id

    def alarms(self) -> list[Alarm]:
        """Every alarm there ever was."""
        return [
            Alarm(
                number, patient, kind, level, state != "closed", bool(settled), by is not None,
                state in ("acknowledged", "assessed"), raised_ns, closed_ns, quiet_ns or 0,
                tuple(Said(one["rule"], one["level"], one["t_ns"]) for one in msgspec.json.decode(reasons)),
            )
            for number, patient, kind, level, state, settled, by, raised_ns, closed_ns, quiet_ns, reasons in (
                self._db.execute(_ALARMS)
            )
        ]  # fmt: skip

    def pulses(self) -> list[Pulse]:
        """Every gateway."""
        rows = self._db.execute("SELECT patient_id, last_heard_ns, known_since_ns, ahead_ns FROM gateways ORDER BY id")
        return [Pulse(*row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How much there is of everything."""
        tables = ("held_readings", "events", "quarantine", "alarms")
        found = {name: self._db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
        return {"readings": len(self._readings()), **found}


def batch_of(topic: str, payload: bytes) -> Batch | None:
    """The rows that a gateway sends in this message; None if it is no batch."""
    if "/up/" not in topic or topic.endswith("/health"):
        return None
    return wire.decode(payload, Batch)


def acknowledged(topic: str, payload: bytes) -> tuple[str, str, Sequence[tuple[int, int]]] | None:
    """Gateway, epoch and ranges, if this is an acknowledgement."""
    if not topic.endswith("/down/ack"):
        return None
    ack = wire.decode(payload, Ack)
    return wire.gateway_of(topic), ack.epoch, ack.ranges


def _row(data: bytes) -> Row | None:
    try:
        return msgspec.json.decode(data, type=Row)
    except (msgspec.MsgspecError, UnicodeDecodeError, WireError):
        return None
