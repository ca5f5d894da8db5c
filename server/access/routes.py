"""Signing in and out."""

from fastapi import APIRouter, Request, Response

from server.access.door import Anyone
from server.access.store import Account
from server.api import SignIn, User
from server.audit.store import write
from server.house import AtDoor, Here, problems

router = APIRouter(prefix="/api/session", tags=["access"])


@router.post("", operation_id="signIn", responses=problems(401, 403, 422, 429))
def sign_in(said: SignIn, request: Request, response: Response, door: AtDoor, here: Here) -> User:
    """Sign in; sets the session cookie."""
    account = door.sign_in(said, request.client.host if request.client else "", response)
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


def _user(account: Account) -> User:
    return User(id=account.id, name=account.name, role=account.role)
