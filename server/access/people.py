"""What an administrator keeps: who may come in, and who has to do with whom.

Accounts and organisations are the municipality file's; here they are locked, signed out and given back a lost second
step, and relations are made and ended. An administrator sees to their own organisation; those of the one that keeps the
system, to all.
"""

from collections.abc import Callable

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException

from server.access import organisations, sessions, steps, store
from server.access.api import PeoplePage, PersonView, RelationNew, RelationView, SessionView
from server.access.door import Administrator, Door
from server.access.filter import sees, visible
from server.access.me import session_view
from server.access.organisations import all_organisations
from server.access.store import Account
from server.access.views import names, organisation_view, people_views, relation_views
from server.audit.store import write
from server.house import AtDoor, Here, House, problems
from vitals.clock import MS

router = APIRouter(prefix="/api", tags=["people"])


@router.get("/people", operation_id="getPeople", responses=problems(401, 403))
def get_people(account: Administrator, door: AtDoor, here: Here) -> PeoplePage:
    """Organisations, their staff, and the relations with your patients."""
    with here.db.read() as tx:
        now_ns = here.clock.now_ns()
        yours = names(tx, visible(account, now_ns))
        ids = {one.id for one in yours}
        return PeoplePage(
            organisations=[organisation_view(one) for one in all_organisations(tx)],
            people=people_views(tx, _whose(tx, account), door.now_ns()),
            relations=relation_views(tx, [one for one in organisations.lasting(tx, now_ns) if one.patient_id in ids]),
            patients=yours,
        )


@router.get("/people/{username}/sessions", operation_id="getSessions", responses=problems(401, 403, 404, 422))
def get_sessions(username: str, account: Administrator, door: AtDoor, here: Here) -> list[SessionView]:
    """Where somebody is signed in."""
    with here.db.read() as tx:
        _member(tx, account, username)
        return [session_view(one) for one in sessions.of(tx, username, door.now_ns())]


@router.post("/people/{username}/lock", operation_id="lockPerson", responses=problems(401, 403, 404, 409, 422))
def lock_person(username: str, account: Administrator, door: AtDoor, here: Here) -> PersonView:
    """They are out, and do not come in again until they are unlocked."""
    if username == account.id:
        raise HTTPException(409, "you would lock yourself out; ask another administrator")
    return _change(here, door, account, username, "lock", lambda tx: store.lock(tx, username, door.now_ns()))


@router.post("/people/{username}/unlock", operation_id="unlockPerson", responses=problems(401, 403, 404, 422))
def unlock_person(username: str, account: Administrator, door: AtDoor, here: Here) -> PersonView:
    """They may sign in again."""
    return _change(here, door, account, username, "unlock", lambda tx: store.unlock(tx, username))


@router.post("/people/{username}/sign-out", operation_id="signOutPerson", responses=problems(401, 403, 404, 422))
def sign_out_person(username: str, account: Administrator, door: AtDoor, here: Here) -> PersonView:
    """Every session of theirs ends."""
    return _change(here, door, account, username, "sign out", lambda tx: sessions.end_of(tx, username))


@router.post(
    "/people/{username}/second-step/reset", operation_id="resetSecondStep", responses=problems(401, 403, 404, 409, 422)
)
def reset_second_step(username: str, account: Administrator, door: AtDoor, here: Here) -> PersonView:
    """For who has lost the phone and the recovery codes: they sign in with the password and enrol anew."""
    if username == account.id:  # an open screen would be enough to take it off
        raise HTTPException(409, "that is your own; take it off with your password and a code, or ask another one")

    def deed(tx: sa.Connection) -> None:
        steps.take_off(tx, username)
        sessions.end_of(tx, username)

    return _change(here, door, account, username, "reset second step of", deed)


@router.post("/relations", operation_id="addRelation", responses=problems(401, 403, 404, 409, 422))
def add_relation(said: RelationNew, account: Administrator, here: Here) -> RelationView:
    """Let an organisation or a person have to do with one of your patients, from now on."""
    if (said.organisation is None) == (said.staff is None):
        raise HTTPException(422, "organisation: name either an organisation or a person")
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        until_ns = None if said.until_ms is None else said.until_ms * MS
        if until_ns is not None and until_ns <= now_ns:
            raise HTTPException(422, "until_ms: that is past; choose a later moment")
        if not sees(tx, account, said.patient, now_ns):
            raise HTTPException(404, f"there is no patient {said.patient!r}; choose one of the list")
        _known(tx, said)
        number = organisations.relate(
            tx, said.patient, organisation=said.organisation, staff=said.staff, purpose=said.purpose, from_ns=now_ns,
            until_ns=until_ns, made_by=account.name,
        )  # fmt: skip
        row = organisations.relation(tx, number)
        assert row is not None, "it was made a moment ago"
        write(tx, now_ns, account.id, "add relation", said.patient, organisations.told(row))
        (view,) = relation_views(tx, [row])
    here.hub.patient_changed(said.patient)
    return view


@router.post("/relations/{relation_id}/end", operation_id="endRelation", responses=problems(401, 403, 404, 409, 422))
def end_relation(relation_id: str, account: Administrator, here: Here) -> RelationView:
    """They have nothing to do with the patient any more, from now on."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        number = int(relation_id) if relation_id.isdecimal() and len(relation_id) < 19 else -1
        before = organisations.relation(tx, number)
        if before is None or not sees(tx, account, before.patient_id, now_ns):
            raise HTTPException(404, f"there is no relation {relation_id!r}; reload the page")
        if before.made_by == organisations.FILE:
            raise HTTPException(409, "it is listed in municipality.toml; take it out there")
        row = organisations.end(tx, number, now_ns, account.name)
        if row is None:
            raise HTTPException(409, "it has ended already; reload the page")
        write(tx, now_ns, account.id, "end relation", row.patient_id, organisations.told(row))
        (view,) = relation_views(tx, [row])
    here.hub.patient_changed(row.patient_id)
    return view


def _change(
    here: House, door: Door, account: Account, username: str, what: str, deed: Callable[[sa.Connection], object]
) -> PersonView:
    with here.db.write() as tx:
        _member(tx, account, username)
        deed(tx)
        write(tx, here.clock.now_ns(), account.id, what, detail=username)
        return next(one for one in people_views(tx, None, door.now_ns()) if one.id == username)


def _whose(tx: sa.Connection, account: Account) -> str | None:
    """Whose staff the administrator sees to; None: everybody's."""
    keeps = any(one.keeps and one.id == account.organisation for one in all_organisations(tx))
    return None if keeps else account.organisation


def _member(tx: sa.Connection, account: Account, username: str) -> None:
    if username not in {one.id for one in store.members(tx, _whose(tx, account))}:
        raise HTTPException(404, f"there is nobody called {username!r}; reload the page")


def _known(tx: sa.Connection, said: RelationNew) -> None:
    if said.organisation is not None and said.organisation not in {one.id for one in all_organisations(tx)}:
        raise HTTPException(422, f"organisation: there is no {said.organisation!r}; choose one of the list")
    if said.staff is not None and said.staff not in {one.id for one in store.members(tx, None)}:
        raise HTTPException(422, f"staff: there is nobody called {said.staff!r}; type their user name")
