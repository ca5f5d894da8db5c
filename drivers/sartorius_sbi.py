"""Scales of Sartorius, and others, that print lines in the SBI format.

A line has 16 characters with its end, or 22 where the scale is set to begin it with six that name what it is:

    +   72.450 kg      sign, blank, eight for the number, blank, three for the unit
    +   72.400         moving: the unit is there only while the load is stable
    N     +   72.450 kg
    Stat       High    a state instead of a load

`N` is the net load. Gross and tare also come in a printout, and are not told.

There is no request for loads again and again. `ESC P` has one line printed, which shows that the scale is there; for
the rest, set the scale to print by itself, also when it is not stable, in the unit kg, at 9600 baud without parity.

Source: Sartorius operating instructions, chapter data interface (SBI).
"""

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._reading import Missing
from drivers._scale import CHANNELS, Load, Said, Scale, Signal, decimal
from drivers.contract import Card, Link, Out, Rx, Serial, Tx

PRINT = b"\x1bP\r\n"

NAME_SIZE, BODY_SIZE = 6, 14
NET, STATE = "N", "Stat"
LOAD = re.compile(r"([+ -]) *(\d+(?:\.\d*)?) ([A-Za-z%]{0,3}) *")
ERROR = re.compile(r"Err *\d+")
STATES: dict[str, Said] = {
    "High": Missing("an overload"),
    "H": Missing("an overload"),
    "HH": Missing("an overload"),  # while the scale checks loads against limits
    "Low": Missing("an underload: less than an empty platform"),
    "L": Missing("an underload: less than an empty platform"),
    "LL": Missing("an underload: less than an empty platform"),
    "--": Signal.NOTHING,
    "- -": Signal.NOTHING,
    "C": Missing("that it is calibrating"),
    "OFF": Missing("that it is in standby"),
}


class Sbi:
    """Reads one scale for one connection."""

    card: ClassVar[Card] = Card(
        name="sartorius-sbi",
        maker="Sartorius",
        model="scale with SBI",
        link=Link.SERIAL,
        channels=CHANNELS,
        serial=Serial(9600),
        source="Sartorius SBI format",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._scale = Scale(PRINT, understood)

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Have one line printed."""
        return self._scale.hello()

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete."""
        return self._scale.feed(rx)


def understood(line: str) -> Said | None:
    """What a line in the SBI format says."""
    named = len(line) > BODY_SIZE
    name, body = (line[:NAME_SIZE].strip(), line[NAME_SIZE:]) if named else ("", line)
    load = LOAD.fullmatch(body)
    if load:
        sign, digits, unit = load.groups()
        return Load(decimal(sign, digits), unit, stable=bool(unit)) if name in ("", NET) else Signal.NOTHING
    if name not in ("", STATE):
        return None
    state = body.strip()
    return Missing(f"error {state}") if ERROR.fullmatch(state) else STATES.get(state)
