"""What the server wants a gateway to be: taken up while everything else goes on, or refused while nothing changes."""

import asyncio
import os
import pty
import time
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bumble.link import LocalLink
from hypothesis import given
from hypothesis import strategies as st

from gateway.afar import configuration as module
from gateway.afar.configuration import FILE, Afar
from gateway.config.model import Config, DeviceConfig, LocalConfig, RadioConfig, UplinkConfig
from gateway.identity.seals import Seals
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from gateway.tasks import ended
from gateway.visits.devices import Devices
from gateway.visits.orders import Orders
from tests.gateway.config.test_file import find
from tests.gateway.identity.claimed import Claimed
from tests.gateway.identity.test_seals import SealedServer
from tests.gateway.links.air import ADDRESS, STRANGER, Peripheral, Socket, blocks
from tests.gateway.test_app import configuration, process
from tests.gateway.uplink.broker import Broker
from tests.gateway.visits.scripted import T0_NS, pulse
from vitals import wire
from vitals.clock import NS, RunningClock
from vitals.errors import HjemvaktError
from vitals.wire import Desired, DesiredDevice, Settings

TOPIC = wire.down("home-01", "config")
OLD, NEW = DeviceConfig("box-1", "on-serial", port="/dev/one"), DesiredDevice("box-2", "on-serial", port="/dev/two")
OXI = DesiredDevice("oxi-1", "scripted", address="f0:00:00:00:00:01")
SOON_S = 10
DAY_NS = 86_400 * NS


def document(version: int = 1, body: Settings | None = None, **changes: Any) -> bytes:
    body = Settings((NEW,)) if body is None else body
    now_ns = RunningClock().now_ns()
    said = Desired("home-01", version, body.digest(), now_ns, now_ns + 3600 * NS, body)
    return wire.encode(msgspec.structs.replace(said, **changes))


class Hub:
    """A claimed gateway whose devices' part only says what it was given."""

    def __init__(self, folder: Path) -> None:
        self.claimed = Claimed(folder)
        self.base = Config("home-01", UplinkConfig(), str(folder), local=LocalConfig({}), devices=(OLD,))
        self.served: list[Config] = []
        self.ended = 0
        self.fails: Callable[[Config], bool] = lambda config: False
        self.changes = 0
        self.news = asyncio.Condition()
        self.begin()

    def begin(self) -> None:
        """The program starts, with what is on its disk."""
        self.afar = Afar(self.base, Seals(Path(self.base.data)), find)
        self.afar.on_change = self._changed

    def _changed(self) -> None:
        self.changes += 1
        self._task = asyncio.ensure_future(self._tell())

    async def serve(self, config: Config) -> None:
        self.served.append(config)
        await self._tell()
        if self.fails(config):
            raise RuntimeError("such devices there are not")
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1

    async def _tell(self) -> None:
        async with self.news:
            self.news.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON_S), self.news:
            await self.news.wait_for(holds)

    async def comes(self, body: bytes) -> None:
        """A document that the server signed arrives and is looked at."""
        await self.arrives(self.claimed.sign(TOPIC, body))

    async def arrives(self, payload: bytes) -> None:
        before = self.changes
        self.afar.arrived(payload)
        await self.until(lambda: self.changes > before)

    @property
    def devices(self) -> list[list[str]]:
        """The devices that were served, each time."""
        return [[one.id for one in config.devices] for config in self.served]

    @property
    def told(self) -> tuple[int, str]:
        return self.afar.running.version, self.afar.running.hash


@asynccontextmanager
async def up(hub: Hub) -> AsyncIterator[None]:
    count = len(hub.served)
    task = asyncio.create_task(hub.afar.run(hub.serve))
    await hub.until(lambda: len(hub.served) > count)
    try:
        yield
    finally:
        await ended([task])
        if not task.cancelled():
            task.result()


@pytest.fixture
async def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


@pytest.fixture
def short_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIAL_S", 0.05)


async def until_stored(folder: Path, payload: bytes) -> None:
    async with asyncio.timeout(SOON_S):
        while not (folder / FILE).exists() or (folder / FILE).read_bytes() != payload:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_other_devices_are_served_and_the_heartbeat_says_whose_wish_that_was(hub: Hub) -> None:
    async with up(hub):
        assert hub.told == (0, "")
        await hub.comes(document(3))
        await hub.until(lambda: len(hub.served) == 2)
        assert hub.told == (3, Settings((NEW,)).digest())
    assert hub.devices == [["box-1"], ["box-2"]]
    assert hub.ended == 2, "nobody is left"
    assert hub.afar.refused == ""


