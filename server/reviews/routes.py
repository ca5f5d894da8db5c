"""To say that a patient has been gone through."""

from fastapi import APIRouter

from server.access.door import Carer
from server.house import Here, problems
from server.patients.routes import find
from server.reviews import store
from server.reviews.api import Review
from vitals.clock import MS

router = APIRouter(prefix="/api/patients/{patient_id}/review", tags=["patients"])


@router.post("", operation_id="reviewPatient", responses=problems(401, 403, 404, 422))
def review_patient(patient_id: str, account: Carer, here: Here) -> Review:
    """I have gone through this patient now."""
    with here.db.write() as tx:
        find(tx, patient_id)
        made = store.review(tx, patient_id, account.id, account.name, here.clock.now_ns())
    here.hub.patient_changed(patient_id)
    return Review(t_ms=made.t_ns // MS, who=made.who)
