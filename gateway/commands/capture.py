"""`hjemvakt capture`: one live session of one device as a capture, the bytes and what the driver made of them.

The session is the gateway's own, with its spool: what is heard is stored, and only then released by the device, so
that recording takes no reading from anybody. The tape stands between session and driver. It sees what the driver is
fed and what it gives, in that order, and writes each line at once; a recording that is cut off is a valid capture too.

A capture's time never goes back. A packet may have arrived while hello waited for the disk, or the wall clock may have
been set; such a packet is fed as of the line before it.
"""

import argparse
import asyncio
import contextlib
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, TextIO

import msgspec

from drivers import capture
from drivers.catalogue import find
from drivers.contract import Card, Driver, Link, Out, Rx, Tx
from gateway.commands.scan import seconds
from gateway.config.file import configured, load
from gateway.config.model import Config, DeviceConfig
from gateway.links.contract import Connection, Open
from gateway.links.radios import reached
from gateway.spool.store import SPOOL_FILE, Spool
from gateway.tasks import ended
from gateway.visits.session import Session
from vitals.block import Block
from vitals.clock import NS
from vitals.errors import ConfigError, LinkError
from vitals.events import Event, Fault

_COUNTED = {Rx: "packets", Block: "readings", Event: "events", Fault: "faults"}


class Tape:
    """Writes a capture to `file` while it happens. `on_packet` is called with each packet."""

    def __init__(self, file: TextIO, driver: str, on_packet: Callable[[], None] = lambda: None) -> None:
        self.counts: Counter[type] = Counter()
        self.on_packet = on_packet
        self._file = file
        self._driver = driver
        self._bookmark = ""
        self._start_ns: int | None = None
        self._last_ns = 0

    @property
    def started(self) -> bool:
        """Whether anything has happened."""
        return self._start_ns is not None

    def made(self, bookmark: str) -> None:
        """A driver was made with this bookmark."""
        self._bookmark = bookmark

    def hello(self, now_ns: int) -> int:
        """The link is ready; returns the time that hello is to be called with."""
        t_ns, start_ns = self._step(now_ns)
        # A `+` line is a `<` line without pipe and bytes.
        self._write("+" + capture.arrived(Rx("", b"", t_ns), start_ns)[1:])
        return t_ns

    def packet(self, rx: Rx) -> Rx:
        """Bytes arrived; returns them as they are to be fed."""
        t_ns, start_ns = self._step(rx.t_ns)
        fed = msgspec.structs.replace(rx, t_ns=t_ns)
        self._write(capture.arrived(fed, start_ns))
        self.counts[Rx] += 1
        self.on_packet()
        return fed

    def told(self, out: Out) -> None:
        """The driver gave this for the last step."""
        assert self._start_ns is not None, "a driver gives nothing before it is spoken to"
        for line in capture.lines(out, self._last_ns, self._start_ns):
            self._write(line)
        self.counts[type(out)] += 1

    def summary(self) -> str:
        """How much there is of what."""
        return ", ".join(f"{self.counts[kind]} {word}" for kind, word in _COUNTED.items())

    def _step(self, t_ns: int) -> tuple[int, int]:
        """The time of a step and of second 0, which is the whole second before the first step."""
        if self._start_ns is None:
            self._start_ns = t_ns // NS * NS
            self._file.write(capture.header(self._driver, self._start_ns, self._bookmark))
        self._last_ns = max(t_ns, self._last_ns)
        return self._last_ns, self._start_ns

    def _write(self, line: str) -> None:
        self._file.write(line + "\n")
        self._file.flush()


def taped(driver: type[Driver], tape: Tape) -> type[Driver]:
    """The same driver, with a tape that runs."""

    class Taped:
        card: ClassVar[Card] = driver.card

        def __init__(self, bookmark: str = "") -> None:
            self._driver = driver(bookmark)
            tape.made(bookmark)

        def hello(self, now_ns: int) -> Sequence[Tx]:
            asked = self._driver.hello(tape.hello(now_ns))
            for tx in asked:
                tape.told(tx)
            return asked

        def feed(self, rx: Rx) -> Iterator[Out]:
            for out in self._driver.feed(tape.packet(rx)):
                tape.told(out)
                yield out

    return Taped


