"""`hjemvakt scan`: which Bluetooth devices advertise here, and which drivers would take them.

It listens through unmodified bleak as the gateway does (`gateway.links.ble`), over BlueZ or Bumble, and connects to
nothing. What an advert leaves out (a name often comes only now and then) is kept from the one before.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError
from msgspec import Struct
from msgspec.structs import asdict

from drivers.catalogue import catalogue, short_uuid, takes
from gateway.config import RadioConfig
from gateway.links.contract import Ask
from gateway.links.radios import Chosen, chosen
from gateway.tasks import ended
from vitals.errors import ConfigError, LinkError

_MENDS = {
    "bluez": "see that the adapter is there and bluetoothd runs, or choose another with --adapter or --radio",
    "bumble": "see that something serves a controller there, or choose another --transport",
}
_BASE = "{address:<17}  {rssi:>4}  {name:<20}  {drivers:<24}  {services}"


class Sighting(Struct, frozen=True):
    """One device as its adverts tell: `rssi` in dBm, the newest; `drivers` that would take it, the best one first."""

    address: str
    name: str
    rssi: int
    services: tuple[str, ...]
    drivers: tuple[str, ...]


def main(argv: Sequence[str]) -> int:
    """The command line; returns the exit code. Raises ConfigError, and LinkError when the radio does not scan."""
    asked = _parser().parse_args(argv)
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    seen: dict[str, Sighting] = {}
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(listen(_radio(asked), seen, asked.seconds))
    sightings = sorted(seen.values(), key=lambda one: (not one.drivers, -one.rssi))
    for sighting in sightings if asked.json else ():
        print(json.dumps(asdict(sighting), ensure_ascii=False))
    if not asked.json:
        print("\n".join(_table(sightings)))
    return 0


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


@contextlib.asynccontextmanager
async def reached(radio: RadioConfig, data: Path | None = None, ask: Ask | None = None) -> AsyncIterator[Chosen]:
    """What bleak is made with for this radio, alive meanwhile; the arguments are those of `chosen`."""
    made_with = chosen(radio, data, ask)
    running = asyncio.create_task(made_with.run())
    try:
        yield made_with
    finally:
        await ended([running])


def _sighting(address: str, advert: AdvertisementData, before: Sighting | None) -> Sighting:
    name = advert.local_name or (before.name if before else "")
    told = map(short_uuid, (*advert.service_uuids, *advert.service_data))
    services = tuple(dict.fromkeys((*(before.services if before else ()), *told)))
    return Sighting(address, name, advert.rssi, services, _takers(services, name))


def _takers(services: Sequence[str], name: str) -> tuple[str, ...]:
    cards = [driver.card for driver in catalogue().values() if takes(driver.card, services, name)]
    # A driver for the device's very name knows more of it than one for a service that many share.
    return tuple(card.name for card in sorted(cards, key=lambda card: not card.local_names))


def _table(sightings: Sequence[Sighting]) -> Iterator[str]:
    if not sightings:
        yield "nothing advertises: wake the device (step on the scale, open the clip), and bring it closer"
        return
    yield _BASE.format(address="ADDRESS", rssi="RSSI", name="NAME", drivers="DRIVERS", services="SERVICES")
    for one in sightings:
        services = (uuid if len(uuid) <= len("181d") else f"{uuid[:8]}-…" for uuid in one.services)
        words = {"name": one.name or "-", "drivers": ", ".join(one.drivers) or "-", "services": ", ".join(services)}
        yield _BASE.format(address=one.address, rssi=one.rssi, **words).rstrip()


def _radio(asked: argparse.Namespace) -> RadioConfig:
    if asked.radio == "bumble" and not asked.transport:
        raise ConfigError("--radio bumble needs to know where its controller is", "add --transport unix:…")
    if asked.radio == "bluez" and asked.transport:
        raise ConfigError("--transport is of --radio bumble", "leave it out, or add --radio bumble")
    if asked.radio == "bumble" and asked.adapter:
        raise ConfigError("--adapter is of --radio bluez", "leave it out")
    return RadioConfig(asked.radio, asked.transport, asked.adapter)


def seconds(text: str) -> float:
    """A duration that was asked for on the command line."""
    asked = float(text)
    if not 0 < asked <= 3600:
        raise argparse.ArgumentTypeError(f"{text}: choose more than 0, at most 3600")
    return asked


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt scan",
        description="Which Bluetooth devices advertise here, and the drivers that would take them, the best first.\n"
        "The address and a driver's name are what a [[devices]] table of gateway.toml needs. Nothing is\n"
        "connected to. Most medical devices advertise for seconds only: use the device while this listens.\n"
        "Ctrl-C ends it early.",
        epilog="examples\n  hjemvakt scan\n  hjemvakt scan --seconds 60 --adapter hci1\n"
        "  hjemvakt scan --radio bumble --transport unix:var/sim/home-01.hci --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--radio", choices=("bluez", "bumble"), default="bluez", help="(default: %(default)s)")
    parser.add_argument("--adapter", metavar="NAME", help="bluez: which adapter, such as hci0")
    parser.add_argument("--transport", metavar="WHERE", help="bumble: where the controller is, such as unix:hci.sock")
    parser.add_argument("--seconds", type=seconds, default=10.0, metavar="N", help="how long (default: %(default)g)")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line: address, name, rssi, services, drivers"
    )
    return parser
