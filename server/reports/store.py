"""What the reports count, fetched: the database groups and counts, NumPy has the percentiles."""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from server.alarms.model import HELD, PRIORITY, UNDO_S, State
from server.alarms.table import alarms
from server.alarms.timeline import timeline
from server.patients.store import ANSWERS, assignments, patients
from server.reports.figures import Took, per_100_days, took, watched_days
from vitals.alarm import Level, Reason
from vitals.clock import NS

_Rows = Iterable[Any]

AVOIDED = "visit_avoided"
FALSE = "false_alarm"
ACTS = ("acknowledged", "escalated", "snoozed", "sent")
"""What somebody may do about an alarm of which they are told, in the timeline's words."""


class Rule(msgspec.Struct, frozen=True):
    """Of the alarms in which a rule spoke. `usefulness`: the mean of those that were judged."""

    rule: str
    alarms: int
    judged: int
    usefulness: float | None
    false_alarms: int


class Paced(msgspec.Struct, frozen=True):
    """How fast alarms of a kind and level were answered."""

    kind: str
    priority: str
    alarms: int
    acknowledge: Took
    close: Took


class Counted(msgspec.Struct, frozen=True):
    """One window. `days` and `by_patient` ((clinical, technical)) by patient."""

    days: dict[str, float]
    by_patient: dict[str, tuple[int, int]]
    acknowledge: Took
    close: Took
    paced: tuple[Paced, ...]
    escalated: int
    climbed: int
    unanswered: int
    visits_avoided: int
    rules: tuple[Rule, ...]

    def burden(self) -> tuple[float, int, int, float | None]:
        """Days, clinical and technical alarms, clinical ones in 100 days: of everybody."""
        days = sum(self.days.values())
        clinical = sum(count for count, _ in self.by_patient.values())
        return days, clinical, sum(count for _, count in self.by_patient.values()), per_100_days(clinical, days)


def count(tx: sa.Connection, from_ns: int, to_ns: int, now_ns: int, seen: sa.ColumnElement[bool]) -> Counted:
    """The alarms of the patients of that condition that were raised between two moments, and what became of them."""
    theirs = sa.select(patients.c.id).where(seen)
    window = (alarms.c.raised_ns >= from_ns) & (alarms.c.raised_ns < to_ns) & alarms.c.patient_id.in_(theirs)
    answered = _answered(tx, window)
    rows = list(
        tx.execute(
            sa.select(
                alarms.c.id, alarms.c.kind, alarms.c.level, alarms.c.raised_ns, alarms.c.closed_ns, alarms.c.closed_by
            ).where(window)
        )
    )  # fmt: skip
    groups = sorted({(row.kind, -row.level) for row in rows})
    return Counted(
        days=_days(tx, from_ns, min(to_ns, now_ns), theirs), by_patient=_by_patient(tx, window),
        acknowledge=_acknowledge(rows, answered), close=_close(rows),
        paced=tuple(
            Paced(kind, PRIORITY[Level(-level)], len(its), _acknowledge(its, answered), _close(its))
            for kind, level in groups
            for its in [[row for row in rows if (row.kind, -row.level) == (kind, level)]]
        ),
        escalated=_entries(tx, window, "escalated"), climbed=_climbed(tx, window),
        unanswered=_how_many(tx, window & (alarms.c.state != State.CLOSED) & alarms.c.state.not_in(HELD)),
        visits_avoided=_how_many(tx, window & (alarms.c.outcome == AVOIDED)), rules=_rules(tx, window),
    )  # fmt: skip


def _acknowledge(rows: _Rows, answered: dict[int, int]) -> Took:
    pairs = [(row.raised_ns, answered[row.id]) for row in rows if row.id in answered]
    return took(*_columns(pairs))


def _close(rows: _Rows) -> Took:
    """Those that a person closed: one that settled by itself says nothing of people."""
    return took(*_columns([(row.raised_ns, row.closed_ns) for row in rows if row.closed_by is not None]))


