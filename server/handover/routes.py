"""The hand-over page, and signing a note on it."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException, Query

from server.access.door import Carer
from server.access.scopes import Scope
from server.api import PatientBrief
from server.audit.store import write
from server.handover import notes, views
from server.handover.api import Handover, NoteNew, NoteView
from server.house import Here, House, Seen, Sees, problems
from server.oncall.model import ROLES
from server.oncall.routes import find as find_roster
from server.patients.store import patient
from server.patients.views import brief
from vitals.clock import MS

router = APIRouter(prefix="/api/handover/{roster_id}", tags=["handover"])


@router.get("", operation_id="getHandover", responses=problems(401, 403, 404, 422))
def get_handover(
    roster_id: str, account: Carer, sight: Sees, here: Here, looks: Seen,
    t_ms: Annotated[int | None, Query(ge=0, le=2**43)] = None,
) -> Handover:  # fmt: skip
    """The shift of that roster at `t_ms` (now): what is open, what happened, what was written, who comes on."""
    now_ns = here.clock.now_ns()
    looks.saw(now_ns, account.id, "handover")
    with here.db.read() as tx:
        found = views.handover(
            tx, here.programmes, account, sight, roster_id, now_ns if t_ms is None else t_ms * MS, now_ns
        )
    if found is None:
        raise HTTPException(404, f"there is no roster {roster_id!r}; go back to the on-call page")
    return found


@router.post("/notes", operation_id="writeNote", responses=problems(401, 403, 404, 422))
def write_note(roster_id: str, said: NoteNew, account: Carer, sight: Sees, here: Here) -> NoteView:
    """Sign a note into the shift that runs now, for whoever comes on."""
    text = said.text.strip()
    if not text:
        raise HTTPException(422, "text: the note is empty; write something, or do not sign it")
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        if roster_id not in ROLES:
            find_roster(tx, roster_id, account, sight)
        about = None if said.patient is None else _about(tx, said.patient, sight, here)
        note = notes.write(tx, roster_id, now_ns, account, text, said.patient)
        write(tx, now_ns, account.id, "sign note", said.patient, f"{roster_id}, note {note.id}")
    return views.note(note, {about.id: about} if about else {})


def _about(tx: sa.Connection, patient_id: str, sight: Scope, here: House) -> PatientBrief:
    """Whom a note is about: one who is not theirs is as if they were not there."""
    record = patient(tx, patient_id) if patient_id in sight else None
    if record is None:
        raise HTTPException(404, f"there is no patient {patient_id!r}; go back to the worklist")
    return brief(record, here.programmes)
