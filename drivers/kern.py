"""Kern scales: those with the Kern Communications Protocol (KCP), and older ones with lines of their own.

KCP has the requests and answers of MT-SICS (`mt_sics.py`); the two differ only beyond what is used here.

Older scales are asked with single letters, `w` for the load as it is, once. A line has columns: a blank or M, the sign
(blank or -), ten for the number, a blank, three for the unit, which is there only while the load is stable:

             72.450 kg
             72.400        moving
              Error        no load can be told, mostly an overload

The first column is never a digit: a line that begins with one was heard from its middle, and `72.450 kg` may be what is
left of 172.450.

There is no request for loads again and again: `w` shows that the scale is there; for the rest, set it to send
continuously, in the unit kg, at 9600 baud without parity.

Source: KERN Communications Protocol; Kern operating instructions, chapter data output.
"""

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._reading import Missing
from drivers._scale import CHANNELS, Load, Said, Scale, decimal
from drivers.contract import Card, Link, Out, Rx, Serial, Tx
from drivers.mt_sics import MtSics

ONCE = b"w"

LOAD = re.compile(r"[M ] *(-?) *(\d+(?:\.\d*)?) ([A-Za-z%]{0,3}) *")
ERRORS = ("E", "Err", "Error")


class Kcp(MtSics):
    """Reads one scale with KCP for one connection."""

    card: ClassVar[Card] = Card(
        name="kern-kcp",
        maker="Kern",
        model="scale with the Kern Communications Protocol",
        link=Link.SERIAL,
        channels=CHANNELS,
        serial=Serial(9600),
        source="KERN Communications Protocol",
    )


class KernLines:
    """Reads one older scale for one connection."""

    card: ClassVar[Card] = Card(
        name="kern",
        maker="Kern",
        model="scale without KCP",
        link=Link.SERIAL,
        channels=CHANNELS,
        serial=Serial(9600),
        source="Kern operating instructions, data output",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._scale = Scale(ONCE, understood)

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Ask for one line."""
        return self._scale.hello()

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete."""
        return self._scale.feed(rx)


def understood(line: str) -> Said | None:
    """What a line of an older scale says."""
    load = LOAD.fullmatch(line)
    if load:
        sign, digits, unit = load.groups()
        return Load(decimal(sign, digits), unit, stable=bool(unit))
    return Missing("an error, mostly an overload") if line.strip() in ERRORS else None