def _columns(pairs: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    columns = np.asarray(pairs, np.int64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


def _answered(tx: sa.Connection, window: sa.ColumnElement[bool]) -> dict[int, int]:
    """When each alarm was acknowledged first."""
    query = sa.select(timeline.c.alarm_id, sa.func.min(timeline.c.t_ns)).where(
        timeline.c.what == "acknowledged",
        _stood(timeline),
        timeline.c.alarm_id.in_(sa.select(alarms.c.id).where(window)),
    )
    return {row[0]: row[1] for row in tx.execute(query.group_by(timeline.c.alarm_id))}


def _stood(entry: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether whoever wrote that entry did not take it back: what was undone is as if it had not been."""
    undone, columns = timeline.alias(), entry.c
    return ~sa.exists().where(
        undone.c.alarm_id == columns.alarm_id, undone.c.what == "undone", undone.c.who == columns.who,
        undone.c.id > columns.id, undone.c.t_ns <= columns.t_ns + round(UNDO_S * NS),
    )  # fmt: skip


def _entries(tx: sa.Connection, window: sa.ColumnElement[bool], what: str) -> int:
    its = timeline.c.alarm_id.in_(sa.select(alarms.c.id).where(window))
    query = sa.select(sa.func.count()).select_from(timeline).where(timeline.c.what == what, its)
    return tx.scalar(query) or 0


def _climbed(tx: sa.Connection, window: sa.ColumnElement[bool]) -> int:
    """In how many alarms people were told once more before anybody had acted."""
    first, again, act = timeline.alias(), timeline.alias(), timeline.alias()
    its = again.c.alarm_id.in_(sa.select(alarms.c.id).where(window))
    earlier = sa.exists().where(
        first.c.alarm_id == again.c.alarm_id, first.c.what == "told", first.c.t_ns < again.c.t_ns
    )
    acted = sa.exists().where(
        act.c.alarm_id == again.c.alarm_id, act.c.what.in_(ACTS), act.c.t_ns <= again.c.t_ns, _stood(act)
    )
    query = sa.select(sa.func.count(sa.distinct(again.c.alarm_id))).where(again.c.what == "told", its, earlier, ~acted)
    return tx.scalar(query) or 0


def _how_many(tx: sa.Connection, where: sa.ColumnElement[bool]) -> int:
    return tx.scalar(sa.select(sa.func.count()).select_from(alarms).where(where)) or 0


def _by_patient(tx: sa.Connection, window: sa.ColumnElement[bool]) -> dict[str, tuple[int, int]]:
    clinical = sa.func.sum(sa.case((alarms.c.kind == "clinical", 1), else_=0))
    query = sa.select(alarms.c.patient_id, clinical, sa.func.count()).where(window).group_by(alarms.c.patient_id)
    return {row[0]: (int(row[1]), int(row[2]) - int(row[1])) for row in tx.execute(query)}


def _days(tx: sa.Connection, from_ns: int, to_ns: int, theirs: sa.Select[tuple[str]]) -> dict[str, float]:
    """How long each patient had a device between two moments, in days."""
    columns = assignments.c
    until_ns = sa.func.coalesce(columns.to_ns, to_ns)
    touching = (columns.from_ns < to_ns) & (until_ns > from_ns) & ~columns.device.startswith(ANSWERS)
    touching &= columns.patient_id.in_(theirs)
    spans: dict[str, list[tuple[int, int]]] = {}
    for patient, since_ns, ended_ns in tx.execute(
        sa.select(columns.patient_id, columns.from_ns, until_ns).where(touching)
    ):
        spans.setdefault(patient, []).append((since_ns, ended_ns))
    return {patient: watched_days(its, from_ns, to_ns) for patient, its in sorted(spans.items())}


def _rules(tx: sa.Connection, window: sa.ColumnElement[bool]) -> tuple[Rule, ...]:
    """Each rule that spoke, those that spoke most often first."""
    spoke: dict[str, list[tuple[int | None, str | None]]] = {}
    for body, usefulness, outcome in tx.execute(
        sa.select(alarms.c.reasons, alarms.c.usefulness, alarms.c.outcome).where(window)
    ):
        for name in {reason.rule for reason in msgspec.json.decode(body, type=list[Reason])}:
            spoke.setdefault(name, []).append((usefulness, outcome))
    found = []
    for name, ends in spoke.items():
        marks = np.asarray([mark for mark, _ in ends if mark is not None])
        mean = float(marks.mean()) if marks.size else None
        found.append(Rule(name, len(ends), int(marks.size), mean, sum(outcome == FALSE for _, outcome in ends)))
    return tuple(sorted(found, key=lambda one: (-one.alarms, one.rule)))
