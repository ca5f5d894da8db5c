"""A body composition scale: Body Composition Service (181B) 1.0, in two packets for each weighing.

What it shows does not fit into the 20 bytes of a default connection, so it comes in two indications (2A9C), each with
the flag for several packets. Both begin with flags (u16) and body fat (u16, 0.1 %); the first goes on with Date Time,
user, basal metabolism (kJ), muscle (0.1 %), muscle mass and fat-free mass, the second with soft lean mass, body water,
impedance (0.1 ohm), weight and height (0.001 m). Masses are counts of 5 g. A weighing is delivered when its second
packet is confirmed; where the connection ends between them, both are told again.

With shoes on there is no body fat: FFFF in its place, and then nothing follows but time and user, in one packet.
A scale whose clock was never set writes a date of zeros.
"""

from collections.abc import Mapping, Sequence

from firmware_sim.body import Truth
from firmware_sim.device import Can, Happening, Pipe, Send
from firmware_sim.devices import _gatt
from firmware_sim.devices._spot import ForthcomingDevice, Record
from firmware_sim.kinds import Kind
from firmware_sim.noise import share, swing

SERVICE, MEASUREMENT, FEATURES = "181b", "2a9c", "2a9b"

HAS_TIME, HAS_USER, HAS_HEIGHT, SEVERAL = 1 << 1, 1 << 2, 1 << 11, 1 << 12
UNSUCCESSFUL = 0xFFFF
UNKNOWN_DATE = bytes(7)
MOST = 20

_STEPS = {
    "body_fat": 10,
    "basal_metabolism": 1,
    "muscle": 10,
    "muscle_mass": 200,
    "fat_free_mass": 200,
    "soft_lean_mass": 200,
    "body_water": 200,
    "impedance": 10,
    "weight": 200,
}
"""Counts in a unit of the channel, in the order of the fields; their flags are the bits from 3 on, but for the fat."""

_FIRST = ("basal_metabolism", "muscle", "muscle_mass", "fat_free_mass")
_SECOND = ("soft_lean_mass", "body_water", "impedance", "weight")
_BITS = {name: 3 + place for place, name in enumerate((*_FIRST, *_SECOND))}

_FEATURES = 0b111_1111_1111 | 7 << 11 | 3 << 15
"""All fields; masses to 0.005 kg (7), height to 0.001 m (3)."""

_USER, _HEIGHT_MM = 1, 1700
_SHOES_ON = 0.04


class BodyScale(ForthcomingDevice):
    """The firmware. A record holds its packets, one after the other."""

    name = "SimBody"
    model = "SimBody 1"
    advertised = (SERVICE,)
    measurement = MEASUREMENT
    pipes = (
        Pipe(SERVICE, MEASUREMENT, Can.INDICATE),
        Pipe(SERVICE, FEATURES, Can.READ),
        *_gatt.COMMON_PIPES,
    )

    def _measure(self, t_ns: int, truth: Truth) -> tuple[bytes, bytes, Happening]:
        date = _gatt.date_time(self.clock.read_ns(t_ns)) if self.clock.is_set else UNKNOWN_DATE
        if share(self._seed, "shoes", t_ns) < _SHOES_ON:
            packet = unsuccessful(date, _USER)
            return packet, packet, Happening(t_ns, "measurement failed")
        counts = self._counts(t_ns, truth)
        packets = composition(counts, date, _USER, _HEIGHT_MM)
        return packets, packets, Happening(t_ns, "weighed", {name: counts[name] / _STEPS[name] for name in _STEPS})

    def _counts(self, t_ns: int, truth: Truth) -> dict[str, int]:
        """What the scale makes of a weight and of a person's build."""
        weight = truth.weight + 0.04 * swing(self._seed, "weight", t_ns)
        fat = 0.3 + 0.08 * swing(self._seed, "build") + 0.004 * swing(self._seed, "fat", t_ns)
        lean = weight * (1 - fat)
        shown = {
            "body_fat": fat * 100,
            "basal_metabolism": 4.184 * (370 + 21.6 * lean),
            "muscle": 52 * (1 - fat) / 0.7,
            "muscle_mass": 0.52 * lean / 0.7,
            "fat_free_mass": lean,
            "soft_lean_mass": 0.94 * lean,
            "body_water": 0.73 * lean,
            "impedance": 520 + 25 * swing(self._seed, "impedance", t_ns),
            "weight": weight,
        }
        return {name: round(value * _STEPS[name]) for name, value in shown.items()}

    def _sends(self, record: Record, packet: bytes) -> Sequence[Send]:
        second = packet[MOST:]
        if not second:
            return (Send(MEASUREMENT, packet, record.number),)
        return Send(MEASUREMENT, packet[:MOST]), Send(MEASUREMENT, second, record.number)

    def read(self, pipe: str, t_ns: int) -> bytes:
        return _FEATURES.to_bytes(4, "little") if pipe == FEATURES else super().read(pipe, t_ns)


def composition(counts: Mapping[str, int], date: bytes, user: int, height_mm: int) -> bytes:
    """Both packets of a weighing, the first of 20 bytes. `counts`: by channel, as `_STEPS` has them."""
    first = _u16(_flags(_FIRST) | HAS_TIME | HAS_USER | SEVERAL), _u16(counts["body_fat"]), date, bytes((user,))
    second = _u16(_flags(_SECOND) | HAS_HEIGHT | SEVERAL), _u16(counts["body_fat"])
    return b"".join((*first, *_fields(counts, _FIRST), *second, *_fields(counts, _SECOND), _u16(height_mm)))


def unsuccessful(date: bytes, user: int) -> bytes:
    """The packet of a weighing without a body fat."""
    return _u16(HAS_TIME | HAS_USER) + _u16(UNSUCCESSFUL) + date + bytes((user,))


def _flags(names: Sequence[str]) -> int:
    return sum(1 << _BITS[name] for name in names)


def _fields(counts: Mapping[str, int], names: Sequence[str]) -> list[bytes]:
    return [_u16(counts[name]) for name in names]


def _u16(count: int) -> bytes:
    return count.to_bytes(2, "little")


KINDS = (
    Kind(
        "body-scale",
        "Body composition scale with the standard Bluetooth service",
        "bcs-181b",
        "air",
        "scale",
        lambda making: BodyScale(**making.spot),
    ),
)
