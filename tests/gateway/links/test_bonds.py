"""Bonds over Bumble: kept in a file of the owner's, found again after a restart, made anew when the device lost its
own; and `hjemvakt pair`, with a person who types."""

import asyncio
import contextlib
import json
import os
import stat
import sys
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from bumble.link import LocalLink
from bumble.pairing import PairingConfig, PairingDelegate

from gateway.links import ble, bumble_bonds
from gateway.links.ble import Radio
from gateway.links.bumble_backend import BumbleClient, BumbleScanner
from gateway.links.bumble_bonds import BONDS_FILE, BondFile
from gateway.links.bumble_host import BumbleHost
from gateway.links.target import Target
from gateway.spool.store import Spool
from gateway.tasks import ended
from gateway.visits.session import Session
from hjemvakt.__main__ import main
from tests.gateway.links.air import ADDRESS, Peripheral, Socket
from tests.gateway.visits.scripted import Scripted
from vitals.clock import RunningClock
from vitals.errors import ConfigError

PASSKEY = 271828
BONDED = msgspec.structs.replace(Scripted.card, pair=True)


@contextlib.asynccontextmanager
async def gateway(socket: Socket, bonds: Path, spool: Spool) -> AsyncIterator[tuple[Radio, Target]]:
    """A gateway's radio, for as long as a process runs."""

    class Carded(Scripted):
        card = BONDED

    host = BumbleHost(socket.spec, bonds)
    running = asyncio.create_task(host.run())
    async with asyncio.timeout(5):
        await host.ready.wait()
    target = Target(ADDRESS, BONDED, Session("oxi-1", Carded, spool, RunningClock()).visit, "oxi-1")
    made_with = {"host": host}
    radio = Radio(
        [target], [], RunningClock(), connections=1, cool_down_s=0, scanner={"backend": BumbleScanner, **made_with},
        client={"backend": BumbleClient, **made_with}, bonds=host,
    )  # fmt: skip
    try:
        yield radio, target
    finally:
        await ended([running])


async def test_a_bond_lasts_over_a_restart_and_is_its_owners_alone(
    socket: Socket, link: LocalLink, spool: Spool, tmp_path: Path
) -> None:
    bonds = tmp_path / BONDS_FILE
    peripheral = await Peripheral(link, ADDRESS).start()
    for _ in range(2):
        async with gateway(socket, bonds, spool) as (radio, target):
            assert await radio._visit(target)
        await peripheral.advertise()
    assert peripheral.happened == ["connected", "bonded", "subscribed", "connected", "subscribed"]
    assert peripheral.encrypted == [True, True]
    assert stat.S_IMODE(bonds.stat().st_mode) == 0o600
    (ours,) = json.loads(bonds.read_text()).values()
    assert list(ours) == [ADDRESS]


