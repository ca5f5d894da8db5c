"""A hub becomes somebody: the code on the paper, the first reading, and what a claim must not do."""

import asyncio
import base64
import contextlib
import stat
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec.structs import replace

from gateway.config.model import Config as HubConfig
from gateway.config.model import Tls
from gateway.identity import claim as claiming
from gateway.identity.claim import claim
from gateway.identity.draft import draft
from gateway.identity.held import held
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from server.config import BrokerTls
from server.fleet.seals import batch_key
from server.identity.authority import Authority
from server.identity.desk import ALL_TRIES, Desk, Turned
from tests.identity.place import Place, claim_it, home
from tests.identity.visitor import Papers
from tests.server.conftest import Town
from vitals.block import Block
from vitals.clock import NS
from vitals.errors import ConfigError, LinkError, StoreError
from vitals.identity import Claim, Code, Identity, draw_secret, read_code

HOUR_NS = 3600 * NS


async def test_from_the_code_on_the_paper_to_the_first_reading(place: Place) -> None:
    config = await place.claimed("home-1")
    async with home(config) as hub:
        await hub.measure(94.0, 93.0)
        await hub.until(lambda: hub.spool.status.queued == 0)
    assert place.stored() == [94.0, 93.0]
    identity = Path(config.data) / "identity"
    assert {one.name for one in identity.iterdir()} == {
        "key.pem", "certificate.pem", "authority.pem", "batch.key", "server.pub", "spread",
    }  # fmt: skip
    assert stat.S_IMODE((identity / "key.pem").stat().st_mode) == 0o600
    with place.server.db.read() as tx:
        assert batch_key(tx, "home-1") == bytes.fromhex((identity / "batch.key").read_text())


async def test_a_code_is_good_once_and_no_longer_than_it_says(place: Place) -> None:
    """A used, an old and an invented code are told the same."""
    code = place.code("home-1")
    await claim_it(place.hub("home-1"), code)
    told = {await refused(place, "home-1", code)}
    old, long_after = place.code("home-1"), time.time_ns() + 25 * HOUR_NS
    place.at(lambda: long_after)
    told.add(await refused(place, "home-1", old))
    told.add(await refused(place, "home-1", str(Code(draw_secret(), place.desk.authority.mark))))
    assert len(told) == 1
    assert "not good" in told.pop()


async def refused(place: Place, name: str, code: str) -> str:
    """What a thief with that code is told, at another hub."""
    with pytest.raises(LinkError) as refusal:
        await claim_it(place.hub(name, "the thief's"), code)
    return str(refusal.value)


async def test_a_new_code_takes_the_place_of_the_one_before(place: Place) -> None:
    first, second = place.code("home-1"), place.code("home-1")
    assert "not good" in await refused(place, "home-1", first)
    await claim_it(place.hub("home-1"), second)


async def test_the_wrong_paper_costs_nothing(place: Place) -> None:
    code = place.code("home-2")
    with pytest.raises(LinkError, match="the code is for the hub 'home-2', this one is called 'home-1'"):
        await claim_it(place.hub("home-1"), code)
    await claim_it(place.hub("home-2"), code)


async def test_another_server_is_told_nothing(place: Place, tmp_path: Path) -> None:
    """Somebody answers at the server's address, and has an authority of their own."""
    others = Authority.open(tmp_path / "others")
    code = str(Code(read_code(place.code("home-1")).secret, others.mark))
    with pytest.raises(LinkError, match="is another server than the code is from"):
        await claim_it(place.hub("home-1"), code)
    assert held(Path(place.hub("home-1").data)) is None


async def test_a_server_that_does_not_prove_its_name_is_not_told_the_code(place: Place) -> None:
    """The authority is the right one, but the certificate is not for the address that the hub went to."""
    config, real = place.hub("home-1"), place.tls.claim_port

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", real)
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))

    async with await asyncio.start_server(forward, "127.0.0.2", 0) as elsewhere:
        tls = Tls(claim_port=elsewhere.sockets[0].getsockname()[1])
        there = replace(config, uplink=replace(config.uplink, host="127.0.0.2", tls=tls))
        with pytest.raises(LinkError, match="does not prove that it is 127"):
            await claim_it(there, place.code("home-1"))


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


