"""A claimed gateway seals what it sends, and believes nothing that the server did not seal or sign."""

import asyncio
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.__main__ import main
from gateway.clock.hub import HubClock
from gateway.identity.seals import Seals
from gateway.spool.store import Spool
from gateway.visits.orders import Orders
from tests.gateway.identity.claimed import Claimed
from tests.gateway.uplink.broker import Broker, Server
from tests.gateway.uplink.test_sending import emptied, put, running
from tests.gateway.visits.scripted import T0_NS
from tests.gateway.visits.test_orders import ID, TAKES, Hub, command, hub  # noqa: F401 - a fixture
from vitals import wire
from vitals.clock import NS, ManualClock, RunningClock
from vitals.errors import ConfigError, WireError
from vitals.seal import Key, fresh
from vitals.wire import Ack, Batch, Health, State

COMMAND = wire.down("home-01", "command")


@pytest.fixture
def claimed(tmp_path: Path) -> Claimed:
    return Claimed(tmp_path)


@pytest.fixture
def seals(claimed: Claimed, tmp_path: Path) -> Seals:
    return Seals(tmp_path)


class SealedServer(Server):
    """Opens what it is sent with the key it was given, and answers under `answers_with`."""

    key: Key
    answers_with: Key | None

    def _heard(self, topic: str, payload: bytes, lasts_s: int | None) -> None:
        if "/down/" not in topic:
            assert self.key.fits(topic, payload), "it is sealed"
            super()._heard(topic, payload[33:], lasts_s)
            if topic.endswith("/health"):
                self._answer(self.healths[-1])

    def _answer(self, health: Health) -> None:
        answer = wire.encode(Ack("", (), time.time_ns(), mark=health.mark))
        super().say(health.gateway, self.key.seal(wire.down(health.gateway, "ack"), answer))

    def say(self, gateway: str, payload: bytes, what: str = "ack") -> None:
        topic = wire.down(gateway, what)
        super().say(gateway, self.answers_with.seal(topic, payload) if self.answers_with else payload, what)


async def test_everything_it_sends_is_sealed_and_only_a_sealed_acknowledgement_lets_rows_go(
    spool: Spool, lasting_broker: Broker, claimed: Claimed, seals: Seals, tmp_path: Path
) -> None:
    server = SealedServer(lasting_broker, acknowledges=False)
    server.key = claimed.key
    await server.start()
    await put(spool, 1, 2, 3)
    async with running(spool, lasting_broker, tmp_path, seals=seals) as uplink:
        await server.until(lambda server: len(server.rows) == 3 and bool(server.healths))
        batch = server.batches[0][1]
        for forger in (None, Key(fresh())):
            server.answers_with = forger
            server.acknowledge(batch)
        server.answers_with = claimed.key
        server.say("home-01", wire.encode(Ack("another", ((1, 3),), T0_NS)))  # behind the forgeries: they were heard
        async with asyncio.timeout(10):
            while uplink.ignored_acks < 3:  # noqa: ASYNC110 - nobody tells of what is ignored
                await asyncio.sleep(0.01)
        await spool.flushed()
        assert spool.status.queued == 3
        server.acknowledge(batch)
        await emptied(spool)
    await server.until(lambda server: not server.states[-1].online)
    assert any(state.online for state in server.states)
    await server.stop()


async def test_who_has_no_seal_is_not_the_server_and_a_home_is_watched_here_all_the_same(
    spool: Spool,
    lasting_broker: Broker,
    claimed: Claimed,
    seals: Seals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SealedServer, "_answer", lambda *_: None)
    server = SealedServer(lasting_broker)
    server.key = claimed.key
    await server.start()
    async with running(spool, lasting_broker, tmp_path, seals=seals) as uplink:
        await server.until(lambda server: bool(server.healths))
        for forger in (None, Key(fresh())):
            server.answers_with = forger
            server.say("home-01", wire.encode(Ack(spool.epoch, (), T0_NS)))
        async with asyncio.timeout(10):
            while uplink.ignored_acks < 2:  # noqa: ASYNC110 - nobody tells of what is ignored
                await asyncio.sleep(0.01)
            assert uplink.silent_s() is None
            server.answers_with = claimed.key
            server.say("home-01", wire.encode(Ack(spool.epoch, (), T0_NS)))
            while uplink.silent_s() is None:  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0.01)
    await server.stop()


