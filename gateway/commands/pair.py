"""`hjemvakt pair`: make the bond that a device tells nothing without, once, with a person beside it.

A running gateway bonds by itself with a device that shows nothing, when that is put into its pairing mode. A device
that shows six digits needs somebody to read them, and some want to be told when to begin; that is what this is for.

Over BlueZ it works beside a running gateway: whoever asks BlueZ for a bond is the one BlueZ turns to. Bumble has one
host for a controller, so there the gateway is stopped first; the spool's lock sees to that.
"""

import argparse
import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from drivers.catalogue import find
from drivers.contract import Card, Link
from gateway.commands.scan import seconds
from gateway.config.file import configured, load
from gateway.config.model import Config, DeviceConfig
from gateway.links.bonding import bond, bonds_of, found
from gateway.links.gatt import NO_ANSWER
from gateway.links.radios import Chosen, reached
from gateway.spool.store import SPOOL_FILE, Spool
from vitals.errors import ConfigError, LinkError

READY_S = 10.0
_DIGITS = 6

_NEXT = "the gateway reads it from now on, whenever it advertises; start the gateway if it does not run"


async def pair(config: Config, device: DeviceConfig, for_s: float) -> str:
    """Make a bond with the device, for which it has `for_s` seconds; what to tell the person. Raises LinkError."""
    card = _card(device)
    address = device.address or ""
    async with _radio(config, device, card) as radio:
        if await bonds_of(radio).bonded(address):
            return f"{device.id} is paired already; to do it anew: hjemvakt pair {device.id} --forget, then once more"
        _say(f"put {device.id} ({card.maker} {card.model}) into its pairing mode now; waiting {for_s:.0f} s for it")
        heard = await found(radio, address, for_s)
        if heard is None:
            raise LinkError(
                f"{device.id} ({address}) did not advertise",
                "put it into its pairing mode, closer to the hub; `hjemvakt scan` shows who advertises",
            )
        _say(f"{device.id} is there; pairing")
        try:
            await bond(radio, heard)
        except NO_ANSWER as error:
            raise LinkError(f"{device.id} did not pair ({error or type(error).__name__})", _mend(card)) from error
    return f"{device.id} is paired: {_NEXT}"


async def forget(config: Config, device: DeviceConfig) -> str:
    """Throw our half of the bond away; what to tell the person."""
    async with _radio(config, device, _card(device)) as radio:
        known = await bonds_of(radio).forget(device.address or "")
    if not known:
        return f"{device.id} was not paired"
    return f"{device.id} is forgotten; make the device forget us too if it can, then: hjemvakt pair {device.id}"


@contextlib.asynccontextmanager
async def _radio(config: Config, device: DeviceConfig, card: Card) -> AsyncIterator[Chosen]:
    """The radio, ready, with a person who types digits where the device may show some; raises LinkError."""
    async with contextlib.AsyncExitStack() as stack:
        if config.radio.kind == "bumble":
            spool = await Spool.open(Path(config.data) / SPOOL_FILE, config.spool_mb << 20)
            stack.push_async_callback(spool.close)
        ask = None if card.pair is True else digits
        radio = await stack.enter_async_context(reached(config.radio, Path(config.data), ask))
        if radio.bluez:
            radio.bluez.watch(device.address or "", (), lambda *_: None, passkey=card.pair == "passkey")
        ready = radio.host.ready if radio.host else radio.bluez.ready if radio.bluez else None
        try:
            async with asyncio.timeout(READY_S):
                if ready:
                    await ready.wait()
        except TimeoutError:
            where = config.radio.transport or config.radio.adapter or "the Bluetooth adapter"
            raise LinkError(
                f"{where} is not reached", "see that it is there; over BlueZ, that bluetoothd runs"
            ) from None
        yield radio


def _mend(card: Card) -> str:
    typed = "" if card.pair is True else ", and type the digits it shows while it shows them"
    return f"put it into its pairing mode again{typed}; see that no telephone holds it"


async def digits() -> int | None:
    """The six digits that the device shows, typed by the person; None for anything else."""
    _say("type the six digits that the device shows, and Enter:")
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def take(line: str) -> None:
        if not answer.done():
            answer.set_result(line)

    def read() -> None:
        line = sys.stdin.readline()
        with contextlib.suppress(RuntimeError):  # the loop has ended: it took too long
            loop.call_soon_threadsafe(take, line)

    # Nobody can take a thread back from a person who does not type; this one does not outlive the command.
    threading.Thread(target=read, daemon=True).start()
    typed = "".join((await answer).split())
    return int(typed) if len(typed) == _DIGITS and typed.isdecimal() else None


def main(argv: Sequence[str]) -> int:
    """The command line; returns the exit code: 0 it is done, 1 it did not work. Raises HjemvaktError."""
    asked = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("bumble").setLevel(logging.CRITICAL)
    config = load(asked.config)
    device = configured(config, asked.device, asked.config)
    work = forget(config, device) if asked.forget else pair(config, device, asked.seconds)
    try:
        print(asyncio.run(work))
    except LinkError as error:
        print(f"hjemvakt: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


def _card(device: DeviceConfig) -> Card:
    card = find(device.driver).card
    if card.link is not Link.BLE:
        what = "is on a serial port" if card.link is Link.SERIAL else "is only listened to"
        raise ConfigError(f"{device.id} {what}", "there is nothing to pair")
    return card


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt pair",
        description="Pair a configured Bluetooth device with this hub, once. The device is put into its pairing mode; "
        "if it shows\nsix digits, they are asked for. Over BlueZ the gateway may go on running; over Bumble stop it "
        "first.\n\nExit code 0: it is paired (or forgotten); 1: it did not work, and the line says what to do.",
        epilog="examples\n  hjemvakt pair meter-0001 --config gateway.toml\n"
        "  hjemvakt pair meter-0001 --config gateway.toml --forget",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("device", metavar="DEVICE", help="the device's id in the configuration")
    parser.add_argument("--config", metavar="CONFIG", type=Path, required=True, help="the gateway's configuration")
    parser.add_argument("--forget", action="store_true", help="throw the bond away instead")
    parser.add_argument(
        "--seconds", type=seconds, default=60.0, metavar="N", help="how long to wait for it (default: %(default)g)"
    )
    return parser
