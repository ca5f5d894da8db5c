"""Of a gateway that has a key nothing is taken without its seal, and what it is told comes sealed or signed."""

import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest

from server.fleet.seals import ROTATION_S, SIGNING_KEY, Signer, gateway_keys, give_key, keyrings
from server.fleet.store import gateways, quarantine
from server.ingest.parcel import Spoilt, open_parcel
from server.orders import store as orders
from server.orders.model import LASTS_S, Order
from server.readings import journal
from tests.server.conftest import START_NS, Town, acknowledged, broken, spo2
from vitals.clock import NS
from vitals.errors import ConfigError
from vitals.seal import SIGNED_BYTES, Key, bound, fresh, split_signed, unseal
from vitals.wire import Ack, Batch, Command, Health, Row, State, decode, down, encode, state, up

OBS, ACK, COMMAND = up("gw-1", "obs"), down("gw-1", "ack"), down("gw-1", "command")


class Claimed:
    """gw-1, with a key."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.turn_key()

    def turn_key(self, **more: float) -> None:
        secret = fresh()
        self.key = Key(secret)
        with self.town.server.db.write() as tx:
            give_key(tx, "gw-1", secret, self.town.clock.now_ns(), **more)

    def sealed(self, message: tuple[str, bytes]) -> tuple[str, bytes]:
        topic, body = message
        return topic, self.key.seal(topic, body)

    def batch(self, value: float, seq: int = 0) -> tuple[str, bytes]:
        return self.town.batch(self.town.rows(spo2(value, START_NS + seq), first=seq))

    def aside(self) -> list[tuple[str, str, bytes]]:
        with self.town.server.db.read() as tx:
            return [(one.gateway, one.reason, one.data) for one in quarantine(tx, 1000)]


@pytest.fixture
def claimed(town: Town) -> Claimed:
    return Claimed(town)


def test_a_sealed_batch_is_stored_and_acknowledged_under_the_same_seal(claimed: Claimed) -> None:
    ((topic, answer),) = claimed.town.server.receive(*claimed.sealed(claimed.batch(94)))
    assert topic == ACK
    assert decode(unseal(ACK, answer, (claimed.key,)).body, Ack).ranges == ((0, 0),)
    assert claimed.town.values("eva") == [94]


def test_the_journal_can_be_read_when_the_key_is_long_forgotten(claimed: Claimed) -> None:
    claimed.town.server.receive(*claimed.sealed(claimed.batch(94)))
    with claimed.town.server.db.write() as tx:
        tx.execute(gateway_keys.delete())
    with claimed.town.server.db.read() as tx:
        (entry,) = journal.read(tx, 0, 10)
    assert [one.value for one in entry.readings] == [94]


def test_an_old_sealed_batch_that_is_played_again_is_stored_once_and_only_acknowledged_again(claimed: Claimed) -> None:
    message = claimed.sealed(claimed.batch(94))
    first = claimed.town.server.receive(*message)
    claimed.town.clock.advance(hours=30)
    again = claimed.town.server.receive(*message)
    ranges = [decode(unseal(ACK, payload, (claimed.key,)).body, Ack).ranges for _, payload in first + again]
    assert ranges == [((0, 0),), ((0, 0),)]
    assert claimed.town.values("eva") == [94]


def test_what_is_not_under_its_seal_is_neither_stored_nor_answered_and_kept_with_its_bytes(claimed: Claimed) -> None:
    topic, body = claimed.batch(94)
    sealed = claimed.key.seal(topic, body)
    refused = [
        body,
        Key(fresh()).seal(topic, body),
        broken(sealed, b"94", b"95"),
        claimed.key.seal(up("gw-1", "backlog"), body),
        claimed.key.seal(ACK, body),
        sealed[:-1],
        b"",
    ]
    for payload in refused:
        assert claimed.town.server.receive(topic, payload) == []
    assert claimed.town.values("eva") == []
    assert sorted(claimed.aside()) == sorted(("gw-1", "seal", payload) for payload in refused)
    assert 'quarantined_total{reason="seal"} 7.0' in generate_latest(claimed.town.server.meter.registry).decode()
    assert acknowledged(_opened(claimed, claimed.town.server.receive(topic, sealed))) == [(0, 0)]


@given(st.data())
@settings(max_examples=300)
def test_no_flipped_bit_of_a_sealed_message_is_read(data: st.DataObject) -> None:
    """Among them are those that would turn one valid number into another, which nothing else could tell."""
    key = Key(bytes(range(32)))
    row = Row(1, "oximeter", START_NS, spo2(94, START_NS))
    message = data.draw(st.sampled_from([
        (OBS, encode(Batch("gw-1", "e", START_NS, (row,)))),
        (up("gw-1", "health"), encode(Health("gw-1", "e", START_NS, "0.1", 7))),
        (state("gw-1"), encode(State("gw-1", True, START_NS))),
    ]))  # fmt: skip
    sealed = bytearray(key.seal(*message))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    opened = open_parcel(message[0], bytes(sealed), (key,))
    assert isinstance(opened, Spoilt)
    assert (opened.reason, opened.data) == ("seal", bytes(sealed))


def test_nobody_speaks_for_a_gateway_that_has_fallen_silent(claimed: Claimed) -> None:
    """An unsealed heartbeat would hide a dead hub; an unsealed last will would show a living one as gone."""
    town = claimed.town
    health = up("gw-1", "health"), encode(Health("gw-1", "e", START_NS, "0.1", 0))
    goodbye = state("gw-1"), encode(State("gw-1", False, START_NS))

    def online() -> bool:
        with town.server.db.read() as tx:
            return next(one.online for one in gateways(tx) if one.id == "gw-1")

    town.server.receive(*health)
    assert not online()
    town.server.receive(*claimed.sealed(health))
    assert online()
    town.server.receive(*goodbye)
    assert online()
    town.server.receive(*claimed.sealed(goodbye))
    assert not online()
    assert [reason for _, reason, _ in claimed.aside()] == ["seal", "seal"]


def test_a_neighbour_without_a_key_sends_as_before_and_nobody_else_under_its_name(claimed: Claimed) -> None:
    town = claimed.town
    topic, body = town.batch(town.rows(spo2(93, START_NS)), gateway="gw-2")
    assert acknowledged(town.server.receive(topic, body)) == [(0, 0)]
    assert town.server.receive(topic, claimed.key.seal(topic, body)) == []
    assert town.aside() == ["seal"]


def test_while_a_key_is_replaced_both_are_good_and_each_batch_is_answered_under_its_own(claimed: Claimed) -> None:
    town, old = claimed.town, claimed.key
    claimed.turn_key()
    late, new = claimed.batch(94, 0), claimed.batch(95, 1)
    for key, (topic, body) in ((old, late), (claimed.key, new)):
        ((_, answer),) = town.server.receive(topic, key.seal(topic, body))
        assert key.fits(ACK, answer)
    town.clock.advance(seconds=ROTATION_S)
    topic, body = claimed.batch(96, 2)
    assert town.server.receive(topic, old.seal(topic, body)) == [], "its time is over"
    assert town.values("eva") == [94, 95]


def test_a_stolen_key_is_good_no_longer(claimed: Claimed) -> None:
    old = claimed.key
    claimed.turn_key(grace_s=0)
    topic, body = claimed.batch(94)
    assert claimed.town.server.receive(topic, old.seal(topic, body)) == []
    assert claimed.town.values("eva") == []


def test_the_same_key_given_twice_puts_none_before_it_out(claimed: Claimed) -> None:
    town = claimed.town
    first, secret = claimed.key, fresh()
    with town.server.db.write() as tx:
        for _ in range(2):
            give_key(tx, "gw-1", secret, START_NS)
        assert keyrings(tx, ["gw-1", "gw-2"], START_NS) == {"gw-1": (Key(secret), first)}
        with pytest.raises(ValueError, match="32 bytes"):
            give_key(tx, "gw-2", b"short", START_NS)


def test_an_order_goes_out_signed_to_a_claimed_gateway_and_as_it_was_to_another(claimed: Claimed) -> None:
    town = claimed.town
    carried: list[tuple[str, bytes]] = []
    town.server.publish = carried.extend
    ends_ns = START_NS + round(LASTS_S["dispense"] * NS)
    with town.server.db.write() as tx:
        for number, (patient, gateway) in enumerate((("eva", "gw-1"), ("odd", "gw-2")), 1):
            order = Order(f"{number:016x}", patient, "disp", gateway, "dispense", {}, "why", "Kari", START_NS, ends_ns)
            orders.place(tx, order)
    town.tick(seconds=1)
    said = dict(carried)
    signature, body = split_signed(said[COMMAND])
    command = decode(body, Command)
    assert (command.gateway, command.device, command.expires_ns) == ("gw-1", "disp", ends_ns), "inside what is signed"
    key = load_pem_public_key(town.server.signer.public_pem())
    assert isinstance(key, Ed25519PublicKey)
    key.verify(signature, bound(COMMAND, body))
    with pytest.raises(InvalidSignature):
        key.verify(signature, bound(down("gw-2", "command"), body))
    assert decode(said[down("gw-2", "command")], Command).gateway == "gw-2"


def test_the_servers_key_is_made_once_for_the_server_alone_and_stays(town: Town) -> None:
    path = town.config.data / "authority" / SIGNING_KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    before = town.server.signer.public_pem()
    town.begin_again()
    assert town.server.signer.public_pem() == before
    assert len(town.server.signer.sign(COMMAND, b"x")) == SIGNED_BYTES + 1
    assert sorted(one.name for one in path.parent.iterdir()) == ["answers.key", "secrets.key", SIGNING_KEY]


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (None, 0o644, "can be read by others"),
        (b"", 0o600, "holds no private key"),
        (b"-----BEGIN PRIVATE KEY-----\n", 0o600, "holds no private key"),
    ],
)
def test_a_key_that_cannot_be_used_is_not_replaced_but_told_of(
    tmp_path: Path, content: bytes | None, mode: int, said: str
) -> None:
    Signer(tmp_path)
    path = tmp_path / SIGNING_KEY
    if content is not None:
        path.write_bytes(content)
    path.chmod(mode)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=said):
        Signer(tmp_path)
    assert path.read_bytes() == before


def _opened(claimed: Claimed, answers: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [(topic, unseal(topic, payload, (claimed.key,)).body) for topic, payload in answers]
