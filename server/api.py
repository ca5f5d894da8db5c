"""What the staff page and the server say to each other: the shapes of every answer and command.

The page's TypeScript types are generated from these through OpenAPI, so a changed field breaks the page's build and
not a nurse's evening. Times are `…_ms`, milliseconds since 1970 in the server's clock. Sentences come in both
languages (`nb`, `en`); the page picks one.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Role = Literal["nurse", "doctor", "specialist", "administrator"]
Priority = Literal["high", "medium", "low"]


Written = Annotated[str, StringConstraints(strip_whitespace=True)]
"""What a person has written, without the blanks around it: blanks alone are no reason, however many."""


class Shape(BaseModel):
    """Unknown fields are refused; NaN and infinity too."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Text(Shape):
    """A sentence in each language."""

    nb: str
    en: str


class About(Shape):
    """Who answers, and what time it is there. `speed` above 1 is simulated time, and the page says so.

    `certificates`: hubs come in with certificates here, and can be claimed. `provider`: what the provider of identities
    is called by which one may sign in; null: there is none.
    """

    version: str
    certificates: bool
    provider: str | None
    demo: bool
    now_ms: int
    speed: float


class PatientBrief(Shape):
    """`organisation`: whose the patient is, by name."""

    id: str
    name: str
    birth_year: int
    place: str
    programme: Text
    organisation: str


class Answered(Shape):
    """Somebody was first, or more was measured since. Comes with status 409."""

    detail: str
    who: str | None


class Health(Shape):
    """For a monitor: `ok`, or what is wrong. What cannot be counted, because the database is away, is null."""

    status: Literal["ok", "degraded"]
    problems: list[str]
    broker: str
    stored: int | None
    quarantined: int | None
    open_alarms: int | None
    tick_age_s: float
    outbox_late_s: float | None = None
    """For how long the message about an alarm that has waited longest should have been sent; 0: none is late."""
