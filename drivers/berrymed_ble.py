"""BerryMed BM1000 finger oximeters: the BCI stream of a serial line, cut into notifications of a Bluetooth cable.

The service and its characteristic are those of the Bluetooth module (a transparent serial line of Microchip's), which
many other things have too; so an advert is recognised by the oximeter's name as well. The stream runs by itself while a
finger is in, 100 packets a second; a notification may end anywhere in a packet.

`_bci.py` knows the packet, `_oximetry.py` which of the hundred is told.

Source: the BCI protocol as BerryMed publishes it (zh2x/BCI_Protocol).
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._bci import Bci
from drivers._gatt import battery_level, dispatch
from drivers._oximetry import CHANNELS
from drivers.contract import Card, Link, Out, Rx, Tx

STREAM, BATTERY = "49535343-1e4d-4bd9-ba61-23c647249616", "2a19"


class Bm1000:
    """Reads one oximeter for one connection."""

    card: ClassVar[Card] = Card(
        name="berrymed-ble",
        maker="BerryMed",
        model="BM1000 and its kin",
        link=Link.BLE,
        channels=(*CHANNELS, "battery"),
        services=("49535343-fe7d-4ae5-8fa9-9fafd205e455",),
        local_names=("BerryMed",),
        notify=(STREAM,),
        read=(BATTERY,),
        source="BCI protocol (BerryMed)",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._stream = Bci()
        self._handlers = {BATTERY: battery_level}

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Nothing: it talks unasked."""
        return []

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete, or what another packet means."""
        return self._stream.feed(rx) if rx.pipe == STREAM else dispatch(self._handlers, rx)
