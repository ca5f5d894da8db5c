"""What is written down so that every decision can be explained, and made once more, exactly.

Readings and when they were stored are in the journal. What else a verdict rests on is here, and only where it says
something new:

    circumstances   what applies to a patient, whenever it has changed: the programme by its digest, the personal
                    limits, since when the patient is watched, whether the home's gateway is silent, and what the
                    server itself finds (a silent gateway, a clock, an order that nobody knows the end of)
    looks           the rules looked at a patient (or at everybody) though nothing was filed of them. A look because of
                    what was filed needs no row: the journal's own row tells of it
    decisions       a verdict that opened an alarm, raised it, was stacked on it, or came late to it: the moment, the
                    journal's position by then, the programme, every limit, and which of them were personal
    findings        what each rule said at that moment, numbers and sentences

An alarm from before this was written down has no decisions, and is said to lack them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from server.db import Number, metadata
from server.quick import in_parts
from vitals.alarm import Audience, Kind, Level, Reason

What = Literal["opened", "raised", "stacked", "late"]
"""What a verdict did to its alarm."""

circumstances = sa.Table(
    "circumstances",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("patient_id", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False, comment="the journal's position"),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, comment="of the programme, see programme_versions"),
    sa.Column("personal", sa.LargeBinary, nullable=False, comment="the patient's own limits, JSON"),
    sa.Column("given", sa.LargeBinary, nullable=False, comment="limits that say how things are with the home, JSON"),
    sa.Column("said", sa.LargeBinary, nullable=False, comment="what the server itself found, JSON"),
    sa.Index("circumstances_of_patient", "patient_id", "id"),
)

looks = sa.Table(
    "looks",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("t_ns", sa.BigInteger, nullable=False, index=True),
    sa.Column("seq", sa.BigInteger, nullable=False, comment="the journal's position"),
    sa.Column("patient_id", sa.Text, comment="null: everybody"),
    sa.Column("filed", sa.Integer, nullable=False, comment="so many readings, the last ones, were filed for it"),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("alarm_id", Number, nullable=False, index=True),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False, comment="the journal's position"),
    sa.Column("programme", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("limits", sa.LargeBinary, nullable=False, comment="all that applied, JSON"),
    sa.Column("personal", sa.LargeBinary, nullable=False, comment="which were the patient's own, JSON"),
)

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("decision_id", Number, sa.ForeignKey("decisions.id"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True, comment="0 is the worst"),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("because", sa.LargeBinary, nullable=False, comment="the numbers, JSON"),
    sa.Column("nb", sa.Text, nullable=False),
    sa.Column("en", sa.Text, nullable=False),
    sa.Column("tells", sa.Integer, nullable=False),
)

Said = tuple[tuple[Kind, Reason], ...]
"""What the server itself found of a home, by the kind of alarm it is for."""


class Circumstances(msgspec.Struct, frozen=True):
    """What applies to a patient from `t_ns` on, beside the readings. `given`: limits that nobody sets."""

    digest: str
    personal: dict[str, float]
    given: dict[str, float]
    said: Said


@dataclass(frozen=True)
class Basis:
    """What a verdict on one patient rests on, beside the readings. `position`: the journal's, when asked for."""

    programme: str
    version: str
    digest: str
    limits: Mapping[str, float]
    personal: Collection[str]
    position: Callable[[], int]


class Decision(msgspec.Struct, frozen=True):
    """One, as it was written down. `findings`: what each rule said, worst first."""

    alarm_id: int
    t_ns: int
    what: What
    seq: int
    programme: str
    version: str
    digest: str
    limits: dict[str, float]
    personal: tuple[str, ...]
    findings: tuple[Reason, ...]


class Look(msgspec.Struct, frozen=True):
    """The rules looked, though the journal does not tell of it. `patient_id`: None for everybody."""

    t_ns: int
    seq: int
    patient_id: str | None
    filed: int


def decided(
    tx: sa.Connection, alarm_id: int, t_ns: int, what: What, basis: Basis | None, reasons: Sequence[Reason]
) -> None:
    """Write a decision down. Without a `basis` there is nothing to explain it by, and none is."""
    if basis is None:
        return
    number = tx.execute(
        decisions.insert()
        .values(
            alarm_id=alarm_id, t_ns=t_ns, what=what, seq=basis.position(), programme=basis.programme,
            version=basis.version, digest=basis.digest, limits=_encode(dict(basis.limits)),
            personal=_encode(sorted(basis.personal)),
        )
        .returning(decisions.c.id)
    ).scalar_one()  # fmt: skip
    rows = [
        {
            "decision_id": number, "place": place, "rule": one.rule, "version": one.version, "level": int(one.level),
            "because": _encode(one.because), "nb": one.text["nb"], "en": one.text["en"], "tells": int(one.tells),
        }
        for place, one in enumerate(sorted(reasons, key=lambda one: (-one.level, one.rule)))
    ]  # fmt: skip
    tx.execute(findings.insert(), rows)


