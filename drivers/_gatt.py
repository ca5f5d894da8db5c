"""How Bluetooth health devices write numbers and dates, and a reader that never runs past the end.

SFLOAT and FLOAT (IEEE 11073-20601) are decimal: mantissa * 10**exponent, both two's complement. 98.2 is 982 and -1, so
the precision the device meant is the exponent and is kept. Five mantissas beside the sign's turning point are no
numbers but reasons for having none; they are recognised by the mantissa alone, whatever the exponent, because no
number may use them.

A Date Time has fields of 0 for what is not known, and a clock that was never set often says year 0: no time at all. A
date no calendar has, or one outside 1970–2199, is treated the same.

All of it is little-endian. A packet is right when its flags and its length agree: `Reader` raises `Misfit` for one byte
too few, `end` for one too many, and `dispatch` makes a Fault of it, so a driver reads its fields in order, says `end`,
and only then yields. Source: GATT Specification Supplement; CTS 1.1; BAS 1.1.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from drivers._reading import Missing, Number, Stamp, reading
from drivers.contract import Out, Rx
from vitals.clock import NS
from vitals.events import Fault

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEARS = range(1970, 2200)

# Offset of the mantissa from the sign's turning point (the most negative mantissa), and what it means.
_SPECIALS = {
    -2: "+INFINITY: above what it can show",
    -1: "NaN: not a number, the measurement failed",
    0: "NRes: not at this resolution",
    1: "a reserved value",
    2: "-INFINITY: below what it can show",
}


class Misfit(Exception):
    """A packet whose length and flags disagree. Never leaves `dispatch`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Reader:
    """Takes one field after another from a packet; raises Misfit when there are not enough bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if self._at + size > len(self._data):
            raise Misfit("short packet", f"{len(self._data)} bytes, but its flags promise {self._at + size} or more")
        self._at += size
        return self._data[self._at - size : self._at]

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "little")

    def u24(self) -> int:
        return int.from_bytes(self.take(3), "little")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def s16(self) -> int:
        return int.from_bytes(self.take(2), "little", signed=True)

    def sfloat(self) -> Number | Missing:
        """A 16-bit float: 12-bit mantissa, 4-bit exponent."""
        return decimal_float(self.u16(), mantissa_bits=12, exponent_bits=4)

    def float32(self) -> Number | Missing:
        """A 32-bit FLOAT: 24-bit mantissa, 8-bit exponent."""
        return decimal_float(self.u32(), mantissa_bits=24, exponent_bits=8)

    def date_time(self) -> int | Missing:
        """A 7-byte Date Time as ns since 1970, read as if it were UTC."""
        year, month, day, hour, minute, second = self.u16(), *self.take(5)
        if 0 in (year, month, day):
            return Missing("a date with unknown fields")
        if year not in YEARS:
            return Missing(f"the year {year}")
        try:
            date = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return Missing(f"a date that does not exist: {year}-{month}-{day} {hour}:{minute}:{second}")
        return (date - EPOCH) // timedelta(seconds=1) * NS

    def current_time(self) -> int | Missing:
        """A 10-byte Current Time: Date Time, day of week, 1/256 s, adjust reason. In ns, as if UTC."""
        date_ns = self.date_time()
        _weekday, fraction, _reason = self.take(3)
        return date_ns if isinstance(date_ns, Missing) else date_ns + fraction * NS // 256

    def end(self) -> None:
        """Nothing may follow."""
        left = len(self._data) - self._at
        if left:
            raise Misfit("long packet", f"{len(self._data)} bytes, {left} more than its flags promise")


def decimal_float(raw: int, mantissa_bits: int, exponent_bits: int) -> Number | Missing:
    """The number in `raw`, correctly rounded, or why there is none."""
    mantissa = _signed(raw, mantissa_bits)
    exponent = _signed(raw >> mantissa_bits, exponent_bits)
    turning_point = 1 << (mantissa_bits - 1)
    special = _SPECIALS.get((mantissa % (2 * turning_point)) - turning_point)
    if special:
        return Missing(special)
    if exponent < 0:
        return Number(mantissa / 10**-exponent, -exponent)
    return Number(float(mantissa * 10**exponent))


def _signed(raw: int, bits: int) -> int:
    raw &= (1 << bits) - 1
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def battery_level(rx: Rx, packet: Reader) -> Iterator[Out]:
    """Battery Level (2A19), whole percent."""
    percent = packet.u8()
    packet.end()
    yield reading("battery", Number(float(percent)), rx, Stamp(rx.t_ns))


Handler = Callable[[Rx, Reader], Iterator[Out]]


def dispatch(handlers: Mapping[str, Handler], rx: Rx) -> Iterator[Out]:
    """What the handler of `rx.pipe` makes of the packet; a Fault when it does not fit or nobody reads that pipe."""
    handler = handlers.get(rx.pipe)
    if handler is None:
        yield Fault("unknown packet", f"nothing is known of pipe {rx.pipe!r}", rx.t_ns, rx.pipe, rx.data)
        return
    try:
        yield from handler(rx, Reader(rx.data))
    except Misfit as misfit:
        yield Fault(misfit.code, str(misfit), rx.t_ns, rx.pipe, rx.data)
