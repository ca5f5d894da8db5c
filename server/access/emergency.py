"""Breaking the glass, and looking at it afterwards."""

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException

from server.access import glass, notice
from server.access.api import Bound, GlassNew, GlassReview, GlassView
from server.access.door import Administrator, Anyone, Carer
from server.access.filter import sees
from server.access.glass import Broken
from server.access.organisations import lasting as lasting_relations
from server.access.store import Account
from server.access.views import glass_views, relation_views
from server.audit.store import write
from server.house import Here, House, problems
from server.patients.store import patients

router = APIRouter(prefix="/api", tags=["emergency"])

SHOWN = 100


@router.post("/glass", operation_id="breakGlass", responses=problems(401, 403, 404, 409, 422))
def break_glass(said: GlassNew, account: Carer, here: Here) -> GlassView:
    """See a patient who is not yours, in need. It is told to those who keep the patient, and looked at afterwards."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        if sees(tx, account, said.patient, now_ns):
            raise HTTPException(409, "you may see this patient already; go to the patient's page")
        if tx.scalar(sa.select(patients.c.id).where(patients.c.id == said.patient)) is None:
            write(tx, now_ns, account.id, "break glass", detail=f"there is no patient {said.patient}: {said.reason}")
            found = None
        else:
            found = glass.break_glass(tx, account.id, said.patient, said.reason, said.minutes, now_ns)
            write(tx, now_ns, account.id, "break glass", said.patient, f"{said.minutes} min: {said.reason}")
            notice.tell(tx, found, account, now_ns)
            (view,) = glass_views(tx, [found])
    if found is None:
        raise HTTPException(404, f"there is no patient {said.patient!r}; see that the id is right")
    _tell(here, found)
    return view


@router.get("/me/glass", operation_id="getMyGlass", responses=problems(401))
def get_my_glass(account: Anyone, here: Here) -> list[GlassView]:
    """Whom you see now through a broken glass."""
    with here.db.read() as tx:
        return glass_views(tx, glass.lasting(tx, account.id, here.clock.now_ns()))


@router.post("/glass/{glass_id}/end", operation_id="mendGlass", responses=problems(401, 403, 404, 422))
def mend_glass(glass_id: str, account: Carer, here: Here) -> GlassView:
    """You need it no longer."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        found = glass.mend(tx, account.id, _number(glass_id), now_ns)
        if found is None:
            raise HTTPException(404, "it has ended already; reload the page")
        write(tx, now_ns, account.id, "mend glass", found.patient_id)
        (view,) = glass_views(tx, [found])
    _tell(here, found)
    return view


@router.get("/glass", operation_id="getGlass", responses=problems(401, 403))
def get_glass(account: Administrator, here: Here) -> list[GlassView]:
    """What was seen of your organisation's patients through a broken glass: the ones to review first."""
    with here.db.read() as tx:
        return glass_views(tx, glass.of_organisation(tx, account.organisation, SHOWN))


@router.post("/glass/{glass_id}/review", operation_id="reviewGlass", responses=problems(401, 403, 404, 409, 422))
def review_glass(glass_id: str, said: GlassReview, account: Administrator, here: Here) -> GlassView:
    """Say whether it was right."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        before = _theirs(tx, account, glass_id, now_ns)
        if before.staff == account.id:  # a nurse then, an administrator now
            raise HTTPException(409, "you broke it yourself; another administrator has to look at it")
        found = glass.review(tx, before.id, account.name, said.verdict, said.note.strip(), now_ns)
        if found is None:
            raise HTTPException(409, f"{before.reviewed_by} has reviewed it already; reload the page")
        write(tx, now_ns, account.id, "review glass", found.patient_id, f"{found.staff}: {said.verdict} {found.note}")
        (view,) = glass_views(tx, [found])
    _tell(here, found)
    return view


@router.get("/patients/{patient_id}/bound", operation_id="getBound", responses=problems(401, 403, 404, 422))
def get_bound(patient_id: str, account: Anyone, here: Here) -> Bound:
    """Who has to do with the patient besides their own organisation, and who sees them in need now."""
    with here.db.read() as tx:
        now_ns = here.clock.now_ns()
        own = tx.scalar(sa.select(patients.c.organisation).where(patients.c.id == patient_id))
        if own is None:
            raise HTTPException(404, f"there is no patient {patient_id!r}; go back to the worklist")
        theirs = [one for one in lasting_relations(tx, now_ns) if one.patient_id == patient_id]
        return Bound(
            organisation=own, relations=relation_views(tx, theirs),
            glass=glass_views(tx, glass.of_patient(tx, patient_id, now_ns)),
        )  # fmt: skip


def _theirs(tx: sa.Connection, account: Account, glass_id: str, now_ns: int) -> Broken:
    found = glass.get(tx, _number(glass_id))
    if found is None or not sees(tx, account, found.patient_id, now_ns):
        raise HTTPException(404, f"there is no broken glass {glass_id!r}; reload the page")
    return found


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else -1


def _tell(here: House, found: Broken) -> None:
    here.hub.glass(found.patient_id)
    here.hub.patient_changed(found.patient_id)
