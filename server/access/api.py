"""What the page and the server say to each other about access: sign-in, keys, people, relations, the broken glass."""

from typing import Literal

from pydantic import Field

from server.api import Role, Shape, Written

REASON_LENGTH = 10
"""Characters: less is no reason."""

Kind = Literal["municipality", "gp", "hospital", "response"]
Purpose = Literal["treatment", "consultation", "response"]
Way = Literal["password", "two steps", "oidc"]


class NeedsCode(Shape):
    """Why nobody came in. With `needs` the password is right: sign in again with the code as well."""

    detail: str
    needs: Literal["code"] | None = None


class SessionView(Shape):
    """Where somebody is signed in. `name` opens nothing; `mine`: it is the one that asks. Times are of the wall."""

    name: str
    way: Way
    browser: str
    began_ms: int
    used_ms: int
    mine: bool


class Security(Shape):
    """One's own keys. `password`: there is one here; without it the provider of identities sees to the second step."""

    way: Way
    password: bool
    second_step: bool
    recovery_left: int
    sessions: list[SessionView]


class Confirm(Shape):
    password: str = Field(min_length=1, max_length=256)


class Code(Shape):
    code: str = Field(min_length=6, max_length=16)


class TakeOff(Shape):
    password: str = Field(min_length=1, max_length=256)
    code: str = Field(min_length=6, max_length=16)


class Enrolment(Shape):
    """What an authenticator is to read: the square (SVG) or, typed in, the secret. Shown this once."""

    secret: str
    uri: str
    square: str


class RecoveryCodes(Shape):
    """Each good once, instead of a code. Shown this once."""

    codes: list[str]


class OrganisationView(Shape):
    """`keeps`: the one that keeps the system."""

    id: str
    name: str
    kind: Kind
    keeps: bool


class PersonView(Shape):
    """Someone of the staff. Times are of the wall."""

    id: str
    name: str
    role: Role
    organisation: str
    phone: str
    password: bool
    provider: bool
    second_step: bool
    locked_ms: int | None
    sessions: int


class PatientName(Shape):
    id: str
    name: str
    birth_year: int
    organisation: str


class RelationView(Shape):
    """An organisation (its id) or a person (their user name) that has to do with a patient; the other is null."""

    id: str
    patient: PatientName
    organisation: str | None
    staff: str | None
    purpose: Purpose
    from_ms: int
    until_ms: int | None
    made_by: str


class PeoplePage(Shape):
    """What an administrator keeps. `patients`: those who may be given a relation."""

    organisations: list[OrganisationView]
    people: list[PersonView]
    relations: list[RelationView]
    patients: list[PatientName]


class RelationNew(Shape):
    """Name one of `organisation` and `staff`. `until_ms` null: until it is ended."""

    patient: str = Field(min_length=1, max_length=64)
    organisation: str | None = Field(default=None, max_length=64)
    staff: str | None = Field(default=None, max_length=64)
    purpose: Purpose
    until_ms: int | None = Field(default=None, ge=0, le=2**43)


class GlassNew(Shape):
    """`patient`: the id. `reason` is read by whoever reviews it."""

    patient: str = Field(min_length=1, max_length=64)
    reason: Written = Field(min_length=REASON_LENGTH, max_length=500)
    minutes: int = Field(default=60, ge=1, le=60)


class GlassTold(Shape):
    """Somebody who was written to about it, and what became of that."""

    name: str
    channel: Literal["email", "sms"]
    state: Literal["queued", "sent", "delivered", "failed"]


class GlassView(Shape):
    """A broken glass. `by` is a name; `reviewed_by` null: nobody has looked at it yet."""

    id: str
    patient: PatientName
    by: str
    by_role: Role
    by_organisation: str
    reason: str
    from_ms: int
    until_ms: int
    reviewed_by: str | None
    reviewed_ms: int | None
    verdict: Literal["justified", "unjustified"] | None
    note: str
    told: list[GlassTold]


class GlassReview(Shape):
    verdict: Literal["justified", "unjustified"]
    note: str = Field(default="", max_length=500)


class Bound(Shape):
    """Who has to do with a patient besides their own organisation: relations, and the glass that is broken now."""

    organisation: str
    relations: list[RelationView]
    glass: list[GlassView]


class SignIn(Shape):
    username: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=256)
    code: str | None = Field(default=None, max_length=16)


class User(Shape):
    id: str
    name: str
    role: Role
