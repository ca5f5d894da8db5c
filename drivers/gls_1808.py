"""Glucose meters of the Bluetooth Glucose Service (1808), with what the patient told them about each measurement.

`_glucose.py` is what the bytes mean, `_glucose_meter.py` the conversation. Source: Glucose Service 1.0.1.
"""

from typing import ClassVar

from drivers._glucose_meter import CHANNELS, EVENTS, NOTIFY, READ, Meter
from drivers.contract import Card, Link


class GlucoseMeter(Meter):
    """Reads one meter for one connection."""

    card: ClassVar[Card] = Card(
        name="gls-1808",
        maker="any",
        model="glucose meter with the standard Bluetooth service",
        link=Link.BLE,
        channels=CHANNELS,
        events=EVENTS,
        services=("1808",),
        notify=NOTIFY,
        read=READ,
        source="Bluetooth Glucose Service 1.0.1",
    )
