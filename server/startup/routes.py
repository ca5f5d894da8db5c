"""A clinician's decision on a proposed limit. One transaction: the limit, the rules by it here and in
the home, the audit."""

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException

from server.access.door import Carer
from server.api import Answered
from server.audit.store import write
from server.house import Here, House, problems
from server.patients.routes import find
from server.patients.store import PatientRecord
from server.startup import store
from server.startup.api import Decide, ProposalView
from server.startup.store import Proposed, State
from server.startup.views import view
from server.wishes import document
from vitals.errors import ConfigError

router = APIRouter(prefix="/api/patients/{patient_id}/proposals", tags=["patients"])

_STATE: dict[str, State] = {"confirm": "confirmed", "change": "changed", "decline": "declined"}


@router.post(
    "/{proposal_id}/decide", operation_id="decideProposal",
    responses={**problems(401, 403, 404, 422), 409: {"model": Answered}},
)  # fmt: skip
def decide_proposal(patient_id: str, proposal_id: str, said: Decide, account: Carer, here: Here) -> ProposalView:
    """Confirm, change or decline it. From then on the rules go by the limit; declining takes a limit back."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        record = find(tx, patient_id)
        one = store.get(tx, int(proposal_id)) if proposal_id.isdecimal() and len(proposal_id) < 19 else None
        if one is None or one.patient_id != patient_id:
            raise HTTPException(404, f"there is no proposal {proposal_id!r} of this patient; reload the page")
        if one.state != said.seen:
            raise store.Refused(one)
        set_to = {"confirm": one.proposal.value, "change": said.value, "decline": None}[said.decision]
        if said.decision == "change" and set_to is None:
            raise HTTPException(422, "value: to change it a value is needed; fill it in")
        if set_to is not None:
            _check(here, record, {one.proposal.limit: set_to})
        decided = store.decide(tx, one, _STATE[said.decision], set_to, account.name, said.note.strip(), now_ns)
        _audit(tx, decided, account.id, said.decision, now_ns)
        document.compose(tx, here.programmes, [patient_id], now_ns)
        changed = here.look(tx, {patient_id: ()}, now_ns)
    for each in changed | {patient_id}:
        here.hub.patient_changed(each)
    return view(decided)


def _check(here: House, record: PatientRecord, limits: dict[str, float]) -> None:
    try:
        here.programmes.limits(record.programme, {**record.limits, **limits})
    except ConfigError as error:
        raise HTTPException(422, f"value: {error.text}; {error.mend}") from None


def _audit(tx: sa.Connection, one: Proposed, who: str, decision: str, now_ns: int) -> None:
    value = "" if one.set_to is None else f" {one.set_to:g}"
    detail = f"{one.proposal.limit}{value} (proposed {one.proposal.value:g}, before {one.proposal.usual:g}) {one.note}"
    write(tx, now_ns, who, f"{decision} limit", one.patient_id, detail.strip())
