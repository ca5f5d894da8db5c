"""A conversation with a driver, written as bytes, so that Hypothesis can search among conversations and shrink them.

The script is read from its beginning: an opcode, its arguments, the next opcode. What runs out ends the conversation.
Most packets are kin of those in the driver's captures, for bytes drawn at random seldom get past a packet's first
check: as they are, with bits turned over, cut short, too long, two joined, or with a *special* planted in them.

A special is one of the five mantissas that mean "no number", with any exponent, as SFLOAT or FLOAT, at any offset of a
packet that carries such (a weight is a plain integer, and 2047 of its steps are a weight). A driver that reads it as a
number shows itself: the value that comes out is the mantissa times ten to the exponent, in the packet's unit or one
the driver converts to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path

from drivers.capture import parse
from drivers.contract import Card, Driver, Link, Out, Rx
from tests.drivers.soundness import sound
from vitals.block import Block

_CAPTURES = Path(__file__).parents[1] / "drivers" / "captures"
NOW_NS = 1_795_248_000_000_000_000
_S_NS = 10**9

_MANTISSAS = (0x7FF, 0x800, 0x7FE, 0x802, 0x801)
_PAUSES_NS = (0, 10**6, _S_NS, 61 * _S_NS, 86_400 * _S_NS, 50 * 86_400 * _S_NS)
_FLOATING = {"2a5e", "2a5f", "2a35", "2a36", "2a1c", "2a1e", "2a18", "2a34", "2aa7"}
"""The pipes whose packets carry SFLOAT or FLOAT."""

_TO_CELSIUS = 5 / 9
_UNITS = (1.0, 7.500617, 7.50062, 1e3, 1e5 / 18.0156, 1e5, 1 / 18.0156, 0.45359237, 1e2, 10.0)
"""What a driver may multiply a number with: kPa to mmHg, mol/L and kg/L to mmol/L, pounds to kilograms."""


@dataclass(frozen=True)
class Seen:
    """A packet of a capture."""

    pipe: str
    data: bytes


def packets_of(driver: str) -> list[Seen]:
    """The packets of all its captures, each once."""
    captures = (parse(path.read_text(), path.name) for path in sorted(_CAPTURES.glob("*.cap")))
    steps = [step for capture in captures if capture.driver == driver for step in capture.steps]
    return list(dict.fromkeys(Seen(step.rx.pipe, step.rx.data) for step in steps if step.rx))


class _Script:
    """The bytes, read from the front."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._blob)

    def byte(self) -> int:
        return self.bytes(1)[0]

    def bytes(self, size: int) -> bytes:
        """The next `size` bytes; zeros once the script has run out."""
        taken = self._blob[self._at : self._at + size]
        self._at += size
        return taken + bytes(size - len(taken))

    def index(self, count: int) -> int:
        return int.from_bytes(self.bytes(2), "big") % count


def talk(driver: type[Driver], seen: Sequence[Seen], blob: bytes) -> int:
    """Hold the conversation; returns how many packets were fed. Raises AssertionError for what a driver may not give,
    and whatever the driver raises."""
    script, fed, bookmark, now_ns = _Script(blob), 0, "", NOW_NS
    reader = driver()
    while not script.ended:
        opcode = script.byte()
        now_ns += _PAUSES_NS[opcode >> 3 & 7] if opcode >> 3 & 7 < len(_PAUSES_NS) else 0
        if opcode % 8 == 7:
            reader = driver(bookmark if opcode & 64 else script.bytes(12).decode("latin-1"))
        if opcode % 8 in (6, 7):
            outs: Iterator[Out] | Sequence[Out] = reader.hello(now_ns)
            planted: tuple[float, ...] = ()
        else:
            pipe, data, planted = _packet(script, opcode % 8, driver.card, seen)
            outs = reader.feed(Rx(pipe, data, now_ns))
            fed += 1
        for out in outs:
            sound(driver.card, out)
            assert not (planted and isinstance(out, Block) and _shows(out, planted)), f"{out} comes from a special"
            bookmark = getattr(out, "text", bookmark) if type(out).__name__ == "Bookmark" else bookmark
    return fed


def _packet(script: _Script, opcode: int, card: Card, seen: Sequence[Seen]) -> tuple[str, bytes, tuple[float, ...]]:
    """A pipe, its packet, and what the special planted in it would be if it were read as a number."""
    if opcode == 0 or not seen:
        pipes = ("serial",) if card.link is Link.SERIAL else (*card.notify, *card.read, "2aff", "")
        return pipes[script.index(len(pipes))], script.bytes(script.byte() % 48), ()
    one = seen[script.index(len(seen))]
    data = bytearray(one.data)
    if opcode == 5 and one.pipe in _FLOATING:
        return one.pipe, *_planted(script, data)
    match opcode:
        case 2:
            for _ in range(script.byte() % 4 + 1):
                at = script.index(max(1, len(data)))
                data[at : at + 1] = bytes((script.byte(),))
        case 3:
            del data[script.index(len(data) + 1) :]
        case 4:
            at = script.index(len(data) + 1)
            data[at:at] = script.bytes(script.byte() % 6)
        case 5:
            data += seen[script.index(len(seen))].data
    return one.pipe, bytes(data), ()


def _planted(script: _Script, data: bytearray) -> tuple[bytes, tuple[float, ...]]:
    mantissa = _MANTISSAS[script.byte() % len(_MANTISSAS)]
    wide = bool(script.byte() & 1) and len(data) >= 4
    exponent = script.byte() % 16 - 8
    if wide:
        mantissa += 0x7FF800
        special = mantissa.to_bytes(3, "little") + exponent.to_bytes(1, "little", signed=True)
        number = (mantissa ^ 0x800000) - 0x800000
    else:
        special = ((exponent & 0xF) << 12 | mantissa).to_bytes(2, "little")
        number = (mantissa ^ 0x800) - 0x800
    at = script.index(max(1, len(data) - len(special) + 1))
    data[at : at + len(special)] = special
    value = number * 10.0**exponent
    return bytes(data), (*(value * unit for unit in _UNITS), (value - 32) * _TO_CELSIUS)


def _shows(block: Block, planted: Sequence[float]) -> bool:
    return any(isclose(value, special, rel_tol=1e-6) for value in block.value for special in planted)