async def test_an_answer_that_was_lost_is_given_again_to_the_same_key_and_to_no_other(place: Place) -> None:
    said = Claim(read_code(place.code("home-1")).secret, "home-1", Papers().request)
    first = await asyncio.to_thread(place.desk.claim, said, "10.0.0.1")
    assert await asyncio.to_thread(place.desk.claim, said, "10.0.0.1") == first
    with pytest.raises(Turned, match="not good"):
        await asyncio.to_thread(place.desk.claim, Claim(said.secret, "home-1", Papers().request), "10.0.0.1")
    assert len(place.serials("home-1")) == 1


class PowerCut(Exception):
    """Nothing is done after this."""


async def test_a_power_cut_after_the_code_was_redeemed_costs_no_new_code(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, code = place.hub("home-1"), place.code("home-1")

    def cut(spool: Path) -> None:
        raise PowerCut

    with monkeypatch.context() as power:
        power.setattr(claiming, "wipe", cut)
        with pytest.raises(PowerCut):
            await claim_it(config, code)
    assert held(Path(config.data)) is None
    await claim_it(config, code)
    assert len(place.serials("home-1")) == 1


async def test_a_hub_cannot_become_another_by_its_request(place: Place) -> None:
    said = Claim(read_code(place.code("home-1")).secret, "home-1", Papers("home-2").request)
    given = await asyncio.to_thread(place.desk.claim, said, "10.0.0.1")
    subject = x509.load_pem_x509_certificate(given.certificate.encode()).subject.rfc4514_string()
    assert (given.name, subject) == ("home-1", "CN=home-1")


# Readings that wait


async def measured(config: HubConfig, *values: float) -> None:
    spool = await Spool.open(Path(config.data) / "spool.sqlite")
    now_ns = time.time_ns()
    rows = [Heard("oximeter", now_ns + n, Block("spo2", (now_ns + n,), (value,))) for n, value in enumerate(values)]
    await spool.put(rows, {"oximeter": "a place"})
    await spool.close()


async def spooled(config: HubConfig) -> tuple[str, int, str]:
    """The spool's epoch, how many rows wait, and the bookmark."""
    spool = await Spool.open(Path(config.data) / "spool.sqlite")
    bookmark = await spool.bookmark("oximeter")
    await spool.close()
    return spool.epoch, spool.status.queued, bookmark


async def test_under_another_name_nothing_from_before_is_sent_and_nothing_is_lost_unsaid(place: Place) -> None:
    config = await place.claimed("home-1", "hub")
    await measured(config, 90.0, 91.0)
    before = await spooled(config)
    config, code = place.hub("home-2", "hub"), place.code("home-2")
    for discard, words in (
        (None, "holds 2 readings, measured as home-1 before"),
        (1, "holds 2 readings, not 1"),
    ):
        with pytest.raises(ConfigError, match=words):
            await claim_it(config, code, discard)
    assert await spooled(config) == before, "nothing was touched"
    await claim_it(config, code, 2)
    epoch, waiting, bookmark = await spooled(config)
    assert (waiting, bookmark) == (0, "")
    assert epoch != before[0]
    assert b"oximeter" not in (Path(config.data) / "spool.sqlite").read_bytes(), "not even on the disk"
    async with home(config) as hub:
        await hub.measure(99.0)
        await hub.until(lambda: hub.spool.status.queued == 0)
    assert place.stored() == [99.0]


async def test_a_hub_of_the_same_name_from_another_municipality_is_another_hub(place: Place, tmp_path: Path) -> None:
    config, others = place.hub("home-1"), Authority.open(tmp_path / "others")
    made = draft(Path(config.data))
    given = others.issue_hub("home-1", made.request(), datetime.now(UTC)).pem.decode()
    batch_key = base64.b64encode(bytes(32)).decode()
    made.claimed(Identity("home-1", given, others.pem.decode(), "x", 8883, batch_key, others.orders_key.decode()))
    await measured(config, 90.0)
    with pytest.raises(ConfigError, match="holds 1 reading, measured as home-1 before"):
        await claim_it(config, place.code("home-1"))
    await claim_it(config, place.code("home-1"), 1)
    assert (await spooled(config))[1] == 0


async def test_a_hub_that_was_nobody_does_not_send_what_it_has(place: Place) -> None:
    config = place.hub("home-1")
    await measured(config, 90.0)
    with pytest.raises(ConfigError, match="holds 1 reading, and nobody knows as which gateway"):
        await claim_it(config, place.code("home-1"))


async def test_a_hub_that_was_off_for_too_long_is_claimed_again_and_loses_nothing(place: Place) -> None:
    long_ago = time.time_ns() - 100 * 24 * HOUR_NS
    place.at(lambda: long_ago)
    config = await place.claimed("home-1")
    await measured(config, 88.0, 89.0)
    async with home(config) as hub:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await hub.uplink.connected.wait()
    place.at(time.time_ns)
    told = await claim_it(config, place.code("home-1"))
    assert "2 readings from before will be sent" in told
    async with home(config) as hub:
        await hub.until(lambda: hub.spool.status.queued == 0)
    assert place.stored() == [88.0, 89.0]


async def test_a_hub_that_was_revoked_may_stand_in_another_home_now(place: Place) -> None:
    config = await place.claimed("home-1")
    await measured(config, 88.0)
    place.revoke("home-1")
    code = place.code("home-1")
    with pytest.raises(LinkError, match=r"home-1 was revoked, and this hub holds 1 reading from before.* --discard 1"):
        await claim_it(config, code)
    await claim_it(config, code, 1)
    assert (await spooled(config))[1] == 0
    async with home(config) as hub:
        await hub.measure(97.0)
        await hub.until(lambda: hub.spool.status.queued == 0)
    assert place.stored() == [97.0]


async def test_a_running_gateway_is_not_claimed_under_its_feet(place: Place) -> None:
    config = await place.claimed("home-1")
    async with home(config):
        with pytest.raises(StoreError, match="stop the other gateway"):
            await claim_it(config, place.code("home-1"))


async def test_a_hub_that_is_somebody_is_claimed_anew_only_by_somebody_who_means_it(place: Place) -> None:
    config = await place.claimed("home-1")
    with pytest.raises(ConfigError, match="nothing was changed"):
        await asyncio.to_thread(claim, config, place.code("home-1"), discard=None, sure=lambda question: False)


# Guessing


@pytest.fixture
def desk(town: Town) -> Desk:
    return Desk(town.server.db, Authority.open(town.folder / "authority"), BrokerTls(("x",)), town.clock.now_ns)


def guess(desk: Desk, source: str) -> int:
    """The answer to an invented code: 403, or 429 where too many were tried."""
    with pytest.raises(Turned) as refusal:
        desk.claim(Claim(draw_secret(), "gw-1", Papers().request), source)
    return refusal.value.status


def test_whoever_guesses_is_stopped_after_five(desk: Desk, town: Town) -> None:
    assert [guess(desk, "10.0.0.1") for _ in range(7)] == [403] * 5 + [429] * 2
    assert guess(desk, "10.0.0.2") == 403, "others are not"
    good = Claim(desk.make_code("gw-1", "test").secret, "gw-1", Papers().request)
    with pytest.raises(Turned, match="too many wrong codes: try again in 5 min"):
        desk.claim(good, "10.0.0.1")
    town.clock.advance(minutes=5, seconds=1)
    assert desk.claim(good, "10.0.0.1").name == "gw-1"


def test_many_who_guess_together_are_stopped_together(desk: Desk) -> None:
    tried = [guess(desk, f"10.0.{n}.1") for n in range(ALL_TRIES + 3)]
    assert tried == [403] * ALL_TRIES + [429] * 3


def test_a_code_is_only_made_for_a_gateway_that_there_is(desk: Desk) -> None:
    with pytest.raises(Turned, match="there is no gateway 'gw-9'"):
        desk.make_code("gw-9", "test")


def test_a_request_of_another_kind_is_refused_before_the_code_is_used(desk: Desk) -> None:
    secret = desk.make_code("gw-1", "test").secret
    sound = Papers().request
    for request in ("", "x", sound[: len(sound) // 2], forged(sound), of_another_kind()):
        with pytest.raises(Turned) as refusal:
            desk.claim(Claim(secret, "gw-1", request), "10.0.0.1")
        assert refusal.value.status == 422
    assert desk.claim(Claim(secret, "gw-1", sound), "10.0.0.1").name == "gw-1"


def forged(request: str) -> str:
    """Its signature is another."""
    der = bytearray(x509.load_pem_x509_csr(request.encode()).public_bytes(Encoding.DER))
    der[-1] ^= 1
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE REQUEST-----\n"


def of_another_kind() -> str:
    key = ec.generate_private_key(ec.SECP384R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, SHA256())
    return made.public_bytes(Encoding.PEM).decode()
