"""Medicine dispensers that speak Hjemvakt's open protocol on a serial line (docs/reference/dispenser-protocol.md).

A frame is COBS of a payload and its CRC, ended by `00`. `_dispenser` is the conversation, `_dispenser_orders` what
becomes of an order and which data an order has.

Source: docs/reference/dispenser-protocol.md, version 1.1; a device of version 1.0 is read as well, and refuses orders.
"""

from collections.abc import Iterator
from typing import ClassVar

from drivers._cobs import Damage, Frames, frame
from drivers._dispenser import CHANNELS, EVENTS, Dialogue
from drivers._dispenser_orders import TAKEN
from drivers.contract import Card, Link, Out, Rx, Serial, Tx
from vitals.events import Fault

PIPE = "serial"


class Dispenser(Dialogue):
    """Reads one dispenser for one connection, and takes orders for it."""

    card: ClassVar[Card] = Card(
        name="hjemvakt-dispenser",
        maker="any",
        model="medicine dispenser with the open protocol, version 1",
        link=Link.SERIAL,
        channels=CHANNELS,
        events=EVENTS,
        serial=Serial(115_200),
        orders=TAKEN,
        source="docs/reference/dispenser-protocol.md",
    )

    def __init__(self, bookmark: str = "") -> None:
        super().__init__(bookmark)
        self._frames = Frames()

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete."""
        for found in self._frames.feed(rx.data):
            if isinstance(found, Damage):
                yield Fault(found.code, found.text, rx.t_ns, rx.pipe, found.data)
            else:
                yield from self.heard(Rx(PIPE, found, rx.t_ns))

    def _tx(self, payload: bytes, after_stored: bool) -> Tx:
        return Tx(PIPE, frame(payload), after_stored)
