"""Scales of Mettler Toledo, and others, that speak MT-SICS level 0.

`SIR` asks for the load now and then again and again, so no answer needs to be waited for or asked after:

    S S     72.45 kg   stable
    S D     72.40 kg   moving
    S I                busy: ask again
    S +   or   S -     overload, or less on it than the empty platform
    ES, ET, EL         not understood, not received, cannot be done
    I4 A "B021002593"  sent when it is switched on: ask again, for it has forgotten

Source: Mettler Toledo, MT-SICS Interface Commands.
"""

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._reading import Missing
from drivers._scale import CHANNELS, Load, Refused, Said, Scale, Signal, decimal
from drivers.contract import Card, Link, Out, Rx, Serial, Tx

ASK = b"SIR\r\n"

LOAD = re.compile(r"S ([SD]) +(-?)(\d+(?:\.\d+)?) +([A-Za-z%]+) *")
SWITCHED_ON = re.compile(r'I4 A ".*"')
LINES: dict[str, Said] = {
    "S I": Signal.ASK_AGAIN,
    "S +": Missing("an overload"),
    "S -": Missing("an underload: less than an empty platform"),
    "ES": Refused("does not understand the request; is it one for MT-SICS?"),
    "ET": Refused("did not receive the request whole"),
    "EL": Refused("cannot do what was asked"),
}


class MtSics:
    """Reads one scale for one connection."""

    card: ClassVar[Card] = Card(
        name="mt-sics",
        maker="Mettler Toledo",
        model="scale with MT-SICS",
        link=Link.SERIAL,
        channels=CHANNELS,
        serial=Serial(9600),
        source="Mettler Toledo, MT-SICS Interface Commands, level 0",
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
    """What a line of MT-SICS says."""
    load = LOAD.fullmatch(line)
    if load:
        state, sign, digits, unit = load.groups()
        return Load(decimal(sign, digits), unit, state == "S")
    if SWITCHED_ON.fullmatch(line):
        return Signal.ASK_AGAIN
    return LINES.get(line.rstrip())
