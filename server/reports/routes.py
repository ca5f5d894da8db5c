"""The reports, on the page and as files; and marking what was missed."""

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Response

from server.access.door import CARE, Anyone, Carer
from server.access.filter import visible
from server.access.store import Account
from server.audit.store import write
from server.house import Here, House, Seen, problems
from server.patients.routes import find
from server.reports import missed, views
from server.reports.api import MissedNew, MissedUndo, MissedView, Report
from server.reports.store import count
from server.reports.table import TABLES, table
from vitals.clock import MS, NS

router = APIRouter(tags=["reports"])

USUAL_NS = 30 * 86_400 * NS
Moment = Annotated[int | None, Query(ge=0, le=2**43, description="milliseconds since 1970")]


@router.get("/api/reports", operation_id="getReport", responses=problems(401, 422))
def get_report(account: Anyone, here: Here, looks: Seen, from_ms: Moment = None, to_ms: Moment = None) -> Report:
    """The alarms of your patients raised between two moments (the last 30 days). Figures alone for an administrator."""
    return _report(here, looks, account, from_ms, to_ms)


@router.get(
    "/api/reports/{name}", operation_id="getReportFile", response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "a table"}, **problems(401, 403, 422)},
)  # fmt: skip
def get_report_file(
    name: Literal["summary", "rules", "patients", "missed"], account: Anyone, here: Here, looks: Seen,
    from_ms: Moment = None, to_ms: Moment = None, language: Literal["nb", "en"] = "nb",
) -> Response:  # fmt: skip
    """One table of it as a file for a spreadsheet: semicolons between, decimal commas, UTF-8 with a mark."""
    if TABLES[name].care and account.role not in CARE:
        raise HTTPException(403, "only nurses and doctors may see patients; take the summary instead")
    report = _report(here, looks, account, from_ms, to_ms)
    headers = {"content-disposition": f'attachment; filename="hjemvakt-{name}.csv"'}
    return Response(table(name, report, language), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/api/patients/{patient_id}/missed", operation_id="getMissed", responses=problems(401, 403, 404, 422))
def get_missed(patient_id: str, account: Carer, here: Here) -> list[MissedView]:
    """What somebody has marked as missed of this patient, the newest first."""
    with here.db.read() as tx:
        record = find(tx, patient_id)
        return [views.missed(one, record.name) for one in missed.of_patient(tx, patient_id)]


@router.post("/api/patients/{patient_id}/missed", operation_id="markMissed", responses=problems(401, 403, 404, 422))
def mark_missed(patient_id: str, said: MissedNew, account: Carer, here: Here) -> MissedView:
    """Mark that the patient got worse then and no alarm told of it."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        record = find(tx, patient_id)
        if said.t_ms * MS > now_ns:
            raise HTTPException(422, "t_ms: that has not been yet; choose when it was")
        one = missed.mark(tx, patient_id, said.t_ms * MS, said.note, account.name, now_ns)
        write(tx, now_ns, account.id, "mark missed", patient_id, f"mark {one.id}")
    return views.missed(one, record.name)


@router.post(
    "/api/patients/{patient_id}/missed/{missed_id}/undo", operation_id="undoMissed",
    responses=problems(401, 403, 404, 422),
)  # fmt: skip
def undo_missed(patient_id: str, missed_id: str, said: MissedUndo, account: Carer, here: Here) -> MissedView:
    """Take a mark back."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        record = find(tx, patient_id)
        one = missed.get(tx, int(missed_id)) if missed_id.isdecimal() and len(missed_id) < 19 else None
        if one is None or one.patient_id != patient_id or one.undone_ns is not None:
            raise HTTPException(404, f"there is no mark {missed_id!r} on this patient that stands; reload the page")
        one = missed.undo(tx, one, account.name, said.why, now_ns)
        write(tx, now_ns, account.id, "undo missed", patient_id, f"mark {one.id}")
    return views.missed(one, record.name)


def _report(here: House, looks: Seen, account: Account, from_ms: int | None, to_ms: int | None) -> Report:
    now_ns = here.clock.now_ns()
    to_ns = now_ns if to_ms is None else to_ms * MS
    from_ns = to_ns - USUAL_NS if from_ms is None else from_ms * MS
    if to_ns <= from_ns:
        raise HTTPException(422, "to_ms: it lies before from_ms; choose a later one")
    looks.saw(now_ns, account.id, "reports")
    seen = visible(account, now_ns)
    with here.db.read() as tx:
        counted = count(tx, from_ns, to_ns, now_ns, seen)
        return views.report(tx, counted, from_ns, to_ns, seen, care=account.role in CARE)
