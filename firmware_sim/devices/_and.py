"""The manner of A&D's Bluetooth devices: a bond, a bare Date Time for a clock, and an end as soon as all is told.

The clock is the characteristic 2A08 inside the measurement service, where others have 2A2B in a service of its own. It
is read and written in whole seconds. To a central without a bond nothing is told; to one with it all that was kept is
indicated as soon as it listens, and then the device ends the connection by itself and sleeps.

Source: public descriptions of the UA-651BLE and the UC-352BLE (HEADS-project/ThingML-BLE).
"""

from typing import ClassVar, Literal

from firmware_sim.device import Can, Pipe, Refused
from firmware_sim.devices import _gatt
from firmware_sim.devices._spot import ForthcomingDevice


class AndDevice(ForthcomingDevice):
    """Before a standard device in the list of bases."""

    bonds: ClassVar[Literal[False, True, "passkey"]] = True
    hangs_up = True

    def read(self, pipe: str, t_ns: int) -> bytes:
        if pipe == _gatt.DATE_TIME:
            return _gatt.date_time(self.clock.read_ns(t_ns))
        return super().read(pipe, t_ns)

    def write(self, pipe: str, data: bytes, t_ns: int) -> None:
        if pipe != _gatt.DATE_TIME:
            super().write(pipe, data, t_ns)
            return
        if len(data) != 7:
            raise Refused(_gatt.INVALID_LENGTH, f"a Date Time has 7 bytes, not {len(data)}")
        try:
            device_ns = _gatt.read_date_time(data)
        except ValueError as error:
            raise Refused(_gatt.DATA_FIELD_IGNORED, f"no such date ({error})") from error
        self.clock.set(t_ns, device_ns)


def pipes(service: str, measurement: str, features: str) -> tuple[Pipe, ...]:
    """The characteristics of such a device."""
    return (
        Pipe(service, measurement, Can.INDICATE, bonded=True),
        Pipe(service, features, Can.READ),
        Pipe(service, _gatt.DATE_TIME, Can.READ | Can.WRITE, bonded=True),
        *_gatt.CLOCKLESS_PIPES,
    )
