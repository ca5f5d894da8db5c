"""A medicine dispenser that speaks the open dispenser protocol (docs/reference/dispenser-protocol.md) on a serial line.

Doses fall due by the device's own calendar, so a drifting clock dispenses at the wrong time, as it would. A dose goes
DUE → PRESENTED → RETRIEVED, or MISSED when its window closes. A dose whose time a correction of the clock jumped over
is due at once; one that was handled is not handled again when the clock is put back.

What must survive a power cut (the log, the schedule, how many doses are inside) is `Memory`, apart from the rest.
"""

import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import IntEnum
from functools import partial
from hashlib import sha256

import msgspec

from firmware_sim.body import DAY_NS, HOUR_NS
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Battery, Happening, TruthAt
from firmware_sim.devices._frame import Deframer, frame
from firmware_sim.devices._log import Log, Moment, Type
from firmware_sim.noise import share
from vitals.clock import MS, NS

VERSION = 1
MAX_DOSES = 11
BATTERY_UNKNOWN = 0xFF
HEARTBEAT_S = 30
"""Seconds of the wall: it belongs to the wire, not to the story."""

TIME_CRITICAL, CLOCK_NOT_TRUSTED = 1, 4
_PRESENTING_NS = 5 * NS
_CLOCK_STEP_S = 2
_LOW_AT = 5
_MAGAZINE = 28
_REFILLED_AFTER_NS = 6 * HOUR_NS
_NO_DOSE_LEFT = 1
_POWER_ON = 1


class Ask(IntEnum):
    """What the gateway sends."""

    HELLO_GET = 0x01
    READ_FROM = 0x02
    ACK_UPTO = 0x03
    TIME_GET = 0x04
    TIME_SET = 0x05
    SCHEDULE_PUT = 0x06
    SCHEDULE_GET = 0x07


class Tell(IntEnum):
    """What the device sends."""

    HELLO = 0x81
    EVENT = 0x82
    ACKED = 0x83
    TIME = 0x84
    READ_DONE = 0x85
    SCHEDULE = 0x86
    HEARTBEAT = 0x87
    ERROR = 0xFF


class Wrong(IntEnum):
    """Codes of ERROR."""

    TYPE = 1
    BODY = 2
    LOG = 3


class ScheduledDose(msgspec.Struct, frozen=True):
    """One dose of the schedule, in the field order of the wire. `weekdays`: bit 0 Monday."""

    dose_id: int
    minute_of_day: int
    compartment: int
    count: int
    window_min: int
    weekdays: int = 0x7F
    flags: int = 0

    def encode(self) -> bytes:
        return _DOSE.pack(*msgspec.structs.astuple(self))

    @property
    def sound(self) -> bool:
        """Whether a device can keep it."""
        return self.minute_of_day < 1440 and self.dose_id > 0 and 1 <= self.compartment <= 254 and self.window_min > 0


_DOSE = struct.Struct("<HHBBHBB")
_Act = Callable[[], list[Happening]]


class Memory(msgspec.Struct):
    """What a power cut leaves: the log, the schedule, the doses inside, and how often it has started."""

    log: Log
    schedule: tuple[ScheduledDose, ...] = ()
    inside: int = _MAGAZINE
    boots: int = 0


class Habit(msgspec.Struct, frozen=True):
    """What the person does: takes a dose out within `within_s` of DUE, until `until_ns` (None: always)."""

    within_s: float = 720
    until_ns: int | None = None


class _Open(msgspec.Struct):
    """A dose between DUE and its end.

    `due_ns` is the schedule's time in the device's calendar; `fell_due_ns` when it truly fell due, which a correction
    of the clock can set apart: the mechanism and the person go by the latter, the window by the former.
    """

    dose: ScheduledDose
    due_ns: int
    fell_due_ns: int = 0
    presented: bool = False

    @property
    def closes_ns(self) -> int:
        """The end of the window, in the device's calendar."""
        return self.due_ns + self.dose.window_min * 60 * NS


