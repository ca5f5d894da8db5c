"""A&D UA-651BLE blood pressure monitors: the standard service (1810), but for the clock and the manner.

The clock is a Date Time (2A08) inside the blood pressure service. The monitor tells nothing to a stranger: it is bonded
once, in its pairing mode (the button held until the display shows Pr). From then on it advertises after each
measurement, indicates what it has kept as soon as it is subscribed to, and ends the connection by itself.

The service 233bf000-5a34-1b6d-975c-000d5690abe4 is A&D's own, for settings and for erasing. It is never written to.

Source: Blood Pressure Service 1.1.1; public descriptions of the device (HEADS-project/ThingML-BLE).
"""

from typing import ClassVar

from drivers._blood_pressure import CHANNELS
from drivers._date_time import PIPE as CLOCK
from drivers._date_time import DateTime
from drivers._gatt import battery_level
from drivers.bps_1810 import BATTERY, FEATURES, MEASUREMENT, BloodPressureMonitor
from drivers.contract import Card, Link


class Ua651(BloodPressureMonitor):
    """Reads one monitor for one connection."""

    card: ClassVar[Card] = Card(
        name="and-ua651",
        maker="A&D",
        model="UA-651BLE",
        link=Link.BLE,
        channels=(*CHANNELS, "battery"),
        services=("1810",),
        local_names=("A&D_UA-651BLE",),
        notify=(MEASUREMENT,),
        read=(CLOCK, FEATURES, BATTERY),
        pair=True,
        source="Bluetooth Blood Pressure Service 1.1.1; HEADS-project/ThingML-BLE, as a description of the device",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._clock = DateTime(bookmark)
        self._handlers = {
            MEASUREMENT: self._measurement,
            FEATURES: self._features,
            CLOCK: self._clock.heard,
            BATTERY: battery_level,
        }
