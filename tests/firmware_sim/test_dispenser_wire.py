"""The dispenser's framing and entries against the vectors of docs/reference/dispenser-protocol.md."""

import re
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.devices._dispenser_wire import (
    Ask,
    Do,
    Placed,
    ScheduledDose,
    State,
    Tell,
    Wanted,
    fingerprint,
    read_order,
)
from firmware_sim.devices._frame import MAX_FRAME, MAX_PAYLOAD, Deframer, crc16, frame, stuff, unframe, unstuff
from firmware_sim.devices._log import Entry, Moment, Type
from firmware_sim.devices.dispenser_ble import CONTROL, EVENT, SERVICE, STATUS

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "dispenser-protocol.md").read_text(encoding="utf-8")
VECTORS = re.findall(r"payload ((?:[0-9a-f]{2} ?)+)\ncrc +([0-9a-f]{4})\nframe +((?:[0-9a-f]{2} ?)+)\n", TEXT)
PAYLOADS = st.binary(min_size=2, max_size=MAX_PAYLOAD)


def test_the_text_has_its_vectors() -> None:
    assert len(VECTORS) == 10
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
    done = Entry(46, Moment(0x01020304, utc + 25, 148456), Type.ORDER_DONE, 3, 7, Do.DISPENSE)
    assert b"\x82\x00" + done.encode() == bytes.fromhex(VECTORS[5][0])


def test_an_order_is_as_in_the_text() -> None:
    payload = bytes.fromhex(VECTORS[2][0])
    assert payload[:2] == bytes((Ask.ORDER, 5))
    assert read_order(payload[2:]) == Wanted(0x0123456789ABCDEF, Do.DISPENSE, 3, 7, 0x01020304, 183456)
    assert bytes.fromhex(VECTORS[6][0]) == bytes((Ask.ORDER_GET, 6)) + (0xFEDC).to_bytes(8, "little")


def test_states_of_orders_are_as_in_the_text() -> None:
    for vector, tag, order_id, state, seq in (
        (3, 5, 0x0123456789ABCDEF, State.UNDER_WAY, 0),
        (4, 0, 0x0123456789ABCDEF, State.DONE, 46),
        (7, 6, 0xFEDC, State.NEVER_SEEN, 0),
    ):
        body = struct.pack("<QBBI", order_id, state, 0, seq)
        assert bytes.fromhex(VECTORS[vector][0]) == bytes((Tell.ORDER_STATE, tag)) + body


def test_a_schedule_in_parts_is_as_in_the_text() -> None:
    doses = tuple(ScheduledDose(number, 470 + 10 * number, number, 1, 60) for number in range(1, 13))
    assert bytes.fromhex(VECTORS[8][0]) == bytes((Ask.SCHEDULE_PART, 7, 11, 12)) + doses[11].encode()
    assert bytes.fromhex(VECTORS[9][0]) == bytes((Tell.SCHEDULE, 7, Placed.IN_FORCE)) + fingerprint(doses)


@pytest.mark.parametrize(
    ("table", "numbers"),
    [
        (r"^\| ([0-9A-F]{2}) \| ([A-Z_]+) \|", {**Ask.__members__, **Tell.__members__}),
        (r"^\| (\d+) \| ([A-Z_]+) \| (?!\w+ \|)", {**Type.__members__}),
    ],
)
def test_the_numbers_are_those_of_the_text(table: str, numbers: dict[str, int]) -> None:
    base = 16 if "A-F" in table else 10
    found = {name: int(number, base) for number, name in re.findall(table, TEXT, re.M) if name in numbers}
    assert {name: number for name, number in numbers.items() if name in found} == found
    pairs = {"LID_OPEN", "LID_CLOSE", "MAINS_LOST", "MAINS_RESTORED"}  # two in one line of the text
    assert set(numbers) - set(found) <= pairs


def test_states_kinds_and_the_service_are_in_the_text() -> None:
    for state in State:
        assert f"| {state.value} | {state.name} |" in TEXT
    for do in Do:
        assert f"| {do.value} | {do.name.lower()} |" in TEXT
    for uuid in (SERVICE, EVENT, CONTROL, STATUS):
        assert f"`{uuid}`" in TEXT


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