class Dispenser:
    """The firmware. `t_ns` is when it is switched on, `silent_ns` when its power fails for good (None: never)."""

    def __init__(
        self,
        t_ns: int,
        *,
        seed: int,
        serial: str,
        clock: DeviceClock,
        battery: Battery,
        memory: Memory,
        habit: Habit = Habit(),  # noqa: B008 (frozen)
        silent_ns: int | None = None,
    ) -> None:
        self.memory = memory
        self._clock = clock
        self._seed = seed
        self._serial = serial.encode("ascii")
        self._battery = battery
        self._habit = habit
        self._silent_ns = silent_ns
        self._start_ns = self._now_ns = t_ns
        self._open: list[_Open] = []
        self._handled: set[tuple[int, int]] = set()
        self._checked_ns = clock.read_ns(t_ns)
        self._refill_ns: int | None = None
        self._deframer = Deframer()
        self._following: int | None = None
        memory.boots += 1
        self._boot_id = int(share(seed, "boot", memory.boots, t_ns) * 0xFFFF_FFFE) + 1
        self._write(Type.BOOT, value=_POWER_ON)

    # Time

    @property
    def alive(self) -> bool:
        """Whether it has power."""
        return self._silent_ns is None or self._now_ns < self._silent_ns

    @property
    def wake_ns(self) -> int | None:
        if not self.alive:
            return None
        return min((t for t, _ in self._agenda()), default=None)

    def update(self, t_ns: int, truth_at: TruthAt) -> list[Happening]:
        """The truth of the body is nothing to a dispenser; the argument is there for all devices alike."""
        happenings: list[Happening] = []
        while self.alive:
            moment, act = min(self._agenda(), key=lambda entry: entry[0], default=(t_ns + 1, None))
            if moment > t_ns or act is None:
                break
            self._now_ns = max(self._now_ns, moment)
            happenings.extend(act())
        self._now_ns = max(self._now_ns, t_ns)
        return happenings

    def _agenda(self) -> Iterator[tuple[int, _Act]]:
        """Everything that will happen of itself, as (true time, what)."""
        if self._silent_ns is not None:
            yield self._silent_ns, lambda: [Happening(self._now_ns, "fell silent")]
        if self._refill_ns is not None:
            yield self._refill_ns, self._refill
        if not self._clock.is_set:
            return
        for opened in self._open:
            yield self._next_ns(opened), partial(self._advance, opened)
        due = min(self._upcoming(), key=lambda entry: entry.due_ns, default=None)
        if due is not None:
            yield self._clock.true_ns(due.due_ns), partial(self._fall_due, due)

    def _upcoming(self) -> Iterator[_Open]:
        """The doses still to fall due, from a day back (a clock may be put back) to a week ahead (a weekly dose)."""
        today = self._checked_ns // DAY_NS
        for day in range(today - 1, today + 9):
            weekday = datetime.fromtimestamp(day * DAY_NS // NS, UTC).weekday()
            for dose in self.memory.schedule:
                due_ns = day * DAY_NS + dose.minute_of_day * 60 * NS
                new = due_ns > self._checked_ns and (dose.dose_id, due_ns) not in self._handled
                if new and dose.weekdays >> weekday & 1:
                    yield _Open(dose, due_ns)

    def _next_ns(self, opened: _Open) -> int:
        """When an open dose goes on, in true time."""
        if not opened.presented:
            return opened.fell_due_ns + _PRESENTING_NS
        closes_ns, taken_ns = self._clock.true_ns(opened.closes_ns), self._taken_ns(opened)
        return closes_ns if taken_ns is None else min(closes_ns, taken_ns)

    def _taken_ns(self, opened: _Open) -> int | None:
        """When the person takes the dose out if the window allows, in true time; None for never."""
        until_ns = self._habit.until_ns
        if until_ns is not None and opened.fell_due_ns >= until_ns:
            return None
        part = 0.1 + 0.9 * share(self._seed, "takes", opened.due_ns, opened.dose.dose_id)
        return opened.fell_due_ns + _PRESENTING_NS + round(part * self._habit.within_s * NS)

    # A dose's life

    def _fall_due(self, opened: _Open) -> list[Happening]:
        self._checked_ns = max(self._checked_ns, opened.due_ns - 1)
        self._handled.add((opened.dose.dose_id, opened.due_ns))
        opened.fell_due_ns = self._now_ns
        self._write(Type.DUE, opened.dose)
        if self.memory.inside == 0:
            self._write(Type.DISPENSE_FAIL, opened.dose, value=_NO_DOSE_LEFT)
            return [self._saw("dose failed", opened)]
        self._open.append(opened)
        return [self._saw("dose due", opened)]

    def _advance(self, opened: _Open) -> list[Happening]:
        if not opened.presented:
            opened.presented = True
            self._write(Type.PRESENTED, opened.dose)
            return self._count_down()
        self._open.remove(opened)
        taken_ns = self._taken_ns(opened)
        if taken_ns is not None and taken_ns <= self._clock.true_ns(opened.closes_ns):
            self._write(Type.RETRIEVED, opened.dose, value=(taken_ns - opened.fell_due_ns) // NS)
            return [self._saw("dose retrieved", opened)]
        self._write(Type.MISSED, opened.dose, value=opened.dose.window_min)
        return [self._saw("missed dose", opened)]

    def _count_down(self) -> list[Happening]:
        self.memory.inside -= 1
        if self.memory.inside in (0, _LOW_AT):
            self._write(Type.EMPTY if self.memory.inside == 0 else Type.LOW, value=self.memory.inside)
            self._refill_ns = self._refill_ns or self._now_ns + _REFILLED_AFTER_NS
        return []

    def _refill(self) -> list[Happening]:
        self._refill_ns = None
        self.memory.inside = _MAGAZINE
        self._write(Type.LID_OPEN)
        self._write(Type.REFILL, value=_MAGAZINE)
        self._write(Type.LID_CLOSE)
        return [Happening(self._now_ns, "refilled")]

    def _saw(self, what: str, opened: _Open) -> Happening:
        return Happening(self._now_ns, what, {"dose_id": opened.dose.dose_id, "compartment": opened.dose.compartment})

    # The log

    def _write(self, type_: Type, dose: ScheduledDose | None = None, value: int = 0) -> None:
        flags = 0 if self._clock.is_set else CLOCK_NOT_TRUSTED
        self.memory.log.write(
            Moment(self._boot_id, self._utc(), self._uptime_ms()),
            type_,
            compartment=dose.compartment if dose else 0,
            dose_id=dose.dose_id if dose else 0,
            count=dose.count if dose else 0,
            flags=flags | (dose.flags & TIME_CRITICAL if dose else 0),
            value=value,
        )

    def _utc(self) -> int:
        return self._clock.read_ns(self._now_ns) // NS if self._clock.is_set else 0

    def _uptime_ms(self) -> int:
        return (self._now_ns - self._start_ns) // MS & 0xFFFF_FFFF

    # The wire

    def receive(self, data: bytes, t_ns: int) -> Iterator[bytes]:
        """Bytes from the line at `t_ns`; the frames to answer with. Call `update` to `t_ns` first."""
        self._now_ns = max(self._now_ns, t_ns)
        if self.alive:
            for payload in self._deframer.feed(data):
                yield from self._answer(payload[0], payload[1], payload[2:])

    def unasked(self) -> Iterator[bytes]:
        """EVENT frames of what was written since the gateway began to follow."""
        if self._following is None or not self.alive:
            return
        for entry in self.memory.log.since(self._following):
            yield _frame(Tell.EVENT, 0, entry.encode())
        self._following = self.memory.log.next_seq

    def heartbeat(self) -> bytes:
        """The frame to send each HEARTBEAT_S while the device has power."""
        newest = self.memory.log.newest_seq
        return _frame(Tell.HEARTBEAT, 0, struct.pack("<IIB", self._uptime_ms(), newest, self._charge()))

    def _answer(self, ask: int, tag: int, body: bytes) -> Iterator[bytes]:
        match ask, len(body):
            case Ask.HELLO_GET, 1:
                yield _frame(Tell.HELLO, tag, self._hello())
            case Ask.READ_FROM, 4:
                yield from self._read_from(tag, int.from_bytes(body, "little"))
            case Ask.ACK_UPTO, 8:
                yield self._acknowledge(tag, *struct.unpack("<II", body))
            case Ask.TIME_GET, 0:
                yield self._time(tag)
            case Ask.TIME_SET, 4 if any(body):
                self._set_clock(int.from_bytes(body, "little"))
                yield self._time(tag)
            case Ask.SCHEDULE_PUT, length if length and (doses := _read_schedule(body)) is not None:
                self.memory.schedule = doses
                self._checked_ns = max(self._checked_ns, self._clock.read_ns(self._now_ns))
                yield self._schedule(tag)
            case Ask.SCHEDULE_GET, 0:
                yield self._schedule(tag)
            case _:
                wrong = Wrong.BODY if ask in list(Ask) else Wrong.TYPE
                yield _frame(Tell.ERROR, tag, bytes((ask, wrong)))

    def _hello(self) -> bytes:
        log = self.memory.log
        return (
            struct.pack(
                "<B6IBB",
                VERSION,
                log.log_id,
                self._boot_id,
                log.oldest_seq,
                log.newest_seq,
                self._utc(),
                self._uptime_ms(),
                self._charge(),
                len(self._serial),
            )
            + self._serial
        )

    def _read_from(self, tag: int, seq: int) -> Iterator[bytes]:
        log = self.memory.log
        for entry in log.since(seq):
            yield _frame(Tell.EVENT, tag, entry.encode())
        self._following = log.next_seq
        yield _frame(Tell.READ_DONE, tag, struct.pack("<I", log.next_seq))

    def _acknowledge(self, tag: int, log_id: int, seq: int) -> bytes:
        log = self.memory.log
        if log_id != log.log_id:
            return _frame(Tell.ERROR, tag, bytes((Ask.ACK_UPTO, Wrong.LOG)))
        if seq > log.newest_seq:
            return _frame(Tell.ERROR, tag, bytes((Ask.ACK_UPTO, Wrong.BODY)))
        return _frame(Tell.ACKED, tag, struct.pack("<I", log.release(seq)))

    def _set_clock(self, utc: int) -> None:
        old, was_set = self._utc(), self._clock.is_set
        new_ns = utc * NS
        self._clock.set(self._now_ns, new_ns)
        # A day is as far as a correction reaches back for doses it jumped over; a first setting reaches nowhere.
        self._checked_ns = max(self._checked_ns, new_ns - DAY_NS) if was_set else new_ns
        self._checked_ns = min(self._checked_ns, new_ns)
        if abs(utc - old) >= _CLOCK_STEP_S:
            self._write(Type.CLOCK_SET, value=utc - old)

    def _time(self, tag: int) -> bytes:
        return _frame(Tell.TIME, tag, struct.pack("<II", self._utc(), self._uptime_ms()))

    def _schedule(self, tag: int) -> bytes:
        doses = b"".join(dose.encode() for dose in self.memory.schedule)
        return _frame(Tell.SCHEDULE, tag, b"\0" + sha256(doses).digest()[:8])

    def _charge(self) -> int:
        return self._battery.level(self._now_ns)


def _frame(tell: Tell, tag: int, body: bytes) -> bytes:
    return frame(bytes((tell, tag)) + body)


def _read_schedule(body: bytes) -> tuple[ScheduledDose, ...] | None:
    """The doses of a SCHEDULE_PUT; None where the count, a dose or a number is wrong."""
    count, rest = body[0], body[1:]
    if count > MAX_DOSES or len(rest) != count * _DOSE.size:
        return None
    doses = tuple(ScheduledDose(*fields) for fields in _DOSE.iter_unpack(rest))
    numbers = {dose.dose_id for dose in doses}
    return doses if len(numbers) == count and all(dose.sound for dose in doses) else None