async def test_a_hub_that_nobody_told_the_time_has_it_from_the_servers_answer_before_it_sends_a_row(
    spool: Spool, lasting_broker: Broker, claimed: Claimed, seals: Seals, tmp_path: Path
) -> None:
    server = SealedServer(lasting_broker)
    server.key = server.answers_with = claimed.key
    await server.start()
    await put(spool, 1, 2, 3)
    clock = HubClock(RunningClock(start_ns=time.time_ns()))
    assert clock.now_ns() < 3600 * NS, "it is 1970"
    async with running(spool, lasting_broker, tmp_path, seals=seals, clock=clock):
        await emptied(spool)
    await server.stop()
    assert all(batch.heard_ns for _, batch in server.batches), "none was sent before an answer was heard"
    assert all(abs(batch.sent_ns - time.time_ns()) < 60 * NS for _, batch in server.batches)
    assert clock.borrowed


async def test_a_new_key_is_taken_up_with_the_next_heartbeat(
    spool: Spool, lasting_broker: Broker, claimed: Claimed, seals: Seals, tmp_path: Path
) -> None:
    server = SealedServer(lasting_broker)
    server.key = server.answers_with = claimed.key
    await server.start()
    async with running(spool, lasting_broker, tmp_path, seals=seals) as uplink:
        await put(spool, 1)
        await emptied(spool)
        await server.until(lambda server: len(server.healths) == 2)  # the second by the first answer, which it proves
        claimed.turn_key()
        server.key = server.answers_with = claimed.key
        uplink.beat_every(3600)
        await server.until(lambda server: len(server.healths) == 3)
        await put(spool, 2)
        await emptied(spool)
        assert uplink.connections == 1
    await server.stop()


async def test_a_new_key_is_taken_up_with_the_next_connection(
    spool: Spool, mortal_broker: Broker, claimed: Claimed, seals: Seals, tmp_path: Path
) -> None:
    old = claimed.key
    async with running(spool, mortal_broker, tmp_path, seals=seals) as uplink:
        async with asyncio.timeout(10):
            await uplink.connected.wait()
        mortal_broker.kill()
        claimed.turn_key()
        mortal_broker.start()
        server = SealedServer(mortal_broker)
        server.key = server.answers_with = claimed.key
        await server.start()
        await put(spool, 1)
        await emptied(spool)
        await server.stop()
    assert old != claimed.key


@pytest.mark.parametrize("message", [
    Batch("home-01", "e", 0, ()), Health("home-01", "e", 0, "x", 0), State("home-01", True, 0),
])  # fmt: skip
def test_without_keys_nothing_is_sealed(message: Batch | Health | State) -> None:
    seals, topic, body = Seals(), wire.state("home-01"), wire.encode(message)
    assert seals.seal(topic, body) == body
    assert seals.unsealed(topic, body) == body
    assert seals.believed(topic, body) == body
    with pytest.raises(WireError, match=r"no server\.pub"):
        seals.proved(topic, body)


def _not_hexadecimal(folder: Path) -> None:
    (folder / "batch.key").write_text("not a key")


def _not_pem(folder: Path) -> None:
    (folder / "server.pub").write_text("-----BEGIN nothing")


