"""A glucose measurement (2A18) and its context (2A34), as the Bluetooth Glucose Service writes them.

    2A18  flags u8 | number u16 | base time 7 | offset s16 | SFLOAT, type and place u8 | status u16
                     always                     bit 0        bit 1                       bit 3
    2A34  flags u8 | number u16 | more flags u8 | carbohydrate | meal  | tester, health | exercise | medication | HbA1c
                     always       bit 7           bit 0          bit 1   bit 2            bit 3      bit 4        bit 6

The amount is in mol/L (bit 2) or kg/L, never as a meter shows it. Both become mmol/L with three decimals fewer, so that
different amounts stay different: 0.00120 kg/L is 6.66 mmol/L, 0.0059 mol/L is 5.9. Where two words share a byte the low
nibble is the first: type, tester.

A test with control solution is a test of the meter, whether the type says so or only the place. It is never a reading
of the patient.

The meter's clock shows base time + offset; the base time alone is never reset and, with the number, names the record.

`decode` and `decode_context` are pure; `drivers/_glucose_meter.py` is the conversation.
Source: Glucose Service 1.0.1, GATT Specification Supplement.
"""

import msgspec

from drivers._current_time import iso
from drivers._gatt import Reader
from drivers._reading import Missing, Number
from drivers._status_bits import words
from vitals.clock import NS

GRAMS_PER_MOL = 180.156
CONTROL_SOLUTION, CONTROL_PLACE = 10, 4
UNSET = "unset"
"""Stands for the base time in the name of a record without one."""

TYPES = {
    1: "sample_capillary_blood",
    2: "sample_capillary_plasma",
    3: "sample_venous_blood",
    4: "sample_venous_plasma",
    5: "sample_arterial_blood",
    6: "sample_arterial_plasma",
    7: "sample_blood",
    8: "sample_plasma",
    9: "sample_interstitial",
}
PLACES = {1: "site_finger", 2: "site_alternate", 3: "site_earlobe", 5: "site_subcutaneous"}

_STATUS_WORDS = {
    0: "low_battery",
    1: "questionable",  # sensor malfunction
    2: "questionable",  # too little blood
    3: "questionable",  # strip not inserted rightly
    4: "questionable",  # wrong type of strip
    5: "above_range",
    6: "below_range",
    7: "questionable",  # too warm for a valid result
    8: "questionable",  # too cold for a valid result
    9: "questionable",  # strip pulled out too soon
    10: "questionable",  # device fault
}
_TIME_FAULT = 11
_UNUSABLE_OFFSETS = {0x7FFF, -0x8000}  # more, or less, than the field can say


class Record(msgspec.Struct, frozen=True):
    """One measurement: `glucose` in mmol/L, `device_ns` what the meter showed, `unset` that it is no time."""

    number: int
    base_ns: int | Missing
    device_ns: int | Missing
    unset: bool
    glucose: Number | Missing
    words: tuple[str, ...]

    @property
    def key(self) -> str:
        """The record's name: its number alone comes round again when a meter starts anew."""
        return f"{self.number}@{UNSET if isinstance(self.base_ns, Missing) else iso(self.base_ns)}"


class Context(msgspec.Struct, frozen=True):
    """What the patient told the meter about measurement `number`; `data` as in `vitals.events.Event`."""

    number: int
    data: dict[str, int | float | str]


def decode(packet: Reader) -> Record:
    """A whole 2A18; raises Misfit when flags and length disagree."""
    flags, number = packet.u8(), packet.u16()
    base_ns = packet.date_time()
    offset_min = packet.s16() if flags & 1 else 0
    amount, sample = (packet.sfloat(), packet.u8()) if flags & 2 else (Missing("a record without a concentration"), 0)
    status = packet.u16() if flags & 8 else 0
    packet.end()
    off_scale = offset_min in _UNUSABLE_OFFSETS
    device_ns = base_ns if isinstance(base_ns, Missing) or off_scale else base_ns + offset_min * 60 * NS
    return Record(
        number,
        base_ns,
        device_ns,
        off_scale or bool(status >> _TIME_FAULT & 1),
        _glucose(amount, bool(flags & 4), sample),
        words(status, _STATUS_WORDS) + sample_words(sample),
    )


