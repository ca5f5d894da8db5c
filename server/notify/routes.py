"""The fake phones."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException, Query

from server.access.door import Anyone
from server.alarms.table import alarms
from server.house import Here, Sees, problems
from server.notify.api import PhoneMessage

router = APIRouter(prefix="/api/phone", tags=["phone"])


@router.get("", operation_id="getPhone", responses=problems(401, 403, 422))
def get_phone(
    account: Anyone, sight: Sees, here: Here, after_id: Annotated[int, Query(ge=0, lt=2**63)] = 0
) -> list[PhoneMessage]:
    """What the staff's phones have shown, oldest first. In a demo for everybody, else for administrators."""
    if not (here.config.demo or account.role == "administrator"):
        raise HTTPException(403, "the phones are shown in a demo or to an administrator; ask one")
    with here.db.read() as tx:
        found = here.phone.shown(tx, after_id)
        if sight.patients is not None:
            about = {str(row.id): row.patient_id for row in tx.execute(sa.select(alarms.c.id, alarms.c.patient_id))}
            found = [one for one in found if about.get(one.alarm_id or "") in sight.patients]
    return found if here.config.demo else [one for one in found if one.role != "patient"]
