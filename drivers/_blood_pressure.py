"""One blood pressure, as the Blood Pressure Measurement (2A35) writes it, for every cuff that does, well or nearly.

    flags u8 | systolic, diastolic, mean SFLOAT | date 7 | pulse SFLOAT | user u8 | status u16
               always                             bit 1    bit 2          bit 3     bit 4

Bit 0 says kPa; a kilopascal is 7.5 mmHg, so as many decimals keep different pressures different. NaN is how a cuff says
that it failed, or that it does not work out a mean. `decode` reads the whole; a cuff that deviates builds its own
`Measurement` from `pressures` and `status_words`, and `readings` makes Blocks and Faults of either.

Source: Blood Pressure Service 1.1.1, GATT Specification Supplement.
"""

from collections.abc import Iterator

import msgspec

from drivers._gatt import Reader
from drivers._reading import Missing, Number, Stamp, reading
from drivers._status_bits import user_word, words
from drivers.contract import Out, Rx

KPA, DATE, PULSE, USER, STATUS = 1, 2, 4, 8, 16
"""The flags, as masks."""

CHANNELS = ("bp_sys", "bp_dia", "bp_map", "pulse_rate")

MMHG_PER_KPA = 1000 / 133.322387415

_WORDS = {0: "motion", 1: "cuff_loose", 2: "irregular_pulse", 5: "bad_position"}
_PULSE_RANGE = {1: ("pulse_above_range",), 2: ("pulse_below_range",)}  # bits 3 and 4, as a number


class Measurement(msgspec.Struct, frozen=True):
    """What one packet says. Pressures in mmHg; `device_ns` the cuff's own clock; None for what it does not carry."""

    systolic: Number | Missing
    diastolic: Number | Missing
    mean: Number | Missing
    device_ns: int | Missing | None = None
    pulse: Number | Missing | None = None
    user: int | None = None
    words: tuple[str, ...] = ()

    @property
    def all_words(self) -> tuple[str, ...]:
        """The status words with the user's."""
        return self.words + user_word(self.user)


def decode(packet: Reader) -> Measurement:
    """A whole 2A35 or 2A36; raises Misfit when flags and length disagree."""
    flags = packet.u8()
    systolic, diastolic, mean = pressures(packet, flags)
    device_ns = packet.date_time() if flags & DATE else None
    pulse = packet.sfloat() if flags & PULSE else None
    user = packet.u8() if flags & USER else None
    bits = packet.u16() if flags & STATUS else 0
    packet.end()
    return Measurement(systolic, diastolic, mean, device_ns, pulse, user, status_words(bits))


def pressures(packet: Reader, flags: int) -> tuple[Number | Missing, Number | Missing, Number | Missing]:
    """Systolic, diastolic and mean in mmHg, from the next 6 bytes."""
    systolic, diastolic, mean = (_mmhg(packet.sfloat(), bool(flags & KPA)) for _ in range(3))
    return systolic, diastolic, mean


def status_words(bits: int) -> tuple[str, ...]:
    """The words for a Measurement Status."""
    return words(bits, _WORDS) + _PULSE_RANGE.get(bits >> 3 & 3, ())


def readings(measurement: Measurement, rx: Rx, stamp: Stamp) -> Iterator[Out]:
    """Three pressures, and the pulse where there is one, each a Block or the Fault that says why it is none."""
    yield reading("bp_sys", measurement.systolic, rx, stamp)
    yield reading("bp_dia", measurement.diastolic, rx, stamp)
    yield reading("bp_map", measurement.mean, rx, stamp)
    if measurement.pulse is not None:
        yield reading("pulse_rate", measurement.pulse, rx, stamp)


def _mmhg(pressure: Number | Missing, kilopascal: bool) -> Number | Missing:
    if isinstance(pressure, Missing) or not kilopascal:
        return pressure
    return Number(round(pressure.value * MMHG_PER_KPA, pressure.decimals), pressure.decimals)
