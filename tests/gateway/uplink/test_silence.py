"""Silence is knocked at, a refusal is backed off from (decision 0017)."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.clock.hub import HubClock
from gateway.config.model import UplinkConfig
from gateway.spool.store import Spool
from gateway.uplink import broker as broker_module
from gateway.uplink.broker import Silence, is_silence, knock
from gateway.uplink.sending import Uplink
from tests.gateway.visits.scripted import T0_NS
from tests.ports import free_port
from vitals.clock import RunningClock
from vitals.errors import LinkError
from vitals.wire import Health

SILENCE = Silence("nobody answers", "it is tried again")
REFUSAL = LinkError("the broker says no", "it is tried again")


@pytest.mark.parametrize(
    ("error", "silence"),
    [
        (TimeoutError("timed out"), True),
        (OSError(errno.EHOSTUNREACH, "no route"), True),
        (OSError(errno.ENETUNREACH, "no network"), True),
        (socket.gaierror(socket.EAI_AGAIN, "no name"), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), False),
        (ConnectionResetError(errno.ECONNRESET, "reset"), False),
        (ValueError("a host without a name"), False),
    ],
)
def test_what_is_silence_and_what_is_a_no(error: Exception, silence: bool) -> None:
    assert is_silence(error) is silence


class Attempts:
    """What becomes of each attempt to connect, and what the uplink did before it: `knocked` or `waited`."""

    def __init__(self, uplink: Uplink, monkeypatch: pytest.MonkeyPatch, outcomes: list[Exception]) -> None:
        self.before: list[list[str]] = [[]]
        self._outcomes = iter(outcomes)
        self.over = asyncio.Event()
        monkeypatch.setattr(uplink, "_connection", self._connect)
        monkeypatch.setattr("gateway.uplink.sending.knock", self._knocked)
        monkeypatch.setattr("gateway.uplink.sending.Backoff.next_s", self._waits)
        monkeypatch.setattr("gateway.uplink.sending.Backoff.reset", lambda _: self.before[-1].append("patient again"))
        self.silent = False

    async def _connect(self) -> None:
        outcome = next(self._outcomes, None)
        if outcome is None:
            self.over.set()
            await asyncio.Event().wait()
            return
        self.before.append([])
        raise outcome

    async def _knocked(self, _host: str, _port: int) -> bool:
        self.before[-1].append("knocked")
        return self.silent

    def _waits(self) -> float:
        self.before[-1].append("waited")
        return 0.0


@pytest.fixture
def uplink(spool: Spool) -> Uplink:
    return made(spool, 1)


def made(spool: Spool, port: int) -> Uplink:
    config = UplinkConfig(port=port, password_file=None)
    clock = HubClock(RunningClock())
    return Uplink("home-01", config, spool, clock, 3600, lambda: Health("home-01", spool.epoch, T0_NS, "t", 0))


@pytest.mark.parametrize(
    ("outcomes", "before"),
    [
        ([REFUSAL, REFUSAL], [[], ["waited"], ["waited"]]),
        ([SILENCE], [[], ["knocked"]]),
        ([SILENCE, REFUSAL], [[], ["knocked"], ["waited"]]),
        ([SILENCE, SILENCE], [[], ["knocked"], ["waited"]]),  # it answered, and does not finish what it began
        ([SILENCE, SILENCE, SILENCE], [[], ["knocked"], ["waited"], ["knocked"]]),
        ([REFUSAL, SILENCE], [[], ["waited"], ["knocked"]]),
    ],
)
async def test_what_is_done_before_the_next_attempt(
    uplink: Uplink, monkeypatch: pytest.MonkeyPatch, outcomes: list[Exception], before: list[list[str]]
) -> None:
    attempts = Attempts(uplink, monkeypatch, outcomes)
    running = asyncio.create_task(uplink.run())
    async with asyncio.timeout(5):
        await attempts.over.wait()
    running.cancel()
    await asyncio.wait([running])
    assert attempts.before == before


async def test_a_silence_explains_what_failed_before_it(uplink: Uplink, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = Attempts(uplink, monkeypatch, [REFUSAL, SILENCE])
    attempts.silent = True
    running = asyncio.create_task(uplink.run())
    async with asyncio.timeout(5):
        await attempts.over.wait()
    running.cancel()
    await asyncio.wait([running])
    assert attempts.before == [[], ["waited"], ["knocked", "patient again"]]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "KNOCK_S", 0.1)
    monkeypatch.setattr(broker_module, "KNOCK_PAUSE_S", 0.01)


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port whose machine does not answer: what waits at the door is full, and Linux drops what else comes."""
    with contextlib.ExitStack() as open_until_the_end:
        door = open_until_the_end.enter_context(socket.socket())
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        for _ in range(4):
            one = open_until_the_end.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(door.getsockname())
        yield door.getsockname()[1]


@pytest.mark.usefixtures("quick")
async def test_it_knocks_for_as_long_as_nobody_answers(
    spool: Spool, deaf: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    knocks = 0
    enough = asyncio.Event()
    real = asyncio.open_connection

    async def counted(*where: object) -> object:
        nonlocal knocks
        knocks += 1
        if knocks == 3:
            enough.set()
        return await real(*where)  # type: ignore[arg-type]

    monkeypatch.setattr("gateway.uplink.broker.asyncio.open_connection", counted)
    knocking = asyncio.create_task(knock("127.0.0.1", deaf))
    async with asyncio.timeout(5):
        await enough.wait()
    assert not knocking.done()
    knocking.cancel()
    await asyncio.wait([knocking])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_dies_of_what_a_broker_said_is_noticed(spool: Spool) -> None:
    came = [asyncio.Event(), asyncio.Event()]
    coming = iter(came)
    talks: list[asyncio.Task[object] | None] = []

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        next(coming, came[-1]).set()
        with contextlib.suppress(ConnectionError):
            await reader.read(1_000)
            writer.write(b"\x20\x03\0\0\0")  # CONNACK
            subscribe = await reader.read(1_000)
            writer.write(b"\x90\x06" + subscribe[2:4] + b"\0\1\1\1")  # SUBACK
            writer.write(b"\x30\x06\0\2\xff\xfe\0!")  # PUBLISH, under a topic that is no text
            while await reader.read(1_000):
                pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(nonsense, "127.0.0.1", 0) as broker:
        uplink = made(spool, broker.sockets[0].getsockname()[1])
        uplink.beat_every(0.1)
        running = asyncio.create_task(uplink.run())
        async with asyncio.timeout(10):
            for one in came:
                await one.wait()
        running.cancel()
        await asyncio.wait([running])
        await asyncio.wait([talk for talk in talks if talk], timeout=10)


@pytest.mark.usefixtures("quick")
async def test_a_no_is_an_answer_and_so_is_an_open_door(spool: Spool, tmp_path: Path) -> None:
    async with asyncio.timeout(5):
        assert not await knock("127.0.0.1", free_port())
        door = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        async with door:
            assert not await knock("127.0.0.1", door.sockets[0].getsockname()[1])
