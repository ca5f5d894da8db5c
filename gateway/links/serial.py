"""Devices on a serial port, which may vanish at any moment and come back.

A USB adapter that is pulled out shows as a read error, an empty read or an `OSError` on anything at all; whatever it
is, the connection ends and the port is opened again, with growing pauses, until it is back.

Opening and closing may block for seconds on an unplugged adapter, so both happen in a thread: the opening here, the
closing inside `serial_asyncio_fast`.
"""

import asyncio
import contextlib
import errno
import os
import termios

import serial  # type: ignore[import-untyped]
from serial_asyncio_fast import SerialTransport

from drivers.contract import Card, Rx, Serial
from gateway.backoff import Backoff
from gateway.clock.steady import steady_ns
from gateway.links.contract import Connection, Inbox, Visit
from vitals.clock import Clock
from vitals.errors import LinkError

MOST_UNSENT = 65_536
RETRY_MOST_S = 5.0
"""A port costs little to try, and a device whose records found no room must not wait long when there is room again."""
CLOSE_S = 5.0
PIPE = "serial"


class SerialConnection(asyncio.Protocol):
    """An open port; its one pipe is `serial`."""

    def __init__(self, port: serial.Serial, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._inbox = Inbox()
        self._closed = asyncio.Event()
        self._transport = SerialTransport(asyncio.get_running_loop(), self, port)

    def waiting(self) -> list[Rx]:
        return self._inbox.waiting()

    async def receive(self) -> list[Rx]:
        return await self._inbox.receive()

    async def send(self, pipe: str, data: bytes) -> None:
        if pipe != PIPE:
            raise LinkError(f"the port {self._name} has no pipe {pipe!r}", "a serial device's only pipe is 'serial'")
        if self._transport.get_write_buffer_size() > MOST_UNSENT:
            raise LinkError(f"the port {self._name} takes no more bytes", "see to the cable and the device")
        if self._inbox.ended:
            raise self._inbox.ended
        self._transport.write(data)

    async def close(self) -> None:
        if not self._transport.is_closing():
            self._transport.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._closed.wait()

    def data_received(self, data: bytes) -> None:
        self._inbox.put(Rx(PIPE, bytes(data), self._clock.now_ns(), steady_ns()))

    def connection_lost(self, exc: Exception | None) -> None:
        why = f" ({exc})" if exc else ""
        self._inbox.end(LinkError(f"the port {self._name} vanished{why}", "plug the device in again"))
        self._closed.set()


async def open_port(name: str, line: Serial, clock: Clock) -> Connection:
    """Open the port with these line settings, for this process alone; raises LinkError."""
    try:
        port = await asyncio.to_thread(
            serial.Serial,
            name,
            baudrate=line.baud,
            bytesize=line.bits,
            parity=line.parity,
            stopbits=line.stop,
            timeout=0,
            write_timeout=0,
            exclusive=True,
        )
    except (OSError, ValueError) as error:
        raise _shut(name, error) from error
    except termios.error as error:  # no OSError
        raise _refused(name, line, error) from error
    try:
        return SerialConnection(port, name, clock)
    except termios.error as error:
        await asyncio.to_thread(port.close)
        raise _refused(name, line, error) from error


_MENDS = {
    errno.EACCES: "let the hub's user read and write it: on Debian by the group dialout",
    errno.EAGAIN: "another program reads it: end that",
}


def _shut(name: str, error: OSError | ValueError) -> LinkError:
    """The number alone is asked: in its words pyserial tells the path and the number twice."""
    number = error.errno if isinstance(error, OSError) else None
    why = os.strerror(number) if number else str(error)
    mend = _MENDS.get(number or 0, "plug the device in; see `port`")
    return LinkError(f"the port {name} does not open ({why})", mend)


def _refused(name: str, line: Serial, error: termios.error) -> LinkError:
    """A pseudo-terminal has neither parity nor seven bits, and some adapters have not every speed."""
    settings = f"{line.baud} baud, {line.bits}{line.parity}{line.stop}"
    return LinkError(
        f"the port {name} refuses {settings} ({error.args[-1]})", "see `baud`, `bits`, `parity` and `stop`"
    )


async def serve(name: str, card: Card, visit: Visit, clock: Clock) -> None:
    """Keep a session going with whatever is on the port, for ever."""
    line = card.serial or Serial(9600)
    backoff = Backoff(RETRY_MOST_S)
    while True:
        if await visit(lambda: open_port(name, line, clock)):
            backoff.reset()
        await asyncio.sleep(backoff.next_s())
