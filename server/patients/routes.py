"""The patient's page."""

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException

from server.access.door import Carer
from server.alarms.views import of_patient
from server.corrections.views import emptied
from server.fleet.store import devices_of, gateways
from server.fleet.views import device_view
from server.held import views as held
from server.house import Here, problems
from server.patients.api import PatientPage
from server.patients.store import PatientRecord, patient
from server.patients.views import brief, plan
from server.readings.store import latest
from server.readings.views import news2, values
from server.startup import views as startup
from server.wishes import views as wishes

router = APIRouter(prefix="/api/patients/{patient_id}", tags=["patients"])


def find(tx: sa.Connection, patient_id: str) -> PatientRecord:
    """The patient, or a 404 that says what to do."""
    record = patient(tx, patient_id)
    if record is None:
        raise HTTPException(404, f"there is no patient {patient_id!r}; go back to the worklist")
    return record


@router.get("", operation_id="getPatient", responses=problems(401, 403, 404, 422))
def get_patient(patient_id: str, account: Carer, here: Here) -> PatientPage:
    """Everything about one patient on one page."""
    now_ns = here.clock.now_ns()
    with here.db.read() as tx:
        record = find(tx, patient_id)
        who = brief(record, here.programmes)
        newest = latest(tx, [patient_id]).get(patient_id, {})
        limits = here.programmes.limits(record.programme, record.limits)
        gateway = next((one for one in gateways(tx) if one.patient_id == patient_id), None)
        return PatientPage(
            patient=who,
            phone=record.phone,
            conditions=list(record.conditions),
            limits=dict(limits),
            latest=values(record, newest, limits, here.programmes, now_ns),
            emptied=emptied(tx, patient_id, newest),
            news2=news2([newest], [limits], now_ns)[0],
            gateway=gateway.id if gateway else None,
            gateway_online=gateway.online if gateway else None,
            devices=[device_view(one) for one in devices_of(tx, patient_id)],
            alarms=of_patient(tx, who, account),
            questions=held.of_patient(tx, patient_id),
            unjudged=held.unjudged(tx, patient_id, now_ns),
            wishes=wishes.of_patient(tx, patient_id),
            startup=startup.startup(tx, record, here.programmes),
            proposals=startup.proposals(tx, patient_id),
            plan=plan(here.programmes.of(record.programme)),
        )