async def test_no_device_is_disturbed_for_a_heartbeat_or_a_limit(hub: Hub) -> None:
    async with up(hub):
        await hub.comes(document(1, Settings(heartbeat_s=30.0, limits={"spo2_floor": 88.0})))
        assert hub.told[0] == 1
    assert hub.devices == [["box-1"]]
    assert hub.afar.running.config.heartbeat_s == 30
    assert hub.afar.running.limits == {"spo2_floor": 88.0}
    assert hub.afar.running.config.devices == (OLD,)


@pytest.mark.usefixtures("short_trial")
async def test_what_has_stood_its_trial_is_there_after_a_restart_and_its_time_does_not_run_out(
    hub: Hub, tmp_path: Path
) -> None:
    signed = hub.claimed.sign(TOPIC, document(3))
    async with up(hub):
        await hub.arrives(signed)
        await until_stored(tmp_path, signed)
    hub.base = msgspec.structs.replace(hub.base, clock=RunningClock(start_ns=1, origin_ns=1 + 365 * DAY_NS))
    hub.begin()
    async with up(hub):
        assert hub.devices[-1] == ["box-2"]
    assert hub.told[0] == 3
    assert [name for name in os.listdir(tmp_path) if name.startswith("desired")] == [FILE]


async def test_a_process_that_dies_in_the_trial_comes_up_with_what_ran_before(hub: Hub) -> None:
    async with up(hub):
        await hub.comes(document(3))
    hub.begin()
    assert hub.told == (0, "")
    assert hub.afar.running.config == hub.base


async def test_devices_that_fail_on_trial_give_way_to_those_before_and_are_not_tried_again(hub: Hub) -> None:
    hub.fails = lambda config: config.devices[0].id == "box-2"
    async with up(hub):
        await hub.comes(document(3))
        await hub.until(lambda: len(hub.served) == 3)
        assert hub.told == (0, "")
        assert "failed with version 3 (RuntimeError)" in hub.afar.refused
        await hub.comes(document(3))
        assert "failed with it" in hub.afar.refused
        await hub.comes(document(4, Settings((OXI_ON_A_LINE,))))
        await hub.until(lambda: len(hub.served) == 4)
        assert hub.told[0] == 4
    assert hub.devices == [["box-1"], ["box-2"], ["box-1"], ["box-3"]]


OXI_ON_A_LINE = DesiredDevice("box-3", "on-serial", port="/dev/three")


async def test_a_failure_of_what_stands_is_ours_and_ends_the_program(hub: Hub) -> None:
    hub.fails = lambda config: True
    with pytest.raises(RuntimeError, match="such devices"):
        async with asyncio.timeout(SOON_S):
            await hub.afar.run(hub.serve)


def _signed(hub: Hub, body: bytes) -> bytes:
    return hub.claimed.sign(TOPIC, body)


