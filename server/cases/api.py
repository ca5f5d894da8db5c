"""What the page and the server say to each other of what becomes of an alarm between people."""

from typing import Literal, Self

from pydantic import Field, model_validator

from server.alarms.api import Acting, AlarmBrief, Cause
from server.api import PatientBrief, Role, Shape, Text, Written
from server.readings.api import Channel, Value

Words = Literal["nb", "en"]
CaseAnswer = Literal["advise", "take_over", "admit", "measure", "return"]


class Undo(Acting):
    """Take one's own acknowledgement back, within two minutes of it."""


class Assess(Acting):
    """What it comes from. Whoever says so has the alarm."""

    cause: Cause
    note: str = Field(default="", max_length=2000)


class Snooze(Acting):
    """Inactivate it for so many minutes, at most 8 h, for a reason. A worse reading or a new rule breaks it."""

    minutes: int = Field(ge=1, le=480)
    why: Written = Field(min_length=3, max_length=500)


class Reopen(Acting):
    """Why it was closed too early."""

    why: Written = Field(min_length=3, max_length=500)


class Addressed(Acting):
    """For whoever answers for `role`, or for one `person` by user name. Exactly one of the two."""

    role: Role | None = None
    person: str | None = Field(default=None, min_length=1, max_length=64)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.role is None) == (self.person is None):
            raise ValueError("say either role or person")
        return self


class HandOver(Addressed):
    note: str = Field(default="", max_length=2000)


class Note(Shape):
    """SBAR: situation, background, assessment, recommendation."""

    situation: Written = Field(min_length=1, max_length=4000)
    background: Written = Field(min_length=1, max_length=4000)
    assessment: Written = Field(min_length=1, max_length=4000)
    recommendation: Written = Field(min_length=1, max_length=4000)


class SendOn(Addressed):
    """Escalate to somebody as a case. `language`: what the note is written in."""

    language: Words
    note: Note


class Draft(Shape):
    """SBAR as it is filled in from data, in each language."""

    nb: Note
    en: Note


class Someone(Shape):
    id: str
    name: str
    role: Role
    reachable: bool


class RoleNow(Shape):
    """Who answers for a role now."""

    role: Role
    names: list[str]
    reachable: bool


class Recipients(Shape):
    """Whom an alarm can be left with."""

    roles: list[RoleNow]
    people: list[Someone]


class Handed(Shape):
    """An alarm that was handed over, and is not taken."""

    alarm: AlarmBrief
    patient: PatientBrief


class CaseView(Shape):
    """One case. `place`: where it comes from. `mine`: sent by whoever asks; `to_me`: they may answer it.

    `note` is what the sender wrote, in `language`; `draft` what was filled in from data. `until_ms`: when the ladder
    climbs on unless it is opened, or answered; None when it does not wait. `may_measure`: what the home can be asked.
    """

    id: str
    alarm: AlarmBrief
    patient: PatientBrief
    place: str
    sent_by: str
    sent_ms: int
    to: str | None
    to_role: Role
    state: Literal["sent", "opened", "answered", "read"]
    mine: bool
    to_me: bool
    language: Words
    note: Note
    draft: Draft
    opened_ms: int | None
    opened_by: str | None
    lapsed_ms: int | None
    until_ms: int | None
    answer: CaseAnswer | None
    answer_text: str
    measure: list[Text]
    answered_by: str | None
    answered_ms: int | None
    latest: list[Value]
    may_measure: list[Channel]


class Cases(Shape):
    """What waits for whoever asks, what they have sent on, and what was answered last."""

    to_me: list[CaseView]
    handed_to_me: list[Handed]
    sent: list[CaseView]
    handed: list[Handed]
    answered: list[CaseView]


class Reply(Shape):
    """The answer to a case. `measure` names the channels that the home is to be asked for; only with that answer."""

    answer: CaseAnswer
    text: str = Field(default="", max_length=2000)
    measure: list[str] = Field(default_factory=list, max_length=20)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.answer == "measure" and not self.measure:
            raise ValueError("name in measure what is to be measured")
        if self.answer != "measure" and self.measure:
            raise ValueError("measure belongs to the answer measure")
        if self.answer == "advise" and not self.text.strip():
            raise ValueError("write the advice in text")
        return self
