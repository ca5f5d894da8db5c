"""A pulse oximeter with the Generic Health Sensor Service (1840) 1.0 and the Elapsed Time Service (183F) 1.0.

A measurement is a bundle of two numbers, SpO2 and pulse rate, by their MDC codes. All numbers little-endian:

    bundle   FF, length u16, flags u16 (time; status where there is one), time (9), [status u16], 2, two observations
    number   01, length u16, flags u16 (type), type u32, unit u16, FLOAT

It goes in segments, the first byte of each a header: bit 0 first, bit 1 last, the rest a counter. Live
(2B8B) is what it measures while a central listens and has asked for it (2BF4: 01). Stored (2BDD) is what it measured,
with the record's number (u32) before it, asked for at 2A52: 07 combined report, 04 how many, 03 abort; of all (01) or
from a number on (03 01 u32). The report ends with 08 and how many, or 06 and why not.

Time: flags (UTC, 0.1 s, whether the clock has been set since), u48 since 2000, source, zone. Setting the clock leaves
what is in memory as it is stamped, and no longer of the current timeline.

Starting anew (a changed battery): the memory is empty and the next number is the first again.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec

from firmware_sim.body import Truth
from firmware_sim.clock import UNSET_EPOCH_NS as EPOCH_NS
from firmware_sim.device import Can, Happening, Pipe, Refused, Send
from firmware_sim.devices import _gatt
from firmware_sim.devices._spot import Record, SpotDevice
from firmware_sim.kinds import Kind, Making
from firmware_sim.noise import swing
from vitals.clock import NS

SERVICE, LIVE, STORED, ACCESS, CONTROL, FEATURES = "1840", "2b8b", "2bdd", "2a52", "2bf4", "2bf3"
TIME_SERVICE, TIME = "183f", "2bf2"

SPO2, PULSE_RATE, PERCENT, BEATS_PER_MIN = 150456, 149530, 544, 2720
NUMBER, BUNDLE = 0x01, 0xFF
HAS_TYPE, HAS_TIME, HAS_STATUS = 1 << 0, 1 << 1, 1 << 3
QUESTIONABLE = 1 << 1

UTC, TENTHS, CURRENT = 0x02, 0x04, 0x20
UNIT_NS = NS // 10
NO_SOURCE, NETWORK = 7, 1
NEEDS_SETTING = 0x01
BAD_FORMAT = 0x81

FIRST, LAST = 0x01, 0x02

REPORT, COUNT, ABORT = 0x07, 0x04, 0x03
COUNT_IS, ANSWER, REPORTED = 0x05, 0x06, 0x08
ALL, FROM, BY_NUMBER = 0x01, 0x03, 0x01
SUCCESS, NO_SUCH_REQUEST, NO_SUCH_OPERATOR, BAD_OPERAND, NO_RECORDS, NO_SUCH_FILTER = 1, 2, 4, 5, 6, 9
START_LIVE, STOP_LIVE, DONE = 0x01, 0x02, 0x80
_WEAK_PERFUSION = 0.5


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`segment`: the most bytes of a segment, with its header; what the radio carries at once."""

    segment: Annotated[int, msgspec.Meta(ge=20, le=244)] = 80


class _Measured(msgspec.Struct, frozen=True):
    """What is in memory of a measurement: the device's calendar, and which timeline that is of."""

    device_ns: int
    timeline: int
    spo2: int
    pulse_rate: int
    status: int


