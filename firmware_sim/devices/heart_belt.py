"""A heart rate belt: Heart Rate Service (180D) 1.0, about once a second while it is worn.

Packet (2A37): flags, rate (u8), energy (u16, kJ, every tenth packet), R–R intervals (u16 each, 1/1024 s). Flag bits: 1
skin contact, 2 contact can be told, 3 energy, 4 intervals; the rate would be a u16 with bit 0, for hearts that no
person has. The intervals are those of the beats since the last packet, oldest first, as many as fit.

A 1 written to 2A39 sets the energy back to nothing; anything else is refused.
"""

from firmware_sim.body import Truth
from firmware_sim.device import Can, Pipe, Refused, TruthAt
from firmware_sim.devices import _gatt
from firmware_sim.devices._worn import WornDevice
from firmware_sim.kinds import Kind, Making
from firmware_sim.noise import swing
from vitals.clock import NS

SERVICE, MEASUREMENT, LOCATION, CONTROL = "180d", "2a37", "2a38", "2a39"

CONTACT, TELLS_CONTACT, HAS_ENERGY, HAS_INTERVALS = 1 << 1, 1 << 2, 1 << 3, 1 << 4
CHEST, RESET_ENERGY = 1, 1
CONTROL_NOT_SUPPORTED = 0x80
MOST_INTERVALS = 8
_TICKS_PER_S = 1024
_ENERGY_EACH = 10
_KJ_PER_S = 0.12
_MOST_KJ = 0xFFFF


class HeartBelt(WornDevice):
    """The firmware."""

    name = "SimBelt"
    model = "SimBelt 1"
    advertised = (SERVICE,)
    pace_s = 1.0
    pipes = (
        Pipe(SERVICE, MEASUREMENT, Can.NOTIFY),
        Pipe(SERVICE, LOCATION, Can.READ),
        Pipe(SERVICE, CONTROL, Can.WRITE),
        *_gatt.CLOCKLESS_PIPES,
    )

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self._said = 0
        self._beats = 0.0
        self._last_ns: int | None = None
        self._energy_from_ns: int | None = None

    def _sense(self, t_ns: int, truth: Truth) -> tuple[int, dict[str, int | float | str]]:
        rate = round(truth.pulse_rate + 1.5 * swing(self._seed, "pulse_rate", t_ns))
        return rate, {"heart_rate": rate}

    def disconnected(self) -> None:
        super().disconnected()
        self._last_ns = None

    def tick(self, t_ns: int, truth_at: TruthAt) -> None:
        """A packet about once a second."""
        if not self.worn:
            return
        last_ns, self._last_ns = self._last_ns, t_ns
        rate = self.shown
        if rate is None:
            self._say(MEASUREMENT, heart_rate(0, contact=False))
            return
        energy_kj = self._energy_kj(t_ns)
        intervals = self._intervals(t_ns - (t_ns if last_ns is None else last_ns), rate)
        self._said += 1
        told_kj = energy_kj if self._said % _ENERGY_EACH == 0 else None
        self._say(MEASUREMENT, heart_rate(rate, contact=True, energy_kj=told_kj, intervals=intervals))

    def _intervals(self, since_ns: int, rate: int) -> list[int]:
        """The beats of `since_ns`, each a little longer or shorter than the last."""
        before, self._beats = self._beats, self._beats + since_ns / NS * rate / 60
        mean = 60 / rate * _TICKS_PER_S
        whole = range(int(before), int(self._beats))[-MOST_INTERVALS:]
        return [round(mean * (1 + 0.04 * swing(self._seed, "beat", beat))) for beat in whole]

    def _energy_kj(self, t_ns: int) -> int:
        if self._energy_from_ns is None:
            self._energy_from_ns = t_ns
        return min(_MOST_KJ, int((t_ns - self._energy_from_ns) / NS * _KJ_PER_S))

    def read(self, pipe: str, t_ns: int) -> bytes:
        return bytes((CHEST,)) if pipe == LOCATION else super().read(pipe, t_ns)

    def write(self, pipe: str, data: bytes, t_ns: int) -> None:
        if pipe != CONTROL:
            super().write(pipe, data, t_ns)
            return
        if data != bytes((RESET_ENERGY,)):
            raise Refused(CONTROL_NOT_SUPPORTED, f"no such command: {data.hex()}")
        self._energy_from_ns = t_ns


def heart_rate(rate: int, *, contact: bool, energy_kj: int | None = None, intervals: list[int] | None = None) -> bytes:
    """A packet; `rate` in beats a minute below 256, `intervals` in 1/1024 s."""
    flags = TELLS_CONTACT | (CONTACT if contact else 0)
    flags |= (0 if energy_kj is None else HAS_ENERGY) | (HAS_INTERVALS if intervals else 0)
    return (
        bytes((flags, rate))
        + (b"" if energy_kj is None else energy_kj.to_bytes(2, "little"))
        + b"".join(interval.to_bytes(2, "little") for interval in intervals or ())
    )


KINDS = (
    Kind("heart-belt", "Heart rate belt with the standard Bluetooth service", "hrs-180d", "air", "worn", HeartBelt),
)
