"""An A&D UC-352BLE bathroom scale: the standard packet in A&D's manner (`_and.py`)."""

from firmware_sim.devices import _and
from firmware_sim.devices.scale import FEATURES, SERVICE, WEIGHT, Scale
from firmware_sim.kinds import Kind


class Uc352(_and.AndDevice, Scale):
    """The firmware."""

    name = "A&D_UC-352BLE_35C2D3"
    model = "UC-352BLE"
    pipes = _and.pipes(SERVICE, WEIGHT, FEATURES)


KINDS = (Kind("and-uc352", "A&D UC-352BLE scale", "and-uc352", "air", "scale", lambda making: Uc352(**making.spot)),)
