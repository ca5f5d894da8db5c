"""Bonds: what a device keeps from strangers, how it is won over, and what happens when it forgets."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bumble.att import ATT_Error, ErrorCode
from bumble.core import ProtocolError
from bumble.device import Connection
from bumble.hci import HCI_Error
from bumble.pairing import PairingConfig, PairingDelegate

from firmware_sim.config import load
from tests.firmware_sim.hands import Central, Seen, central, home

HOME = """
person = "Kari"
scenario = "busy.toml"
devices = [{ kind = "and-ua651", forgets_bond_at_h = %s }, "accu-chek"]
[clock]
speed = 240.0
start_ns = %s
origin_ns = %s
"""
STORY = """
title = "busy"
[habits]
cuff = { at_hours = [7, 19], history_days = 2 }
glucose_meter = { at_hours = [7, 19], history_days = 2 }
"""
NEVER = 1000.0
CUFF_PIPE, GLUCOSE_PIPE, SERIAL_PIPE = "2a35", "2a18", "2a25"


class Typist(PairingDelegate):
    """A person with a keyboard who reads six digits off the device, or types others."""

    def __init__(self, seen: Seen | None, mistake: int = 0) -> None:
        super().__init__(self.KEYBOARD_INPUT_ONLY)
        self._seen = seen
        self._mistake = mistake

    async def get_number(self) -> int:
        assert self._seen is not None
        shown = await self._seen.until("shows passkey")
        return (int(shown["passkey"]) + self._mistake) % 1_000_000


@asynccontextmanager
async def living(folder: Path, forgets_at_h: float = NEVER) -> AsyncIterator[tuple[Seen, Central, dict[str, str]]]:
    """A home with a cuff that wants a bond and a glucose meter that shows digits; a host; the addresses by kind."""
    (folder / "busy.toml").write_text(STORY, encoding="utf-8")
    path = folder / "kari.toml"
    path.write_text(HOME % (forgets_at_h, time.time_ns(), time.time_ns()), encoding="utf-8")
    addresses = {device.kind: device.address for device in load(path).homes[0].furnished}
    async with home(path) as seen, central(f"unix:{folder}/kari/radio") as host:
        yield seen, host, addresses


async def gone(connection: Connection) -> None:
    """The device has ended the connection."""
    ended = asyncio.Event()
    connection.on("disconnection", lambda reason: ended.set())
    if connection.handle in connection.device.connections:
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_stranger_is_told_nothing_that_was_measured(tmp_path: Path) -> None:
    async with living(tmp_path) as (_, host, addresses):
        await host.connect(addresses["and-ua651"])
        with pytest.raises(ATT_Error) as refused:
            await host.listen(CUFF_PIPE)
        assert refused.value.error_code == ErrorCode.INSUFFICIENT_AUTHENTICATION
        assert host.heard.empty()


async def test_once_bonded_it_tells_and_the_bond_lasts_over_connections(tmp_path: Path) -> None:
    async with living(tmp_path) as (seen, host, addresses):
        connection = await host.connect(addresses["and-ua651"])
        await connection.pair()
        await seen.until("bonded")
        await host.listen(CUFF_PIPE)
        assert (await host.hears())[0] == CUFF_PIPE
        with_all_told = gone(connection)
        await with_all_told
        assert [happening["what"] for happening in seen.all].count("bonded") == 1


async def test_the_digits_it_shows_open_it(tmp_path: Path) -> None:
    async with living(tmp_path) as (seen, host, addresses):
        host.device.pairing_config_factory = lambda connection: PairingConfig(delegate=Typist(seen))
        connection = await host.connect(addresses["accu-chek"])
        await connection.pair()
        await seen.until("bonded")
        await host.listen(GLUCOSE_PIPE)
        assert all(set(one["passkey"]) <= set("0123456789") for one in seen.all if one["what"] == "shows passkey")
        await connection.disconnect()
        connection = await host.connect(addresses["accu-chek"])
        await connection.encrypt()
        await host.listen(GLUCOSE_PIPE)


async def test_other_digits_do_not(tmp_path: Path) -> None:
    async with living(tmp_path) as (seen, host, addresses):
        host.device.pairing_config_factory = lambda connection: PairingConfig(delegate=Typist(seen, mistake=1))
        connection = await host.connect(addresses["accu-chek"])
        with pytest.raises((ProtocolError, asyncio.CancelledError)):
            await connection.pair()
        assert not [happening for happening in seen.all if happening["what"] == "bonded"]


async def test_a_bond_made_without_the_digits_is_none(tmp_path: Path) -> None:
    async with living(tmp_path) as (seen, host, addresses):
        nothing_to_type_on = PairingDelegate(PairingDelegate.NO_OUTPUT_NO_INPUT)
        host.device.pairing_config_factory = lambda connection: PairingConfig(delegate=nothing_to_type_on)
        connection = await host.connect(addresses["accu-chek"])
        await asyncio.gather(connection.pair(), return_exceptions=True)
        await seen.until("refused a bond")
        await gone(connection)
        again = await host.connect(addresses["accu-chek"])
        with pytest.raises((HCI_Error, asyncio.CancelledError)):
            await again.encrypt()


async def test_a_device_that_forgot_its_bond_wants_a_new_one(tmp_path: Path) -> None:
    async with living(tmp_path, forgets_at_h=0.1) as (seen, host, addresses):
        connection = await host.connect(addresses["and-ua651"])
        await connection.pair()
        await seen.until("forgot its bond")
        await gone(connection)
        connection = await host.connect(addresses["and-ua651"])
        with pytest.raises(HCI_Error) as refused:
            await connection.encrypt()
        assert refused.value.error_code == 0x06, "PIN or key missing"
        await connection.pair()
        await host.listen(CUFF_PIPE)
        assert (await host.hears())[0] == CUFF_PIPE
