"""Whoever should not come in, tries: over real TLS, at the mosquitto that the server starts."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway import backoff
from gateway.config.model import Config as HubConfig
from server.identity.authority import Authority
from tests.identity.place import Place, home
from tests.identity.visitor import Papers, Visitor, context
from vitals.wire import Health, encode, up


def papers_of(config: HubConfig) -> tuple[Path, Path]:
    """The hub's own, as a thief of its disk has them."""
    folder = Path(config.data) / "identity"
    return folder / "certificate.pem", folder / "key.pem"


def as_hub(place: Place, config: HubConfig, client_id: str = "anyone") -> Visitor:
    return Visitor(place.tls.port, context(place.desk.authority.pem, papers_of(config)), client_id)


def beat(name: str) -> bytes:
    return encode(Health(name, "e", 0, "liar", 0))


async def lets_in(place: Place, certificate: bytes, papers: Papers) -> bool:
    shown = context(place.desk.authority.pem, papers.write(place.folder / "papers", certificate))
    with await asyncio.to_thread(Visitor, place.tls.port, shown) as visitor:
        return visitor.let_in


async def test_nobody_comes_in_without_a_certificate_of_ours_that_is_good_today(place: Place, tmp_path: Path) -> None:
    ours, others, now = place.desk.authority, Authority.open(tmp_path / "others"), datetime.now(UTC)
    papers = Papers()
    assert await lets_in(place, ours.issue_hub("home-1", papers.request, now).pem, papers), "a good one is let in"
    assert not await lets_in(place, others.issue_hub("home-1", papers.request, now).pem, papers)
    expired = ours.issue_hub("home-1", papers.request, now - timedelta(days=91))
    assert not await lets_in(place, expired.pem, papers)
    early = ours.issue_hub("home-1", papers.request, now + timedelta(days=1))
    assert not await lets_in(place, early.pem, papers)
    with await asyncio.to_thread(Visitor, place.tls.port, context(ours.pem)) as nobody:
        assert not nobody.let_in, "without any certificate"


async def test_a_stolen_certificate_without_its_key_is_no_use(place: Place) -> None:
    certificate, _ = papers_of(await place.claimed("home-1"))
    with pytest.raises(ssl.SSLError, match="MISMATCH"):
        context(place.desk.authority.pem, Papers().write(place.folder / "papers", certificate.read_bytes()))


async def test_tls_older_than_1_3_is_not_spoken(place: Place) -> None:
    config = await place.claimed("home-1")
    old = context(place.desk.authority.pem, papers_of(config))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with await asyncio.to_thread(Visitor, place.tls.port, old) as visitor:
        assert not visitor.let_in


async def test_a_good_certificate_opens_its_own_topics_and_no_others(place: Place) -> None:
    config = await place.claimed("home-1")
    with await asyncio.to_thread(as_hub, place, config) as liar:
        assert not liar.publish(up("home-1", "health"), beat("home-1")).is_failure
        for topic in (up("home-2", "health"), "hjemvakt/1/home-2/state", "hjemvakt/1/home-1/down/command"):
            assert liar.publish(topic, beat("home-2")).is_failure, topic
        liar.subscribe("hjemvakt/1/+/down/#")
        place.inbox.publish([("hjemvakt/1/home-2/down/command", b"for the other")])
        liar.subscribe("hjemvakt/1/home-1/down/#")
        place.inbox.publish([("hjemvakt/1/home-1/down/command", b"for this one")])
        assert await asyncio.to_thread(liar.heard.get, timeout=15) == (
            "hjemvakt/1/home-1/down/command", b"for this one",
        )  # fmt: skip


async def test_a_hub_that_takes_anothers_client_id_disturbs_only_itself(place: Place) -> None:
    honest, liar = await place.claimed("home-1"), await place.claimed("home-2")
    async with home(honest) as hub:
        await hub.uplink.connected.wait()
        for stolen in ("home-1", "server"):
            with await asyncio.to_thread(as_hub, place, liar, stolen) as visitor:
                assert visitor.let_in
                assert not visitor.publish(up("home-2", "health"), beat("home-2")).is_failure, "it is still itself"
        await hub.measure(91.0)
        await hub.until(lambda: hub.spool.status.queued == 0)
        assert hub.uplink.connections == 1
    assert place.inbox.problem() is None


async def test_a_revoked_hub_is_sent_away_and_stays_away(place: Place) -> None:
    config, other = await place.claimed("home-1"), await place.claimed("home-2")
    with (
        await asyncio.to_thread(as_hub, place, config) as thief,
        await asyncio.to_thread(as_hub, place, other) as neighbour,
    ):
        assert thief.let_in
        place.revoke("home-1")
        assert thief.publish(up("home-1", "health"), beat("home-1")), "the broker does not know yet; the server does"
        await place.until(lambda: place.aside() == ["revoked"])
        await asyncio.to_thread(place.keeper.turn)
        assert await asyncio.to_thread(thief.is_sent_away)
        assert not neighbour.publish(up("home-2", "health"), beat("home-2")).is_failure, "the others stay"
    for _ in range(3):
        with await asyncio.to_thread(as_hub, place, config) as again:
            assert not again.let_in
    with await asyncio.to_thread(as_hub, place, other) as neighbour:
        assert neighbour.let_in


