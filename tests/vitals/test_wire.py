"""What goes over the wire comes back the same, and what is not ours is refused with a reason."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals import wire
from vitals.block import Block
from vitals.errors import WireError
from vitals.events import Event, Fault

times = st.integers(0, 2**62)
words = st.text(max_size=20)
blocks = st.builds(
    lambda channel, samples, decimals, status, record, device_t_ns: Block(
        channel, tuple(t for t, _ in samples), tuple(v for _, v in samples), decimals, status, record, device_t_ns
    ),
    words,
    st.lists(st.tuples(times, st.floats(allow_nan=False, allow_infinity=False)), max_size=5),
    st.integers(0, 6),
    st.lists(words, max_size=3).map(tuple),
    st.none() | words,
    st.none() | times,
)
events = st.builds(Event, words, times, st.dictionaries(words, st.integers(-(2**31), 2**31) | words, max_size=3))
faults = st.builds(Fault, words, words, times, words, st.binary(max_size=40), words)
rows = st.builds(wire.Row, st.integers(1, 2**62), words, times, blocks | events | faults)


@given(st.builds(wire.Batch, words, words, times, st.lists(rows, max_size=4).map(tuple)))
def test_a_batch_survives_the_journey(batch: wire.Batch) -> None:
    assert wire.decode(wire.encode(batch), wire.Batch) == batch


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "does not parse"),
        (b"{}", "does not parse"),
        (b"\xff\xfe", "does not parse"),
        (b'{"gateway":"g","epoch":"e","sent_ns":0,"rows":[],"v":2}', "version"),
        (b'{"gateway":"g","epoch":"e","sent_ns":0,"rows":[{"seq":1}]}', "does not parse"),
        (b'{"gateway":"g","epoch":"e","sent_ns":1e400,"rows":[]}', "does not parse"),
        (b" " * (wire.MAX_BYTES + 1), "too long"),
    ],
)
def test_what_is_not_ours_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(WireError) as told:
        wire.decode(data, wire.Batch)
    assert told.value.reason == reason
    assert told.value.mend


@given(st.binary(max_size=200))
def test_no_bytes_whatever_do_worse_than_a_wire_error(data: bytes) -> None:
    for kind in (wire.Batch, wire.Ack, wire.Command, wire.Wishes, wire.Health, wire.State):
        with contextlib.suppress(WireError):
            wire.decode(data, kind)


def test_not_a_number_cannot_travel_as_a_number() -> None:
    block = Block("spo2", (1,), (math.nan,))
    batch = wire.Batch("g", "e", 0, (wire.Row(1, "d", 0, block),))
    with pytest.raises(WireError):
        wire.decode(wire.encode(batch), wire.Batch)


@given(
    st.builds(
        wire.Command, words, words, words, words, times, times,
        st.dictionaries(words, st.integers(-(2**31), 2**31) | words, max_size=3),
    )
)  # fmt: skip
def test_a_command_survives_the_journey(command: wire.Command) -> None:
    assert wire.decode(wire.encode(command), wire.Command) == command


@given(st.integers(1, 2**64 - 1))
def test_an_orders_id_is_16_digits_and_comes_back_the_same(order: int) -> None:
    text = wire.order_hex(order)
    assert len(text) == 16
    assert wire.order_id(text) == order


@pytest.mark.parametrize("text", ["", "0" * 16, "d05e", "000000000000D05E", "0x0000000000d05e", "f" * 17, "é" * 16])
def test_what_names_no_order_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(WireError) as told:
        wire.order_id(text)
    assert told.value.reason == "order"
    assert told.value.mend


def test_topics_name_the_gateway_and_nothing_personal() -> None:
    assert wire.up("home-01", wire.Lane.OBS) == "hjemvakt/1/home-01/up/obs"
    assert wire.gateway_of(wire.down("home-01", "ack")) == "home-01"
    assert wire.gateway_of(wire.state("home-01")) == "home-01"


@pytest.mark.parametrize(
    "topic", ["", "hjemvakt/1", "hjemvakt/1//state", "hjemvakt/2/home-01/state", "other/1/g/state"]
)
def test_a_topic_that_is_not_ours_is_refused(topic: str) -> None:
    with pytest.raises(WireError):
        wire.gateway_of(topic)
