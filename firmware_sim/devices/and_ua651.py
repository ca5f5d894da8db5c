"""An A&D UA-651BLE blood pressure monitor: the standard packet, without a user, in A&D's manner (`_and.py`)."""

from firmware_sim.devices import _and
from firmware_sim.devices.cuff import FEATURES, MEASUREMENT, SERVICE, Cuff
from firmware_sim.kinds import Kind


class Ua651(_and.AndDevice, Cuff):
    """The firmware."""

    name = "A&D_UA-651BLE_51A0B1"
    model = "UA-651BLE"
    user = None
    pipes = _and.pipes(SERVICE, MEASUREMENT, FEATURES)


KINDS = (
    Kind(
        "and-ua651",
        "A&D UA-651BLE blood pressure monitor",
        "and-ua651",
        "air",
        "cuff",
        lambda making: Ua651(**making.spot),
    ),
)
