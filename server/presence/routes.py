"""The page tells what it shows, so that two colleagues need not ring the same patient."""

from fastapi import APIRouter, HTTPException

from server.access.door import Carer
from server.access.guard import check_named
from server.house import Here, Seen, problems
from server.presence.api import Looking

router = APIRouter(prefix="/api/presence", tags=["presence"])


@router.put("", status_code=204, operation_id="lookAt", responses=problems(401, 403, 404, 409, 422))
def look_at(said: Looking, account: Carer, here: Here, looks: Seen) -> None:
    """This tab shows that patient's page now. It is forgotten when the tab's live stream ends."""
    if said.patient_id is not None:
        check_named(here, looks, account, said.patient_id)
    if not here.hub.presence.looks_at(said.stream, account.id, said.patient_id):
        raise HTTPException(409, "that live stream is not open; say it again when the stream has said hello")
