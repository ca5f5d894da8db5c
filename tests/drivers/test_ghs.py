"""Observations in segments and bundles, of every size, and clocks of every kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers._elapsed_time import EPOCH_NS, PIPE, Elapsed
from drivers.contract import Bookmark, Out, Rx, Tx
from drivers.ghs_1840 import GenericHealthSensor
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Fault

NOW_NS = 1_795_248_000 * NS
NUMBER = bytes.fromhex("010c000100b84b02002002")  # SpO2 in %, its FLOAT left out


def spo2(value: int) -> bytes:
    return NUMBER + value.to_bytes(4, "little")


def fed(sensor: GenericHealthSensor, pipe: str, *packets: bytes) -> list[Out]:
    return [out for packet in packets for out in sensor.feed(Rx(pipe, packet, NOW_NS))]


def values(outs: list[Out]) -> list[float]:
    return [out.value[0] for out in outs if isinstance(out, Block)]


def segments(whole: bytes, size: int, counter: int) -> list[bytes]:
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    last = len(parts) - 1
    return [bytes(((at == 0) | (at == last) << 1 | (counter + at) % 64 << 2,)) + part for at, part in enumerate(parts)]


@given(st.lists(st.integers(60, 100), min_size=1, max_size=9), st.integers(1, 60), st.integers(0, 63))
def test_a_bundle_in_segments_of_any_size_is_the_same(numbers: list[int], size: int, counter: int) -> None:
    body = bytes(2) + bytes((len(numbers),)) + b"".join(map(spo2, numbers))
    whole = b"\xff" + len(body).to_bytes(2, "little") + body
    assert values(fed(GenericHealthSensor(), "2b8b", *segments(whole, size, counter))) == numbers


@given(st.integers(2, 14), st.data())
def test_a_segment_that_is_lost_costs_its_observation_and_no_other(size: int, data: st.DataObject) -> None:
    parts = segments(spo2(97), size, 0)
    lost = data.draw(st.integers(0, len(parts) - 1))
    outs = fed(GenericHealthSensor(), "2b8b", *parts[:lost], *parts[lost + 1 :], *segments(spo2(96), 60, len(parts)))
    assert values(outs) == [96]


def test_a_bundle_in_a_bundle_is_refused() -> None:
    inner = b"\xff\x03\x00" + bytes(3)
    outer = b"\x03\xff" + (len(inner) + 3).to_bytes(2, "little") + b"\x00\x00\x01" + inner
    (fault,) = fed(GenericHealthSensor(), "2b8b", outer)
    assert isinstance(fault, Fault)


def clock(flags: int, shown_ns: int, quarters: int = 0, status: int = 0) -> bytes:
    unit_ns = Elapsed(flags, 0, 0, 0).unit_ns
    count = (shown_ns - (0 if flags & 1 else EPOCH_NS)) // unit_ns
    return bytes((flags, *count.to_bytes(6, "little"), 1, quarters & 0xFF, status, 0))


def stamped(flags: int, shown_ns: int, quarters: int = 0) -> bytes:
    body = bytes.fromhex("0300b84b0200") + clock(flags, shown_ns, quarters)[:9] + bytes.fromhex("200261000000")
    return b"\x03\x01" + len(body).to_bytes(2, "little") + body


@pytest.mark.parametrize("unit", range(4))
@pytest.mark.parametrize("offset_s", [0, -3600, 95])
@pytest.mark.parametrize("quarters", [None, 0, 4, -14])
def test_a_time_of_day_is_dated_in_utc_whatever_its_clock_shows(unit: int, offset_s: int, quarters: int | None) -> None:
    flags = 0x20 | unit << 2 | (0x02 if quarters is None else 0x10)
    shown_ns = NOW_NS + offset_s * NS + (quarters or 0) * 900 * NS
    sensor = GenericHealthSensor()
    fed(sensor, PIPE, clock(flags, shown_ns, quarters or 0))
    (block,) = fed(sensor, "2b8b", stamped(flags, shown_ns - 300 * NS, quarters or 0))
    assert isinstance(block, Block)
    assert block.t_ns == (NOW_NS - 300 * NS,)
    assert block.status == ()


def test_ticks_are_dated_by_how_many_there_were() -> None:
    sensor = GenericHealthSensor()
    fed(sensor, PIPE, clock(0x29, 5000 * NS))  # milliseconds since it was switched on
    (block,) = fed(sensor, "2b8b", stamped(0x29, 4990 * NS))
    assert isinstance(block, Block)
    assert block.t_ns == (NOW_NS - 10 * NS,)
    (late,) = fed(sensor, "2b8b", stamped(0x09, 4990 * NS))
    assert isinstance(late, Block)
    assert late.status == ("clock_unset",), "ticks of before it was last switched on"


def test_a_clock_that_was_never_set_is_set_first_and_believed_from_then_on() -> None:
    sensor = GenericHealthSensor()
    assert fed(sensor, PIPE, clock(0x22, EPOCH_NS + 500 * NS, status=1)) == []
    (setting, ask, live) = sensor.hello(NOW_NS)
    assert setting == Tx(PIPE, clock(0x22, NOW_NS)[:9], after_stored=True)
    assert (ask.pipe, live.pipe) == ("2a52", "2bf4")
    assert ask.if_there
    (block,) = fed(sensor, "2b8b", stamped(0x22, NOW_NS))
    assert isinstance(block, Block)
    assert (block.t_ns, block.status) == ((NOW_NS,), ())


def test_a_clock_that_is_off_is_set_when_all_was_told_and_not_before_its_offset_is_on_disk() -> None:
    sensor = GenericHealthSensor()
    (off,) = fed(sensor, PIPE, clock(0x22, NOW_NS - 95 * NS))
    assert isinstance(off, Bookmark)
    assert [tx.pipe for tx in sensor.hello(NOW_NS)] == ["2a52", "2bf4"]
    (setting,) = fed(sensor, "2a52", bytes.fromhex("06000706"))
    assert isinstance(setting, Tx)
    assert setting.after_stored
    later = GenericHealthSensor(off.text)  # the records that it stamped before are of an earlier timeline now
    fed(later, PIPE, clock(0x22, NOW_NS))
    (block,) = fed(later, "2b8b", stamped(0x02, NOW_NS - 395 * NS))
    assert isinstance(block, Block)
    assert (block.t_ns, block.status) == ((NOW_NS - 300 * NS,), ())
