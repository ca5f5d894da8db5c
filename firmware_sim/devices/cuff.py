"""A blood pressure monitor for the arm: Blood Pressure Service (1810) 1.1.1, with a memory.

It is told like a weighing: a central that enables the indications of 2A35 hears every measurement it has not yet
confirmed, oldest first. While the cuff deflates before a central that listens, the pressure in it is notified on 2A36
in the same layout, with NaN in place of diastolic and mean.

Packet (2A35), here always with pulse, user and status: flags, systolic, diastolic and mean (SFLOAT, mmHg), Date Time,
pulse rate (SFLOAT, /min), user (u8), Measurement Status (u16). A cuff whose clock was never set leaves the time out.
A measurement that failed is sent with NaN for every number, and says by its status why.
"""

from firmware_sim.body import Truth
from firmware_sim.device import Can, Happening, Pipe, Send
from firmware_sim.devices import _gatt
from firmware_sim.devices._spot import ForthcomingDevice
from firmware_sim.kinds import Kind
from firmware_sim.noise import share, swing

SERVICE, MEASUREMENT, DEFLATING, FEATURES = "1810", "2a35", "2a36", "2a49"

HAS_TIME, HAS_PULSE, HAS_USER, HAS_STATUS = 0x02, 0x04, 0x08, 0x10
MOTION, CUFF_LOOSE, IRREGULAR_PULSE, BAD_POSITION = 1 << 0, 1 << 1, 1 << 2, 1 << 5

_FEATURES = 0b0001_0111
"""It notices motion, a loose cuff, an irregular pulse and a bad position."""

_CHANCES = {MOTION: 0.05, CUFF_LOOSE: 0.04, IRREGULAR_PULSE: 0.06, BAD_POSITION: 0.03}
_CHANCE_TO_FAIL = 0.03
_DEFLATING_MMHG = (168, 131, 94)


class Cuff(ForthcomingDevice):
    """The firmware. `user`: which of the monitor's own users the person is; None: it knows none."""

    name = "SimCuff"
    model = "SimCuff 1"
    advertised = (SERVICE,)
    measurement = MEASUREMENT
    user: int | None = 1
    pipes = (
        Pipe(SERVICE, MEASUREMENT, Can.INDICATE),
        Pipe(SERVICE, DEFLATING, Can.NOTIFY),
        Pipe(SERVICE, FEATURES, Can.READ),
        *_gatt.COMMON_PIPES,
    )

    def _measure(self, t_ns: int, truth: Truth) -> tuple[bytes, bytes, Happening]:
        status = sum(bit for bit, chance in _CHANCES.items() if share(self._seed, "status", bit, t_ns) < chance)
        if share(self._seed, "fails", t_ns) < _CHANCE_TO_FAIL:
            packet = self._packet(None, None, t_ns, status | MOTION)
            return packet, packet, Happening(t_ns, "measurement failed")
        systolic = round(truth.bp_sys + 3 * swing(self._seed, "bp_sys", t_ns))
        diastolic = min(systolic - 10, round(truth.bp_dia + 2 * swing(self._seed, "bp_dia", t_ns)))
        pulse_rate = round(truth.pulse_rate + 2 * swing(self._seed, "pulse_rate", t_ns))
        packet = self._packet((systolic, diastolic), pulse_rate, t_ns, status)
        return packet, packet, Happening(t_ns, "measured", self._shown(systolic, diastolic, pulse_rate))

    def _shown(self, systolic: int, diastolic: int, pulse_rate: int) -> dict[str, int | float | str]:
        shown: dict[str, int | float | str] = {"bp_sys": systolic, "bp_dia": diastolic, "pulse_rate": pulse_rate}
        return {**shown, "bp_map": mean_of(systolic, diastolic)}

    def _packet(self, mmhg: tuple[int, int] | None, pulse_rate: int | None, t_ns: int, status: int) -> bytes:
        device_ns = self.clock.read_ns(t_ns) if self.clock.is_set else None
        return blood_pressure(mmhg, pulse_rate, device_ns, user=self.user, status=status)

    def _use(self, t_ns: int, truth: Truth) -> Happening:
        if DEFLATING in self._subscribed:
            self._queue.extend(Send(DEFLATING, cuff_pressure(mmhg)) for mmhg in _DEFLATING_MMHG)
        return super()._use(t_ns, truth)

    def read(self, pipe: str, t_ns: int) -> bytes:
        return _FEATURES.to_bytes(2, "little") if pipe == FEATURES else super().read(pipe, t_ns)


def mean_of(systolic: int, diastolic: int) -> int:
    """The mean pressure as such a monitor estimates it: a third of the way up."""
    return round(diastolic + (systolic - diastolic) / 3)


def pressures(mmhg: tuple[int, int] | None) -> bytes:
    """Systolic, diastolic and mean; None: the measurement failed."""
    if mmhg is None:
        return 3 * _gatt.SFLOAT_NAN
    return b"".join(_gatt.sfloat(pressure) for pressure in (*mmhg, mean_of(*mmhg)))


def blood_pressure(
    mmhg: tuple[int, int] | None, pulse_rate: int | None, device_ns: int | None, *, user: int | None, status: int
) -> bytes:
    """A measurement: systolic and diastolic, pulse (None for either: it failed), the monitor's calendar (None: unset),
    user (None: left out) and Measurement Status."""
    flags = HAS_PULSE | HAS_STATUS
    flags |= 0 if device_ns is None else HAS_TIME
    flags |= 0 if user is None else HAS_USER
    return (
        bytes((flags,))
        + pressures(mmhg)
        + (b"" if device_ns is None else _gatt.date_time(device_ns))
        + (_gatt.SFLOAT_NAN if pulse_rate is None else _gatt.sfloat(pulse_rate))
        + (b"" if user is None else bytes((user,)))
        + status.to_bytes(2, "little")
    )


def cuff_pressure(mmhg: int) -> bytes:
    """What is in the cuff now: the pressure where the systolic stands, and two NaN."""
    return bytes((0,)) + _gatt.sfloat(mmhg) + 2 * _gatt.SFLOAT_NAN


KINDS = (
    Kind(
        "cuff",
        "Blood pressure monitor with the standard Bluetooth service",
        "bps-1810",
        "air",
        "cuff",
        lambda making: Cuff(**making.spot),
    ),
)
