"""A case: one alarm, sent by one person to another, or to whoever answers for a role.

    sent ──open──▶ opened ──answer──▶ answered ──read──▶ read
      └──────────────answer─────────────▲

It stands beside the alarm, which is `escalated` while it waits for the case (`server.alarms.holds`). If nobody opens it
or answers it in time, the alarm's ladder climbs on and the case is marked as lapsed; it can be answered all the same.
The sender keeps it in sight until they have read the answer.
"""

from typing import Literal

import msgspec

from server.api import Role

Answer = Literal["advise", "take_over", "admit", "measure", "return"]

TAKES = frozenset({"take_over", "admit"})
"""Answers after which whoever answered has the alarm; after the others the sender has it again."""


class Sbar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Situation, background, assessment, recommendation: what one professional tells another, in this order."""

    situation: str
    background: str
    assessment: str
    recommendation: str


class Case(msgspec.Struct, frozen=True):
    """One case. Names of people stand beside their ids, as they were then; `draft` is by language.

    `relations` are what lets those who are consulted see the patient (`server.cases.sight`).
    """

    id: int
    alarm_id: int
    patient_id: str
    sent_by: str
    sent_name: str
    sent_ns: int
    to_role: Role
    to_person: str | None
    to_name: str
    language: str
    note: Sbar
    draft: dict[str, Sbar]
    opened_ns: int | None = None
    opened_by: str | None = None
    lapsed_ns: int | None = None
    answer: Answer | None = None
    answer_text: str = ""
    measure: tuple[str, ...] = ()
    answered_by: str | None = None
    answered_ns: int | None = None
    read_ns: int | None = None
    relations: tuple[int, ...] = ()

    def is_for(self, person: str, role: Role) -> bool:
        """Whether it was sent to that person, or by somebody else to their role."""
        if person == self.sent_by:
            return False
        return self.to_person == person if self.to_person is not None else self.to_role == role
