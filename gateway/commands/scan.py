"""`hjemvakt scan`: which Bluetooth devices advertise here, and which drivers would take them."""

import argparse
import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Iterator, Sequence

from msgspec.structs import asdict

from gateway.config.model import RadioConfig
from gateway.links.sightings import Sighting, listen
from vitals.errors import ConfigError

_BASE = "{address:<17}  {rssi:>4}  {name:<20}  {drivers:<24}  {services}"


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
