"""Packets of the Bluetooth devices against bytes worked out by hand from the specifications.

Two are more than that: the Beurer's and the beginning of the glucose meter's are captures of real devices, published.
"""

from datetime import UTC, datetime

import pytest

from firmware_sim.devices import _gatt, _racp, beurer_bm85, cgm, viatom_o2ring
from firmware_sim.devices.body_scale import composition, unsuccessful
from firmware_sim.devices.cuff import IRREGULAR_PULSE, MOTION, blood_pressure, cuff_pressure
from firmware_sim.devices.glucose_meter import (
    AFTER_MEAL,
    BEFORE_MEAL,
    CONTROL_PLACE,
    CONTROL_SOLUTION,
    TIME_FAULT,
    concentration,
    context,
    measurement,
)
from firmware_sim.devices.heart_belt import heart_rate
from firmware_sim.devices.nonin_3230 import packet as nonin
from firmware_sim.devices.thermometer import temperature
from vitals.clock import NS


def ns(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * NS  # type: ignore[arg-type, misc]


WHEN_NS = ns(2026, 11, 21, 23, 24, 5)
WHEN = "ea070b15171805"


def hexed(text: str) -> str:
    return text.replace(" ", "")


@pytest.mark.parametrize(
    ("value", "decimals", "bytes_"),
    [
        (36.8, 1, "700100ff"),  # 368 = 170, exponent -1 = FF
        (37, 0, "25000000"),
        (-0.5, 1, "fbffffff"),  # -5 in 24 bits = FFFFFB
        (98.64, 2, "882600fe"),  # 9864 = 2688
    ],
)
def test_float(value: float, decimals: int, bytes_: str) -> None:
    assert _gatt.float32(value, decimals).hex() == bytes_


def test_a_float_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        _gatt.float32(1e6, 2)


# Blood pressure


def test_blood_pressure() -> None:
    packet = blood_pressure((132, 78), 66, WHEN_NS, user=1, status=IRREGULAR_PULSE)
    assert packet.hex() == hexed("1e 8400 4e00 6000" + WHEN + "4200 01 0400")  # mean 78 + 54 / 3 = 96 = 60


def test_a_blood_pressure_that_failed_has_no_numbers_and_a_reason() -> None:
    packet = blood_pressure(None, None, None, user=None, status=MOTION)
    assert packet.hex() == hexed("14 ff07 ff07 ff07 ff07 0100")


def test_the_pressure_in_a_cuff() -> None:
    assert cuff_pressure(131).hex() == hexed("00 8300 ff07 ff07")


def test_a_bm85_sends_what_was_captured_of_a_real_one() -> None:
    packet = beurer_bm85.blood_pressure((106, 71), 63, ns(2026, 8, 11, 18, 31), user=0, status=0)
    assert packet.hex() == hexed("56 6a00 4700 0000 ea07080b121f00 003f 00 0000")


def test_a_bm85_turns_its_status_round_too() -> None:
    packet = beurer_bm85.blood_pressure(None, None, WHEN_NS, user=1, status=IRREGULAR_PULSE)
    assert packet.hex() == hexed("56 ff07 ff07 0000" + WHEN + "07ff 01 0004")


# Temperature and weight


def test_temperature() -> None:
    assert temperature(36.8, WHEN_NS).hex() == hexed("02 700100ff" + WHEN)
    assert temperature(37.0, None).hex() == hexed("00 720100ff")  # 370 = 172: the decimal is meant


def test_body_composition_in_two_packets() -> None:
    counts = {
        "body_fat": 253,  # 25.3 % = FD
        "basal_metabolism": 6500,  # kJ = 1964
        "muscle": 421,  # 42.1 % = 1A5
        "muscle_mass": 6000,  # 30 kg = 1770
        "fat_free_mass": 11100,  # 55.5 kg = 2B5C
        "soft_lean_mass": 10400,  # 52 kg = 28A0
        "body_water": 8100,  # 40.5 kg = 1FA4
        "impedance": 5123,  # 512.3 ohm = 1403
        "weight": 14870,  # 74.35 kg = 3A16
    }
    first = "7e10 fd00" + WHEN + "01 6419 a501 7017 5c2b"  # flags: bits 1 to 6 and 12
    second = "801f fd00 a028 a41f 0314 163a a406"  # flags: bits 7 to 12; 1700 mm = 6A4
    packets = composition(counts, bytes.fromhex(WHEN), 1, 1700)
    assert packets.hex() == hexed(first + second)
    assert len(hexed(first)) == 2 * 20


def test_body_composition_with_shoes_on() -> None:
    assert unsuccessful(bytes(7), 1).hex() == hexed("0600 ffff 00000000000000 01")


# Glucose


def test_glucose_begins_as_a_capture_of_a_real_meter_does() -> None:
    """The capture is `07 0100 e3070815061f0d b400 3bc0 f1`; ours has a status as well and knows the place."""
    packet = measurement(
        1,
        ns(2019, 8, 21, 6, 31, 13),
        180,
        concentration(5.9, in_mol=True),
        in_mol=True,
        sample=0x11,
        status=0,
        context_follows=False,
    )
    assert packet.hex() == hexed("0f 0100 e3070815061f0d b400 3bc0 11 0000")


def test_glucose_in_mass_with_a_context_to_follow() -> None:
    amount = concentration(6.66, in_mol=False)  # 120 mg/dL = 0.00120 kg/L: 120 = 78, exponent -5 = B
    packet = measurement(6, WHEN_NS, -60, amount, in_mol=False, sample=0x21, status=TIME_FAULT, context_follows=True)
    assert packet.hex() == hexed("1b 0600" + WHEN + "c4ff 78b0 21 0008")


def test_a_time_offset_beyond_its_field_says_so() -> None:
    sample = CONTROL_SOLUTION | CONTROL_PLACE << 4
    packets = [
        measurement(7, WHEN_NS, minutes, b"\x38\xc0", in_mol=True, sample=sample, status=0, context_follows=False)
        for minutes in (40_000, -40_000)
    ]
    assert [packet.hex()[20:] for packet in packets] == [hexed("ff7f 38c0 4a 0000"), hexed("0080 38c0 4a 0000")]


def test_contexts() -> None:
    # 45 g = 0.045 kg: 2D, exponent -3 = D. 12 mg: 0C, exponent -6 = A. Tested oneself (1), no health issues (5).
    assert context(6, AFTER_MEAL, 45, 12).hex() == hexed("17 0600 01 2dd0 02 51 01 0ca0")
    assert context(7, BEFORE_MEAL, None, 9).hex() == hexed("16 0700 01 51 01 09a0")


def test_continuous_glucose() -> None:
    calm = cgm.measurement(118, 605, 0, -0.4)
    assert calm[:-2].hex() == hexed("0a 01 7600 5d02 fcff")
    high = cgm.measurement(260, 10, cgm.BATTERY_LOW | cgm.ABOVE_HYPER, 2.0)
    assert high[:-2].hex() == hexed("0c a1 0401 0a00 02 08 14f0")  # the status before the warning
    assert cgm.features()[:-2].hex() == hexed("009200 59")
    assert all(cgm.e2e_crc(checked) == 0 for checked in (calm, high, cgm.features()))


def test_the_crc_of_a_continuous_monitor_is_the_one_that_is_meant() -> None:
    assert cgm.e2e_crc(b"123456789") == 0x6F91
    assert cgm.checked(b"123456789")[-2:].hex() == "916f"


# Live


def test_heart_rate() -> None:
    assert heart_rate(72, contact=True).hex() == "0648"
    assert heart_rate(0, contact=False).hex() == "0400"
    assert heart_rate(72, contact=True, energy_kj=300).hex() == hexed("0e 48 2c01")
    assert heart_rate(72, contact=True, intervals=[853, 840]).hex() == hexed("16 48 5503 4803")


def test_nonin() -> None:
    assert nonin(0x15, 29, 425, 33, 97, 68).hex() == hexed("0a 15 1d 01a9 0021 61 0044")
    assert nonin(0x19, 29, 0, 65_539, 127, 511).hex() == hexed("0a 19 1d 0000 0003 7f 01ff")  # seconds come round


def test_o2ring() -> None:
    data = viatom_o2ring.live_values(97, 68, 85, 4.2, worn=True)
    assert data.hex() == hexed("61 4400 00000000 55 00 00 2a 01 00")
    answer = viatom_o2ring.answer(0, data)
    assert answer[:-1].hex() == hexed("55 00 ff 0000 0d00") + data.hex()
    assert viatom_o2ring.crc8(answer) == 0
    assert viatom_o2ring.crc8(b"123456789") == 0xF4


@pytest.mark.parametrize(
    ("request_", "command"),
    [
        ("aa17e8000000001b", 0x17),
        ("aa17e8000000001c", None),  # CRC
        ("aa17e7000000001b", None),  # complement
        ("aa17e80000", None),  # short
        ("", None),
    ],
)
def test_the_ring_understands_whole_requests_alone(request_: str, command: int | None) -> None:
    assert viatom_o2ring.understood(bytes.fromhex(request_)) == command


# Record access


NUMBERS = [3, 4, 7, 9]


@pytest.mark.parametrize(
    ("request_", "numbers"),
    [
        ("0101", [3, 4, 7, 9]),
        ("0103010700", [7, 9]),  # from 7 on
        ("0103010a00", []),
        ("0102010400", [3, 4]),  # up to 4
        ("01040104000800", [4, 7]),  # between, both ends
        ("0105", [3]),
        ("0106", [9]),
    ],
)
def test_records_are_chosen_as_asked(request_: str, numbers: list[int]) -> None:
    chosen = _racp.chosen(bytes.fromhex(request_), NUMBERS)
    assert [NUMBERS[place] for place in chosen] == numbers


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("0100", 3),  # no operator
        ("01", 3),
        ("0107", 4),  # no such operator
        ("010101", 5),  # an operand where none belongs
        ("01030107", 5),  # half a number
        ("0103", 5),
        ("01040108000400", 5),  # the ends the wrong way round
        ("010302ea070b15171805", 9),  # by time, which it cannot
    ],
)
def test_what_cannot_be_asked_is_answered_by_the_book(request_: str, code: int) -> None:
    with pytest.raises(_racp.AccessError) as error:
        _racp.chosen(bytes.fromhex(request_), NUMBERS)
    assert error.value.code == code