def sample_words(sample: int) -> tuple[str, ...]:
    """The words for a byte of sample type (low nibble) and place (high nibble)."""
    found = (TYPES.get(sample & 0x0F), PLACES.get(sample >> 4))
    return tuple(word for word in found if word)


def _glucose(amount: Number | Missing, in_mol: bool, sample: int) -> Number | Missing:
    if sample & 0x0F == CONTROL_SOLUTION or sample >> 4 == CONTROL_PLACE:
        return Missing("a test with control solution, not with blood")
    if isinstance(amount, Missing):
        return amount
    mmol_per_unit = 1000 if in_mol else 1_000_000 / GRAMS_PER_MOL
    decimals = max(amount.decimals - 3, 0 if in_mol else 1)  # 0.001 kg/L is 5.6 mmol/L, not 6
    return Number(round(amount.value * mmol_per_unit, decimals), decimals)


_CARBOHYDRATES = {1: "breakfast", 2: "lunch", 3: "dinner", 4: "snack", 5: "drink", 6: "supper", 7: "brunch"}
_MEALS = {1: "before_meal", 2: "after_meal", 3: "fasting", 4: "casual", 5: "bedtime"}
_TESTERS = {1: "self", 2: "professional", 3: "laboratory"}
_HEALTH = {1: "minor_issues", 2: "major_issues", 3: "menses", 4: "stress", 5: "no_issues"}
_MEDICATIONS = {
    1: "rapid_insulin",
    2: "short_insulin",
    3: "intermediate_insulin",
    4: "long_insulin",
    5: "premixed_insulin",
}
_NOT_AVAILABLE = 15
_OVERRUN_S, _OVERRUN_PERCENT = 0xFFFF, 0xFF


def decode_context(packet: Reader) -> Context:
    """A whole 2A34; raises Misfit when flags and length disagree. What has no value is left out."""
    flags, number = packet.u8(), packet.u16()
    if flags & 128:
        packet.u8()  # more flags, all of them reserved
    data: dict[str, int | float | str] = {}
    if flags & 1:
        data["carbohydrate"] = _word(packet.u8(), _CARBOHYDRATES)
        _put(data, "carbohydrate_g", packet.sfloat(), 1000)
    if flags & 2:
        data["meal"] = _word(packet.u8(), _MEALS)
    if flags & 4:
        both = packet.u8()
        _put_nibble(data, "tester", both & 0x0F, _TESTERS)
        _put_nibble(data, "health", both >> 4, _HEALTH)
    if flags & 8:
        duration_s, percent = packet.u16(), packet.u8()
        data |= {} if duration_s == _OVERRUN_S else {"exercise_s": duration_s}
        data |= {} if percent == _OVERRUN_PERCENT else {"exercise_percent": percent}
    if flags & 16:
        data["medication"] = _word(packet.u8(), _MEDICATIONS)
        name, per_unit = ("medication_ml", 1000) if flags & 32 else ("medication_mg", 1_000_000)
        _put(data, name, packet.sfloat(), per_unit)
    if flags & 64:
        _put(data, "hba1c_percent", packet.sfloat(), 1)
    packet.end()
    return Context(number, data)


def _word(code: int, table: dict[int, str]) -> str:
    return table.get(code, f"code_{code}")


def _put_nibble(data: dict[str, int | float | str], key: str, code: int, table: dict[int, str]) -> None:
    if code != _NOT_AVAILABLE:
        data[key] = _word(code, table)


def _put(data: dict[str, int | float | str], key: str, number: Number | Missing, per_unit: int) -> None:
    if isinstance(number, Number):
        data[key] = round(number.value * per_unit, number.decimals)
