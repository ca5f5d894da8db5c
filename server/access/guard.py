"""The guard before every route that is about a patient: it lets nobody through to one who is not theirs.

A route says whom it is about by the name of a parameter in its path (`WHOSE`). The guard stands before all of them, so
that a route cannot forget it, and what it lets through is witnessed (`server.audit.witness`). What is not yours and
what is not there are refused in the same words after the same query, and both refusals are in the audit: whoever
tries names, or leafs through numbers, is seen to. One who was let through to a case until it was over, and comes with
an answer that is too late, is told who was first (`server.cases.sight`): that much was theirs.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa
from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool

from server.access.filter import visible
from server.access.organisations import organisations
from server.access.store import Account
from server.alarms.table import alarms
from server.audit.store import Looks
from server.audit.witness import LOOKS, About
from server.cases.sight import over
from server.cases.table import cases
from server.fleet.store import device_table, gateway_table
from server.held.store import held
from server.house import House
from server.patients.store import ANSWERS, assignments, patients

_LONGEST = 64
"""So much of a made-up name is kept."""


class Found(msgspec.Struct, frozen=True):
    """It is there and is theirs; `patient_id` None: it is about nobody (a gateway in a drawer)."""

    patient_id: str | None


Find = Callable[[sa.Connection, str, Account, int], Found | None]


def _patient(tx: sa.Connection, name: str, account: Account, now_ns: int) -> Found | None:
    return _first(tx, sa.select(patients.c.id).where(patients.c.id == name, visible(account, now_ns)))


def _of_row(table: sa.Table) -> Find:
    def find(tx: sa.Connection, name: str, account: Account, now_ns: int) -> Found | None:
        number = int(name) if name.isdecimal() and len(name) < 19 else -1
        query = sa.select(patients.c.id).join(table, table.c.patient_id == patients.c.id)
        return _first(tx, query.where(table.c.id == number, visible(account, now_ns)))

    return find


def _gateway(tx: sa.Connection, name: str, account: Account, now_ns: int) -> Found | None:
    keeps = sa.exists().where(organisations.c.id == account.organisation, organisations.c.place == 0)
    nobodys = gateway_table.c.patient_id.is_(None) & keeps
    query = sa.select(gateway_table.c.patient_id).outerjoin(patients, patients.c.id == gateway_table.c.patient_id)
    return _first(tx, query.where(gateway_table.c.id == name, sa.or_(nobodys, visible(account, now_ns))))


def _device(tx: sa.Connection, name: str, account: Account, now_ns: int) -> Found | None:
    """It is whose it is now; one that nobody has is theirs who had it last, and theirs whose gateway has told of it."""
    theirs = sa.case((visible(account, now_ns), 1), else_=0).label("theirs")
    query = sa.select(assignments.c.patient_id, assignments.c.to_ns, theirs).join_from(assignments, patients)
    had = tx.execute(query.where(assignments.c.device == name).order_by(assignments.c.from_ns)).all()
    has = next((row for row in had if row.to_ns is None or row.to_ns > now_ns), None)
    told = tx.scalars(sa.select(device_table.c.gateway).where(device_table.c.device == name)).all()
    heard = any(_gateway(tx, one, account, now_ns) for one in told)
    if name.startswith(ANSWERS):  # what people answer is no device to give
        return None
    if has is not None:
        return Found(has.patient_id) if has.theirs else None
    return Found(None) if heard or (had and had[-1].theirs) else None


_TO_WORKLIST = "there is no {what} {name!r}; go back to the worklist"
_TO_CASES = "there is no {what} {name!r}; go back to the cases"
_TO_FLEET = "there is no {what} {name!r}; see the equipment page for those there are"

WHOSE: dict[str, tuple[str, Find, str]] = {
    "patient_id": ("patient", _patient, _TO_WORKLIST),
    "alarm_id": ("alarm", _of_row(alarms), _TO_WORKLIST),
    "case_id": ("case", _of_row(cases), _TO_CASES),
    "question_id": ("question", _of_row(held), _TO_WORKLIST),
    "gateway_id": ("gateway", _gateway, _TO_FLEET),
    "gateway": ("gateway", _gateway, _TO_FLEET),
    "device": ("device", _device, _TO_FLEET),
}
"""A parameter in a route's path: what it names, how to find whose it is, and what is said where there is none."""


async def watched(request: Request) -> None:
    """For every route of the application."""
    name = next((one for one in WHOSE if one in request.path_params), None)
    if name is not None:
        await run_in_threadpool(_check, request, name)


def check_named(house: House, looks: Looks, account: Account, patient_id: str) -> None:
    """That a patient whom a body names is theirs: refused as one in a path is, by HTTPException."""
    now_ns = house.clock.now_ns()
    with house.db.read() as tx:
        found = _patient(tx, patient_id, account, now_ns)
    if found is None:
        raise _refused(looks, account, now_ns, *WHOSE["patient_id"], patient_id)


def _check(request: Request, parameter: str) -> None:
    state = request.app.state
    account: Account | None = state.door.who(request)
    if account is None:
        return  # the route says so itself
    house: House = state.house
    looks: Looks = state.looks
    what, find, _ = WHOSE[parameter]
    said, now_ns = str(request.path_params[parameter]), house.clock.now_ns()
    with house.db.read() as tx:
        found = find(tx, said, account, now_ns)
        late = over(tx, int(said), account) if found is None and _too_late(request, parameter, said) else None
    if found is None:
        refused = _refused(looks, account, now_ns, *WHOSE[parameter], said)
        raise late or refused
    if found.patient_id is not None:
        deed = getattr(request.scope.get("route"), "operation_id", None) or what
        request.state.about = About(account.id, found.patient_id, _word(request, parameter, what), deed)


def _too_late(request: Request, parameter: str, said: str) -> bool:
    """Whether it may be an answer to a case that is over."""
    return parameter == "case_id" and request.method not in LOOKS and said.isdecimal() and len(said) < 19


def _refused(
    looks: Looks, account: Account, now_ns: int, what: str, _find: Find, nothing: str, said: str
) -> HTTPException:
    name = said[:_LONGEST]
    if what == "patient":
        looks.note(now_ns, account.id, "refused patient", name)
    else:
        looks.note(now_ns, account.id, f"refused {what} {name}")
    return HTTPException(404, nothing.format(what=what, name=said))


def _word(request: Request, parameter: str, what: str) -> str:
    """What is looked at: the path's first word after whose it is, or whose it is itself."""
    path = getattr(request.scope.get("route"), "path", "")
    rest = path.partition(f"{{{parameter}}}")[2].strip("/").split("/")
    return rest[0] or what


def _first(tx: sa.Connection, query: sa.Select[Any]) -> Found | None:
    row = tx.execute(query).first()
    return None if row is None else Found(row[0])
