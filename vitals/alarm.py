"""How bad, and why: the words between the triage engine, the escalation ladder and the page.

Priorities are those of IEC 60601-1-8. Level is what a rule says of one patient at one moment; an alarm is what people
are told. UNKNOWN is not calm: it says that the rule lacks what it needs.
"""

from enum import IntEnum, StrEnum

import msgspec


class Level(IntEnum):
    """A rule's verdict. The order is that of severity; UNKNOWN stands apart and is never rounded down to CALM."""

    UNKNOWN = -1
    CALM = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Audience(IntEnum):
    """Whom a finding is for. What is for the patient or the next of kin rings no nurse; the order is that of who is
    called upon when the one before does not help."""

    PATIENT = 0
    KIN = 1
    NURSE = 2


class Kind(StrEnum):
    """Clinical alarms and technical ones are kept apart, always."""

    CLINICAL = "clinical"
    TECHNICAL = "technical"


class Reason(msgspec.Struct, frozen=True):
    """Why: the rule and its version, the numbers it saw, and the same as a sentence in each language. `tells`: whom."""

    rule: str
    version: str
    level: Level
    because: dict[str, float | None]
    text: dict[str, str]
    t_ns: int
    tells: Audience = Audience.NURSE


class Outcome(StrEnum):
    """How an alarm ended."""

    RESOLVED_AT_HOME = "resolved_at_home"
    VISITED = "visited"
    SENT_TO_GP = "sent_to_gp"
    ADMITTED = "admitted"
    FALSE_ALARM = "false_alarm"
    TECHNICAL_FIXED = "technical_fixed"


class Action(StrEnum):
    """What was done."""

    PHONED_PATIENT = "phoned_patient"
    HOME_VISIT = "home_visit"
    MEDICATION_CHANGED = "medication_changed"
    MEASURED_AGAIN = "measured_again"
    ESCALATED = "escalated"
    EMERGENCY_CALLED = "emergency_called"
    DEVICE_MENDED = "device_mended"
    NO_ACTION = "no_action"