class HealthSensor(SpotDevice):
    """The firmware. `anew_ns`: when it starts anew."""

    name = "SimSensor"
    model = "SimSensor 1"
    advertised = (SERVICE,)
    measurement = LIVE
    pipes = (
        Pipe(SERVICE, FEATURES, Can.READ),
        Pipe(SERVICE, LIVE, Can.INDICATE),
        Pipe(SERVICE, STORED, Can.INDICATE),
        Pipe(SERVICE, ACCESS, Can.WRITE | Can.INDICATE),
        Pipe(SERVICE, CONTROL, Can.WRITE | Can.INDICATE),
        Pipe(TIME_SERVICE, TIME, Can.READ | Can.WRITE | Can.INDICATE),
        *_gatt.CLOCKLESS_PIPES,
    )

    def __init__(self, *, segment: int = 80, **common: Any) -> None:
        super().__init__(**common)
        self._size = segment - 1
        self._timeline = 0
        self._measured: dict[int, _Measured] = {}
        self._live = False
        self._counter = 0

    def _measure(self, t_ns: int, truth: Truth) -> tuple[bytes, bytes, Happening]:
        spo2 = min(100, round(truth.spo2 + 0.6 * swing(self._seed, "spo2", t_ns)))
        pulse_rate = round(truth.pulse_rate + 1.5 * swing(self._seed, "pulse_rate", t_ns))
        status = QUESTIONABLE if truth.perfusion_index < _WEAK_PERFUSION else 0
        measured = _Measured(self.clock.read_ns(t_ns), self._timeline, spo2, pulse_rate, status)
        self._measured[self._made + 1] = measured
        happening = Happening(t_ns, "measured", {"spo2": spo2, "pulse_rate": pulse_rate})
        return self._encoded(measured), b"", happening

    def _encoded(self, measured: _Measured) -> bytes:
        """As it is told now: whether its time is of the current timeline changes when the clock is set."""
        current = measured.timeline == self._timeline and self.clock.is_set
        return bundle(
            elapsed(measured.device_ns, current=current),
            [(SPO2, PERCENT, measured.spo2), (PULSE_RATE, BEATS_PER_MIN, measured.pulse_rate)],
            measured.status,
        )

    # The connection

    def connected(self) -> None:
        super().connected()
        self._live = False
        self._counter = 0

    def _sends(self, record: Record, packet: bytes) -> Sequence[Send]:
        return tuple(self._segments(LIVE, packet, record.number)) if self._live else ()

    def _segments(self, pipe: str, whole: bytes, number: int) -> Iterator[Send]:
        """The last segment's confirmation delivers the record."""
        for at in range(0, len(whole), self._size):
            part = whole[at : at + self._size]
            last = at + len(part) == len(whole)
            header = (FIRST if at == 0 else 0) | (LAST if last else 0) | self._counter << 2
            self._counter = (self._counter + 1) % 64
            yield Send(pipe, bytes((header,)) + part, number if last else None)

    def read(self, pipe: str, t_ns: int) -> bytes:
        if pipe == FEATURES:
            return bytes((0, 2)) + SPO2.to_bytes(4, "little") + PULSE_RATE.to_bytes(4, "little")
        if pipe == TIME:
            status = 0 if self.clock.is_set else NEEDS_SETTING
            return elapsed(self.clock.read_ns(t_ns), current=True) + bytes((status, 0))
        return super().read(pipe, t_ns)

    def write(self, pipe: str, data: bytes, t_ns: int) -> None:
        match pipe:
            case _ if pipe == TIME:
                self._set_clock(data, t_ns)
            case _ if pipe == CONTROL:
                self._live = data == bytes((START_LIVE,))
                self._queue.append(Send(CONTROL, bytes((DONE,))))
            case _ if pipe == ACCESS:
                if not {STORED, ACCESS} <= self._subscribed:
                    raise Refused(_gatt.IMPROPERLY_CONFIGURED, "enable 2BDD and 2A52 first")
                self._queue.extend(self._answer(data))
            case _:
                super().write(pipe, data, t_ns)

    def _set_clock(self, data: bytes, t_ns: int) -> None:
        if len(data) != 9:
            raise Refused(_gatt.INVALID_LENGTH, f"Elapsed Time has 9 bytes, not {len(data)}")
        if data[0] & ~CURRENT != UTC | TENTHS:
            raise Refused(BAD_FORMAT, "UTC in tenths of a second, please")
        self._timeline += 1
        self.clock.set(t_ns, EPOCH_NS + int.from_bytes(data[1:7], "little") * UNIT_NS)

    def _answer(self, request: bytes) -> Sequence[Send]:
        operation, operator, operand = request[0], request[1], request[2:]
        if operation == ABORT:
            self._queue.clear()
            return (_ended(operation, SUCCESS),)
        if operation not in (REPORT, COUNT):
            return (_ended(operation, NO_SUCH_REQUEST),)
        if operator not in (ALL, FROM):
            return (_ended(operation, NO_SUCH_OPERATOR),)
        if len(operand) != (5 if operator == FROM else 0):
            return (_ended(operation, BAD_OPERAND),)
        if operator == FROM and operand[0] != BY_NUMBER:
            return (_ended(operation, NO_SUCH_FILTER),)
        lowest = int.from_bytes(operand[1:], "little")
        asked = [record for record in self.records if record.number >= lowest]
        if operation == COUNT:
            return (_counted(COUNT_IS, len(asked)),)
        if not asked:
            return (_ended(operation, NO_RECORDS),)
        sends = [send for record in asked for send in self._stored(record)]
        return (*sends, _counted(REPORTED, len(asked)))

    def _stored(self, record: Record) -> Iterator[Send]:
        whole = record.number.to_bytes(4, "little") + self._encoded(self._measured[record.number])
        return self._segments(STORED, whole, record.number)


def elapsed(device_ns: int, *, current: bool) -> bytes:
    """Elapsed Time in UTC and tenths of a second; `current`: of the timeline the clock is on now."""
    count = (device_ns - EPOCH_NS) // UNIT_NS
    flags = UTC | TENTHS | (CURRENT if current else 0)
    return bytes((flags, *count.to_bytes(6, "little"), NETWORK if current else NO_SOURCE, 0))


def bundle(time: bytes, numbers: Sequence[tuple[int, int, int]], status: int) -> bytes:
    """A bundle of numbers: type, unit, value of each."""
    flags = HAS_TIME | (HAS_STATUS if status else 0)
    about = flags.to_bytes(2, "little") + time + (status.to_bytes(2, "little") if status else b"")
    parts = b"".join(number(*each) for each in numbers)
    return _sized(BUNDLE, about + bytes((len(numbers),)) + parts)


def number(kind: int, unit: int, value: int) -> bytes:
    """One whole number of a bundle."""
    value_ = unit.to_bytes(2, "little") + _gatt.float32(value, 0)
    return _sized(NUMBER, HAS_TYPE.to_bytes(2, "little") + kind.to_bytes(4, "little") + value_)


def _sized(class_: int, body: bytes) -> bytes:
    return bytes((class_,)) + len(body).to_bytes(2, "little") + body


def _ended(operation: int, code: int) -> Send:
    return Send(ACCESS, bytes((ANSWER, 0, operation, code)))


def _counted(what: int, count: int) -> Send:
    return Send(ACCESS, bytes((what, 0)) + count.to_bytes(4, "little"))


def _made(making: Making) -> HealthSensor:
    options = making.options or Options()
    assert isinstance(options, Options), "load() checks a kind's options"
    return HealthSensor(anew_ns=making.sequence_reset_ns, segment=options.segment, **making.spot)


KINDS = (
    Kind(
        "health-sensor", "Pulse oximeter with the generic health sensor service", "ghs-1840", "air", "oximeter",
        _made, Options,
    ),
)  # fmt: skip
