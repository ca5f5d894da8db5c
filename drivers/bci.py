"""Pulse oximeters with the BCI protocol on a serial line, as BerryMed's modules send it: 100 packets a second, unasked.

`_bci.py` knows the packet, `_oximetry.py` which of the hundred is told.

Source: the BCI protocol as BerryMed publishes it.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._bci import Bci
from drivers._oximetry import CHANNELS
from drivers.contract import Card, Link, Out, Rx, Serial, Tx


class BciOximeter:
    """Reads one oximeter for one connection."""

    card: ClassVar[Card] = Card(
        name="bci",
        maker="BerryMed and others",
        model="pulse oximeter with the BCI protocol",
        link=Link.SERIAL,
        channels=CHANNELS,
        serial=Serial(115_200),
        source="BCI protocol (BerryMed)",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._stream = Bci()

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Nothing: it talks unasked."""
        return ()

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete."""
        return self._stream.feed(rx)
