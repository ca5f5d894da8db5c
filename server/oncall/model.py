"""Who answers, purely: people, shifts and a moment in; names out.

A role for which shifts are listed is answered by whoever has one that covers the moment, and by nobody between them.
A role for which none is listed is answered by everybody who has it: a small municipality needs no roster.
"""

from collections.abc import Iterable

import msgspec

from server.api import Role

ROLES: tuple[Role, ...] = ("nurse", "doctor", "specialist", "administrator")


class Way(msgspec.Struct, frozen=True):
    """A way to reach a person, used `after_s` seconds after they are told. `id` None: the municipality's telephone."""

    channel: str
    address: str
    after_s: float = 0.0
    id: int | None = None


class Person(msgspec.Struct, frozen=True):
    """Someone of the staff. `ways`: their own, in their order; without any, it is the `phone` of the municipality."""

    id: str
    name: str
    role: Role
    phone: str = ""
    ways: tuple[Way, ...] = ()

    @property
    def reached_by(self) -> tuple[Way, ...]:
        """How the ladder reaches them; empty: it cannot."""
        return self.ways or ((Way("sms", self.phone),) if self.phone else ())


class Shift(msgspec.Struct, frozen=True):
    """`staff` answers for `role` from `since_ns` (inclusive) to `until_ns` (exclusive); None is open-ended."""

    role: Role
    staff: str
    since_ns: int | None = None
    until_ns: int | None = None

    def covers(self, t_ns: int) -> bool:
        return (self.since_ns is None or self.since_ns <= t_ns) and (self.until_ns is None or t_ns < self.until_ns)


def who(role: Role, t_ns: int, people: Iterable[Person], shifts: Iterable[Shift]) -> tuple[Person, ...]:
    """Who answers for `role` at `t_ns`, by name; empty when the roster has a hole there."""
    listed = [shift for shift in shifts if shift.role == role]
    if not listed:
        return tuple(sorted((p for p in people if p.role == role), key=lambda p: p.name))
    on = {shift.staff for shift in listed if shift.covers(t_ns)}
    return tuple(sorted((p for p in people if p.id in on), key=lambda p: p.name))
