"""An ear thermometer: Health Thermometer Service (1809) 1.0, with a memory.

Made for one site only, it leaves the site out of its packets and says it once, in 2A1D. While it settles before a
central that listens, it notifies what it shows on 2A1E in the layout of the measurement; the settled temperature is
indicated on 2A1C, and all that was not confirmed is told, oldest first, as soon as that is enabled.

Packet (2A1C): flags, temperature (FLOAT, 0.1 °C), Date Time. A thermometer whose clock was never set leaves the time
out.
"""

from firmware_sim.body import Truth
from firmware_sim.device import Can, Happening, Pipe, Send
from firmware_sim.devices import _gatt
from firmware_sim.devices._spot import ForthcomingDevice
from firmware_sim.kinds import Kind
from firmware_sim.noise import swing

SERVICE, MEASUREMENT, SETTLING, SITE = "1809", "2a1c", "2a1e", "2a1d"

HAS_TIME = 0x02
EAR = 3
_SETTLING_BY_C = (-2.4, -0.9, -0.2)


class Thermometer(ForthcomingDevice):
    """The firmware."""

    name = "SimThermo"
    model = "SimThermo 1"
    advertised = (SERVICE,)
    measurement = MEASUREMENT
    pipes = (
        Pipe(SERVICE, MEASUREMENT, Can.INDICATE),
        Pipe(SERVICE, SETTLING, Can.NOTIFY),
        Pipe(SERVICE, SITE, Can.READ),
        *_gatt.COMMON_PIPES,
    )

    def _measure(self, t_ns: int, truth: Truth) -> tuple[bytes, bytes, Happening]:
        celsius = round(truth.body_temp + 0.15 * swing(self._seed, "body_temp", t_ns), 1)
        packet = temperature(celsius, self.clock.read_ns(t_ns) if self.clock.is_set else None)
        return packet, packet, Happening(t_ns, "measured", {"body_temp": celsius})

    def _use(self, t_ns: int, truth: Truth) -> Happening:
        if SETTLING in self._subscribed:
            on_its_way = (temperature(round(truth.body_temp + by_c, 1), None) for by_c in _SETTLING_BY_C)
            self._queue.extend(Send(SETTLING, packet) for packet in on_its_way)
        return super()._use(t_ns, truth)

    def read(self, pipe: str, t_ns: int) -> bytes:
        return bytes((EAR,)) if pipe == SITE else super().read(pipe, t_ns)


def temperature(celsius: float, device_ns: int | None) -> bytes:
    """A packet in °C with one decimal; `device_ns` is the thermometer's calendar, None where it was never set."""
    flags = bytes((0 if device_ns is None else HAS_TIME,))
    return flags + _gatt.float32(celsius, 1) + (b"" if device_ns is None else _gatt.date_time(device_ns))


KINDS = (
    Kind(
        "thermometer",
        "Ear thermometer with the standard Bluetooth service",
        "hts-1809",
        "air",
        "thermometer",
        lambda making: Thermometer(**making.spot),
    ),
)
