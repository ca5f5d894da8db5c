"""A Nonin OEM III module with a finger clip, in serial data formats 2, 7 and 8; it talks unasked.

Formats 2 and 7: 75 frames a second of five bytes, 25 to a packet; here a packet is said at once, three times a second.

    format 2   01, status, waveform, data, sum of the four
    format 7   status, waveform (2 bytes, the higher first), data, sum of the four
    status     1, SNSD, ARTF, OOT, SNSA, RPRF, GPRF, SYNC: the last in frame 1 alone

The data byte by frame: 1, 2 heart rate (bits 8 and 7, then 6 to 0), 3 SpO2, 4 revision, 9 SpO2 for a display, 10 fast
SpO2, 11 SpO2 of the last beat, 14, 15, 16 the averages over eight beats, 17 SpO2 of eight for a display, 20 to 23 both
heart rates for a display; the others are reserved.

Format 8: one packet of three bytes a second.

    byte 1     1, SNSD, OOT, LPRF, MPRF, ARTF, heart rate bits 8 and 7
    byte 2     heart rate bits 6 to 0
    byte 3     SpO2

Without a finger the heart rate is 511, SpO2 127, and OOT and SNSA are set. A pulse shows as one frame of perfusion in
each packet: green, red where it is weak.
"""

from firmware_sim.devices._finger import CableOximeter, Shown
from firmware_sim.kinds import Kind, Making

FRAMES = 25
NO_HEART_RATE, NO_SPO2 = 511, 127
SYNC, GREEN, RED, SENSOR_ALARM, OUT_OF_TRACK, ARTIFACT = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_REVISION = 38
_PULSE_FRAME = 12
_ALWAYS = 0x80

_WAVE = (0.5, 0.7, 0.9, 1.0, 0.9, 0.8, 0.7, 0.6, 0.6, 0.5, 0.4, 0.4)


class _Framed(CableOximeter):
    """Formats 2 and 7."""

    pace_s = 1 / 3

    def _said(self, shown: Shown) -> bytes:
        return b"".join(self._frame(shown, number) for number in range(1, FRAMES + 1))

    def _frame(self, shown: Shown, number: int) -> bytes:
        body = self._body(status(shown, number), _WAVE[number % len(_WAVE)], data(shown, number))
        return body + bytes((sum(body) & 0xFF,))

    def _body(self, status: int, wave: float, data: int) -> bytes:
        raise NotImplementedError


class Format2(_Framed):
    """The waveform has 8 bits."""

    def _body(self, status: int, wave: float, data: int) -> bytes:
        return bytes((1, status, round(wave * 200), data))


class Format7(_Framed):
    """The waveform has 16 bits."""

    def _body(self, status: int, wave: float, data: int) -> bytes:
        return bytes((status, *round(wave * 60_000).to_bytes(2, "big"), data))


class Format8(CableOximeter):
    """No waveform."""

    pace_s = 1.0

    def _said(self, shown: Shown) -> bytes:
        return packet(shown)


def status(shown: Shown, number: int) -> int:
    """The status byte of frame `number` (from 1), formats 2 and 7."""
    bits = _ALWAYS | (SYNC if number == 1 else 0)
    if not shown.finger:
        return bits | SENSOR_ALARM | OUT_OF_TRACK
    if shown.searching:
        return bits | OUT_OF_TRACK
    if number == _PULSE_FRAME:
        bits |= RED if shown.weak else GREEN
    return bits | (ARTIFACT if shown.moved else 0)


def data(shown: Shown, number: int) -> int:
    """The data byte of frame `number` (from 1), formats 2 and 7."""
    heart_rate = NO_HEART_RATE if shown.pulse_rate is None else shown.pulse_rate
    if number in (1, 14, 20, 22):
        return heart_rate >> 7
    if number in (2, 15, 21, 23):
        return heart_rate & 0x7F
    if number in (3, 9, 10, 11, 16, 17):
        return NO_SPO2 if shown.spo2 is None else shown.spo2
    return _REVISION if number == 4 else 0


def packet(shown: Shown) -> bytes:
    """Format 8."""
    heart_rate = NO_HEART_RATE if shown.pulse_rate is None else shown.pulse_rate
    bits = _ALWAYS | heart_rate >> 7
    bits |= 0x20 if shown.spo2 is None else 0
    bits |= 0x10 if shown.weak else 0
    bits |= 0x04 if shown.moved else 0
    return bytes((bits, heart_rate & 0x7F, NO_SPO2 if shown.spo2 is None else shown.spo2))


def _kind(data_format: int, firmware: type[CableOximeter]) -> Kind:
    def made(making: Making) -> CableOximeter:
        return firmware(making)

    return Kind(
        f"nonin-oem3-{data_format}",
        f"Nonin OEM III oximeter module, serial data format {data_format}",
        f"nonin-oem3-format{data_format}",
        "serial",
        "oximeter",
        made,
    )


KINDS = (_kind(2, Format2), _kind(7, Format7), _kind(8, Format8))
