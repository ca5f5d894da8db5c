"""A&D UC-352BLE scales: the standard service (181D), but for the clock and the manner.

The clock is a Date Time (2A08) inside the weight scale service. Like A&D's cuffs (`and_ua651`), the scale tells nothing
to a stranger: it is bonded once, in its pairing mode, advertises after each weighing, indicates what it has kept as
soon as it is subscribed to, and ends the connection by itself. Early ones have the same packet on a characteristic of
A&D's own, from before the standard was out.

The service 233bf000-5a34-1b6d-975c-000d5690abe4 is for settings and for erasing. It is never written to.

Source: Weight Scale Service 1.0.1; public descriptions of the device (HEADS-project/ThingML-BLE).
"""

from typing import ClassVar

from drivers._date_time import PIPE as CLOCK
from drivers._date_time import DateTime
from drivers._gatt import battery_level
from drivers.contract import Card, Link
from drivers.wss_181d import BATTERY, FEATURES, WEIGHT, WeightScale

EARLY_SERVICE = "23434100-1fe4-1eff-80cb-00ff78297d8b"
EARLY_WEIGHT = "23434101-1fe4-1eff-80cb-00ff78297d8b"


class Uc352(WeightScale):
    """Reads one scale for one connection."""

    card: ClassVar[Card] = Card(
        name="and-uc352",
        maker="A&D",
        model="UC-352BLE",
        link=Link.BLE,
        channels=("weight", "bmi", "battery"),
        services=("181d", EARLY_SERVICE),
        local_names=("A&D_UC-352BLE",),
        notify=(WEIGHT, EARLY_WEIGHT),
        read=(CLOCK, FEATURES, BATTERY),
        pair=True,
        source="Bluetooth Weight Scale Service 1.0.1; HEADS-project/ThingML-BLE, as a description of the device",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._clock = DateTime(bookmark)
        self._handlers = {
            WEIGHT: self._weighing,
            EARLY_WEIGHT: self._weighing,
            FEATURES: self._features,
            CLOCK: self._clock.heard,
            BATTERY: battery_level,
        }
