"""A bathroom scale: Weight Scale Service (181D) 1.0, with a memory.

A central that enables the indications of 2A9D is told every weighing it has not yet confirmed, oldest first, days of
them if need be; the confirmation releases the weighing. There is no control point.

Packet (2A9D): flags, weight (u16, 0.005 kg), Date Time. A scale whose clock was never set leaves the time out.
"""

from firmware_sim.body import Truth
from firmware_sim.device import Can, Happening, Pipe
from firmware_sim.devices import _gatt
from firmware_sim.devices._spot import ForthcomingDevice
from firmware_sim.kinds import Kind
from firmware_sim.noise import swing

SERVICE, WEIGHT, FEATURES = "181d", "2a9d", "2a9e"

HAS_TIME = 0x02
_UNITS_PER_KG = 200
_STEP_KG = 0.05
"""What the display shows; the format could carry 0.005 kg."""

_FEATURES = 1 | 4 << 3
"""Bit 0: timestamps. Bits 3–6: weight resolution 4, which is 0.05 kg."""


class Scale(ForthcomingDevice):
    """The firmware."""

    name = "SimScale"
    model = "SimScale 1"
    advertised = (SERVICE,)
    measurement = WEIGHT
    pipes = (
        Pipe(SERVICE, WEIGHT, Can.INDICATE),
        Pipe(SERVICE, FEATURES, Can.READ),
        *_gatt.COMMON_PIPES,
    )

    def _measure(self, t_ns: int, truth: Truth) -> tuple[bytes, bytes, Happening]:
        steps = round((truth.weight + 0.04 * swing(self._seed, "weight", t_ns)) / _STEP_KG)
        kg = round(steps * _STEP_KG, 2)
        packet = weighing(kg, self.clock.read_ns(t_ns) if self.clock.is_set else None)
        return packet, packet, Happening(t_ns, "weighed", {"weight": kg})

    def read(self, pipe: str, t_ns: int) -> bytes:
        return _FEATURES.to_bytes(4, "little") if pipe == FEATURES else super().read(pipe, t_ns)


def weighing(kg: float, device_ns: int | None) -> bytes:
    """A weight packet in SI units; `device_ns` is the device's calendar, None where it was never set."""
    weight = round(kg * _UNITS_PER_KG).to_bytes(2, "little")
    return bytes((0,)) + weight if device_ns is None else bytes((HAS_TIME,)) + weight + _gatt.date_time(device_ns)


KINDS = (
    Kind(
        "scale",
        "Bathroom scale with the standard Bluetooth service",
        "wss-181d",
        "air",
        "scale",
        lambda making: Scale(**making.spot),
    ),
)