REFUSED: dict[str, tuple[Callable[[Hub], bytes], str]] = {
    "unsigned": (lambda hub: document(9), "not signed"),
    "sealed only": (lambda hub: hub.claimed.key.seal(TOPIC, document(9)), "not signed"),
    "by another": (
        lambda hub: Claimed(Path(hub.base.data) / "another").sign(TOPIC, document(9)), "signature is not the server's"
    ),
    "a command": (
        lambda hub: hub.claimed.sign(wire.down("home-01", "command"), document(9)), "signature is not the server's"
    ),
    "another home's": (lambda hub: _signed(hub, document(9, gateway="home-02")), "a configuration of 'home-02'"),
    "no message": (lambda hub: _signed(hub, b"\xff"), "not UTF-8"),
    "another version of the wire": (lambda hub: _signed(hub, document(9, v=2)), "this end speaks version 1"),
    "older": (lambda hub: _signed(hub, document(4)), "version 4 is not newer than 5"),
    "as old with other content": (
        lambda hub: _signed(hub, document(5, Settings((OXI_ON_A_LINE,)))), "version 5 is not newer than 5"
    ),
    "over": (lambda hub: _signed(hub, document(9, expires_ns=RunningClock().now_ns() - 1)), "its time is over"),
    "a setting that is not for afar": (
        lambda hub: _signed(hub, document(9).replace(b'"body":{', b'"body":{"data":"/tmp",')), "unknown field `data`"
    ),
    "unknown driver": (
        lambda hub: _signed(hub, document(9, Settings((DesiredDevice("a", "none"),)))), "no driver is called 'none'"
    ),
    "two on a port": (
        lambda hub: _signed(hub, document(9, Settings((NEW, DesiredDevice("b", "on-serial", port="/dev/two"))))),
        "2 devices have the port '/dev/two'",
    ),
    "two of a name": (lambda hub: _signed(hub, document(9, Settings((NEW, NEW)))), "2 devices have the id 'box-2'"),
    "no radio": (lambda hub: _signed(hub, document(9, Settings((OXI,)))), "needs a radio"),
    "no such parity": (
        lambda hub: _signed(hub, document(9, Settings((DesiredDevice("b", "on-serial", port="/dev/x", parity="X"),)))),
        "parity",
    ),
    "no such name": (
        lambda hub: _signed(hub, document(9, Settings((DesiredDevice("b/c", "on-serial", port="/dev/x"),)))),
        "device id 'b/c'",
    ),
    "no heartbeat": (lambda hub: _signed(hub, document(9, Settings(heartbeat_s=0.0))), "heartbeat_s"),
    "a heartbeat in a century": (lambda hub: _signed(hub, document(9, Settings(heartbeat_s=4e9))), "heartbeat_s"),
    "a server that would seem to be away": (
        lambda hub: _signed(hub, document(9, Settings(heartbeat_s=91.0))), "away_after_s = 180 is too short"
    ),
    "nothing": (lambda hub: b"", "not signed"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
async def test_what_cannot_be_is_refused_with_the_reason_and_what_ran_runs_on(hub: Hub, why: str) -> None:
    made, said = REFUSED[why]
    async with up(hub):
        await hub.comes(document(5))
        await hub.until(lambda: len(hub.served) == 2)
        before = hub.afar.running
        await hub.arrives(made(hub))
        assert said in hub.afar.refused
        assert hub.afar.running == before
        assert hub.devices == [["box-1"], ["box-2"]]
        assert hub.ended == 1
        await hub.comes(document(5))  # the broker has it still: it runs, so nothing is wrong
        assert hub.afar.refused == ""
        await hub.comes(document(6, Settings((OXI_ON_A_LINE,))))
        assert hub.told[0] == 6


@given(st.data())
def test_no_flipped_bit_of_a_signed_configuration_is_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    hub_folder = tmp_path_factory.mktemp("hub")
    claimed, seals = Claimed(hub_folder), Seals(hub_folder)
    signed = bytearray(claimed.sign(TOPIC, document()))
    bit = data.draw(st.integers(0, 8 * len(signed) - 1))
    signed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(HjemvaktError, match=r"not signed|not the server's"):
        seals.proved(TOPIC, bytes(signed))


async def test_a_gateway_that_was_never_claimed_takes_none(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    (hub.claimed.folder / "server.pub").unlink()
    hub.begin()
    async with up(hub):
        await hub.arrives(document(9))
        assert "claim the gateway" in hub.afar.refused
    assert hub.devices == [["box-1"]]


@pytest.mark.usefixtures("short_trial")
@pytest.mark.parametrize("spoilt", ["another server's", "cut short", "a folder"])
async def test_what_was_stored_and_cannot_be_used_any_more_leaves_the_files_own_devices(
    hub: Hub, tmp_path: Path, spoilt: str
) -> None:
    signed = hub.claimed.sign(TOPIC, document(3))
    if spoilt == "another server's":
        signed = Claimed(tmp_path / "another").sign(TOPIC, document(3))
    if spoilt == "a folder":
        (tmp_path / FILE).mkdir()
    else:
        (tmp_path / FILE).write_bytes(signed[:-1] if spoilt == "cut short" else signed)
    hub.begin()
    assert hub.afar.refused
    async with up(hub):
        assert hub.devices == [["box-1"]]
        await hub.comes(document(3))
        assert hub.told[0] == 3


@pytest.mark.usefixtures("short_trial")
async def test_a_full_disk_does_not_keep_a_configuration_from_running_and_it_is_stored_later(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = asyncio.Event()

    def full(descriptor: int) -> None:
        refused.set()
        raise OSError(28, "No space left on device")

    signed = hub.claimed.sign(TOPIC, document(3))
    async with up(hub):
        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync", full)
            await hub.arrives(signed)
            async with asyncio.timeout(SOON_S):
                await refused.wait()
            assert not (tmp_path / FILE).exists()
        await until_stored(tmp_path, signed)
        assert hub.told[0] == 3


async def test_while_bluetooth_devices_change_no_row_that_waits_is_touched_and_both_are_read(
    link: LocalLink, socket: Socket, spool: Spool, tmp_path: Path
) -> None:
    """One radio after the other in one process; what waits for the server waits on."""
    base = Config("home-01", UplinkConfig(), str(tmp_path), radio=RadioConfig("bumble", socket.spec),
                  devices=(DeviceConfig("oxi-1", "scripted", ADDRESS),))  # fmt: skip
    claimed = Claimed(tmp_path)
    one, two = [await Peripheral(link, address).start() for address in (ADDRESS, STRANGER)]
    one.packets, two.packets = [b"b71"], [b"b72"]
    await spool.put([Heard("oxi-0", T0_NS, pulse(float(value))) for value in range(60, 70)])
    devices = Devices(spool, await Orders.open("home-01", spool, base.clock, {}), base.clock, find)
    hub = Afar(base, Seals(tmp_path), find)
    task = asyncio.create_task(hub.run(devices.serve))
    try:
        assert await pulses(spool, 11) == [*range(60, 70), 71]
        body = Settings((DesiredDevice("oxi-2", "scripted", address=STRANGER.lower()),))
        hub.arrived(claimed.sign(TOPIC, document(1, body)))
        assert await pulses(spool, 12) == [*range(60, 70), 71, 72]
        assert [session.device for session in devices.sessions] == ["oxi-2"]
        assert spool.status.queued == spool.status.last_seq, "no row that was ever stored is gone"
    finally:
        await ended([task])


async def test_what_a_device_told_and_nobody_had_visited_it_for_is_read_by_whoever_comes_next(
    spool: Spool, tmp_path: Path
) -> None:
    """Between two visits, or while the clock is not set yet: it was confirmed, and the device has forgotten it."""
    base = Config("home-01", UplinkConfig(), str(tmp_path), radio=RadioConfig("bumble", f"unix:{tmp_path}/none"),
                  devices=(DeviceConfig("oxi-1", "scripted", ADDRESS),))  # fmt: skip
    clock = RunningClock(start_ns=time.time_ns())
    devices = Devices(spool, await Orders.open("home-01", spool, clock, {}), clock, find)
    serving = asyncio.create_task(devices.serve(base))
    async with asyncio.timeout(SOON_S):
        while devices._radio is None:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
    devices._radio.targets[ADDRESS].told("2a5f", b"p72", T0_NS)
    await ended([serving])
    await devices.sessions[0].catch_up()
    assert await pulses(spool, 1) == [72]


@pytest.mark.processes
async def test_devices_change_while_rows_wait_for_the_server_and_every_row_comes(
    lasting_broker: Broker, tmp_path: Path
) -> None:
    """Two dispensers on lines of their own that talk nonsense: each packet is a row."""
    claimed = Claimed(tmp_path / "data")
    server = SealedServer(lasting_broker, acknowledges=False)
    server.key = server.answers_with = claimed.key
    await server.start()
    lines = [pty.openpty() for _ in range(2)]
    for far, _ in lines:
        tty.setraw(far)
    ports = [os.ttyname(near) for _, near in lines]
    devices = f'[[devices]]\nid = "disp-1"\ndriver = "hjemvakt-dispenser"\nport = "{ports[0]}"\n'
    async with process(configuration(tmp_path, lasting_broker, devices)):
        await greeted(lines[0][0])
        os.write(lines[0][0], b"\x05nonsense\x00" * 3)
        await server.until(lambda server: len(server.rows) == 3)
        body = Settings((DesiredDevice("disp-2", "hjemvakt-dispenser", port=ports[1]),), heartbeat_s=0.3)
        server.answers_with = None
        server.say("home-01", claimed.sign(TOPIC, document(7, body)), "config")
        await server.until(lambda server: server.healths[-1].config_version == 7)
        assert server.healths[-1].config_hash == body.digest()
        assert server.healths[-1].queued == 3, "rows before = rows after"
        await greeted(lines[1][0])
        os.write(lines[1][0], b"\x05rubbish\x00")
        await server.until(lambda server: len(server.rows) == 4)
        assert [row.device for _, row in sorted(server.rows.items())] == ["disp-1"] * 3 + ["disp-2"]
        await server.until(lambda server: [one.device for one in server.healths[-1].devices] == ["disp-2"])
        await server.until(lambda server: server.healths[-1].queued == 4)
        server.say("home-01", claimed.sign(TOPIC, document(6)), "config")
        await server.until(lambda server: "not newer than 7" in server.healths[-1].config_refused)
        server.answers_with, server.acknowledges = claimed.key, True
        await server.until(lambda server: server.healths[-1].queued == 0)
        assert len(server.rows) == 4
    await server.stop()
    for line in lines:
        for end in line:
            os.close(end)


async def pulses(spool: Spool, count: int) -> list[float]:
    """All pulses in the spool, when there are that many. The battery is told with each visit."""
    rows = 0
    while True:
        found = await blocks(spool, rows)
        told = [block.value[0] for block in found if block.channel == "pulse_rate"]
        if len(told) >= count:
            return told
        rows = len(found) + 1


async def greeted(far: int) -> None:
    """The gateway has opened the line and says hello."""
    heard = asyncio.Event()
    asyncio.get_running_loop().add_reader(far, heard.set)
    async with asyncio.timeout(15):
        await heard.wait()
    asyncio.get_running_loop().remove_reader(far)
    os.read(far, 100)
