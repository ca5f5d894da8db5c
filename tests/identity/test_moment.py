"""A hub in 1970 comes in by certificates, through a real broker and TLS 1.3, and believes none that has ended."""

import asyncio
import ssl
import subprocess
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.clock.hub import HubClock
from gateway.identity.held import held
from server.identity.authority import LASTS
from tests.identity.place import Place, home
from tests.waiting import until
from vitals.clock import RunningClock

UNSET = datetime(1970, 1, 1, 0, 0, 40, tzinfo=UTC)
DAY = timedelta(days=1)
MANY_S = 20


def unset() -> HubClock:
    """Of a hub without a battery, and without anybody who tells it the time."""
    return HubClock(RunningClock(start_ns=time.time_ns()))


def shown(place: Place) -> bytes:
    """The certificate that the broker shows now."""
    return ssl.get_server_certificate(("127.0.0.1", place.tls.port)).encode()


async def test_openssl_of_1970_shakes_hands_with_the_broker(place: Place) -> None:
    """By the program, which alone may be told what time it is."""
    config = await place.claimed("home-1")
    folder = Path(config.data) / "identity"
    at = f"{config.uplink.host}:{config.uplink.port}"
    papers = ("-CAfile", "authority.pem", "-cert", "certificate.pem", "-key", "key.pem")
    how = ("-tls1_3", "-attime", "40", "-verify_return_error", "-verify_ip", "127.0.0.1", "-brief")
    asked = partial(
        subprocess.run, ("openssl", "s_client", "-connect", at, *papers, *how), cwd=folder,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=MANY_S, check=False,
    )  # fmt: skip
    spoken = await asyncio.to_thread(asked)
    assert spoken.returncode == 0, spoken.stderr
    assert "Protocol version: TLSv1.3" in spoken.stderr
    assert "Verification: OK" in spoken.stderr


async def test_a_hub_that_nobody_told_the_time_is_told_by_the_server_and_renews_by_it(place: Place) -> None:
    days_ago_70 = time.time_ns() - 70 * 86_400 * 10**9
    place.at(lambda: days_ago_70)
    config = await place.claimed("home-1")
    place.at(time.time_ns)
    first, clock = held(Path(config.data)), unset()
    assert first is not None
    async with home(config, lambda: clock.told() or UNSET, clock) as hub:
        hub.uplink.beat_every(0.5)
        await hub.until(lambda: clock.borrowed)
        assert abs(clock.now_ns() - time.time_ns()) < 10**9
        await hub.until(lambda: len(place.serials("home-1")) == 2)
        await hub.until(lambda: hub.uplink.connections >= 2 and hub.uplink.connected.is_set())


async def test_a_certificate_that_has_ended_by_what_the_hub_knows_is_none(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """To OpenSSL it is good, by the machine's clock; this hub was told that it is later."""
    config, keeper = await place.claimed("home-1"), place.keeper
    names, now = list(place.tls.names), datetime.now(UTC)
    keeper._certificate, keeper._key = keeper._authority.issue_broker(names, now + DAY - LASTS)
    place.broker.renew(keeper._papers())
    await asyncio.to_thread(until, lambda: shown(place) == keeper._certificate)
    async with home(config, told=lambda: now + 2 * DAY) as hub:
        await hub.until(lambda: "the server's certificate has ended on" in caplog.text)
        assert hub.uplink.connections == 0
    async with home(config, told=lambda: now) as hub:
        await hub.uplink.connected.wait()