def _another_kind(folder: Path) -> None:
    key = X25519PrivateKey.generate().public_key()
    (folder / "server.pub").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _a_folder(folder: Path) -> None:
    (folder / "batch.key").unlink()
    (folder / "batch.key").mkdir()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_not_hexadecimal, r"batch\.key holds no key"),
        (_not_pem, r"server\.pub holds no public key"),
        (_another_kind, r"server\.pub holds another kind of key"),
        (_a_folder, r"batch\.key cannot be read"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_in_a_line_without_it(
    claimed: Claimed, tmp_path: Path, damage: object, said: str
) -> None:
    assert callable(damage)
    damage(claimed.folder)
    with pytest.raises(ConfigError, match=said) as told:
        Seals(tmp_path)
    assert told.value.mend
    assert "not a key" not in str(told.value)


def test_check_looks_at_the_keys_too(claimed: Claimed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('name = "home-01"\ndata = "."\n[uplink]\n')
    assert main(["check", str(config)]) == 0
    _not_pem(claimed.folder)
    assert main(["check", str(config)]) == 2
    assert "holds no public key" in capsys.readouterr().err


def test_a_key_that_everyone_can_read_is_warned_of(
    claimed: Claimed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (claimed.folder / "batch.key").chmod(0o644)
    Seals(tmp_path)
    assert "chmod 600" in caplog.text


@given(st.integers(0, 8 * 600))
def test_any_single_bit_of_a_signed_command_that_is_flipped_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("claimed")
    claimed = Claimed(folder)
    signed = bytearray(claimed.sign(COMMAND, command()))
    bit %= 8 * len(signed)
    signed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WireError) as told:
        Seals(folder).believed(COMMAND, bytes(signed))
    assert told.value.reason == "signature"


class TestOrders:
    """What reaches a device."""

    @pytest.fixture(autouse=True)
    async def _claimed(self, hub: Hub, claimed: Claimed, seals: Seals) -> None:  # noqa: F811
        self.hub, self.claimed = hub, claimed
        hub.seals = seals
        await hub.lose_power()

    async def arrives(self, payload: bytes) -> list[str]:
        self.hub.orders.arrived(payload)
        await self.hub.orders.turn()
        return await self.hub.steps()

    async def test_what_the_server_signed_is_taken_and_a_second_copy_of_it_is_nothing_new(self) -> None:
        signed = self.claimed.sign(COMMAND, command())
        assert await self.arrives(signed) == ["received"]
        assert await self.arrives(signed) == ["received"]
        assert self.hub.orders.notes() == ()

    @pytest.mark.parametrize("forged", ["unsigned", "by another", "for another topic", "changed", "sealed only"])
    async def test_what_it_did_not_sign_is_refused_counted_and_told_of(self, forged: str, tmp_path: Path) -> None:
        signed = self.claimed.sign(COMMAND, command())
        payload = {
            "unsigned": command(),
            "by another": Claimed(tmp_path / "another").sign(COMMAND, command()),
            "for another topic": self.claimed.sign(wire.down("home-02", "command"), command()),
            "changed": signed.replace(b'"compartment":3', b'"compartment":4'),
            "sealed only": self.claimed.key.seal(COMMAND, command()),
        }[forged]
        assert payload != signed
        assert await self.arrives(payload) == []
        assert self.hub.orders.refused == {"signature": 1}
        assert self.hub.orders.notes() == ("1 commands without the server's signature were refused",)
        assert self.hub.box.sent == []

    async def test_a_command_that_names_another_gateway_inside_is_refused(self) -> None:
        assert await self.arrives(self.claimed.sign(COMMAND, command(gateway="home-02"))) == []
        assert self.hub.orders.refused == {"foreign gateway": 1}

    async def test_a_command_whose_time_is_over_is_told_as_expired_and_not_done(self) -> None:
        self.hub.clock.advance(seconds=901)
        assert await self.arrives(self.claimed.sign(COMMAND, command())) == ["received", "expired"]
        await self.hub.visit()
        assert self.hub.box.sent == []

    async def test_an_old_command_that_is_sent_again_long_after_is_not_done_again(self) -> None:
        signed = self.claimed.sign(COMMAND, command())
        await self.arrives(signed)
        await self.hub.visit()
        assert await self.hub.steps() == ["received", "sent", "done"]
        await self.hub.lose_power()
        await self.arrives(signed)
        await self.hub.visit()
        assert self.hub.box.acts == [ID]


async def test_a_gateway_without_the_servers_key_takes_commands_unsigned_but_none_it_cannot_look_at(
    tmp_path: Path, spool: Spool
) -> None:
    orders = await Orders.open("home-01", spool, ManualClock(T0_NS), TAKES)
    orders.arrived(Claimed(tmp_path / "x").sign(COMMAND, command()))
    orders.arrived(command(order="0" * 15 + "1", expires_ns=T0_NS + 60 * NS))
    await orders.turn()
    assert [one.id for one in orders.of("disp-1")] == ["0" * 15 + "1"]
    assert orders.refused == {"signature": 1}
