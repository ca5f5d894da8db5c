"""Packets against bytes worked out by hand from the Bluetooth SIG's texts; no capture of a real device is public."""

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.devices import _gatt
from firmware_sim.devices.oximeter import FROM_STORAGE, FULLY_QUALIFIED, spot
from firmware_sim.devices.scale import weighing
from vitals.clock import NS

WHEN_NS = int(datetime(2026, 11, 21, 23, 24, 5, tzinfo=UTC).timestamp()) * NS
WHEN = "ea070b15171805"


@pytest.mark.parametrize(
    ("value", "decimals", "bytes_"),
    [
        (98, 0, "6200"),
        (72, 0, "4800"),
        (0, 0, "0000"),
        (4.25, 2, "a9e1"),  # 425 = 1A9, exponent -2 = E
        (36.4, 1, "6cf1"),  # 364 = 16C, exponent -1 = F
        (-1, 0, "ff0f"),
        (25.5, 2, "fff0"),  # 2550 does not fit 12 bits with a sign: one decimal fewer, 255
        (3000, 0, "2c11"),  # 300 = 12C, exponent +1
    ],
)
def test_sfloat(value: float, decimals: int, bytes_: str) -> None:
    assert _gatt.sfloat(value, decimals).hex() == bytes_


@given(st.floats(-20, 20), st.integers(0, 2))
def test_an_sfloat_is_the_value_to_the_decimals_asked(value: float, decimals: int) -> None:
    raw = int.from_bytes(_gatt.sfloat(value, decimals), "little")
    mantissa, exponent = raw & 0xFFF, raw >> 12
    mantissa -= 0x1000 if mantissa & 0x800 else 0
    exponent -= 16 if exponent & 8 else 0
    assert mantissa * 10.0**exponent == pytest.approx(value, abs=0.51 * 10.0**-decimals)


def test_an_sfloat_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        _gatt.sfloat(1e12)


def test_spot_check_as_told_at_once() -> None:
    packet = spot(97, 68, WHEN_NS, status=FULLY_QUALIFIED, perfusion_index=4.25)
    assert packet.hex() == "0f" + "6100" + "4400" + WHEN + "0001" + "000000" + "a9e1"


def test_spot_check_from_storage_weak_and_undated() -> None:
    packet = spot(88, 112, WHEN_NS, status=FULLY_QUALIFIED | FROM_STORAGE, perfusion_index=0.31, clock_is_set=False)
    assert packet.hex() == "1f" + "5800" + "7000" + WHEN + "0003" + "200000" + "1fe0"


def test_weighing() -> None:
    assert weighing(72.45, WHEN_NS).hex() == "02" + "9a38" + WHEN  # 72.45 / 0.005 = 14490 = 389A
    assert weighing(72.45, None).hex() == "00" + "9a38"


def test_current_time() -> None:
    assert _gatt.current_time(WHEN_NS + NS // 2).hex() == WHEN + "06" + "80" + "00"  # a Saturday


@given(st.integers(946_684_800 * NS, 4_000_000_000 * NS))
def test_a_time_that_was_written_is_the_time_that_is_read(t_ns: int) -> None:
    assert 0 <= t_ns - _gatt.read_current_time(_gatt.current_time(t_ns)) <= NS // 256


def test_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="month"):
        _gatt.read_current_time(struct.pack("<H8B", 2026, 13, 1, 0, 0, 0, 0, 0, 0))
