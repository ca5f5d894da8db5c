"""The numbers and dates of Bluetooth health devices, against formulas that share nothing with the reader."""

import math
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers._current_time import current_time, iso
from drivers._gatt import Misfit, Reader
from drivers._reading import Missing, Number

SPECIAL_12 = {0x7FE, 0x7FF, 0x800, 0x801, 0x802}
SPECIAL_24 = {0x7FFFFE, 0x7FFFFF, 0x800000, 0x800001, 0x800002}


def independent(mantissa: int, mantissa_bits: int, exponent: int, exponent_bits: int) -> Decimal:
    """The number by decimal arithmetic, its sign bits weighed as negative."""
    for_mantissa = Decimal(mantissa) - Decimal(2**mantissa_bits) * (mantissa >> (mantissa_bits - 1))
    for_exponent = exponent - 2**exponent_bits * (exponent >> (exponent_bits - 1))
    return for_mantissa.scaleb(for_exponent)


def test_every_one_of_the_65536_sfloats() -> None:
    for raw in range(0x10000):
        mantissa, exponent = raw & 0xFFF, raw >> 12
        number = Reader(raw.to_bytes(2, "little")).sfloat()
        if mantissa in SPECIAL_12:
            assert isinstance(number, Missing), hex(raw)
            continue
        assert isinstance(number, Number), hex(raw)
        meant = independent(mantissa, 12, exponent, 4)
        assert number.value == float(meant), hex(raw)
        assert number.decimals == (16 - exponent if exponent > 7 else 0), hex(raw)


def test_every_sfloat_with_decimals_can_be_written_back() -> None:
    """Value and decimals together lose nothing: what the device meant can be told from them."""
    for raw in range(0x10000):
        number = Reader(raw.to_bytes(2, "little")).sfloat()
        if isinstance(number, Number) and raw >> 12 > 7:
            mantissa = round(Decimal(number.value).scaleb(number.decimals))
            assert (mantissa & 0xFFF) | (16 - number.decimals) << 12 == raw


@given(st.integers(0, 0xFFFFFFFF))
@example(0x007FFFFF)
@example(0x00800000)
@example(0x007FFFFE)
@example(0x00800002)
@example(0x00800001)
@example(0xFF7FFFFF)
@example(0x80000001)
@example(0x7F7FFFFD)
def test_floats(raw: int) -> None:
    mantissa, exponent = raw & 0xFFFFFF, raw >> 24
    number = Reader(raw.to_bytes(4, "little")).float32()
    if mantissa in SPECIAL_24:
        assert isinstance(number, Missing)
        return
    assert isinstance(number, Number)
    assert math.isfinite(number.value)
    assert number.value == float(independent(mantissa, 24, exponent, 8))
    assert number.decimals == (256 - exponent if exponent > 127 else 0)


def test_the_numbers_of_the_books() -> None:
    """98 is 98 (a published package says 9.8e-07), 36.4 °C as in IEEE 11073-20601, and 2.00 is not 2."""
    assert Reader(bytes.fromhex("6200")).sfloat() == Number(98.0, 0)
    assert Reader(bytes.fromhex("6c0100ff")).float32() == Number(36.4, 1)
    assert Reader(bytes.fromhex("c8e0")).sfloat() == Number(2.0, 2)
    assert Reader(bytes.fromhex("06f0")).sfloat() != Reader(bytes.fromhex("0600")).sfloat()


@pytest.mark.parametrize(
    ("raw", "word"), [("ff07", "NaN"), ("0008", "NRes"), ("fe07", "+INF"), ("0208", "-INF"), ("0108", "reserved")]
)
def test_a_special_says_why_there_is_no_value(raw: str, word: str) -> None:
    number = Reader(bytes.fromhex(raw)).sfloat()
    assert isinstance(number, Missing)
    assert word in number.reason


@given(st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31)))  # noqa: DTZ001 - hypothesis wants them bare
def test_dates_come_back(date: datetime) -> None:
    date = date.replace(microsecond=0, tzinfo=UTC)
    raw = date.year.to_bytes(2, "little") + bytes((date.month, date.day, date.hour, date.minute, date.second))
    assert Reader(raw).date_time() == int(date.timestamp()) * 10**9


@given(st.binary(min_size=7, max_size=7))
@example(bytes.fromhex("00000b15080000"))
@example(bytes.fromhex("ea070015080000"))
@example(bytes.fromhex("ea070b00080000"))
def test_a_date_with_an_unknown_field_is_none(raw: bytes) -> None:
    read = Reader(raw).date_time()
    if not int.from_bytes(raw[:2], "little") or not raw[2] or not raw[3]:
        assert isinstance(read, Missing)
    elif not isinstance(read, Missing):
        assert iso(read) == datetime(int.from_bytes(raw[:2], "little"), *raw[2:]).isoformat()  # noqa: DTZ001


def test_the_clock_is_set_to_the_second_with_its_weekday() -> None:
    now_ns = 1_795_248_000_000_000_000  # 2026-11-21T08:00:00Z, a Saturday
    assert current_time(now_ns).hex(" ") == "ea 07 0b 15 08 00 00 06 00 00"
    assert current_time(now_ns + 499_999_999) == current_time(now_ns)
    assert current_time(now_ns + 500_000_000).hex(" ") == "ea 07 0b 15 08 00 01 06 00 00"


def test_a_read_clock_keeps_its_fraction() -> None:
    read = Reader(bytes.fromhex("ea070b15080000068000")).current_time()
    assert read == 1_795_248_000_500_000_000


def test_the_reader_stops_at_the_end() -> None:
    packet = Reader(b"\x01\x02\x03")
    assert (packet.u8(), packet.u16()) == (1, 0x0302)
    packet.end()
    with pytest.raises(Misfit) as short:
        packet.u8()
    assert short.value.code == "short packet"
    with pytest.raises(Misfit) as long:
        Reader(b"\x01").end()
    assert long.value.code == "long packet"
