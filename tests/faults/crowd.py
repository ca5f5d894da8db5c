"""A crowd of hubs in one process, as a broker sees them: mutual TLS 1.3, CONNECT, a heartbeat, and to stay.

    python -m tests.faults.crowd PORT FOLDER SPREAD_S PER_S FIRST LAST

Hub n has its certificate and key in FOLDER/n.pem; the authority is FOLDER/authority.pem. The waits are the gateway's
own. Each says on standard output what befalls it, with the machine's monotonic time: `<seconds> <n> <what>`.

    knock   a TCP connection: the broker begins a handshake
    in      the broker let it in
    out     the connection, or the attempt, ended
"""

import asyncio
import contextlib
import itertools
import ssl
import sys
import time
from pathlib import Path

from gateway.backoff import Backoff
from gateway.uplink.broker import CONNECT_S, KEEPALIVE_S
from gateway.uplink.sending import STABLE_S
from vitals import wire
from vitals.wire import Health

MOST_S = 120.0
"""`reconnect_max_s` as it is where nobody sets it."""
BEATS_S = (20.0, 100.0)
"""Between the first two heartbeats, of which the first may be lost while the server is not back itself, and then.

Seldomer than real ones, as is the sign of life that the broker asks for: the crowd shares its machine with the broker.
"""
SILENT_S = 120


def name_of(number: int) -> str:
    """The gateway's id."""
    return f"hub-{number:05}"


async def stay(number: int, port: int, folder: Path, spread_s: float, after_s: float) -> None:
    """One hub, for ever; it first knocks `after_s` from now."""
    backoff = Backoff(MOST_S)
    await asyncio.sleep(after_s)
    while True:
        began_s, let_in = time.monotonic(), False
        writer: asyncio.StreamWriter | None = None
        with contextlib.suppress(OSError, TimeoutError, EOFError, ConnectionError):
            async with asyncio.timeout(KEEPALIVE_S):  # so long paho waits for a handshake
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                _tell(number, "knock")
                await writer.start_tls(_context(number, folder), server_hostname="127.0.0.1")
            async with asyncio.timeout(CONNECT_S):
                writer.write(_connect(name_of(number)))
                let_in = (await _packet(reader))[3] == 0
            if let_in:
                _tell(number, "in")
                await _hold(reader, writer, name_of(number))
        if writer is not None:
            writer.transport.abort()
        _tell(number, "out")
        if time.monotonic() - began_s >= STABLE_S:
            backoff.reset()
        if let_in:
            backoff.hung_up(spread_s)
        await asyncio.sleep(backoff.next_s())


async def _hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
    """Heartbeats, and their PUBACKs, until the broker hangs up or is silent for too long."""
    for pause_s in itertools.chain(BEATS_S, itertools.repeat(BEATS_S[-1])):
        writer.write(_heartbeat(name))
        async with asyncio.timeout(SILENT_S):
            await _packet(reader)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await _packet(reader)


async def _packet(reader: asyncio.StreamReader) -> bytes:
    """One packet; those that come here are short. Raises EOFError when the broker hangs up."""
    head = await reader.readexactly(2)
    return head + await reader.readexactly(head[1])


def _tell(number: int, what: str) -> None:
    sys.stdout.write(f"{time.monotonic():.4f} {number} {what}\n")
    sys.stdout.flush()


def _context(number: int, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(folder / "authority.pem")
    context.load_cert_chain(folder / f"{number}.pem")
    return context


def _connect(name: str) -> bytes:
    """CONNECT of MQTT 5: a clean start, no will."""
    text = name.encode()
    body = b"\x00\x04MQTT\x05\x02" + SILENT_S.to_bytes(2) + b"\x00" + len(text).to_bytes(2) + text
    return bytes((0x10, len(body))) + body


def _heartbeat(name: str) -> bytes:
    """PUBLISH of the gateway's health, QoS 1."""
    topic = wire.up(name, "health").encode()
    payload = wire.encode(Health(name, "e", time.time_ns(), "crowd", 0))
    body = len(topic).to_bytes(2) + topic + b"\x00\x01" + b"\x00" + payload
    return b"\x32" + bytes((len(body) & 0x7F | 0x80, len(body) >> 7)) + body


async def _all(port: int, folder: Path, spread_s: float, per_s: float, first: int, last: int) -> None:
    async with asyncio.TaskGroup() as hubs:
        for place, number in enumerate(range(first, last)):
            hubs.create_task(stay(number, port, folder, spread_s, place / per_s))


if __name__ == "__main__":
    at, folder_, spread, rate, begin, end = sys.argv[1:]
    asyncio.run(_all(int(at), Path(folder_), float(spread), float(rate), int(begin), int(end)))
