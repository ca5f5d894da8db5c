"""From where somebody tries to come in: whoever has many addresses has no more tries."""

import httpx
import pytest
from fastapi import Request

from server.access.door import address_of

from .conftest import HOME, PASSWORD, Region


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"), ("::ffff:10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.2", "10.0.0.2"),
        ("fe80::1%eth0", "fe80::"), ("a name", "a name"), (None, ""),
    ],
)  # fmt: skip
def test_of_ipv6_the_network_is_counted(host: str | None, counted: str) -> None:
    assert address_of(Request({"type": "http", "client": None if host is None else (host, 1)})) == counted


async def test_a_machine_with_a_network_of_addresses_guesses_no_longer_than_one_with_one(town_region: Region) -> None:
    async def tried(host: str, password: str) -> int:
        from_there = httpx.ASGITransport(town_region.app, client=(host, 1))
        async with httpx.AsyncClient(transport=from_there, base_url=HOME, headers={"Origin": HOME}) as client:
            return (await client.post("/api/session", json={"username": "kari", "password": password})).status_code

    assert [await tried(f"2001:db8:1:2::{number}", "wrong") for number in range(7)] == [401] * 5 + [429] * 2
    assert await tried("2001:db8:1:2:9::9", PASSWORD) == 429
    assert await tried("2001:db8:1:3::9", PASSWORD) == 200, "another household is not kept out"
