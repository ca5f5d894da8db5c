"""The fake phones."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from server.access.door import Anyone
from server.api import PhoneMessage
from server.house import Here, problems

router = APIRouter(prefix="/api/phone", tags=["phone"])


@router.get("", operation_id="getPhone", responses=problems(401, 403, 422))
def get_phone(account: Anyone, here: Here, after_id: Annotated[int, Query(ge=0, lt=2**63)] = 0) -> list[PhoneMessage]:
    """What the staff's phones have shown, oldest first. In a demo for everybody, else for administrators."""
    if not (here.config.demo or account.role == "administrator"):
        raise HTTPException(403, "the phones are shown in a demo or to an administrator; ask one")
    with here.db.read() as tx:
        found = here.phone.shown(tx, after_id)
    return found if here.config.demo else [one for one in found if one.role != "patient"]
