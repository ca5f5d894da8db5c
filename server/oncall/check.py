"""What a roster may say. An error names the roster, the shift and the person, and the mend; raises ConfigError."""

import re
from collections.abc import Iterable, Mapping

from server.config import zone_of
from server.oncall.model import Pattern, Person, Roster
from vitals.errors import ConfigError

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
MOST_DAYS = 28
"""The longest shift: four weeks."""
MOST_PATTERNS = 50
MOST_PEOPLE = 100

_CARE = frozenset({"nurse", "doctor", "specialist"})


def check(roster: Roster, people: Mapping[str, Person]) -> None:
    """That the roster can be gone by, and that everybody on it can be reached. `people`: the staff by user name."""
    where = f"roster {roster.name!r}"
    if not _ID.fullmatch(roster.id):
        raise ConfigError(f"a roster cannot be called {roster.id!r}", "use small letters, digits and -")
    if not roster.name.strip():
        raise ConfigError(f"roster {roster.id} has no name", "give it one that its people know it by")
    zone_of(roster.zone, where)
    for pattern in roster.patterns:
        _check_pattern(pattern, f"{where}: shift {pattern.name!r}")
    for pattern in roster.patterns:
        for name in pattern.people:
            reachable(name, people, roster, f"{where}: shift {pattern.name!r}")
    for one in roster.fixed:
        reachable(one.staff, people, roster, where)
        if one.since_ns is not None and one.until_ns is not None and one.until_ns <= one.since_ns:
            raise ConfigError(f"{where}: a shift of {one.staff} ends before it begins", "correct its times")


def reachable(name: str, people: Mapping[str, Person], roster: Roster, where: str) -> Person:
    """The person of that user name, who may be on this roster; raises ConfigError."""
    person = people.get(name)
    if person is None:
        raise ConfigError(f"{where} names {name!r}, who is not of the staff", "choose somebody else, or add them")
    if (person.role in _CARE) != (roster.role in _CARE):
        raise ConfigError(
            f"{where}: {person.name} is {person.role} and cannot answer as {roster.role}", "choose somebody else"
        )
    if not person.reached_by:
        raise ConfigError(
            f"{where}: {person.name} cannot be reached: no number is known, nor have they a way of their own",
            "add the number, or choose somebody else: an alarm would pass them by",
        )
    return person


def unlocked(names: Iterable[str], people: Mapping[str, Person], where: str) -> None:
    """That everybody who is put on can answer; raises ConfigError with all who cannot. Not for what the file says: a
    server starts all the same when somebody was locked since."""
    locked = sorted({people[one].name for one in names if one in people and people[one].locked})
    if locked:
        raise ConfigError(
            f"{where}: locked, and so unable to sign in or to answer an alarm: {', '.join(locked)}",
            "choose somebody else, or unlock the account on the page of people first",
        )


def _check_pattern(pattern: Pattern, where: str) -> None:
    if not pattern.people or len(pattern.people) > MOST_PEOPLE:
        raise ConfigError(f"{where} has {len(pattern.people)} people", f"name 1 to {MOST_PEOPLE} who take turns")
    if not pattern.weekdays or not set(pattern.weekdays) <= set(range(7)):
        raise ConfigError(f"{where} begins on no day of the week", "choose at least one, 0 (Monday) to 6 (Sunday)")
    if len(set(pattern.weekdays)) != len(pattern.weekdays):
        raise ConfigError(f"{where} names a day of the week twice", "name each once")
    if pattern.last is not None and pattern.last < pattern.first:
        raise ConfigError(f"{where} ends ({pattern.last}) before it begins ({pattern.first})", "correct the days")
    if not 0 <= pattern.days <= MOST_DAYS:
        raise ConfigError(f"{where} lasts {pattern.days} days", f"let it end 0 to {MOST_DAYS} days after it begins")
    if pattern.days == 0 and pattern.ends <= pattern.begins:
        raise ConfigError(
            f"{where} ends at {pattern.ends:%H:%M}, before it begins at {pattern.begins:%H:%M}",
            "let it end the next day, or later",
        )
    apart = _apart(pattern.weekdays)
    if pattern.days > apart or (pattern.days == apart and pattern.ends > pattern.begins):
        raise ConfigError(
            f"{where} still lasts when its next one begins", "shorten it, or write two shifts if two are to be on"
        )


def _apart(weekdays: tuple[int, ...]) -> int:
    """The fewest days from one beginning to the next."""
    days = sorted(weekdays)
    return min((later - day) % 7 or 7 for day, later in zip(days, [*days[1:], days[0]], strict=True))
