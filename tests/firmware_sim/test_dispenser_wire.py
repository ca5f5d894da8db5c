"""The dispenser's framing and entries against the vectors of docs/reference/dispenser-protocol.md."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.devices._frame import MAX_FRAME, MAX_PAYLOAD, Deframer, crc16, frame, stuff, unframe, unstuff
from firmware_sim.devices._log import Entry, Moment, Type

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "dispenser-protocol.md").read_text(encoding="utf-8")
VECTORS = re.findall(r"payload ((?:[0-9a-f]{2} ?)+)\ncrc +([0-9a-f]{4})\nframe +((?:[0-9a-f]{2} ?)+)\n", TEXT)
PAYLOADS = st.binary(min_size=2, max_size=MAX_PAYLOAD)


def test_the_text_has_its_vectors() -> None:
    assert len(VECTORS) == 2
    assert crc16(b"123456789") == 0x29B1


@pytest.mark.parametrize(("payload", "crc", "on_wire"), VECTORS)
def test_frames_are_as_in_the_text(payload: str, crc: str, on_wire: str) -> None:
    assert crc16(bytes.fromhex(payload)) == int(crc, 16)
    assert frame(bytes.fromhex(payload)) == bytes.fromhex(on_wire)
    assert list(Deframer().feed(bytes.fromhex(on_wire))) == [bytes.fromhex(payload)]


def test_an_entry_is_as_in_the_text() -> None:
    utc = int(datetime(2026, 11, 21, 8, tzinfo=UTC).timestamp())
    entry = Entry(44, Moment(0x01020304, utc, 123456), Type.MISSED, 3, 7, 2, 1, 60)
    assert b"\x82\x00" + entry.encode() == bytes.fromhex(VECTORS[1][0])


@given(st.binary(max_size=1000))
def test_cobs_leaves_no_zero_and_comes_back(data: bytes) -> None:
    assert 0 not in stuff(data)
    assert unstuff(stuff(data)) == data


@pytest.mark.parametrize(
    ("raw", "stuffed"),
    [
        ("", "01"),
        ("00", "0101"),
        ("0000", "010101"),
        ("11220033", "0311220233"),
        ("11" * 254, "ff" + "11" * 254),
        ("11" * 254 + "00", "ff" + "11" * 254 + "0101"),
        ("11" * 255, "ff" + "11" * 254 + "0211"),
    ],
)
def test_cobs_as_published(raw: str, stuffed: str) -> None:
    assert stuff(bytes.fromhex(raw)).hex() == stuffed


@given(st.lists(PAYLOADS, max_size=5), st.data())
def test_a_stream_may_be_cut_anywhere(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame(payload) for payload in payloads)
    deframer = Deframer()
    found: list[bytes] = []
    at = 0
    while at < len(stream):
        step = data.draw(st.integers(1, len(stream) - at))
        found += deframer.feed(stream[at : at + step])
        at += step
    assert found == payloads


@given(PAYLOADS, PAYLOADS, st.data())
def test_a_damaged_byte_costs_at_most_two_frames(first: bytes, second: bytes, data: st.DataObject) -> None:
    """Two: damage can turn the closing zero into something else, and two frames into one."""
    stream = bytearray(frame(first))
    place = data.draw(st.integers(0, len(stream) - 1))
    stream[place] ^= 1 << data.draw(st.integers(0, 7))
    found = list(Deframer().feed(bytes(stream) + frame(second) + frame(second)))
    assert found[-1] == second
    assert first not in found or first == second


def test_overlong_and_empty_frames_are_passed_over() -> None:
    noise = b"\0\0" + b"\x05" * (MAX_FRAME + 50) + b"\0"
    assert list(Deframer().feed(noise + frame(b"\x04\x01"))) == [b"\x04\x01"]
    assert unframe(b"\x05" * MAX_FRAME) is None
    with pytest.raises(ValueError, match="at most 120"):
        frame(bytes(MAX_PAYLOAD + 1))