async def record(config: Config, device: DeviceConfig, tape: Tape, quiet_s: float) -> None:
    """One session of the device, until it ended or has been quiet for `quiet_s`; raises LinkError and StoreError."""
    spool = await Spool.open(Path(config.data) / SPOOL_FILE, config.spool_mb << 20)
    try:
        # What an earlier session left is read first: it is not of this one.
        await Session(device.id, find(device.driver), spool, config.clock).catch_up()
        session = Session(device.id, taped(find(device.driver), tape), spool, config.clock)
        visit = _on_port if session.card.link is Link.SERIAL else _over_the_air
        try:
            async with asyncio.timeout(None) as patience:
                loop = asyncio.get_running_loop()
                tape.on_packet = lambda: patience.reschedule(loop.time() + quiet_s)
                await visit(config, device, session, tape)
        except TimeoutError:
            if not patience.expired():
                raise
    finally:
        await spool.close()


async def _on_port(config: Config, device: DeviceConfig, session: Session, tape: Tape) -> None:
    from gateway.links.serial import open_port

    connection = await open_port(device.port or "", device.line(session.card), config.clock)

    async def opened() -> Connection:
        return connection

    await session.visit(opened)


async def _over_the_air(config: Config, device: DeviceConfig, session: Session, tape: Tape) -> None:
    """The first visit in which anything happened; connections that fail before that are tried again."""
    from gateway.links.ble import Radio
    from gateway.links.target import Target

    done = asyncio.Event()

    async def visit(open_connection: Open) -> bool:
        well = await session.visit(open_connection)
        if tape.started:
            done.set()
            await asyncio.Event().wait()  # one visit is one capture: the next never begins
        return well

    target = Target(device.address or "", session.card, visit, device.id)
    async with reached(config.radio, Path(config.data)) as made_with:
        radio = Radio(
            [target],
            [],
            config.clock,
            connections=1,
            cool_down_s=config.radio.cool_down_s,
            scanner=made_with.scanner,
            client=made_with.client,
            bonds=made_with.bonds,
            bluez=made_with.bluez,
        )
        parts = [asyncio.create_task(work) for work in (radio.scan(), radio.serve(target), done.wait())]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await ended(parts)
        for part in parts:
            if not part.cancelled():
                part.result()


def main(argv: Sequence[str]) -> int:
    """The command line; returns the exit code. Raises HjemvaktError, also when nothing was heard."""
    asked = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("bumble").setLevel(logging.ERROR)
    config = load(asked.config)
    device = configured(config, asked.device, asked.config)
    with _new(asked.file) as file:
        tape = Tape(file, device.driver)
        print(f"waiting for {device.id}: use it now; Ctrl-C ends the recording", file=sys.stderr)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(record(config, device, tape, asked.quiet))
        finally:
            if not tape.started:
                asked.file.unlink()
    if not tape.started:
        raise LinkError(
            f"nothing was heard of {device.id}", "wake it and bring it closer; `hjemvakt scan` shows who is there"
        )
    print(f"{asked.file}: {tape.summary()}")
    return 0


def _new(path: Path) -> TextIO:
    """The file, which must not be there yet: a recording cannot be made again."""
    try:
        return path.open("x", encoding="utf-8")
    except FileExistsError:
        raise ConfigError(f"{path} is there already", "choose another name, or move it away") from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror})", "name a file in a folder you may write"
        ) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt capture",
        description="Record one live session of a configured device, with what its driver made of it, as a capture: a\n"
        "text that `hjemvakt decode` and the tests in tests/drivers replay.\n\n"
        "What the device tells is stored for the server as always, so nothing is lost by recording; stop the\n"
        "gateway meanwhile, for device and store have one reader. It ends when the device is quiet, or with Ctrl-C.\n"
        "A capture holds what was measured: measure yourself, or ask, before you give one away.",
        epilog="example\n  hjemvakt capture oxi-0001 oximeter.cap --config gateway.toml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("device", metavar="DEVICE", help="the device's id in the configuration")
    parser.add_argument("file", metavar="FILE.cap", type=Path, help="where the capture goes; must not be there yet")
    parser.add_argument("--config", metavar="CONFIG", type=Path, required=True, help="the gateway's configuration")
    parser.add_argument(
        "--quiet",
        metavar="S",
        type=seconds,
        default=10.0,
        help="end after S seconds without a packet (default: %(default)g)",
    )
    return parser
