"""The door: who comes in with which cookie, and what their role opens.

Nurses and doctors care: they see patients and act on alarms. An administrator keeps the system: the fleet, the
quarantine, technical alarms. Because an administrator is where every ladder ends, the worklist shows them who has an
unanswered alarm, but neither what was measured nor the patient's page; they find a nurse, they do not nurse.
"""

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Response

from server.access import passwords, store
from server.access.store import ABSOLUTE_NS, Account
from server.api import SignIn
from server.db import Database
from vitals.clock import NS

COOKIE = "hjemvakt_session"
CARE = frozenset({"nurse", "doctor", "specialist"})


class Door:
    """Sessions over HTTP. `secure`: the cookie travels over https only, and is bound to this host (`__Host-`).

    `wall` gives wall nanoseconds; a test gives its own.
    """

    def __init__(self, db: Database, *, secure: bool, wall: Callable[[], int] = time.time_ns) -> None:
        self.cookie = f"__Host-{COOKIE}" if secure else COOKIE
        self._db = db
        self._secure = secure
        self._wall = wall
        self._turnstile = passwords.Turnstile()

    def sign_in(self, said: SignIn, address: str, response: Response) -> Account:
        """Check the password and set the cookie; raises 401 or 429."""
        try:
            with passwords.in_line():
                account = self._checked(said, address, self._wall())
        except passwords.Crowded:
            raise HTTPException(
                429, "many are signing in at this moment; try again in a few seconds", {"Retry-After": "2"}
            ) from None
        with self._db.write() as tx:
            token = store.open_session(tx, account.id, self._wall())
        response.set_cookie(
            self.cookie, token, max_age=ABSOLUTE_NS // NS, path="/", secure=self._secure, httponly=True,
            samesite="strict",
        )  # fmt: skip
        return account

    def _checked(self, said: SignIn, address: str, now_ns: int) -> Account:
        wait_s = self._turnstile.wait_s(said.username, address, now_ns)
        if wait_s:
            raise HTTPException(
                429,
                f"too many failed sign-ins; try again in {int(wait_s // 60) + 1} min or ask an administrator",
                {"Retry-After": str(int(wait_s) + 1)},
            )
        # Counted before the slow check, so that many at once cannot all slip through.
        self._turnstile.failed(said.username, address, now_ns)
        with self._db.read() as tx:
            account = store.account(tx, said.username)
        if not passwords.fits(said.password, account.password_hash if account else None) or account is None:
            raise HTTPException(401, "the user name or the password is wrong; try again")
        self._turnstile.passed(said.username, address)
        return account

    def sign_out(self, request: Request, response: Response) -> None:
        token = request.cookies.get(self.cookie)
        if token:
            with self._db.write() as tx:
                store.close_session(tx, token)
        response.delete_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="strict")

    def who(self, request: Request, *, use: bool = True) -> Account | None:
        """Whose session the request carries. `use=False` only looks: an open stream alone keeps nobody signed in."""
        token = request.cookies.get(self.cookie)
        if not token:
            return None
        now_ns = self._wall()
        with self._db.read() as tx:
            found = store.holder(tx, token, now_ns)
        if found is None:
            return None
        account, stale = found
        if stale and use:
            with self._db.write() as tx:
                store.touch(tx, token, now_ns)
        return account


def _anyone(request: Request) -> Account:
    account: Account | None = request.app.state.door.who(request)
    if account is None:
        raise HTTPException(401, "you are not signed in, or your session has ended; sign in")
    return account


def _carer(account: Annotated[Account, Depends(_anyone)]) -> Account:
    if account.role not in CARE:
        raise HTTPException(403, "only nurses and doctors may do this; ask one of them")
    return account


def _administrator(account: Annotated[Account, Depends(_anyone)]) -> Account:
    if account.role != "administrator":
        raise HTTPException(403, "only an administrator may do this; ask one")
    return account


Anyone = Annotated[Account, Depends(_anyone)]
Carer = Annotated[Account, Depends(_carer)]
Administrator = Annotated[Account, Depends(_administrator)]
