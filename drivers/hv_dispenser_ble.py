"""Medicine dispensers that speak Hjemvakt's open protocol over Bluetooth LE (docs/reference/dispenser-protocol.md).

The same conversation as on a serial line (`_dispenser`), a payload in each value. Status is read after connecting and
says who is there, so nothing need be asked first. What the air confirms is no acknowledgement.

The link must carry values of 120 bytes (an ATT MTU of 123). On one that cannot, a device that keeps to the text tells
nothing; a value that was cut short is a fault, and its entry stays on the device.

Source: docs/reference/dispenser-protocol.md, version 1.1, section 6.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._dispenser import CHANNELS, EVENTS, Dialogue
from drivers._dispenser_orders import TAKEN
from drivers.contract import Card, Link, Out, Rx, Tx
from vitals.events import Fault

SERVICE = "72b7af5c-dca2-4e3b-b47b-d04d92e1da65"
EVENT = "72b7af5d-dca2-4e3b-b47b-d04d92e1da65"
CONTROL = "72b7af5e-dca2-4e3b-b47b-d04d92e1da65"
STATUS = "72b7af5f-dca2-4e3b-b47b-d04d92e1da65"


class BleDispenser(Dialogue):
    """Reads one dispenser for one connection, and takes orders for it."""

    card: ClassVar[Card] = Card(
        name="hjemvakt-dispenser-ble",
        maker="any",
        model="medicine dispenser with the open protocol, version 1.1",
        link=Link.BLE,
        channels=CHANNELS,
        events=EVENTS,
        services=(SERVICE,),
        notify=(EVENT, CONTROL, STATUS),
        read=(STATUS,),
        quiet_s=8.0,  # a dose that was ordered takes some seconds to come out
        pair=True,
        orders=TAKEN,
        source="docs/reference/dispenser-protocol.md",
    )

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Ask who is there, if Status did not say so."""
        return [] if self._told else super().hello(now_ns)

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one value means."""
        if rx.pipe in (EVENT, CONTROL, STATUS):
            yield from self.heard(rx)
        else:
            yield Fault("unknown packet", f"nothing is known of pipe {rx.pipe!r}", rx.t_ns, rx.pipe, rx.data)

    def _tx(self, payload: bytes, after_stored: bool) -> Tx:
        return Tx(CONTROL, payload, after_stored)
