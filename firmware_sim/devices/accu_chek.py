"""A Roche Accu-Chek meter: the standard glucose service, behind a bond made with six digits, and in mg/dL.

It advertises as "meter+" and its number after each test. What it measured, and the control point that asks for it, are
for a bonded central alone.

Source: public descriptions of the meters (nightscout xDrip).
"""

from typing import ClassVar, Literal

import msgspec

from firmware_sim.devices.glucose_meter import SERVICE, GlucoseMeter
from firmware_sim.kinds import Kind, Making


class AccuChek(GlucoseMeter):
    """The firmware."""

    bonds: ClassVar[Literal[False, True, "passkey"]] = "passkey"
    name = "meter+07654321"
    model = "929"
    in_mol = False
    pipes = tuple(
        msgspec.structs.replace(pipe, bonded=True) if pipe.service == SERVICE else pipe for pipe in GlucoseMeter.pipes
    )


def _made(making: Making) -> AccuChek:
    return AccuChek(anew_ns=making.sequence_reset_ns, **making.spot)


KINDS = (Kind("accu-chek", "Accu-Chek blood glucose meter", "accu-chek", "air", "glucose_meter", _made),)
