"""The reports as the page sees them."""

import sqlalchemy as sa

from server.api import Text
from server.notify.words import title
from server.patients.store import patients_of
from server.reports import missed as marks
from server.reports.api import Burden, MissedView, PatientBurden, Report, RuleUse, Speed, Spread
from server.reports.figures import Took, per_100_days
from server.reports.missed import Missed
from server.reports.store import Counted
from vitals.clock import MS


def report(
    tx: sa.Connection, counted: Counted, from_ns: int, to_ns: int, seen: sa.ColumnElement[bool], care: bool
) -> Report:
    """The whole of it, of the patients of the condition `seen`; with their names for whom `care` is theirs."""
    marked = marks.between(tx, from_ns, to_ns, seen)
    about = counted.days.keys() | counted.by_patient.keys() | {one.patient_id for one in marked}
    called = {one.id: one.name for one in patients_of(tx, about)} if care else {}
    days, clinical, technical, per_100 = counted.burden()
    return Report(
        from_ms=from_ns // MS, to_ms=to_ns // MS,
        burden=Burden(days=days, clinical=clinical, technical=technical, per_100_days=per_100),
        acknowledge=_spread(counted.acknowledge), close=_spread(counted.close),
        speed=[
            Speed(
                kind=one.kind, priority=one.priority, alarms=one.alarms, acknowledge=_spread(one.acknowledge),
                close=_spread(one.close),
            )
            for one in counted.paced
        ],
        escalated=counted.escalated, climbed=counted.climbed, unanswered=counted.unanswered,
        visits_avoided=counted.visits_avoided, missed=len(marked),
        rules=[
            RuleUse(
                rule=one.rule, title=Text(nb=title(one.rule, "nb"), en=title(one.rule, "en")), alarms=one.alarms,
                judged=one.judged, usefulness=one.usefulness, false_alarms=one.false_alarms,
            )
            for one in counted.rules
        ],
        patients=_patients(counted, called) if care else [],
        missed_list=[missed(one, called.get(one.patient_id, one.patient_id)) for one in marked] if care else [],
    )  # fmt: skip


def missed(one: Missed, name: str) -> MissedView:
    """A mark on a patient."""
    return MissedView(
        id=str(one.id), patient=one.patient_id, name=name, t_ms=one.t_ns // MS, note=one.note,
        marked_by=one.marked_by, marked_ms=one.marked_ns // MS, undone_by=one.undone_by, undone_why=one.undone_why,
    )  # fmt: skip


def _patients(counted: Counted, called: dict[str, str]) -> list[PatientBurden]:
    """Whoever was watched or had an alarm, those with most clinical alarms first."""
    found = []
    for patient in counted.days.keys() | counted.by_patient.keys():
        days = counted.days.get(patient, 0.0)
        clinical, technical = counted.by_patient.get(patient, (0, 0))
        found.append(
            PatientBurden(
                patient=patient, name=called.get(patient, patient), days=days, clinical=clinical, technical=technical,
                per_100_days=per_100_days(clinical, days),
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (-one.clinical, -one.technical, one.name))


def _spread(one: Took) -> Spread:
    return Spread(n=one.n, median_s=one.median_s, p90_s=one.p90_s)
