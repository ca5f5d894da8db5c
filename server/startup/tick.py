"""The clock's turn for start-ups: when one is over, the patient's readings are looked at, and limits proposed.

Too few readings are looked at again a day later, and given up after GIVE_UP times the period: then the programme's
limits go on as they do for everybody. What the municipality's file sets is nobody's to learn.
"""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from server.audit.store import write
from server.patients.programmes import Programmes
from server.patients.store import PatientRecord, patient, patients
from server.readings.store import series
from server.startup import store
from triage.catalogue import bounds
from triage.programme import Programme, limits_for
from triage.startup import LEARNED, Proposal, Why, propose
from vitals.clock import NS
from vitals.errors import ConfigError

AGAIN_S = 86_400.0
GIVE_UP = 3.0
AT_ONCE = 20
"""So many patients in one turn: their readings of weeks are read in the writer's own time."""

SYSTEM = "hjemvakt"
"""Who proposes, in the audit."""


def apply(tx: sa.Connection, programmes: Programmes, now_ns: int) -> None:
    """Begin with whoever is new, and let go of what the municipality's file or the programme has overtaken.

    A confirmed limit that the programme no longer has is taken off, and the audit says so: it bounds nothing any more.
    """
    store.begin(tx, now_ns)
    columns = patients.c
    for id_, programme, own, learned in tx.execute(
        sa.select(columns.id, columns.programme, columns.limits, columns.learned)
    ).all():
        if not learned:
            continue
        fits = taken(programmes.of(programme), own, learned)
        if fits != learned:
            gone = ", ".join(sorted(learned.keys() - fits.keys()))
            write(tx, now_ns, SYSTEM, "drop limit", id_, f"{gone}: the programme {programme} does not take it")
            store.set_learned(tx, id_, fits)
    for one in store.all_open(tx):
        record = patient(tx, one.patient_id)
        if record is None or one.proposal.limit in _own(tx, one.patient_id) or not _has(programmes, record, one):
            store.withdraw(tx, one, now_ns)


def taken(programme: Programme, own: dict[str, float], learned: dict[str, float]) -> dict[str, float]:
    """Those of a patient's confirmed limits that the programme takes beside the patient's `own` of the file."""
    fits = {name: value for name, value in learned.items() if _fits(programme, {name: value})}
    return fits if _fits(programme, {**fits, **own}) else {}


def turn(tx: sa.Connection, programmes: Programmes, zone: ZoneInfo, now_ns: int) -> set[str]:
    """Do what is due; returns of whom something was proposed."""
    changed: set[str] = set()
    for patient_id, started_ns, look_ns in store.due(tx, now_ns, AT_ONCE):
        record = patient(tx, patient_id)
        if record is None:
            continue
        period_ns = round(programmes.of(record.programme).startup_days * 86_400 * NS)
        if look_ns is None and now_ns < started_ns + period_ns:
            store.look_at(tx, patient_id, started_ns + period_ns)
            continue
        found = list(_found(tx, programmes, record, started_ns, zone, now_ns))
        made = [one for one in found if isinstance(one, Proposal)]
        if "few" in found and not made and now_ns < started_ns + round(GIVE_UP * period_ns):
            store.look_at(tx, patient_id, now_ns + round(AGAIN_S * NS))
            continue
        store.put(tx, patient_id, made, now_ns)
        store.end(tx, patient_id, now_ns)
        if made:
            what = ", ".join(f"{one.limit} {one.value:g}" for one in made)
            write(tx, now_ns, SYSTEM, "propose limit", patient_id, what)
        changed.add(patient_id)
    return changed


def _found(
    tx: sa.Connection, programmes: Programmes, record: PatientRecord, started_ns: int, zone: ZoneInfo, now_ns: int
) -> Iterable[Proposal | Why]:
    limits, own = programmes.limits(record.programme, record.limits), _own(tx, record.id)
    allowed = bounds(programmes.rules(record.programme))
    for limit, how in LEARNED.items():
        if limit not in allowed or limit in own:
            continue
        told = series(tx, record.id, how.channel, started_ns, now_ns)
        good = [(t_ns, value) for t_ns, value, good in zip(told.t_ns, told.value, told.good, strict=True) if good]
        t_ns, value = [one[0] for one in good], [one[1] for one in good]
        yield propose(limit, t_ns, value, limits[limit], allowed[limit], zone)


def _own(tx: sa.Connection, patient_id: str) -> dict[str, float]:
    """The limits in the municipality's file."""
    return dict(tx.scalar(sa.select(patients.c.limits).where(patients.c.id == patient_id)) or {})


def _has(programmes: Programmes, record: PatientRecord, one: store.Proposed) -> bool:
    return one.proposal.limit in bounds(programmes.rules(record.programme))


def _fits(programme: Programme, limits: dict[str, float]) -> bool:
    try:
        limits_for(programme, limits)
    except ConfigError:
        return False
    return True
