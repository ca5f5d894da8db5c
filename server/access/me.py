"""One's own keys: the second step, and where one is signed in."""

from fastapi import APIRouter, HTTPException, Request

from server.access import sessions, steps
from server.access.api import Code, Confirm, Enrolment, RecoveryCodes, Security, SessionView, TakeOff
from server.access.door import Anyone, Door, address_of
from server.access.store import Account
from server.audit.store import write
from server.house import AtDoor, Here, problems
from vitals.clock import MS

router = APIRouter(prefix="/api/me", tags=["access"])


@router.get("/security", operation_id="getSecurity", responses=problems(401))
def get_security(account: Anyone, request: Request, door: AtDoor, here: Here) -> Security:
    """Your keys, and where you are signed in."""
    with here.db.read() as tx:
        found = sessions.of(tx, account.id, door.now_ns(), door.token(request))
        second, left = steps.needed(tx, account.id), steps.left(tx, account.id)
    return Security(
        way=next((one.way for one in found if one.mine), "password"), password=bool(account.password_hash),
        second_step=second, recovery_left=left, sessions=[session_view(one) for one in found],
    )  # fmt: skip


@router.post("/second-step", operation_id="beginSecondStep", responses=problems(401, 403, 409, 422, 429))
def begin_second_step(said: Confirm, account: Anyone, request: Request, door: AtDoor, here: Here) -> Enrolment:
    """A new secret for an authenticator; it is asked for once a first code has confirmed it."""
    _confirm(door, account, said.password, request)
    with here.db.write() as tx:
        if steps.needed(tx, account.id):
            raise HTTPException(409, "you sign in with two steps already; take the second one off first")
        secret = steps.begin(tx, here.vault, account.id)
        write(tx, here.clock.now_ns(), account.id, "begin second step")
    uri = steps.uri(secret, account.id, f"Hjemvakt {here.config.name}")
    return Enrolment(secret=secret, uri=uri, square=steps.square(uri))


@router.post("/second-step/confirm", operation_id="confirmSecondStep", responses=problems(401, 403, 409, 422))
def confirm_second_step(said: Code, account: Anyone, request: Request, door: AtDoor, here: Here) -> RecoveryCodes:
    """The first code. From now on you sign in with two steps, and your other sessions end."""
    with here.db.write() as tx:
        codes = steps.confirm(tx, here.vault, account.id, said.code, door.now_ns())
        if codes is None:
            raise HTTPException(409, "that is not the code; see that the phone's clock is right, and type the next one")
        sessions.end_of(tx, account.id, but=door.token(request))
        write(tx, here.clock.now_ns(), account.id, "add second step")
    return RecoveryCodes(codes=codes)


@router.post(
    "/second-step/remove", status_code=204, operation_id="removeSecondStep", responses=problems(401, 403, 409, 422, 429)
)
def remove_second_step(said: TakeOff, account: Anyone, request: Request, door: AtDoor, here: Here) -> None:
    """Sign in with the password alone again."""
    _confirm(door, account, said.password, request)
    if not door.code_fits(account, here.vault, said.code):
        raise HTTPException(409, "the code is wrong, or it has been used; wait for the next one")
    with here.db.write() as tx:
        steps.take_off(tx, account.id)
        write(tx, here.clock.now_ns(), account.id, "remove second step")


@router.delete(
    "/sessions/{session}", status_code=204, operation_id="endSession", responses=problems(401, 403, 404, 422)
)
def end_session(session: str, account: Anyone, here: Here) -> None:
    """Sign out elsewhere."""
    with here.db.write() as tx:
        if not sessions.end(tx, account.id, session):
            raise HTTPException(404, "that session has ended already; reload the page")
        write(tx, here.clock.now_ns(), account.id, "end session", detail=f"session {session}")


@router.delete("/sessions", status_code=204, operation_id="endOtherSessions", responses=problems(401, 403))
def end_other_sessions(account: Anyone, request: Request, door: AtDoor, here: Here) -> None:
    """Sign out everywhere else."""
    with here.db.write() as tx:
        ended = sessions.end_of(tx, account.id, but=door.token(request))
        write(tx, here.clock.now_ns(), account.id, "end other sessions", detail=f"{ended} ended")


def session_view(one: sessions.Session) -> SessionView:
    """As the page sees it."""
    return SessionView(
        name=one.name, way=one.way, browser=one.browser, began_ms=one.began_ns // MS, used_ms=one.used_ns // MS,
        mine=one.mine,
    )  # fmt: skip


def _confirm(door: Door, account: Account, password: str, request: Request) -> None:
    if not account.password_hash:
        raise HTTPException(409, "you have no password here; your second step is at the provider of identities")
    door.confirm(account, password, address_of(request))
