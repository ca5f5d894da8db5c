"""Giving a device to a patient and taking it back: told first what follows, then done in one transaction.

Nurses and doctors do it, and administrators, who put up the equipment; a specialist elsewhere does not.
"""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException

from server.access.door import Anyone
from server.access.store import Account
from server.api import Answered
from server.audit.store import write
from server.fleet import holders
from server.fleet.api import Follows, Give, Holder, Stays, TakeBack
from server.fleet.holders import Held
from server.house import Here, House, Seen, problems
from server.patients.routes import find
from vitals.clock import MS

router = APIRouter(prefix="/api/fleet", tags=["fleet"])

INSTALL = frozenset({"nurse", "doctor", "administrator"})
_REFUSALS = {**problems(401, 403, 404, 422), 409: {"model": Answered}}


def _installer(account: Anyone) -> Account:
    if account.role not in INSTALL:
        raise HTTPException(403, "only the municipality's own staff may give out equipment; ask one of them")
    return account


Installer = Annotated[Account, Depends(_installer)]


@router.get("/holders", operation_id="getHolders", responses=problems(401))
def get_holders(account: Anyone, here: Here, looks: Seen) -> list[Holder]:
    """Who has which device now."""
    now_ns = here.clock.now_ns()
    looks.saw(now_ns, account.id, "holders")
    with here.db.read() as tx:
        return [_view(one) for one in holders.holders(tx, now_ns)]


@router.get("/devices/{device}/holders", operation_id="getDeviceHolders", responses=problems(401, 404, 422))
def get_device_holders(device: str, account: Anyone, here: Here, looks: Seen) -> list[Holder]:
    """Who has it and has had it, the newest first."""
    looks.saw(here.clock.now_ns(), account.id, f"holders of {device[:64]}")
    with here.db.read() as tx:
        _find(tx, device)
        return [_view(one) for one in holders.history(tx, device)]


@router.post("/devices/{device}/give", operation_id="giveDevice", responses=_REFUSALS)
def give_device(device: str, said: Give, account: Installer, here: Here) -> Follows:
    """The device is the patient's from then on; what it measured before is not moved."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        _find(tx, device)
        find(tx, said.patient_id)
        from_ns = now_ns if said.from_ms is None else said.from_ms * MS
        held = _follows(tx, device, from_ns, now_ns)
        holders.check_give(tx, device, from_ns, now_ns)
        if said.sure:
            why = said.why.strip()
            holders.give(tx, device, said.patient_id, from_ns, said.user_slot, account.name, why, now_ns)
            detail = f"{device} from {from_ns // MS}: {why}"
            write(tx, now_ns, account.id, "give device", said.patient_id, detail)
        told = _told(tx, device, from_ns, held, said.sure)
    _tell(here, said.patient_id, said.sure)
    return told


@router.post("/devices/{device}/take-back", operation_id="takeDeviceBack", responses=_REFUSALS)
def take_device_back(device: str, said: TakeBack, account: Installer, here: Here) -> Follows:
    """The device is its holder's no longer from then on; what is filed stays where it is."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        _find(tx, device)
        to_ns = now_ns if said.to_ms is None else said.to_ms * MS
        held = _follows(tx, device, to_ns, now_ns)
        before = holders.check_take_back(tx, device, to_ns, now_ns)
        if said.sure:
            why = said.why.strip()
            holders.take_back(tx, device, to_ns, account.name, why, now_ns)
            detail = f"{device} from {to_ns // MS}: {why}"
            write(tx, now_ns, account.id, "take device back", before.patient_id, detail)
        told = _told(tx, device, to_ns, held, said.sure)
    _tell(here, before.patient_id, said.sure)
    return told


def _find(tx: sa.Connection, device: str) -> None:
    if not holders.known(tx, device):
        raise HTTPException(
            404, f"no gateway has told of a device {device!r}; see the equipment page for those there are"
        )


def _follows(tx: sa.Connection, device: str, at_ns: int, now_ns: int) -> tuple[list[Stays], int]:
    filed = holders.stays(tx, device, at_ns, now_ns)
    staying = [Stays(patient_id=id_, name=name, readings=count) for (id_, name), count in sorted(filed.items())]
    return staying, holders.aside(tx, device, at_ns)


def _told(tx: sa.Connection, device: str, at_ns: int, held: tuple[list[Stays], int], done: bool) -> Follows:
    known = [_view(one) for one in holders.history(tx, device)]
    return Follows(done=done, at_ms=at_ns // MS, stays=held[0], aside=held[1], holders=known)


def _tell(here: House, patient_id: str, done: bool) -> None:
    if done:
        here.hub.patient_changed(patient_id)


def _view(one: Held) -> Holder:
    return Holder(
        device=one.device, patient_id=one.patient_id, name=one.name, from_ms=one.from_ns // MS,
        to_ms=None if one.to_ns is None else one.to_ns // MS, user_slot=one.user_slot, given_by=one.given_by,
        ended_by=one.ended_by, why=one.why,
    )  # fmt: skip
