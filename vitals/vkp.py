"""What a dispenser's events, and an alarm's, are called in the code lists of the Norwegian municipalities (VKP).

VKP, the hub through which a municipality's systems hear of devices in homes, has two lists for dispensers: *alerts*,
of what went wrong, and *dispensed*, of what went well. One number means two things, so a code is given with its list.

    code   list        what it says                                              from which event
    1.1    alert       medicine was not given out at its time                    missed, dispense_fail
    1.3    alert       no confirmation: nobody knows whether it was given out    order_unknown, of an order to dispense
    1.8    alert       the roll is stuck                                         jam
    1.12   alert       few doses left                                            low
    1.13   alert       empty                                                     empty
    1.16   alert       the magazine was seen to                                  refill
    1.17   alert       the battery is running out                                battery_low
    1.19   alert       not connected to the mains                                mains_lost
    1.20   alert       no contact                                                none: silence is noticed by the server
    1.1    dispensed   (given out)                                               retrieved
    1.2    dispensed   (early)                                                   early
    1.3    dispensed   (confirmed by the person)                                 user_confirmed

**Check before use.** The meanings of the alerts 1.1, 1.3, 1.8 and 1.20 are those of the project's fact sheet; 1.12 to
1.19 are from the public list `vkp-alert-code` (0.90), read second-hand. Of *dispensed* the fact sheet names the codes
1.1, 1.2 and 1.3 and not what they mean: which is which is assumed here (`assumed`). Nothing may be sent to a
municipality before a person has held this table against the lists that it uses.

An alarm that people act on is told of as a *chain of events*: raised, being handled, acknowledged, its cause, the
action that ended it (`EventChain`), with how urgent (`TRIAGE`) and how grave (`SEVERITY`) it is.

Source: the project's fact sheets of devices and of escalation; vkp-alert-code 0.90, Velferdsteknologisk knutepunkt.
"""

from enum import IntEnum
from typing import Literal

import msgspec

from vitals.alarm import Level
from vitals.events import Event


class Vkp(msgspec.Struct, frozen=True):
    """A code, its list and what it says. `assumed`: what it means was not found in any source."""

    list: Literal["alert", "dispensed"]
    code: str
    text: str
    assumed: bool = False


NO_CONTACT = Vkp("alert", "1.20", "no contact with the dispenser")
"""For whoever notices the silence: no event of the device can tell it."""

CODES = {
    "dispenser.missed": Vkp("alert", "1.1", "medicine not given out at its time"),
    "dispenser.dispense_fail": Vkp("alert", "1.1", "medicine not given out at its time"),
    "dispenser.order_unknown": Vkp("alert", "1.3", "no confirmation that medicine was given out"),
    "dispenser.jam": Vkp("alert", "1.8", "roll stuck"),
    "dispenser.low": Vkp("alert", "1.12", "few doses left"),
    "dispenser.empty": Vkp("alert", "1.13", "empty"),
    "dispenser.refill": Vkp("alert", "1.16", "roll seen to"),
    "dispenser.battery_low": Vkp("alert", "1.17", "battery low"),
    "dispenser.mains_lost": Vkp("alert", "1.19", "not connected to the mains"),
    "dispenser.retrieved": Vkp("dispensed", "1.1", "given out", assumed=True),
    "dispenser.early": Vkp("dispensed", "1.2", "given out early", assumed=True),
    "dispenser.user_confirmed": Vkp("dispensed", "1.3", "confirmed by the person", assumed=True),
}


def vkp(event: Event) -> Vkp | None:
    """The code for an event of a dispenser; None where the lists have none, or where it is not about medicine."""
    if event.kind == "dispenser.order_unknown" and event.data.get("order_kind") != "dispense":
        return None
    return CODES.get(event.kind)


class EventChain(IntEnum):
    """What has happened to an alarm, in VKP's chain of events. Of 2, 4 and 5 the fact sheet says nothing."""

    RAISED = 0
    HANDLING = 1
    ACKNOWLEDGED = 3
    CAUSE = 6
    ACTION = 7


Triage = Literal["R", "O", "Y", "G", "B", "BL", "NR"]

TRIAGE: dict[Level, Triage] = {Level.HIGH: "R", Level.MEDIUM: "Y", Level.LOW: "G"}
"""Of a clinical alarm; NOT_TRIAGED of a technical one. O, B and BL say what our three levels do not (check)."""
NOT_TRIAGED: Triage = "NR"

SEVERITY: dict[Level, int] = {Level.CALM: 0, Level.LOW: 10, Level.MEDIUM: 20, Level.HIGH: 30}
"""40, the gravest, is a person's to say: no rule of ours claims it (check)."""

ALERT_OF_RULE: dict[str, str] = {
    "missed_dose": "1.1",
    "order_dispense_unknown": "1.3",
    "dispenser_trouble": "1.8",
    "gateway_silent": "1.20",
    "device_silent": "5.3.2",
    "patient_silent": "5.3.2",
    "silent_after_red": "5.3.2",
}
"""The alert that a rule's finding is, where the lists have one. 5.3.2: a measurement was not reported."""