async def test_a_revoked_hub_does_not_come_back_by_an_old_tls_session_either(place: Place) -> None:
    """Whoever resumes a session shows no certificate, so no list would be looked at."""
    config = await place.claimed("home-1")
    shown = context(place.desk.authority.pem, papers_of(config))
    answer, session = await asyncio.to_thread(knock, place.tls.port, shown, None)
    assert answer[:1] == b"\x20"
    assert session is not None
    assert session.has_ticket
    place.revoke("home-1")
    await asyncio.to_thread(place.keeper.turn)
    answer, _ = await asyncio.to_thread(knock, place.tls.port, shown, session)
    assert answer == b""


def knock(port: int, tls: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None]:
    """The broker's answer to a CONNECT of MQTT 5, b"" for none; and the TLS session."""
    with socket.create_connection(("127.0.0.1", port), 15) as plain:
        try:
            with tls.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as wire:
                wire.sendall(b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03abc")
                return wire.recv(64), wire.session
        except OSError:
            return b"", None


async def test_two_who_are_revoked_in_the_same_second_are_both_out_also_after_the_broker_died(place: Place) -> None:
    """OpenSSL tells two lists apart by the second they were made in."""
    configs = [await place.claimed(name) for name in ("home-1", "home-2")]
    for name in ("home-1", "home-2"):
        place.revoke(name)
        await asyncio.to_thread(place.keeper.turn)
    for config in configs:
        with await asyncio.to_thread(as_hub, place, config) as thief:
            assert not thief.let_in
    place.broker._child.kill()
    place.inbox._listening.clear()
    assert await asyncio.to_thread(place.inbox.wait_until_listening, 15)
    for config in configs:
        with await asyncio.to_thread(as_hub, place, config) as thief:
            assert not thief.let_in


async def test_a_hub_that_is_claimed_again_comes_in_and_its_old_self_does_not(place: Place) -> None:
    old = await place.claimed("home-1", "old hub")
    with await asyncio.to_thread(as_hub, place, old) as thief:
        new = await place.claimed("home-1", "new hub")
        await asyncio.to_thread(place.keeper.turn)
        assert await asyncio.to_thread(thief.is_sent_away)
    with await asyncio.to_thread(as_hub, place, old) as thief:
        assert not thief.let_in
    async with home(new) as hub:
        await hub.measure(96.0)
        await hub.until(lambda: hub.spool.status.queued == 0)


async def test_the_brokers_own_certificate_is_renewed_and_hubs_notice_nothing(place: Place) -> None:
    config = await place.claimed("home-1")
    async with home(config) as hub:
        await hub.uplink.connected.wait()
        before = place.keeper._certificate
        later = datetime.now(UTC) + timedelta(days=61)
        place.keeper._wall = lambda: int(later.timestamp()) * 10**9
        await asyncio.to_thread(place.keeper.turn)
        assert place.keeper._certificate != before
        await hub.measure(97.0)
        await hub.until(lambda: hub.spool.status.queued == 0)
        assert hub.uplink.connections == 1
    shown = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", place.tls.claim_port))
    assert shown.split() == place.keeper._certificate.decode().split()
    async with home(config) as hub:
        await hub.uplink.connected.wait()


async def test_a_hub_says_nothing_to_a_broker_of_another_authority(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, others = await place.claimed("home-1"), Authority.open(tmp_path / "others")
    certificate, key = others.issue_broker(["127.0.0.1"], datetime.now(UTC))
    (tmp_path / "false.pem").write_bytes(certificate + key)
    false = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    false.load_cert_chain(tmp_path / "false.pem")
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0, ssl=false) as broker:
        port = broker.sockets[0].getsockname()[1]
        async with home(replace(config, uplink=replace(config.uplink, port=port))) as hub:
            await hub.measure(95.0)
            await hub.until(lambda: "certificate verify failed" in caplog.text)
            assert hub.uplink.connections == 0
            assert hub.spool.status.queued == 1
    assert not any(heard)


async def test_a_hub_that_is_hung_up_on_waits_as_long_as_its_fleet_needs_and_for_itself_alone_not(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = await place.claimed("home-1")
    (Path(config.data) / "identity" / "spread").write_text("90.9")
    drawn: list[float] = []
    monkeypatch.setattr(backoff.random, "uniform", lambda low, high: drawn.append(high) or 0.05)
    async with home(replace(config, uplink=replace(config.uplink, reconnect_max_s=120.0))) as hub:
        await hub.uplink.connected.wait()
        hub.uplink.connect_anew()
        await hub.until(lambda: hub.uplink.connections == 2)
        assert drawn == [1.0]
        place.broker._child.kill()
        await hub.until(lambda: hub.uplink.connections == 3)
        assert drawn[1:] == [90.9] * len(drawn[1:])
        assert len(drawn) > 1
