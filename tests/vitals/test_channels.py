"""The table of channels: every code carries its own check digit, so a misprint cannot stay."""

import pytest

from vitals.channels import ACVPU, ACVPU_SNOMED, BP_PANEL_LOINC, CHANNELS, NEWS2_SNOMED

# Verhoeff's tables: the multiplication of the dihedral group D5, and its permutation.
_D5 = [[(i + j) % 5 if j < 5 else 5 + (i + j) % 5 for j in range(10)] for i in range(5)] + [
    [5 + (i - j) % 5 if j < 5 else (i - j) % 5 for j in range(10)] for i in range(5, 10)
]
_STEP = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def luhn_holds(code: str) -> bool:
    """Whether a LOINC code's last digit is right."""
    digits = [int(c) for c in code.replace("-", "")]
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def verhoeff_holds(code: str) -> bool:
    """Whether a SNOMED CT identifier's last digit is right."""
    check = 0
    for place, char in enumerate(reversed(code)):
        digit = int(char)
        for _ in range(place % 8):
            digit = _STEP[digit]
        check = _D5[check][digit]
    return check == 0


LOINC = sorted({code for channel in CHANNELS.values() for code in channel.loinc} | {BP_PANEL_LOINC})
SNOMED = sorted({code for channel in CHANNELS.values() for code in channel.snomed} | {*ACVPU_SNOMED, NEWS2_SNOMED})


@pytest.mark.parametrize("code", LOINC)
def test_loinc_check_digit(code: str) -> None:
    assert luhn_holds(code)


@pytest.mark.parametrize("code", SNOMED)
def test_snomed_check_digit(code: str) -> None:
    assert verhoeff_holds(code)


@pytest.mark.parametrize(
    ("code", "holds"), [("29463-7", True), ("29563-7", False), ("3150-6", False), ("3150-0", True)]
)
def test_a_published_misprint_is_caught(code: str, holds: bool) -> None:
    assert luhn_holds(code) is holds


def test_a_single_wrong_snomed_digit_is_caught() -> None:
    right = "431314004"
    for place in range(len(right)):
        for digit in "0123456789":
            if digit != right[place]:
                assert not verhoeff_holds(right[:place] + digit + right[place + 1 :])


def test_every_channel_is_whole() -> None:
    for name, channel in CHANNELS.items():
        assert name == channel.name
        assert channel.low < channel.high
        assert channel.en, channel.nb
        assert channel.unit
        assert channel.mdc is None or channel.mdc >> 16 == 2, f"{name}: vital signs stand in MDC partition 2"
        assert channel.plausible(channel.low)
        assert channel.plausible(channel.high)
        assert not channel.plausible(channel.high + channel.resolution)
        assert not channel.plausible(float("nan"))


def test_no_two_channels_share_an_mdc_code() -> None:
    codes = [channel.mdc for channel in CHANNELS.values() if channel.mdc is not None]
    assert len(codes) == len(set(codes))


def test_acvpu_has_a_code_for_each_letter() -> None:
    assert len(ACVPU) == len(ACVPU_SNOMED) == CHANNELS["consciousness"].high + 1
