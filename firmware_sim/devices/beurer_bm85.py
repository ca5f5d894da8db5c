"""A Beurer BM 85 blood pressure monitor: the standard service with the end of the packet turned round.

Flags (56, one of them reserved), pressures and Date Time are as the service says, with 0 for the mean it does not work
out. Then the pulse and the status with the high byte first, and between them the user, whom no flag announces. The
date is always there; a monitor whose clock was never set counts from 2000.

It does not hear a subscription sooner than 50 ms after the connection.

Source: a public description with a capture (derdilla/blood-pressure-monitor-fl, change 735).
"""

from firmware_sim.device import Can, Pipe
from firmware_sim.devices import _gatt
from firmware_sim.devices.cuff import FEATURES, MEASUREMENT, SERVICE, Cuff
from firmware_sim.kinds import Kind

FLAGS = 0x56
USER_A, NO_MEAN = 0, 0


class Bm85(Cuff):
    """The firmware."""

    name = "BM85"
    model = "BM85"
    deaf_s = 0.05
    pipes = (
        Pipe(SERVICE, MEASUREMENT, Can.INDICATE),
        Pipe(SERVICE, FEATURES, Can.READ),
        *_gatt.COMMON_PIPES,
    )

    def _shown(self, systolic: int, diastolic: int, pulse_rate: int) -> dict[str, int | float | str]:
        return {"bp_sys": systolic, "bp_dia": diastolic, "pulse_rate": pulse_rate}

    def _packet(self, mmhg: tuple[int, int] | None, pulse_rate: int | None, t_ns: int, status: int) -> bytes:
        return blood_pressure(mmhg, pulse_rate, self.clock.read_ns(t_ns), user=USER_A, status=status)


def blood_pressure(
    mmhg: tuple[int, int] | None, pulse_rate: int | None, device_ns: int, *, user: int, status: int
) -> bytes:
    """A measurement: systolic and diastolic, pulse (None for either: it failed), the monitor's calendar, user, status.

    19 bytes, whatever happened.
    """
    numbers = [_gatt.SFLOAT_NAN] * 2 if mmhg is None else [_gatt.sfloat(pressure) for pressure in mmhg]
    pulse = _gatt.SFLOAT_NAN if pulse_rate is None else _gatt.sfloat(pulse_rate)
    return (
        bytes((FLAGS,))
        + b"".join((*numbers, _gatt.sfloat(NO_MEAN)))
        + _gatt.date_time(device_ns)
        + pulse[::-1]
        + bytes((user,))
        + status.to_bytes(2, "big")
    )


KINDS = (
    Kind(
        "beurer-bm85",
        "Beurer BM 85 blood pressure monitor",
        "beurer-bm85",
        "air",
        "cuff",
        lambda making: Bm85(**making.spot),
    ),
)
