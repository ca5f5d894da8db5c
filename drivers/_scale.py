"""A weighing scale that talks in lines of text, and a person who steps on it.

A scale says its load many times a second, whether anyone stands on it or not. Only what it calls stable is a weight,
and a person who stands still is weighed once: the first stable load is told, and the next only after the scale was
empty or unsteady in between. What stands instead of a load (too much on it, a count of pieces) is told once likewise.

A line has no sum, and a digit lost on the way would make 7.45 kg of 72.45 kg. But these formats are columns, so all
lines with a load have one length; one that differs from the line before it is not believed, though its length is what
the next is held to, so that a scale that changes its format is believed from the second line on.

The load becomes kilograms here. Grams have three decimals more in kg; a pound gets one more, so that different loads
stay different.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum

import msgspec

from drivers._reading import Missing, Number, Stamp, reading
from drivers.contract import Out, Rx, Tx
from vitals.events import Fault

PIPE = "serial"
CHANNELS = ("weight",)
LONGEST = 64
"""Characters of a line, without its end."""
EMPTY_KG = 2.0
"""Less than this is nobody; a bag may stay on the scale."""

UNITS = {"kg": (1.0, 0), "g": (0.001, 3), "lb": (0.453_592_37, 1)}
"""Kilograms in a unit, and the decimals to add."""


class Load(msgspec.Struct, frozen=True):
    """What is on the scale, in the scale's own unit; `unit` may be empty where the load is not stable."""

    number: Number
    unit: str
    stable: bool


class Refused(msgspec.Struct, frozen=True):
    """The scale did not do what it was asked; `why` completes "the scale"."""

    why: str


class Signal(Enum):
    """Lines without a load."""

    ASK_AGAIN = "it was switched on, or is busy"
    NOTHING = "it tells something else, such as its tare"


Said = Load | Missing | Refused | Signal
Understand = Callable[[str], Said | None]
"""What a line says; None when it is not one of the scale's."""


class Scale:
    """Reads one scale for one connection. `request` is what makes it talk."""

    def __init__(self, request: bytes, understand: Understand) -> None:
        self._ask = Tx(PIPE, request)
        self._understand = understand
        self._open = bytearray()
        self._length = 0
        self._told = ""

    def hello(self) -> Sequence[Tx]:
        """Ask it to talk."""
        return [self._ask]

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What the lines that end within these bytes mean; the start of an unfinished one is kept."""
        *ended, rest = rx.data.replace(b"\r", b"\n").split(b"\n")
        for tail in ended:
            line = self._extended(tail)
            self._open.clear()
            if line:
                yield from self._line(Rx(rx.pipe, line, rx.t_ns))
        self._extended(rest)

    def _extended(self, tail: bytes) -> bytes:
        """The open line with `tail`; one byte beyond the longest is enough to know that it is too long."""
        self._open += tail[: LONGEST + 1 - len(self._open)]
        return bytes(self._open)

    def _line(self, rx: Rx) -> Iterator[Out]:
        if len(rx.data) > LONGEST:
            yield _fault("long packet", f"a line of more than {LONGEST} characters; is the speed right?", rx)
            return
        match self._understand(rx.data.decode("ascii", "replace")):
            case Load() as load:
                yield from self._load(rx, load)
            case Missing() as missing:
                yield from self._tell(missing.reason, rx, missing)
            case Refused(why):
                yield _fault("refused", f"the scale {why}", rx)
            case Signal.ASK_AGAIN:
                self._told = ""
                yield self._ask
            case Signal.NOTHING:
                pass
            case None:
                yield _fault("unknown packet", "a line that is not one of this kind of scale", rx)

    def _load(self, rx: Rx, load: Load) -> Iterator[Out]:
        length, self._length = self._length, len(rx.data)
        if length and length != len(rx.data):
            code = "short packet" if len(rx.data) < length else "long packet"
            yield _fault(code, f"a line of {len(rx.data)} characters after one of {length}: not believed", rx)
        elif not load.stable:
            self._told = ""
        else:
            weight = _kilograms(load)
            if isinstance(weight, Missing):
                yield from self._tell(weight.reason, rx, weight)
            elif abs(weight.value) < EMPTY_KG:
                self._told = ""
            else:
                yield from self._tell("weight", rx, weight)

    def _tell(self, what: str, rx: Rx, weight: Number | Missing) -> Iterator[Out]:
        if self._told != what:
            self._told = what
            yield reading("weight", weight, rx, Stamp(rx.t_ns))


def decimal(sign: str, digits: str) -> Number:
    """A number as the scale writes it: `-`, `+` or nothing, and digits with at most one point."""
    value = float(digits)
    return Number(-value if sign == "-" else value, len(digits.partition(".")[2]))


def _kilograms(load: Load) -> Number | Missing:
    if load.unit not in UNITS:
        return Missing(f"a load in {load.unit!r}; set the scale to one of {', '.join(UNITS)}")
    factor, more = UNITS[load.unit]
    decimals = load.number.decimals + more
    return Number(round(load.number.value * factor, decimals), decimals)


def _fault(code: str, text: str, rx: Rx) -> Fault:
    return Fault(code, text, rx.t_ns, rx.pipe, rx.data)