def decisions_of(tx: sa.Connection, alarm_ids: Collection[int]) -> list[Decision]:
    """Those about these alarms, in the order they were made."""
    columns = decisions.c
    rows = tx.execute(sa.select(decisions).where(columns.alarm_id.in_(alarm_ids)).order_by(columns.id)).all()
    found: dict[int, list[Reason]] = {row.id: [] for row in rows}
    moment = {row.id: row.t_ns for row in rows}
    query = sa.select(findings).where(findings.c.decision_id.in_(found))
    for row in tx.execute(query.order_by(findings.c.decision_id, findings.c.place)):
        because = msgspec.json.decode(row.because, type=dict[str, float | None])
        text = {"nb": row.nb, "en": row.en}
        found[row.decision_id].append(
            Reason(row.rule, row.version, Level(row.level), because, text, moment[row.decision_id], Audience(row.tells))
        )
    return [
        Decision(
            row.alarm_id, row.t_ns, row.what, row.seq, row.programme, row.version, row.digest,
            msgspec.json.decode(row.limits, type=dict[str, float]),
            msgspec.json.decode(row.personal, type=tuple[str, ...]), tuple(found[row.id]),
        )
        for row in rows
    ]  # fmt: skip


def looked(tx: sa.Connection, t_ns: int, seq: int, patients: Mapping[str, int] | None) -> None:
    """Note a look at these patients, and how many readings were filed for it (None: at everybody, for none)."""
    if patients is None:
        tx.execute(looks.insert().values(t_ns=t_ns, seq=seq, patient_id=None, filed=0))
    elif patients:
        rows = [{"t_ns": t_ns, "seq": seq, "patient_id": one, "filed": filed} for one, filed in patients.items()]
        tx.execute(looks.insert(), rows)


def looks_at(tx: sa.Connection, patient_id: str, from_ns: int, to_ns: int) -> list[Look]:
    """Those at one patient between two moments, both inclusive, in their order."""
    columns = looks.c
    query = sa.select(columns.t_ns, columns.seq, columns.patient_id, columns.filed).where(
        columns.t_ns.between(from_ns, to_ns), columns.patient_id.is_(None) | (columns.patient_id == patient_id)
    )
    return [Look(*row) for row in tx.execute(query.order_by(columns.id))]


def noted_since(tx: sa.Connection) -> int | None:
    """When the first look was noted here; None for none."""
    found: int | None = tx.scalar(sa.select(sa.func.min(looks.c.t_ns)))
    return found


def applies(tx: sa.Connection, t_ns: int, seq: int, found: Mapping[str, Circumstances]) -> None:
    """These apply from now on."""
    rows = [
        {
            "patient_id": patient, "seq": seq, "t_ns": t_ns, "digest": one.digest, "personal": _encode(one.personal),
            "given": _encode(one.given), "said": _encode(one.said),
        }
        for patient, one in found.items()
    ]  # fmt: skip
    if rows:
        tx.execute(circumstances.insert(), rows)


def applied_last(tx: sa.Connection, patient_ids: Collection[str]) -> dict[str, Circumstances]:
    """What was written down last of each of these."""
    newest = sa.select(sa.func.max(circumstances.c.id)).group_by(circumstances.c.patient_id)
    ids = [row[0] for row in in_parts(tx, newest, circumstances.c.patient_id, patient_ids)]
    found: dict[str, Circumstances] = {}
    for row in in_parts(tx, sa.select(circumstances), circumstances.c.id, ids):
        found[row.patient_id] = _circumstances(row)
    return found


def applied(tx: sa.Connection, patient_id: str) -> list[tuple[int, int, Circumstances]]:
    """All that ever applied to one patient, oldest first: the journal's position, the moment, and what."""
    query = sa.select(circumstances).where(circumstances.c.patient_id == patient_id).order_by(circumstances.c.id)
    return [(row.seq, row.t_ns, _circumstances(row)) for row in tx.execute(query)]


def spoken(said: Iterable[tuple[Kind, Reason]]) -> Said:
    """The same without the moment at which it was said: what is found again and again is one thing."""
    return tuple((kind, msgspec.structs.replace(one, t_ns=0)) for kind, one in said)


def _circumstances(row: Any) -> Circumstances:
    return Circumstances(
        row.digest, msgspec.json.decode(row.personal, type=dict[str, float]),
        msgspec.json.decode(row.given, type=dict[str, float]), msgspec.json.decode(row.said, type=Said),
    )  # fmt: skip


_encode = msgspec.json.encode
