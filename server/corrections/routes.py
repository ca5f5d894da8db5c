"""A nurse's correction of what was measured. One transaction: the readings, the rules on what is left, the audit."""

from collections.abc import Iterable

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException

from server.access.door import Carer
from server.access.store import Account
from server.alarms.store import Corrected, correct
from server.alarms.words import Words
from server.api import Answered
from server.corrections import store, words
from server.corrections.api import CorrectionView, Invalidate, LatestReadings, Reinstate
from server.corrections.store import Done
from server.corrections.views import latest_readings, view
from server.house import Here, House, problems
from server.patients.routes import find
from server.patients.store import PatientRecord
from server.readings.model import EVER_NS
from server.readings.routes import checked_channel

router = APIRouter(prefix="/api/patients/{patient_id}/readings", tags=["corrections"])

_REFUSALS = {**problems(401, 403, 404, 422), 409: {"model": Answered}}


@router.get("/latest", operation_id="getLatestReadings", responses=problems(401, 403, 404, 422))
def get_latest_readings(patient_id: str, channel: str, account: Carer, here: Here) -> LatestReadings:
    """The newest readings of a channel one by one, with what was said to be wrong."""
    checked_channel(channel)
    now_ns = here.clock.now_ns()
    with here.db.read() as tx:
        find(tx, patient_id)
        return latest_readings(tx, patient_id, channel, now_ns)


@router.post("/invalidate", operation_id="invalidateReading", responses=_REFUSALS)
def invalidate_reading(patient_id: str, said: Invalidate, account: Carer, here: Here) -> CorrectionView:
    """Say that a reading is wrong: it counts no longer, and the rules look at what is left before this returns."""
    note = said.note.strip()
    if said.reason == "other" and not note:
        raise HTTPException(422, "the reason `other` says nothing by itself; write in `note` what was wrong")
    t_ns, identity = _reading(said.reading)
    with here.db.write() as tx:
        record = find(tx, patient_id)
        now_ns = here.clock.now_ns()
        done = store.invalidate(
            tx, patient_id, t_ns, identity, said.reason, note,
            alone=said.alone, who=account.id, name=account.name, now_ns=now_ns,
        )  # fmt: skip
        if done is None:
            raise HTTPException(404, f"the patient has no reading {said.reading}; fetch the readings again")
        changed = _follow(tx, here, record, done, "invalidated", words.invalidated(done.correction), account, now_ns)
    _tell(here, changed)
    return view(done.correction)


@router.post("/reinstate", operation_id="reinstateReading", responses=_REFUSALS)
def reinstate_reading(patient_id: str, said: Reinstate, account: Carer, here: Here) -> CorrectionView:
    """Take back that readings are wrong: they count again, and the rules look at them before this returns."""
    with here.db.write() as tx:
        record = find(tx, patient_id)
        now_ns = here.clock.now_ns()
        correction = store.get(tx, patient_id, int(said.correction))
        if correction is None:
            raise HTTPException(404, f"the patient has no correction {said.correction}; fetch the readings again")
        done = store.reinstate(tx, correction, said.why, who=account.id, name=account.name, now_ns=now_ns)
        changed = _follow(tx, here, record, done, "reinstated", words.reinstated(done.correction), account, now_ns)
    _tell(here, changed)
    return view(done.correction)


def _reading(name: str) -> tuple[int, bytes]:
    """When it was measured and what it is known by, of the name that `server.corrections.views` gives a reading."""
    t_ns, _, identity = name.partition(".")
    return max(EVER_NS[0], min(int(t_ns), EVER_NS[1])), bytes.fromhex(identity)


def _follow(
    tx: sa.Connection,
    here: House,
    record: PatientRecord,
    done: Done,
    what: Corrected,
    text: Words,
    account: Account,
    now_ns: int,
) -> set[str]:
    """What a correction comes to: the alarms that may rest on the readings say so, and the rules look again."""
    if not done.new:
        return set()
    readings = [one for one, _ in done.correction.readings]
    correct(tx, record.id, here.programmes.rules(record.programme), readings, now_ns, what, text, account.name)
    return {record.id} | here.look(tx, {record.id: ()}, now_ns)


def _tell(here: House, patient_ids: Iterable[str]) -> None:
    for patient_id in patient_ids:
        here.hub.patient_changed(patient_id)
