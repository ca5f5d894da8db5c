"""A&D scales with the maker's standard text format. `SIR` makes them send the load again and again.

    ST,+00072.45  kg      stable
    US,+00072.40  kg      moving
    QT,+00000012  PC      stable, counting pieces: no weight
    OL,+9999999E+19       overload, with a minus underload

Indicators put what kind of load it is after the first word: `ST,GS,+00072.45 kg`, gross (GS), net (NT) or tare (TR).
A tare is not told. A line that begins with `EC` or `?` says that the request was not understood.

The line settings are those the maker sets; a scale with others has to be set to them.

Source: A&D instruction manuals, chapter RS-232C.
"""

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._reading import Missing
from drivers._scale import CHANNELS, Load, Refused, Said, Scale, Signal, decimal
from drivers.contract import Card, Link, Out, Rx, Serial, Tx

ASK = b"SIR\r\n"

LOAD = re.compile(r"(ST|US|QT)(?:,(GS|NT|TR))?,([+-]) *(\d+\.?\d*) *([A-Za-z%]*) *")
OVERLOAD = re.compile(r"OL(?:,(?:GS|NT|TR))?,([+-]).*")
REFUSED = re.compile(r"EC,.*|\?.*")


class AndScale:
    """Reads one scale for one connection."""

    card: ClassVar[Card] = Card(
        name="and-scale",
        maker="A&D",
        model="scale with the A&D standard format",
        link=Link.SERIAL,
        channels=CHANNELS,
        serial=Serial(2400, bits=7, parity="E"),
        source="A&D standard format",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._scale = Scale(ASK, understood)

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Ask for the load, again and again."""
        return self._scale.hello()

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete."""
        return self._scale.feed(rx)


def understood(line: str) -> Said | None:
    """What a line in the A&D standard format says."""
    load = LOAD.fullmatch(line)
    if load:
        state, kind, sign, digits, unit = load.groups()
        return Signal.NOTHING if kind == "TR" else Load(decimal(sign, digits), unit, state != "US")
    overload = OVERLOAD.fullmatch(line)
    if overload:
        return Missing("an overload" if overload[1] == "+" else "an underload: less than an empty platform")
    if REFUSED.fullmatch(line):
        return Refused(f"does not understand the request ({line})")
    return None
