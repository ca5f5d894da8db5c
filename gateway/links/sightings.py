"""Who advertises here, and which drivers would take them.

It listens through unmodified bleak as the gateway does (`gateway.links.ble`), over BlueZ or Bumble, and connects to
nothing. What an advert leaves out (a name often comes only now and then) is kept from the one before.
"""

import asyncio
from collections.abc import Sequence

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError
from msgspec import Struct

from drivers.catalogue import catalogue, short_uuid, takes
from gateway.config.model import RadioConfig
from gateway.links.radios import reached
from vitals.errors import LinkError

_MENDS = {
    "bluez": "see that the adapter is there and bluetoothd runs, or choose another with --adapter or --radio",
    "bumble": "see that something serves a controller there, or choose another --transport",
}


class Sighting(Struct, frozen=True):
    """One device as its adverts tell: `rssi` in dBm, the newest; `drivers` that would take it, the best one first."""

    address: str
    name: str
    rssi: int
    services: tuple[str, ...]
    drivers: tuple[str, ...]


async def listen(radio: RadioConfig, seen: dict[str, Sighting], for_s: float) -> None:
    """Fill `seen` (by address) with what advertises within `for_s` seconds of the wall; raises LinkError."""

    def on_advert(device: BLEDevice, advert: AdvertisementData) -> None:
        address = device.address.upper()
        seen[address] = _sighting(address, advert, seen.get(address))

    async with reached(radio) as made_with:
        try:
            async with BleakScanner(on_advert, **made_with.scanner):
                await asyncio.sleep(for_s)
        except (BleakError, OSError, EOFError) as error:
            where = radio.transport or radio.adapter or radio.kind
            raise LinkError(f"the radio {where} does not scan ({error})", _MENDS[radio.kind]) from error


def _sighting(address: str, advert: AdvertisementData, before: Sighting | None) -> Sighting:
    name = advert.local_name or (before.name if before else "")
    told = map(short_uuid, (*advert.service_uuids, *advert.service_data))
    services = tuple(dict.fromkeys((*(before.services if before else ()), *told)))
    return Sighting(address, name, advert.rssi, services, _takers(services, name))


def _takers(services: Sequence[str], name: str) -> tuple[str, ...]:
    cards = [driver.card for driver in catalogue().values() if takes(driver.card, services, name)]
    # A driver for the device's very name knows more of it than one for a service that many share.
    return tuple(card.name for card in sorted(cards, key=lambda card: not card.local_names))
