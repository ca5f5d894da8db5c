"""Start-ups and proposals as rows.

A start-up is a timer: when the patient's own readings are looked at next. A proposal stands until a clinician confirms,
changes or declines it, or until the municipality's file sets the limit itself; it changes nothing before. Who decided
what and when stays with it, and what was decided may be decided anew.

What was confirmed is the patient's own limit from then on (`patients.learned`); a limit in the municipality's file wins
over it.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec
import sqlalchemy as sa

from server.db import Number, metadata
from server.patients.store import patients
from triage.startup import Proposal

State = Literal["open", "confirmed", "changed", "declined", "withdrawn"]

startups = sa.Table(
    "startups",
    metadata,
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), primary_key=True),
    sa.Column("started_ns", sa.BigInteger, nullable=False),
    sa.Column("look_ns", sa.BigInteger, comment="when to look at the readings next; until then NULL: not known yet"),
    sa.Column("ended_ns", sa.BigInteger),
    sa.Index("startups_running", "ended_ns", "look_ns"),
)

proposals = sa.Table(
    "proposals",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), nullable=False),
    sa.Column("limit", sa.Text, nullable=False),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("usual", sa.Float, nullable=False, comment="the limit that held when it was proposed"),
    sa.Column("median", sa.Float, nullable=False),
    sa.Column("spread", sa.Float, nullable=False),
    sa.Column("readings", sa.Integer, nullable=False),
    sa.Column("days", sa.Integer, nullable=False),
    sa.Column("made_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("set_to", sa.Float, comment="what a clinician set it to"),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_ns", sa.BigInteger),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Index("proposals_of_patient", "patient_id", "made_ns"),
)

_FIELDS = Proposal.__struct_fields__


class Proposed(msgspec.Struct, frozen=True):
    """A proposal as a row. `decided_by` is a name."""

    id: int
    patient_id: str
    proposal: Proposal
    made_ns: int
    state: State
    set_to: float | None = None
    decided_by: str | None = None
    decided_ns: int | None = None
    note: str = ""


class Refused(Exception):
    """A colleague has decided on it meanwhile, or it is withdrawn. `who`: that colleague's name."""

    def __init__(self, one: Proposed) -> None:
        super().__init__(one.state)
        self.who = one.decided_by
        self.text = f"{one.decided_by} has decided on it" if one.decided_by else "it is withdrawn"
        self.mend = "read how it stands now"


def begin(tx: sa.Connection, now_ns: int) -> None:
    """A start-up for everybody who has none."""
    new = sa.select(patients.c.id).where(~sa.exists().where(startups.c.patient_id == patients.c.id))
    rows = [{"patient_id": id_, "started_ns": now_ns} for id_ in tx.scalars(new)]
    if rows:
        tx.execute(startups.insert(), rows)


def due(tx: sa.Connection, now_ns: int, least: int) -> list[tuple[str, int, int | None]]:
    """Patient, started, and when to look (None: not known yet), of at most `least` whose time may have come."""
    columns = startups.c
    come = columns.ended_ns.is_(None) & (columns.look_ns.is_(None) | (columns.look_ns <= now_ns))
    query = sa.select(columns.patient_id, columns.started_ns, columns.look_ns).where(come)
    return [tuple(row) for row in tx.execute(query.order_by(columns.look_ns).limit(least))]


def look_at(tx: sa.Connection, patient_id: str, look_ns: int) -> None:
    """The patient's readings are looked at then."""
    tx.execute(startups.update().where(startups.c.patient_id == patient_id).values(look_ns=look_ns))


def end(tx: sa.Connection, patient_id: str, now_ns: int) -> None:
    """The start-up is over."""
    tx.execute(startups.update().where(startups.c.patient_id == patient_id).values(ended_ns=now_ns))


def running(tx: sa.Connection, patient_id: str) -> tuple[int, int | None] | None:
    """Since when the patient's start-up has run, and when it is looked at; None where it is over."""
    this = (startups.c.patient_id == patient_id) & startups.c.ended_ns.is_(None)
    row = tx.execute(sa.select(startups.c.started_ns, startups.c.look_ns).where(this)).one_or_none()
    return None if row is None else (row[0], row[1])


def put(tx: sa.Connection, patient_id: str, made: Iterable[Proposal], now_ns: int) -> None:
    """New proposals."""
    for one in made:
        values = {name: getattr(one, name) for name in _FIELDS}
        tx.execute(proposals.insert().values(patient_id=patient_id, made_ns=now_ns, state="open", **values))


def get(tx: sa.Connection, proposal_id: int) -> Proposed | None:
    """One proposal."""
    found = _many(tx, proposals.c.id == proposal_id)
    return found[0] if found else None


def of_patient(tx: sa.Connection, patient_id: str) -> list[Proposed]:
    """All of a patient's, the newest first."""
    return _many(tx, proposals.c.patient_id == patient_id)


def all_open(tx: sa.Connection) -> list[Proposed]:
    """Those that nobody has decided on."""
    return _many(tx, proposals.c.state == "open")


def decide(
    tx: sa.Connection, one: Proposed, state: State, set_to: float | None, name: str, note: str, now_ns: int
) -> Proposed:
    """`name` has decided: from now on the limit is the patient's own, or (without `set_to`) no longer."""
    values = {"state": state, "set_to": set_to, "decided_by": name, "decided_ns": now_ns, "note": note}
    tx.execute(proposals.update().where(proposals.c.id == one.id).values(**values))
    limits = dict(learned(tx, one.patient_id))
    limits.pop(one.proposal.limit, None)
    if set_to is not None:
        limits[one.proposal.limit] = set_to
    set_learned(tx, one.patient_id, limits)
    return msgspec.structs.replace(one, **values)


def withdraw(tx: sa.Connection, one: Proposed, now_ns: int) -> None:
    """It has been overtaken."""
    tx.execute(proposals.update().where(proposals.c.id == one.id).values(state="withdrawn", decided_ns=now_ns))


def learned(tx: sa.Connection, patient_id: str) -> dict[str, float]:
    """The limits that clinicians have confirmed."""
    return dict(tx.scalar(sa.select(patients.c.learned).where(patients.c.id == patient_id)) or {})


def set_learned(tx: sa.Connection, patient_id: str, limits: dict[str, float]) -> None:
    """These, and no others."""
    tx.execute(patients.update().where(patients.c.id == patient_id).values(learned=limits))


def _many(tx: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Proposed]:
    query = sa.select(proposals).where(*where).order_by(proposals.c.made_ns.desc(), proposals.c.id.desc())
    return [
        Proposed(
            row.id, row.patient_id, Proposal(**{name: row._mapping[name] for name in _FIELDS}), row.made_ns, row.state,
            row.set_to, row.decided_by, row.decided_ns, row.note,
        )
        for row in tx.execute(query)
    ]  # fmt: skip
