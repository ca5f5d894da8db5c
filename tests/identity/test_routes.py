"""Codes and revocation on the page's side: administrators may, others may not, and all of it is in the audit log."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from server.access.organisations import FILE
from server.app import Server
from server.audit.store import audit
from server.config import Broker, BrokerTls, Config
from server.identity import store
from server.identity.desk import ALL_TRIES
from server.site import build
from tests.identity.visitor import Papers
from tests.server.conftest import LADDERS, TOWN
from vitals.clock import ManualClock
from vitals.identity import MOST_BYTES, Claim, Identity, decode, encode, read_code
from vitals.wire import Health, up
from vitals.wire import encode as message

HOME = "http://hjemvakt.test"
PASSWORD = "a long enough secret"  # noqa: S105
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
ANNE = f"""
[[staff]]
id = "anne"
name = "Anne"
role = "administrator"
password_hash = "{HASH}"
"""


@pytest.fixture
def server(tmp_path: Path, tls: BrokerTls | None) -> Iterator[Server]:
    municipality = TOWN.replace("$argon2id$none", HASH) + ANNE
    (tmp_path / "municipality.toml").write_text(municipality, encoding="utf-8")
    config = Config("Prøveby", tmp_path / "data", tmp_path / "municipality.toml", LADDERS, broker=Broker(tls=tls))
    server = Server(config, ManualClock(10**18))
    yield server
    server.close()


@pytest.fixture
def tls() -> BrokerTls | None:
    return BrokerTls(("hjemvakt.test",), port=8899)


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build(server))
    async with httpx.AsyncClient(transport=transport, base_url=HOME, headers={"Origin": HOME}) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post("/api/session", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text


async def test_an_administrator_makes_a_code_and_a_hub_redeems_it(client: httpx.AsyncClient, server: Server) -> None:
    await sign_in(client, "anne")
    made = await client.post("/api/fleet/gw-1/code")
    code = read_code(made.json()["code"])
    authority = await client.get("/api/authority")
    assert server.desk is not None
    assert (authority.content, code.mark) == (server.desk.authority.pem, server.desk.authority.mark)
    claim = encode(Claim(code.secret, "gw-1", Papers().request))
    given = decode((await client.post("/api/claim", content=claim)).content, Identity)
    assert (given.name, given.host, given.port) == ("gw-1", "hjemvakt.test", 8899)
    assert said_in_audit(server) == [
        "anne make claim code gw-1",
        "anne makeClaimCode ",
        f"gateway gw-1 claim {serial(server)}, 0 ended",
    ]
    assert code.secret not in (server.config.data / "hjemvakt.sqlite").read_bytes().decode(errors="replace")


def serial(server: Server) -> str:
    with server.db.read() as tx:
        return store.certificates_of(tx, "gw-1")[0].serial


def said_in_audit(server: Server) -> list[str]:
    """What was done since the start, but for signing in."""
    with server.db.read() as tx:
        rows = tx.execute(sa.select(audit.c.who, audit.c.what, audit.c.detail).order_by(audit.c.id)).all()
    return [f"{row.who} {row.what} {row.detail}" for row in rows if row.what != "sign in" and row.who != FILE]


async def test_what_a_revoked_gateway_says_is_set_aside_at_once(client: httpx.AsyncClient, server: Server) -> None:
    await sign_in(client, "anne")
    answer = await client.post("/api/fleet/gw-1/revoke", json={"reason": "stolen"})
    assert (answer.status_code, answer.json()) == (200, {"certificates": 0})
    assert server.receive(up("gw-1", "health"), message(Health("gw-1", "e", 10**18, "0.1", 0))) == []
    aside = (await client.get("/api/quarantine")).json()
    assert [(one["reason"], one["gateway"]) for one in aside] == [("revoked", "gw-1")]
    assert "gw-1: stolen" in said_in_audit(server)[0]


@pytest.mark.parametrize("what", ["code", "revoke"])
async def test_only_an_administrator_may(client: httpx.AsyncClient, what: str) -> None:
    said = {"json": {"reason": "stolen"}} if what == "revoke" else {}
    assert (await client.post(f"/api/fleet/gw-1/{what}", **said)).status_code == 401  # type: ignore[arg-type]
    await sign_in(client, "kari")
    assert (await client.post(f"/api/fleet/gw-1/{what}", **said)).status_code == 403  # type: ignore[arg-type]


async def test_a_gateway_that_there_is_not_is_said_so(client: httpx.AsyncClient) -> None:
    await sign_in(client, "anne")
    for path, said in (("code", None), ("revoke", {"reason": "stolen"})):
        answer = await client.post(f"/api/fleet/gw-9/{path}", json=said)
        assert (answer.status_code, "there is no gateway 'gw-9'" in answer.json()["detail"]) == (404, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"{}", 422), (b"\xff", 422), (b"[" * MOST_BYTES, 422), (b" " * (MOST_BYTES + 1), 422),
     (encode(Claim("0" * 11, "gw-1", "x")), 422), (encode(Claim("0" * 11, "gw-1", Papers().request)), 403)],
)  # fmt: skip
async def test_a_claim_that_is_no_good_is_answered_in_words(
    client: httpx.AsyncClient, body: bytes, status: int
) -> None:
    answer = await client.post("/api/claim", content=body)
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)


async def test_whoever_guesses_is_told_when_to_come_back(client: httpx.AsyncClient) -> None:
    guess = encode(Claim("0" * 11, "gw-1", Papers().request))
    answers = [await client.post("/api/claim", content=guess) for _ in range(6)]
    assert [one.status_code for one in answers] == [403] * 5 + [429]
    assert 290 <= int(answers[-1].headers["retry-after"]) <= 301


async def test_one_machine_with_a_network_of_addresses_does_not_close_the_desk_to_everybody(server: Server) -> None:
    site = build(server)

    async def guessed(host: str) -> int:
        transport = httpx.ASGITransport(site, client=(host, 1))
        async with httpx.AsyncClient(transport=transport, base_url=HOME, headers={"Origin": HOME}) as there:
            return (await there.post("/api/claim", content=encode(Claim("0" * 11, "gw-1", request)))).status_code

    request = Papers().request
    tried = [await guessed(f"2001:db8:1:2::{number:x}") for number in range(ALL_TRIES + 5)]
    assert tried == [403] * 5 + [429] * ALL_TRIES
    assert await guessed("10.0.0.1") == 403, "a technician elsewhere is heard"


@pytest.mark.parametrize("tls", [None])
async def test_a_server_with_passwords_makes_no_codes(client: httpx.AsyncClient, server: Server) -> None:
    await sign_in(client, "anne")
    for answer in (
        await client.post("/api/fleet/gw-1/code"),
        await client.get("/api/authority"),
        await client.post("/api/claim", content=b"{}"),
    ):
        assert (answer.status_code, "[broker.tls]" in answer.json()["detail"]) == (409, True)
    assert not (server.config.data / "authority" / "authority.key").exists()
