"""Who saw a patient and did what: on the patient's page."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query

from server.access.door import Anyone
from server.access.store import staff
from server.audit import office, store
from server.audit.api import AuditPage, AuditRow
from server.house import Here, problems
from vitals.clock import MS

router = APIRouter(prefix="/api/patients/{patient_id}", tags=["audit"])

SHOWN = 50


@router.get("/audit", operation_id="getAudit", responses=problems(401, 403, 404, 422))
def get_audit(
    patient_id: str, account: Anyone, here: Here, before: Annotated[int | None, Query(ge=1, lt=2**63)] = None
) -> AuditPage:
    """What was seen and done about the patient, newest first. What carers wrote is for those who care."""
    with here.db.read() as tx:
        found = store.of_patient(tx, patient_id, before, SHOWN + 1)
        names = {one.who for one in found}
        known = {row.id: row for row in tx.execute(sa.select(staff).where(staff.c.id.in_(names)))}
    rows = []
    for one in found[:SHOWN]:
        person = known.get(one.who)
        reads = office.reads(account, one)
        rows.append(
            AuditRow(
                id=one.id, t_ms=one.t_ns // MS, who=person.name if person else one.who,
                role=person.role if person else None, what=one.what, detail=one.detail if reads else "",
                withheld=not reads,
            )
        )  # fmt: skip
    return AuditPage(rows=rows, more=len(found) > SHOWN)
