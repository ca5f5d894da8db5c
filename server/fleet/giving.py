"""Giving a device to a patient and taking it back: told first what follows, then done in one transaction.

Nurses and doctors do it, and administrators, who put up the equipment; a specialist elsewhere does not. Whose a device
of a path is, and whether that is any business of who asks, the guard finds out (`server.access.guard`); of others who
have had it, only those are shown whom the account may see.
"""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException

from server.access.door import Anyone
from server.access.guard import check_named
from server.access.scopes import Scope
from server.access.store import Account
from server.api import Answered
from server.audit.store import write
from server.fleet import holders
from server.fleet.api import Follows, Give, Holder, Stays, TakeBack
from server.fleet.holders import Held
from server.house import Here, House, Seen, Sees, problems
from vitals.clock import MS

router = APIRouter(prefix="/api/fleet", tags=["fleet"])

INSTALL = frozenset({"nurse", "doctor", "administrator"})
_ASKED = "see what follows"
"""The audit's word where somebody was told it and has changed nothing yet."""
_REFUSALS = {**problems(401, 403, 404, 422), 409: {"model": Answered}}


def _installer(account: Anyone) -> Account:
    if account.role not in INSTALL:
        raise HTTPException(403, "only the municipality's own staff may give out equipment; ask one of them")
    return account


Installer = Annotated[Account, Depends(_installer)]


@router.get("/holders", operation_id="getHolders", responses=problems(401))
def get_holders(account: Anyone, sight: Sees, here: Here, looks: Seen) -> list[Holder]:
    """Who of your patients has which device now."""
    now_ns = here.clock.now_ns()
    looks.saw(now_ns, account.id, "holders")
    with here.db.read() as tx:
        return _views(holders.holders(tx, now_ns), sight)


@router.get("/devices/{device}/holders", operation_id="getDeviceHolders", responses=problems(401, 404, 422))
def get_device_holders(device: str, account: Anyone, sight: Sees, here: Here, looks: Seen) -> list[Holder]:
    """Who of your patients has it and has had it, the newest first."""
    with here.db.read() as tx:
        shown = _views(holders.history(tx, device), sight)
    for one in shown:
        looks.saw(here.clock.now_ns(), account.id, "holders", one.patient_id)
    return shown


@router.post("/devices/{device}/give", operation_id="giveDevice", responses=_REFUSALS)
def give_device(device: str, said: Give, account: Installer, sight: Sees, here: Here, looks: Seen) -> Follows:
    """The device is the patient's from then on; what it measured before is not moved."""
    check_named(here, looks, account, said.patient_id)
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        from_ns = now_ns if said.from_ms is None else said.from_ms * MS
        held = _follows(tx, device, from_ns, now_ns)
        holders.check_give(tx, device, from_ns, now_ns, sight)
        if said.sure:
            holders.give(tx, device, said.patient_id, from_ns, said.user_slot, account.name, said.why, now_ns)
        what = "give device" if said.sure else _ASKED
        write(tx, now_ns, account.id, what, said.patient_id, f"{device} from {from_ns // MS}: {said.why}")
        told = _told(tx, device, from_ns, held, said.sure, sight)
    _tell(here, said.patient_id, said.sure)
    return told


@router.post("/devices/{device}/take-back", operation_id="takeDeviceBack", responses=_REFUSALS)
def take_device_back(device: str, said: TakeBack, account: Installer, sight: Sees, here: Here) -> Follows:
    """The device is its holder's no longer from then on; what is filed stays where it is."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        to_ns = now_ns if said.to_ms is None else said.to_ms * MS
        held = _follows(tx, device, to_ns, now_ns)
        before = holders.check_take_back(tx, device, to_ns, now_ns, sight)
        if said.sure:
            holders.take_back(tx, device, to_ns, account.name, said.why, now_ns)
        what = "take device back" if said.sure else _ASKED
        write(tx, now_ns, account.id, what, before.patient_id, f"{device} from {to_ns // MS}: {said.why}")
        told = _told(tx, device, to_ns, held, said.sure, sight)
    _tell(here, before.patient_id, said.sure)
    return told


def _follows(tx: sa.Connection, device: str, at_ns: int, now_ns: int) -> tuple[list[Stays], int]:
    filed = holders.stays(tx, device, at_ns, now_ns)
    staying = [Stays(patient_id=id_, name=name, readings=count) for (id_, name), count in sorted(filed.items())]
    return staying, holders.aside(tx, device, at_ns)


def _told(
    tx: sa.Connection, device: str, at_ns: int, held: tuple[list[Stays], int], done: bool, sight: Scope
) -> Follows:
    known = _views(holders.history(tx, device), sight)
    return Follows(done=done, at_ms=at_ns // MS, stays=held[0], aside=held[1], holders=known)


def _tell(here: House, patient_id: str, done: bool) -> None:
    if done:
        here.hub.patient_changed(patient_id)


def _views(known: list[Held], sight: Scope) -> list[Holder]:
    return [_view(one) for one in known if one.patient_id in sight]


def _view(one: Held) -> Holder:
    return Holder(
        device=one.device, patient_id=one.patient_id, name=one.name, from_ms=one.from_ns // MS,
        to_ms=None if one.to_ns is None else one.to_ns // MS, user_slot=one.user_slot, given_by=one.given_by,
        ended_by=one.ended_by, why=one.why,
    )  # fmt: skip
