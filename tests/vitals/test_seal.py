"""What was changed, forged or put under another topic does not open; what is whole comes out as it went in."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vitals import wire
from vitals.errors import WireError
from vitals.seal import KEY_BYTES, SIGNATURE_BYTES, TAG_BYTES, Key, as_signed, fresh, split_signed, unseal

KEY, OTHER = Key(bytes(range(KEY_BYTES))), Key(bytes(KEY_BYTES))
TOPIC = wire.up("home-01", "obs")
BATCH = wire.encode(wire.Batch("home-01", "e", 0, (wire.Row(1, "oxi-1", 0, wire.Block("spo2", (1,), (95.0,))),)))


def refused(topic: str, payload: bytes, *keys: Key) -> str:
    with pytest.raises(WireError) as told:
        unseal(topic, payload, keys)
    assert told.value.mend
    return told.value.reason


@given(st.binary(max_size=500))
def test_what_is_whole_comes_out_as_it_went_in_under_either_of_two_keys(body: bytes) -> None:
    for key in (KEY, OTHER):
        assert unseal(TOPIC, key.seal(TOPIC, body), (KEY, OTHER)) == (body, key)


@given(st.integers(0, 8 * len(KEY.seal(TOPIC, BATCH)) - 1))
@example(0)
@example(8 * (1 + TAG_BYTES))
def test_any_single_bit_that_is_flipped_is_noticed(bit: int) -> None:
    sealed = bytearray(KEY.seal(TOPIC, BATCH))
    sealed[bit // 8] ^= 1 << bit % 8
    assert refused(TOPIC, bytes(sealed), KEY) == "seal"


@given(st.integers(0, len(KEY.seal(TOPIC, BATCH)) - 1))
def test_what_was_cut_short_is_noticed(length: int) -> None:
    assert refused(TOPIC, KEY.seal(TOPIC, BATCH)[:length], KEY) == "seal"


@given(st.binary(max_size=200))
def test_no_bytes_whatever_do_worse_than_a_wire_error(payload: bytes) -> None:
    assert refused(TOPIC, payload, KEY) == "seal"
    assert refused(TOPIC, b"\x01" + payload, KEY) == "seal"


@pytest.mark.parametrize(
    "topic",
    [
        wire.up("home-01", "backlog"), wire.up("home-01", "health"), wire.state("home-01"),
        wire.down("home-01", "ack"), wire.up("home-02", "obs"), TOPIC + "\0",
    ],
)  # fmt: skip
def test_what_was_sealed_for_one_topic_is_nothing_under_another(topic: str) -> None:
    assert refused(topic, KEY.seal(TOPIC, BATCH), KEY) == "seal"


@pytest.mark.parametrize(
    ("payload", "keys", "reason"),
    [
        (KEY.seal(TOPIC, BATCH), (OTHER,), "seal"),
        (KEY.seal(TOPIC, BATCH), (), "seal"),
        (BATCH, (KEY,), "seal"),
        (b"", (KEY,), "seal"),
        (as_signed(bytes(SIGNATURE_BYTES), BATCH), (KEY,), "seal"),
        (KEY.seal(TOPIC, b" " * wire.MAX_BYTES), (KEY,), "too long"),
        (b" " * (wire.MAX_BYTES + 1), (), "too long"),
    ],
)
def test_another_key_no_key_no_seal(payload: bytes, keys: tuple[Key, ...], reason: str) -> None:
    assert refused(TOPIC, payload, *keys) == reason


def test_the_vector_of_the_reference_is_what_we_send() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "wire.md").read_text("utf-8")
    (body,) = re.findall(r'^`(\{"epoch".*\})`:$', page, re.MULTILINE)
    (head,) = re.findall(r"^```\n(01 [0-9a-f\s]+) \| the body\n```$", page, re.MULTILINE)
    sealed = Key(bytes(range(32))).seal(wire.down("home-01", "ack"), body.encode())
    assert sealed == bytes.fromhex(head) + body.encode()
    assert wire.decode(body.encode(), wire.Ack).ranges == ((1, 3),)


def test_without_a_key_at_either_end_a_message_travels_as_it_did() -> None:
    assert unseal(TOPIC, BATCH, ()) == (BATCH, None)


@pytest.mark.parametrize("payload", [b"", b"{}", b"\x02", as_signed(bytes(SIGNATURE_BYTES), b"")[:-1], b"\x01" * 99])
def test_what_is_not_signed_says_so(payload: bytes) -> None:
    with pytest.raises(WireError) as told:
        split_signed(payload)
    assert told.value.reason == "signature"


@given(st.binary(min_size=SIGNATURE_BYTES, max_size=SIGNATURE_BYTES), st.binary(max_size=100))
def test_a_signature_and_its_body_come_apart_again(signature: bytes, body: bytes) -> None:
    assert split_signed(as_signed(signature, body)) == (signature, body)


def test_a_key_shows_itself_to_nobody_and_is_of_one_length() -> None:
    secret = fresh()
    assert Key.from_hex(secret.hex() + "\n") == Key(secret)
    assert Key(secret) != KEY
    assert len({Key(secret), Key(secret), KEY}) == 2
    assert secret.hex() not in repr(Key(secret)) + str(Key(secret))
    for text in ("", "00", secret.hex()[1:], "x" * 64, secret.hex() + "00"):
        with pytest.raises(ValueError, match=r"a key is 64 hexadecimal digits$"):
            Key.from_hex(text)
    with pytest.raises(ValueError, match="a key has 32 bytes"):
        Key(b"short")
