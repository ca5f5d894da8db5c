"""The hand-over page, and signing a note on it."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from server.access.door import Carer
from server.audit.store import write
from server.handover import notes, views
from server.handover.api import Handover, NoteNew, NoteView
from server.house import Here, Seen, problems
from server.oncall import store as oncall
from server.oncall.model import ROLES
from server.patients.routes import find
from server.patients.views import brief
from vitals.clock import MS

router = APIRouter(prefix="/api/handover/{roster_id}", tags=["handover"])


@router.get("", operation_id="getHandover", responses=problems(401, 403, 404, 422))
def get_handover(
    roster_id: str, account: Carer, here: Here, looks: Seen, t_ms: Annotated[int | None, Query(ge=0, le=2**43)] = None
) -> Handover:
    """The shift of that roster at `t_ms` (now): what is open, what happened, what was written, who comes on."""
    now_ns = here.clock.now_ns()
    looks.saw(now_ns, account.id, "handover")
    with here.db.read() as tx:
        found = views.handover(tx, here.programmes, roster_id, now_ns if t_ms is None else t_ms * MS, now_ns)
    if found is None:
        raise HTTPException(404, f"there is no roster {roster_id!r}; go back to the on-call page")
    return found


@router.post("/notes", operation_id="writeNote", responses=problems(401, 403, 404, 422))
def write_note(roster_id: str, said: NoteNew, account: Carer, here: Here) -> NoteView:
    """Sign a note into the shift that runs now, for whoever comes on."""
    text = said.text.strip()
    if not text:
        raise HTTPException(422, "text: the note is empty; write something, or do not sign it")
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        if roster_id not in ROLES and oncall.newest_of(tx, roster_id) is None:
            raise HTTPException(404, f"there is no roster {roster_id!r}; go back to the on-call page")
        about = None if said.patient is None else brief(find(tx, said.patient), here.programmes)
        note = notes.write(tx, roster_id, now_ns, account.id, account.name, text, said.patient)
        write(tx, now_ns, account.id, "sign note", said.patient, f"{roster_id}, note {note.id}")
    return views.note(note, {about.id: about} if about else {})