async def test_a_bond_is_on_disk_with_its_name_when_it_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that believes in a bond that we lost with the power wants a person to make another."""
    synced: list[tuple[bool, bool]] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(handle).st_mode), (tmp_path / BONDS_FILE).exists()))
        fsync(handle)

    monkeypatch.setattr("os.fsync", noted)
    await BondFile("F0:00:00:00:00:01", str(tmp_path / BONDS_FILE)).save({})
    assert synced == [(False, False), (True, True)], "the file before it has its name, the folder after"


async def test_a_device_that_lost_its_bond_gets_a_new_one(
    socket: Socket, link: LocalLink, spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ble, "ATTEMPT_PAUSE_S", 0.001)
    peripheral = await Peripheral(link, ADDRESS).start()
    async with gateway(socket, tmp_path / BONDS_FILE, spool) as (radio, target):
        assert await radio._visit(target)
        peripheral.forget()
        await peripheral.advertise()
        assert not await radio._visit(target)
        assert "has lost its bond" in radio.notes()[0]
        await peripheral.advertise()
        assert await radio._visit(target)
        assert radio.notes() == []
    assert peripheral.happened.count("bonded") == 2


async def test_a_damaged_file_is_said_and_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / BONDS_FILE
    file.write_text("{")
    with pytest.raises(ConfigError, match="move it away and pair again"):
        BumbleHost("unix:nowhere", file)
    assert file.read_text() == "{"


def test_without_a_file_each_host_has_an_address_of_its_own() -> None:
    assert bumble_bonds.own_address(None) != bumble_bonds.own_address(None)


class Display(PairingDelegate):  # type: ignore[misc]
    """A device that shows six digits."""

    def __init__(self) -> None:
        super().__init__(PairingDelegate.DISPLAY_OUTPUT_ONLY)

    async def generate_passkey(self) -> int:
        return PASSKEY


@pytest.fixture
async def meter(link: LocalLink) -> Peripheral:
    """It is bonded with the number it shows."""
    peripheral = Peripheral(link, ADDRESS)
    peripheral._device.pairing_config_factory = lambda _: PairingConfig(delegate=Display())
    return await peripheral.start()


@pytest.fixture
def config(socket: Socket, tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(
        f'name = "home-01"\n[uplink]\n[radio]\nkind = "bumble"\ntransport = "{socket.spec}"\n'
        f'[[devices]]\nid = "meter-1"\ndriver = "accu-chek"\naddress = "{ADDRESS}"\n'
        f'[[devices]]\nid = "pills-1"\ndriver = "hjemvakt-dispenser"\nport = "/dev/null"\n'
    )
    return path


async def called(config: Path, *rest: str) -> int:
    return await asyncio.to_thread(main, ["pair", *rest, "--config", str(config)])


async def test_a_meter_is_paired_with_the_digits_it_shows_then_forgotten(
    meter: Peripheral, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(f" {PASSKEY // 1000} {PASSKEY % 1000}\n"))
    assert await called(config, "meter-1") == 0
    said = capsys.readouterr()
    assert "put meter-1 (Roche Accu-Chek Guide, Guide Me and Instant) into its pairing mode" in said.err
    assert "type the six digits" in said.err
    assert said.out.startswith("meter-1 is paired: the gateway reads it from now on")
    assert meter.happened == ["connected", "bonded"]
    keys = json.loads((config.parent / "data" / BONDS_FILE).read_text())
    assert next(iter(keys.values()))[ADDRESS]["ltk"]["authenticated"]

    assert await called(config, "meter-1") == 0
    assert "is paired already" in capsys.readouterr().out
    assert await called(config, "meter-1", "--forget") == 0
    assert "meter-1 is forgotten" in capsys.readouterr().out
    assert await called(config, "meter-1", "--forget") == 0
    assert "was not paired" in capsys.readouterr().out


@pytest.mark.parametrize("typed", ["123456\n", "\n", "hello\n", ""])
async def test_with_other_digits_it_is_not(
    meter: Peripheral,
    config: Path,
    typed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(typed))
    assert await called(config, "meter-1") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "hjemvakt: meter-1 did not pair (" in said.err
    assert "type the digits it shows" in said.err
    assert not (config.parent / "data" / BONDS_FILE).exists()


async def test_a_device_that_is_not_there_is_waited_for_and_then_said(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await called(config, "meter-1", "--seconds", "0.2") == 1
    assert "did not advertise: put it into its pairing mode" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("device", "says"),
    [("pills-1", "pills-1 is on a serial port: there is nothing to pair"), ("meter-2", "did you mean meter-1?")],
)
async def test_what_makes_no_sense_is_said_in_one_line(
    config: Path, device: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await called(config, device) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


async def test_over_bumble_the_gateway_must_not_run(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    spool = await Spool.open(tmp_path / "data" / "spool.sqlite")
    assert await called(config, "meter-1") == 2
    assert "stop the other gateway" in capsys.readouterr().err
    await spool.close()
