"""The rows of the worklist as they were told last, encoded.

A row is kept as the JSON that carers are sent: one string of bytes, where the row itself is thirty objects, which the
garbage collector would have to go through. What an administrator sees of it is made of that when one asks. The list is
put together once per audience, scope and version, not once per request.
"""

import hashlib
from collections.abc import Iterable, Sequence
from operator import attrgetter

import msgspec

from server.access.scopes import Scope
from server.alarms.api import AlarmBrief
from server.api import Role
from server.worklist import WorklistRow

_ORDER = {"high": 0, "medium": 1, "low": 2}
_ASKED, _CALM = 3, 4


class Told(msgspec.Struct, gc=False):
    """A row as it is told. `place`: they are sorted by it."""

    patient_id: str
    place: tuple[int, int, str]
    care: bytes
    _office: bytes | None = None

    def to(self, role: Role) -> bytes:
        if role != "administrator":
            return self.care
        if self._office is None:
            self._office = encoded(for_office(WorklistRow.model_validate_json(self.care)))
        return self._office


class Shown(msgspec.Struct, frozen=True):
    """The rows that somebody is shown, encoded; `tag` is another where they are."""

    version: int
    rows: bytes
    tag: str


class Board:
    """Not thread-safe: `server.live.hub` sees to that. `version` is another whenever a row is."""

    def __init__(self) -> None:
        self.version = 0
        self._rows: dict[str, Told] | None = None
        self._shown: dict[tuple[bool, frozenset[str] | None], Shown] = {}

    @property
    def empty(self) -> bool:
        """Whether nobody has built all rows yet, or they were thrown away."""
        return self._rows is None

    def names(self) -> list[str]:
        """Whose rows there are."""
        return list(self._rows or ())

    def clear(self) -> None:
        """Throw all rows away: whoever needs them next builds everybody's."""
        self._rows = None

    def fill(self, rows: Iterable[WorklistRow]) -> None:
        """These are everybody's rows."""
        self._rows = {one.patient_id: one for one in map(_told, rows)}
        self._turn()

    def put(self, rows: Iterable[WorklistRow], asked: Sequence[str]) -> list[Told]:
        """These are the rows of those `asked` for, and whoever of them has none is gone; returns what is different."""
        assert self._rows is not None, "all were built before"
        fresh = {one.patient_id: one for one in map(_told, rows)}
        changed = [one for one in fresh.values() if not _same(one, self._rows.get(one.patient_id))]
        gone = [one for one in set(asked) - fresh.keys() if self._rows.pop(one, None) is not None]
        self._rows.update((one.patient_id, one) for one in changed)
        if changed or gone:
            self._turn()
        return changed

    def shown(self, role: Role, scope: Scope) -> Shown:
        """The rows as that role with that scope may see them."""
        which = role == "administrator", scope.patients
        if which not in self._shown:
            rows = b",".join(one.to(role) for one in sorted(self._within(scope), key=attrgetter("place")))
            self._shown[which] = Shown(self.version, rows, _tag(rows))
        return self._shown[which]

    def _within(self, scope: Scope) -> Iterable[Told]:
        known = self._rows or {}
        if scope.patients is None:
            return known.values()
        return (known[one] for one in scope.patients if one in known)

    def _turn(self) -> None:
        self.version += 1
        self._shown.clear()


def for_office(row: WorklistRow) -> WorklistRow:
    """The row without what was measured: for those who keep the system."""
    return row.model_copy(
        update={"latest": [], "news2": None, "questions": [], "wishes": [], "clinical": _without_reasons(row.clinical)}
    )


def encoded(row: WorklistRow) -> bytes:
    """As JSON."""
    return row.__pydantic_serializer__.to_json(row)


def _without_reasons(alarm: AlarmBrief | None) -> AlarmBrief | None:
    """And without what a carer wrote about it."""
    parked = alarm.parked.model_copy(update={"why": ""}) if alarm and alarm.parked else None
    return alarm and alarm.model_copy(update={"reasons": [], "cause": None, "parked": parked})


def _told(row: WorklistRow) -> Told:
    return Told(row.patient.id, _order(row), encoded(row))


def _same(one: Told, other: Told | None) -> bool:
    return other is not None and one.care == other.care


def _order(row: WorklistRow) -> tuple[int, int, str]:
    if row.priority is None:
        asked = min((one.asked_ms for one in row.questions), default=0)
        return _ASKED if row.questions else _CALM, asked, row.patient.name
    return _ORDER[row.priority], row.waiting_since_ms or 0, row.patient.name


def _tag(rows: bytes) -> str:
    """As HTTP calls it: weak, for the same rows sent at another time say another time."""
    return f'W/"{hashlib.blake2b(rows, digest_size=12).hexdigest()}"'
