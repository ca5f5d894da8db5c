"""A dispenser's side of the conversation, in payloads: `type ‖ tag ‖ body`, whatever carries them.

Source: docs/reference/dispenser-protocol.md, section 2.
"""

import struct
from collections.abc import Callable, Iterator

from firmware_sim.devices._dispenser_core import StoredOrder
from firmware_sim.devices._dispenser_orders import Machine
from firmware_sim.devices._dispenser_wire import (
    MOST_DOSES,
    PART_DOSES,
    VERSION,
    Ask,
    Placed,
    ScheduledDose,
    Tell,
    Wrong,
    distinct,
    fingerprint,
    read_doses,
    read_order,
    read_schedule,
)
from firmware_sim.devices._log import Entry
from vitals.clock import NS

_Answer = Callable[[int, bytes], Iterator[bytes]]


class Talk:
    """One line to a gateway. What it has in mind (where the gateway reads, parts of a schedule) goes with the power."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._answers: dict[int, _Answer] = {
            Ask.HELLO_GET: self._on_hello_get,
            Ask.READ_FROM: self._on_read_from,
            Ask.ACK_UPTO: self._on_ack_upto,
            Ask.TIME_GET: self._on_time_get,
            Ask.TIME_SET: self._on_time_set,
            Ask.SCHEDULE_PUT: self._on_schedule_put,
            Ask.SCHEDULE_GET: self._on_schedule_get,
            Ask.SCHEDULE_PART: self._on_schedule_part,
            Ask.ORDER: self._on_order,
            Ask.ORDER_GET: self._on_order_get,
        }
        self.forget()

    def forget(self) -> None:
        """The line is gone, or the power was."""
        self._boot_id = self._machine.boot_id
        self._following: int | None = None
        self._gathered: tuple[ScheduledDose, ...] = ()

    def hear(self, payload: bytes) -> Iterator[bytes]:
        """The payloads to answer a request with."""
        self._notice_restart()
        answer = self._answers.get(payload[0])
        if answer is None:
            yield _error(payload[0], payload[1], Wrong.TYPE)
            return
        try:
            yield from answer(payload[1], payload[2:])
        except _Bad as bad:
            yield _error(payload[0], payload[1], bad.wrong)

    def unasked(self) -> Iterator[bytes]:
        """What was written since the gateway began to follow."""
        self._notice_restart()
        if self._following is None:
            return
        log = self._machine.memory.log
        for entry in log.since(self._following):
            yield from self._event(0, entry)
        self._following = log.next_seq

    def heartbeat(self) -> bytes:
        machine = self._machine
        newest = machine.memory.log.newest_seq
        return _payload(Tell.HEARTBEAT, 0, struct.pack("<IIB", machine.uptime_ms, newest, machine.charge))

    def hello(self, tag: int = 0) -> bytes:
        machine, log = self._machine, self._machine.memory.log
        numbers = (log.log_id, machine.boot_id, log.oldest_seq, log.newest_seq, machine.utc, machine.uptime_ms)
        body = struct.pack("<B6IBB", VERSION, *numbers, machine.charge, len(machine.serial))
        return _payload(Tell.HELLO, tag, body + machine.serial)

    def _notice_restart(self) -> None:
        if self._boot_id != self._machine.boot_id:
            self.forget()

    # Answers

    def _on_hello_get(self, tag: int, body: bytes) -> Iterator[bytes]:
        _sized(body, 1)
        yield self.hello(tag)

    def _on_read_from(self, tag: int, body: bytes) -> Iterator[bytes]:
        _sized(body, 4)
        log = self._machine.memory.log
        for entry in log.since(int.from_bytes(body, "little")):
            yield from self._event(tag, entry)
        self._following = log.next_seq
        yield _payload(Tell.READ_DONE, tag, struct.pack("<I", log.next_seq))

    def _on_ack_upto(self, tag: int, body: bytes) -> Iterator[bytes]:
        _sized(body, 8)
        log_id, seq = struct.unpack("<II", body)
        log = self._machine.memory.log
        if log_id != log.log_id:
            raise _Bad(Wrong.LOG)
        if seq > log.newest_seq:
            raise _Bad(Wrong.BODY)
        yield _payload(Tell.ACKED, tag, struct.pack("<I", log.release(seq)))

    def _on_time_get(self, tag: int, body: bytes) -> Iterator[bytes]:
        _sized(body, 0)
        yield _payload(Tell.TIME, tag, struct.pack("<II", self._machine.utc, self._machine.uptime_ms))

    def _on_time_set(self, tag: int, body: bytes) -> Iterator[bytes]:
        _sized(body, 4)
        if not any(body):
            raise _Bad(Wrong.BODY)
        self._machine.set_clock(int.from_bytes(body, "little") * NS)
        yield from self._on_time_get(tag, b"")

    def _on_schedule_put(self, tag: int, body: bytes) -> Iterator[bytes]:
        doses = read_schedule(body) if body else None
        if doses is None:
            raise _Bad(Wrong.BODY)
        self._gathered = ()
        self._machine.plan(doses)
        yield self._schedule(tag, Placed.IN_FORCE, doses)

    def _on_schedule_get(self, tag: int, body: bytes) -> Iterator[bytes]:
        _sized(body, 0)
        yield self._schedule(tag, Placed.IN_FORCE, self._machine.memory.schedule)

    def _on_schedule_part(self, tag: int, body: bytes) -> Iterator[bytes]:
        if len(body) < 2:
            raise _Bad(Wrong.BODY)
        first, total, doses = body[0], body[1], read_doses(body[2:])
        before = self._gathered if first else ()
        self._gathered = ()
        gathered = (*before, *(doses or ()))
        if total > MOST_DOSES:
            yield self._schedule(tag, Placed.TOO_MANY, self._machine.memory.schedule)
        elif not (doses and len(doses) <= PART_DOSES and len(before) == first and distinct(gathered)) or (
            len(gathered) > total
        ):
            yield self._schedule(tag, Placed.NOT_TAKEN, self._machine.memory.schedule)
        elif len(gathered) < total:
            self._gathered = gathered
            yield self._schedule(tag, Placed.MORE, gathered)
        else:
            self._machine.plan(gathered)
            yield self._schedule(tag, Placed.IN_FORCE, gathered)

    def _on_order(self, tag: int, body: bytes) -> Iterator[bytes]:
        wanted = read_order(body)
        if wanted is None:
            raise _Bad(Wrong.BODY)
        yield _told(tag, self._machine.take(wanted))

    def _on_order_get(self, tag: int, body: bytes) -> Iterator[bytes]:
        _sized(body, 8)
        yield _told(tag, self._machine.asked(int.from_bytes(body, "little")))

    def _event(self, tag: int, entry: Entry) -> Iterator[bytes]:
        """The entry, after the state of the order it is the end of."""
        order = self._machine.told_by(entry.seq)
        if order is not None:
            yield _told(tag, order)
        yield _payload(Tell.EVENT, tag, entry.encode())

    def _schedule(self, tag: int, result: Placed, doses: tuple[ScheduledDose, ...]) -> bytes:
        return _payload(Tell.SCHEDULE, tag, bytes((result,)) + fingerprint(doses))


class _Bad(Exception):
    """A request that is answered with ERROR."""

    def __init__(self, wrong: Wrong) -> None:
        super().__init__(wrong.name)
        self.wrong = wrong


def _sized(body: bytes, size: int) -> None:
    if len(body) != size:
        raise _Bad(Wrong.BODY)


def _told(tag: int, order: StoredOrder | None) -> bytes:
    if order is None:
        raise _Bad(Wrong.BUSY)
    return _payload(Tell.ORDER_STATE, tag, struct.pack("<QBBI", order.id, order.state, order.reason, order.seq))


def _error(ask: int, tag: int, wrong: Wrong) -> bytes:
    return _payload(Tell.ERROR, tag, bytes((ask, wrong)))


def _payload(tell: Tell, tag: int, body: bytes) -> bytes:
    return bytes((tell, tag)) + body
