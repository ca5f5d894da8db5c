"""The ladders as rows: every book that was ever in force, so that an alarm that opens copies what is in force then.

A book is saved as a whole, for only as a whole can it be seen to have neither holes nor contradictions. `ladders.toml`
is the first one; a file that has changed since it was last applied is a new version like any other, and one that has
not leaves what was edited on the page alone.
"""

from collections.abc import Iterable
from functools import lru_cache

import msgspec
import sqlalchemy as sa

from server.alarms.api import AlarmKind
from server.api import Priority
from server.db import Number, metadata
from server.escalation.ladder import PERSON, ROSTER, Book, Ladder, Office, check, check_waits, choose, waits_below_s
from server.first import Overtaken
from server.oncall import store as oncall
from server.oncall.model import ROLES, Kept
from server.patients.store import patients
from vitals.errors import ConfigError, StoreError

ladders = sa.Table(
    "ladder_books",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("saved_ns", sa.BigInteger, nullable=False),
    sa.Column("saved_by", sa.String, nullable=False, comment="a name; empty: ladders.toml"),
    sa.Column("note", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

USUAL = Office()
FOR_EVER = 2**63 - 1


class Saved(msgspec.Struct, frozen=True):
    """A book as it was saved. `saved_by`: a name, empty for the file."""

    id: int
    saved_ns: int
    saved_by: str
    note: str
    book: Book


def apply(
    tx: sa.Connection, written: Iterable[Ladder], now_ns: int = 0, office: Office = USUAL, zone: str = "Europe/Oslo"
) -> None:
    """Put what the file says in force for alarms that open from now on, if it has changed; raises ConfigError.

    Open alarms keep the copy they have.
    """
    book = Book(tuple(written), office, zone)
    before = tx.scalar(sa.select(ladders.c.body).where(ladders.c.saved_by == "").order_by(ladders.c.id.desc()).limit(1))
    if before is not None and _unnamed(_book(before)) == _unnamed(book):
        return
    named = _named(tx, book, "ladders.toml")
    _check_waits(tx, named, now_ns)
    _insert(tx, named, now_ns, "", "")


def save(tx: sa.Connection, book: Book, seen: int, name: str, note: str, now_ns: int) -> Saved:
    """Put it in force; raises ConfigError for one that cannot be, Overtaken if `seen` is not the newest."""
    newest = newest_of(tx)
    if newest.id != seen:
        raise Overtaken(
            "the ladders were saved meanwhile", "look at them as they are now, and change them again",
            newest.saved_by or None,
        )  # fmt: skip
    check(book, "the ladders")
    named = _named(tx, book, "the ladders")
    _check_waits(tx, named, now_ns)
    return Saved(_insert(tx, named, now_ns, name, note), now_ns, name, note, named)


def newest_of(tx: sa.Connection) -> Saved:
    """The book in force; raises StoreError when none was applied."""
    found = history(tx, 1)
    if not found:
        raise StoreError(
            "no ladders are in force", "apply ladders.toml when the server starts (server.escalation.store.apply)"
        )
    return found[0]


def history(tx: sa.Connection, most: int = 100) -> list[Saved]:
    """The books, the newest first."""
    query = sa.select(ladders).order_by(ladders.c.id.desc()).limit(most)
    return [Saved(row.id, row.saved_ns, row.saved_by, row.note, _book(row.body)) for row in tx.execute(query)]


def in_force(
    tx: sa.Connection, kind: AlarmKind, priority: Priority, patient_id: str = "", now_ns: int = 0
) -> Ladder:  # fmt: skip
    """The ladder for such an alarm of that patient now; raises StoreError when there is none."""
    book = newest_of(tx).book
    whose = sa.select(patients.c.programme, patients.c.organisation).where(patients.c.id == patient_id)
    programme, organisation = tx.execute(whose).first() or (None, None)
    found = choose(book.ladders, kind, priority, programme, organisation, book.hours(now_ns))
    if not found:
        raise StoreError(
            f"no ladder is in force for {kind} alarms of {priority} priority",
            "apply ladders.toml when the server starts (server.escalation.store.apply)",
        )
    return found[0]


def check_in_force(tx: sa.Connection, now_ns: int) -> None:
    """That the ladders in force outrun nobody's own ways, as people and rosters stand; raises ConfigError."""
    _check_waits(tx, newest_of(tx).book, now_ns)


def check_own_wait(tx: sa.Connection, staff: str, name: str, after_s: float, now_ns: int) -> None:
    """That they do not outrun a way of that person's that is used after so long; raises ConfigError."""
    check_waits(newest_of(tx).book, _may_answer(tx, now_ns), {staff: (name, after_s)})


def own_waits_below_s(tx: sa.Connection, staff: str, now_ns: int) -> float:
    """What `check_own_wait` allows that person: any wait shorter than this."""
    return waits_below_s(newest_of(tx).book, _may_answer(tx, now_ns), staff)


def _check_waits(tx: sa.Connection, book: Book, now_ns: int) -> None:
    slowest = {
        one.id: (one.name, max((way.after_s for way in one.reached_by), default=0.0))
        for one in oncall.everybody(tx).values()
    }
    check_waits(book, _may_answer(tx, now_ns), slowest)


def _may_answer(tx: sa.Connection, now_ns: int) -> dict[str, tuple[str, ...]]:
    """Who may ever answer for each target, as things stand: everybody of a role, everybody on a roster."""
    staff = oncall.everybody(tx)
    found: dict[str, tuple[str, ...]] = {PERSON + name: (name,) for name in staff}
    rosters = oncall.kept(tx, now_ns, FOR_EVER)
    for one in rosters:
        found[ROSTER + one.newest.id] = _on_it(one)
    for role in ROLES:
        on_its = {name for one in rosters if one.newest.role == role for name in _on_it(one)}
        found[role] = tuple(sorted({person.id for person in staff.values() if person.role == role} | on_its))
    return found


def _on_it(kept: Kept) -> tuple[str, ...]:
    roster = kept.newest
    return tuple(sorted(roster.named | {one.into for one in kept.overrides if one.into is not None}))


def _named(tx: sa.Connection, book: Book, where: str) -> Book:
    """With the names of the rosters and people that its steps tell; raises ConfigError where there is no such."""
    known = {ROSTER + one.newest.id: one.newest.name for one in oncall.kept(tx, 0, FOR_EVER)}
    staff = oncall.everybody(tx)
    known |= {PERSON + one.id: one.name for one in staff.values()}

    def named(ladder: Ladder) -> Ladder:
        for step in ladder.steps:
            if step.tell not in ROLES and step.tell not in known:
                raise ConfigError(
                    f"{where}: ladder {ladder.name!r} tells {step.tell!r}, and there is no such roster or person",
                    "make the roster first, or name another",
                )
            person = staff.get(step.tell.removeprefix(PERSON)) if step.tell.startswith(PERSON) else None
            if person is not None and not person.reached_by:
                raise ConfigError(
                    f"{where}: ladder {ladder.name!r} tells {person.name}, who cannot be reached: no number is "
                    "known, nor have they a way of their own",
                    "add the number, or tell somebody else",
                )
        steps = tuple(msgspec.structs.replace(step, name=known.get(step.tell, "")) for step in ladder.steps)
        return msgspec.structs.replace(ladder, steps=steps)

    return msgspec.structs.replace(book, ladders=tuple(named(one) for one in book.ladders))


def _unnamed(book: Book) -> Book:
    """As it is written: what somebody is called is no change."""
    plain = tuple(
        msgspec.structs.replace(one, steps=tuple(msgspec.structs.replace(step, name="") for step in one.steps))
        for one in book.ladders
    )
    return msgspec.structs.replace(book, ladders=plain)


def _insert(tx: sa.Connection, book: Book, now_ns: int, name: str, note: str) -> int:
    values = {"saved_ns": now_ns, "saved_by": name, "note": note, "body": msgspec.json.encode(book)}
    number: int = tx.execute(ladders.insert().values(values).returning(ladders.c.id)).scalar_one()
    return number


@lru_cache(maxsize=64)
def _book(body: bytes) -> Book:
    return msgspec.json.decode(body, type=Book)
