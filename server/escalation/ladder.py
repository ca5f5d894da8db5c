"""What ladders there are, and which one an alarm gets: purely.

A ladder may be for one programme, one organisation, one time of day, or any mixture; what it leaves out, it is for all
of. The most specific that fits wins: one ladder is more specific than another when it asks for all that the other asks
for, and for more. So a book of ladders is refused where that does not decide: a **hole**, an alarm that no ladder fits,
and a **contradiction**, two that fit of which neither is the more specific (one for the programme, one for the
organisation: then somebody must say what an alarm of both gets). Every combination is tried, so the answer is complete.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from itertools import product
from pathlib import Path
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from server.alarms.api import AlarmKind
from server.api import Priority, Role
from vitals.clock import NS
from vitals.errors import ConfigError, reason
from vitals.settings import parse

Hours = Literal["office", "night"]

ROSTER = "roster:"
PERSON = "person:"
_ROLES: tuple[str, ...] = get_args(Role)


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tell somebody, then wait. `tell`: a role, or `roster:ID` or `person:ID`, which the step knows by `name` as well.

    The last step has no wait of its own: the ladder's `repeat_s` is what follows it.
    """

    tell: str
    wait_s: float | None = None
    name: str = ""


class Ladder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom an alarm of this kind and priority tells, step by step, for as long as nobody acts.

    `programme`, `organisation`, `hours`: None for every one. `language`: what the messages speak.
    """

    name: str
    kind: AlarmKind
    priority: Priority
    steps: tuple[Step, ...]
    repeat_s: float
    language: Literal["nb", "en"] = "nb"
    programme: str | None = None
    organisation: str | None = None
    hours: Hours | None = None

    def fits(self, programme: str | None, organisation: str | None, hours: Hours) -> bool:
        """Whether it is for such an alarm."""
        return (
            self.programme in (None, programme)
            and self.organisation in (None, organisation)
            and self.hours in (None, hours)
        )

    @property
    def asks(self) -> frozenset[str]:
        """What it asks for beyond kind and priority: the more, the more specific."""
        asked = {"programme": self.programme, "organisation": self.organisation, "hours": self.hours}
        return frozenset(name for name, value in asked.items() if value is not None)


class Office(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"begins": "from", "ends": "to"}
):  # fmt: skip
    """When it is office hours: on these days of the week (0 is Monday), but not on the days that are `closed`."""

    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    begins: time = time(8)
    ends: time = time(15, 30)
    closed: tuple[date, ...] = ()


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every ladder that is in force together. `zone`: whose clock the office hours are of."""

    ladders: tuple[Ladder, ...]
    office: Office = Office()
    zone: str = "Europe/Oslo"

    def hours(self, t_ns: int) -> Hours:
        """Whether it is office hours at that moment, by the clock on the wall."""
        there = datetime.fromtimestamp(t_ns // NS, UTC).astimezone(ZoneInfo(self.zone))
        office = self.office
        is_open = there.weekday() in office.weekdays and there.date() not in office.closed
        return "office" if is_open and office.begins <= there.time() < office.ends else "night"


def choose(
    ladders: Iterable[Ladder], kind: AlarmKind, priority: Priority, programme: str | None, organisation: str | None,
    hours: Hours,
) -> list[Ladder]:  # fmt: skip
    """The most specific that fit: one in a book that was checked, several where they contradict each other."""
    fitting = [
        one
        for one in ladders
        if (one.kind, one.priority) == (kind, priority) and one.fits(programme, organisation, hours)
    ]
    return [one for one in fitting if not any(one.asks < other.asks for other in fitting)]


def check(book: Book, where: str) -> None:
    """That every alarm there can be has one ladder; raises ConfigError that says which has none, or which two."""
    for ladder in book.ladders:
        _check_ladder(ladder, f"{where}: ladder {ladder.name!r}")
    if book.office.ends <= book.office.begins:
        raise ConfigError(f"{where}: the office hours end before they begin", "correct `from` or `to`")
    programmes = sorted({one.programme for one in book.ladders if one.programme is not None})
    organisations = sorted({one.organisation for one in book.ladders if one.organisation is not None})
    cells = product(
        get_args(AlarmKind), get_args(Priority), [None, *programmes], [None, *organisations], get_args(Hours)
    )
    for kind, priority, programme, organisation, hours in cells:
        found = choose(book.ladders, kind, priority, programme, organisation, hours)
        if len(found) != 1:
            raise _undecided(where, found, kind, priority, programme, organisation, hours)


def waits_below_s(book: Book, answers: Mapping[str, Iterable[str]], person: str) -> float:
    """So short all waits of that person's ways must be, in seconds: the shortest wait of a step that may tell them;
    infinity where none does."""
    told = (
        ladder.repeat_s if step.wait_s is None else step.wait_s
        for ladder in book.ladders
        for step in ladder.steps
        if person in answers.get(step.tell, ())
    )
    return min(told, default=math.inf)


def check_waits(book: Book, answers: Mapping[str, Iterable[str]], slowest: Mapping[str, tuple[str, float]]) -> None:
    """That no step gives up on somebody before their own last way of being told has been used; raises ConfigError.

    `answers`: the user names that may answer for each target. `slowest`: by user name, a name and how many seconds
    after the first message the person's last one goes out.
    """
    for ladder in book.ladders:
        for number, step in enumerate(ladder.steps, 1):
            wait_s = ladder.repeat_s if step.wait_s is None else step.wait_s
            for person in answers.get(step.tell, ()):
                name, after_s = slowest.get(person, ("", 0.0))
                if after_s >= wait_s:
                    raise ConfigError(
                        f"ladder {ladder.name!r}: step {number} waits {wait_s:g} s, and {name} is not told the last "
                        f"way before {after_s:g} s have gone",
                        "let the step wait longer, or let that person be told sooner",
                    )


def read(path: Path) -> Book:
    """Read and check `ladders.toml`; raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({reason(error)})", "name a readable UTF-8 file in `ladders`"
        ) from error
    told = parse(text, Written, str(path))
    book = Book(told.ladders, told.office)
    check(book, str(path))
    return book


def load(path: Path) -> tuple[Ladder, ...]:
    """The ladders of that file; raises ConfigError."""
    return read(path).ladders


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ladders.toml`; whose clock the office hours are of is said in `server.toml`."""

    ladders: tuple[Ladder, ...]
    office: Office = Office()


def _undecided(
    where: str, found: list[Ladder], kind: AlarmKind, priority: Priority, programme: str | None,
    organisation: str | None, hours: Hours,
) -> ConfigError:  # fmt: skip
    of = "".join(
        f" {word} {value}" for word, value in (("in programme", programme), ("in", organisation)) if value is not None
    )
    when = "in office hours" if hours == "office" else "outside office hours"
    what = f"{kind} alarms of {priority} priority{of}, {when}"
    if not found:
        return ConfigError(
            f"{where}: no ladders serve {what}", "write exactly one, or such an alarm would not know whom to tell"
        )
    names = " and ".join(repr(one.name) for one in found)
    return ConfigError(
        f"{where}: {len(found)} ladders serve {what}: {names}",
        "write exactly one for just that, or ask for more in one of them",
    )


def _check_ladder(ladder: Ladder, where: str) -> None:
    if not ladder.name.strip():
        raise ConfigError(f"{where} has no name", "give it one: an alarm's timeline shows it")
    if not ladder.steps:
        raise ConfigError(f"{where} has no steps", "add at least one [[ladders.steps]]")
    if not ladder.repeat_s > 0:
        raise ConfigError(f"{where} has repeat_s = {ladder.repeat_s}", "a ladder repeats: give it seconds above 0")
    for step in ladder.steps:
        if step.tell not in _ROLES and not step.tell.startswith((ROSTER, PERSON)):
            raise ConfigError(
                f"{where}: a step tells {step.tell!r}, which is nobody",
                f"write one of {', '.join(_ROLES)}, roster:ID or person:ID",
            )
    for step in ladder.steps[:-1]:
        if step.wait_s is None or not step.wait_s > 0:
            raise ConfigError(f"{where}: the step that tells the {step.tell} does not wait", "give it wait_s above 0")
    if ladder.steps[-1].wait_s is not None:
        raise ConfigError(f"{where}: its last step has a wait_s", "remove it; repeat_s says what follows the last step")
