"""Accu-Chek Guide, Guide Me and Instant glucose meters: the standard service (1808), behind a bond.

They tell nothing without one. It is made once: the meter is put into its pairing mode and asks for the six digits on
its back, which the gateway must therefore be given. From then on it advertises after each test.

`_glucose.py` is what the bytes mean, `_glucose_meter.py` the conversation.

Source: Glucose Service 1.0.1; public descriptions of the meters (nightscout xDrip).
"""

from typing import ClassVar

from drivers._glucose_meter import CHANNELS, EVENTS, NOTIFY, READ, Meter
from drivers.contract import Card, Link


class AccuChek(Meter):
    """Reads one meter for one connection."""

    card: ClassVar[Card] = Card(
        name="accu-chek",
        maker="Roche",
        model="Accu-Chek Guide, Guide Me and Instant",
        link=Link.BLE,
        channels=CHANNELS,
        events=EVENTS,
        services=("1808",),
        local_names=("meter+",),
        notify=NOTIFY,
        read=READ,
        pair="passkey",
        source="Bluetooth Glucose Service 1.0.1; nightscout xDrip, as a description of the meters",
    )
