"""Signing in and out: with a password, with two steps, by the provider of identities."""

import logging
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from server.access import api
from server.access.api import SignIn, User
from server.access.door import Anyone, Door
from server.access.oidc import BACK, Failed, Provider
from server.access.store import Account
from server.access.vault import Unreadable
from server.audit.store import write
from server.house import AtDoor, Here, problems

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/session", tags=["access"])

_ENTRY: dict[int | str, dict[str, Any]] = {**problems(403, 409, 422, 429), 401: {"model": api.NeedsCode}}
_THERE: dict[int | str, dict[str, Any]] = {303: {"description": "to the provider, or back to the page"}}


@router.post("", operation_id="signIn", responses=_ENTRY)
def sign_in(said: SignIn, request: Request, response: Response, door: AtDoor, here: Here) -> User:
    """Sign in; sets the session cookie. Where a second step is asked for, the answer is a 401 with `needs`."""
    account = door.sign_in(said, here.vault, request, response)
    with here.db.write() as tx:
        write(tx, here.clock.now_ns(), account.id, "sign in")
    return _user(account)


@router.get("", operation_id="whoAmI", responses=problems(401))
def who_am_i(account: Anyone) -> User:
    """Who is signed in."""
    return _user(account)


@router.delete("", status_code=204, operation_id="signOut", responses=problems(401, 403))
def sign_out(account: Anyone, request: Request, response: Response, door: AtDoor, here: Here) -> None:
    """Sign out; the session ends here and now."""
    door.sign_out(request, response)
    with here.db.write() as tx:
        write(tx, here.clock.now_ns(), account.id, "sign out")


@router.get("/oidc", operation_id="goToProvider", response_class=RedirectResponse, status_code=303,
            responses={**problems(404), **_THERE})  # fmt: skip
def go_to_provider(door: AtDoor) -> Response:
    """Sign in at the provider of identities."""
    _there_is(door)
    answer = RedirectResponse("/", 303)
    try:
        answer.headers["location"] = door.go_out(answer)
    except Failed as error:
        return _turned_away(error)
    return answer


@router.get("/oidc/out", operation_id="leaveProvider", response_class=RedirectResponse, status_code=303,
            responses={**problems(404), **_THERE})  # fmt: skip
def leave_provider(door: AtDoor) -> Response:
    """Sign out at the provider as well, once signed out here."""
    provider = _there_is(door)
    return RedirectResponse(provider.leave() or "/", 303)


@router.get(BACK.removeprefix("/api/session"), operation_id="comeBack", response_class=RedirectResponse,
            status_code=303, responses={**problems(404), **_THERE})  # fmt: skip
def come_back(request: Request, door: AtDoor, here: Here) -> Response:
    """From the provider, signed in there: an account's subject comes in, another is told so."""
    _there_is(door)
    answer = RedirectResponse("/", 303)
    try:
        account = door.come_back(request, answer)
    except Failed as error:
        return _turned_away(error)
    with here.db.write() as tx:
        write(tx, here.clock.now_ns(), account.id, "sign in", detail="by the provider of identities")
    return answer


async def needs_code(_request: Request, _error: Exception) -> Response:
    """For the application: the answer to a right password without its second step."""
    told = api.NeedsCode(detail="type the code of your authenticator, or a recovery code, as well", needs="code")
    return JSONResponse(told.model_dump(), 401)


async def unreadable(_request: Request, error: Exception) -> Response:
    """The same, to a second step that nobody can check any more."""
    assert isinstance(error, Unreadable)
    return JSONResponse({"detail": f"{error.text}; {error.mend}"}, 409)


def _there_is(door: Door) -> Provider:
    if door.provider is None:
        raise HTTPException(404, "there is no provider of identities here; sign in with a password")
    return door.provider


def _turned_away(error: Failed) -> Response:
    """To the page, which says why in words."""
    log.warning("a sign-in by the provider of identities failed: %s (%r)", error.why, error.detail)
    return RedirectResponse(f"/?sign-in={error.why}", 303)


def _user(account: Account) -> User:
    return User(id=account.id, name=account.name, role=account.role)
