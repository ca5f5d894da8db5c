"""A pulse oximeter module with the BCI protocol on a serial line: 100 packets a second, unasked, ten to a tick here.

    byte 0   1, beep, falling SpO2, searching too long, signal strength (4 bits)
    byte 1   0, waveform (7 bits)
    byte 2   0, bit 7 of the pulse rate, searching, sensor error, bar graph (4 bits)
    byte 3   0, bits 6 to 0 of the pulse rate
    byte 4   0, SpO2 in percent

FF (pulse rate) and 7F (SpO2) mean that there is none.
"""

from firmware_sim.devices._finger import OUT, CableOximeter, Shown
from firmware_sim.kinds import Kind

NO_PULSE, NO_SPO2 = 0xFF, 0x7F
BEEP = 0x40
SEARCHING, SENSOR_ERROR = 0x20, 0x10
STRONG, WEAK = 7, 2

PACKETS = 10
_WAVE = (30, 44, 70, 92, 88, 71, 60, 52, 43, 36)


class BciOximeter(CableOximeter):
    """The firmware. It speaks of movement in no other way than by a weak signal."""

    pace_s = 0.1

    def _said(self, shown: Shown) -> bytes:
        return b"".join(packet(shown, wave) for wave in _WAVE[:PACKETS])


def packet(shown: Shown, wave: int = 0) -> bytes:
    """One packet; `wave` 0 to 127."""
    if not shown.finger:
        shown, wave, flags = OUT, 0, SENSOR_ERROR
    else:
        flags = SEARCHING if shown.searching else 0
    pulse_rate = NO_PULSE if shown.pulse_rate is None else shown.pulse_rate
    return bytes(
        (
            0x80 | signal(shown) | (BEEP if wave > 90 else 0),
            wave,
            flags | (pulse_rate & 0x80) >> 1 | wave >> 3,
            pulse_rate & 0x7F,
            NO_SPO2 if shown.spo2 is None else shown.spo2,
        )
    )


def signal(shown: Shown) -> int:
    """The strength of the signal."""
    if shown.spo2 is None:
        return 0
    return WEAK if shown.weak or shown.moved else STRONG


KINDS = (Kind("bci", "BCI pulse oximeter, on a serial line", "bci", "serial", "oximeter", BciOximeter),)
