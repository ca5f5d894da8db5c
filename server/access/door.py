"""The door: who comes in with which cookie, and what their role opens.

Nurses and doctors care: they see patients and act on alarms. An administrator keeps the system: the fleet, the
quarantine, technical alarms. Because an administrator is where every ladder ends, the worklist shows them who has an
unanswered alarm, but neither what was measured nor the patient's page; they find a nurse, they do not nurse.

In by a password and, for who has enrolled one, a second step; or by the municipality's provider of identities.
"""

import ipaddress
import time
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Response
from fastapi.security import APIKeyCookie

from server.access import oidc, passwords, sessions, steps, store
from server.access.api import SignIn
from server.access.oidc import Provider
from server.access.sessions import ABSOLUTE_NS, Way
from server.access.store import Account
from server.access.vault import Vault
from server.db import Database
from vitals.clock import NS

COOKIE = "hjemvakt_session"
GOING_OUT = "hjemvakt_oidc"
"""The cookie of a sign-in that is under way at the provider."""
CARE = frozenset({"nurse", "doctor", "specialist"})

_CODE = "code of "
"""Before a user name: wrong codes are counted by themselves, wherever they come from."""


class NeedsCode(Exception):
    """The password is right, and the second step is still to be taken."""


class Door:
    """Sessions over HTTP. `secure`: the cookie travels over https only, and is bound to this host (`__Host-`).

    `wall` gives wall nanoseconds; a test gives its own. `provider`: of identities, where there is one.
    """

    def __init__(
        self,
        db: Database,
        *,
        secure: bool,
        wall: Callable[[], int] = time.time_ns,
        provider: Provider | None = None,
    ) -> None:
        before = "__Host-" if secure else ""
        self.cookie = before + COOKIE
        self.provider = provider
        self._going_out = before + GOING_OUT
        self._db = db
        self._secure = secure
        self._wall = wall
        self._turnstile = passwords.Turnstile()

    def now_ns(self) -> int:
        """The wall's time: sessions, locks and codes are of people at screens."""
        return self._wall()

    def sign_in(self, said: SignIn, vault: Vault, request: Request, response: Response) -> Account:
        """Check the password and the second step, and set the cookie; raises NeedsCode, Unreadable, 401 or 429."""
        address = address_of(request)
        account = self._checked(said.username, said.password, address)
        with self._db.read() as tx:
            two = steps.needed(tx, account.id)
        if two:
            self._second(account, vault, said.code)
        self._turnstile.passed(said.username, address)
        self._open(account, "two steps" if two else "password", request, response)
        return account

    def go_out(self, response: Response) -> str:
        """Begin at the provider: sets the cookie, returns where to go; raises Failed."""
        assert self.provider is not None
        url, kept = self.provider.begin()
        # Lax: the browser comes back from another site, and this cookie must come with it.
        response.set_cookie(
            self._going_out, kept, max_age=oidc.LASTS_S, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
        return url

    def come_back(self, request: Request, response: Response) -> Account:
        """From the provider: sets the cookie of the session; raises Failed."""
        assert self.provider is not None
        response.delete_cookie(self._going_out, path="/", secure=self._secure, httponly=True, samesite="lax")
        subject = self.provider.finish(request.query_params, request.cookies.get(self._going_out))
        with self._db.read() as tx:
            account = store.account_of(tx, subject)
        if account is None:
            raise oidc.Failed("unknown", "no account has that subject")
        self._open(account, "oidc", request, response)
        return account

    def confirm(self, account: Account, password: str, address: str) -> None:
        """That it is they who sit there, before their keys are changed; raises 401 or 429."""
        self._checked(account.id, password, address)
        self._turnstile.passed(account.id, address)

    def code_fits(self, account: Account, vault: Vault, code: str) -> bool:
        """Whether that is their second step's code now. Every way to try one comes by here, and each wrong one is
        counted, wherever it comes from: whoever has the password shall not be able to guess. Raises Unreadable, 429.
        """
        now_ns, name = self._wall(), _CODE + account.id
        self._let_through(name, "", now_ns)
        self._turnstile.failed(name, "", now_ns)
        with self._db.write() as tx:
            right = steps.fits(tx, vault, account.id, code, now_ns)
        if right:
            self._turnstile.passed(name, "")
        return right

    def sign_out(self, request: Request, response: Response) -> None:
        token = request.cookies.get(self.cookie)
        if token:
            with self._db.write() as tx:
                sessions.close_session(tx, token)
        response.delete_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="strict")

    def token(self, request: Request) -> str | None:
        """The session's own secret."""
        return request.cookies.get(self.cookie)

    def who(self, request: Request, *, use: bool = True) -> Account | None:
        """Whose session the request carries. `use=False` only looks: an open stream alone keeps nobody signed in."""
        if use and hasattr(request.state, "account"):
            known: Account | None = request.state.account
            return known
        account = self._who(request, use)
        request.state.account = account
        return account

    def _who(self, request: Request, use: bool) -> Account | None:
        token = self.token(request)
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
                sessions.touch(tx, token, now_ns)
        return account

    def _checked(self, username: str, password: str, address: str) -> Account:
        """The account, if that is its password; the try is counted until `passed` says otherwise."""
        try:
            with passwords.in_line():
                return self._fits(username, password, address, self._wall())
        except passwords.Crowded:
            raise HTTPException(
                429, "many are signing in at this moment; try again in a few seconds", {"Retry-After": "2"}
            ) from None

    def _fits(self, username: str, password: str, address: str, now_ns: int) -> Account:
        self._let_through(username, address, now_ns)
        # Counted before the slow check, so that many at once cannot all slip through.
        self._turnstile.failed(username, address, now_ns)
        with self._db.read() as tx:
            account = store.account(tx, username)
        hashed = (account.password_hash or None) if account else None
        if not passwords.fits(password, hashed) or account is None:
            raise HTTPException(401, "the user name or the password is wrong; try again")
        return account

    def _second(self, account: Account, vault: Vault, code: str | None) -> None:
        if not code:
            raise NeedsCode
        if not self.code_fits(account, vault, code):
            raise HTTPException(401, "the code is wrong, or it has been used; wait for the next one")

    def _let_through(self, name: str, address: str, now_ns: int) -> None:
        wait_s = self._turnstile.wait_s(name, address, now_ns)
        if wait_s:
            raise HTTPException(
                429,
                f"too many failed sign-ins; try again in {int(wait_s // 60) + 1} min or ask an administrator",
                {"Retry-After": str(int(wait_s) + 1)},
            )

    def _open(self, account: Account, way: Way, request: Request, response: Response) -> None:
        with self._db.write() as tx:
            token = sessions.open_session(tx, account.id, self._wall(), way, request.headers.get("user-agent", ""))
        response.set_cookie(
            self.cookie, token, max_age=ABSOLUTE_NS // NS, path="/", secure=self._secure, httponly=True,
            samesite="strict",
        )  # fmt: skip


def address_of(request: Request) -> str:
    """Where it comes from, as tries are counted: of IPv6 the network, for whoever has one address has all of it."""
    host = request.client.host if request.client else ""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv4Address):
        return host
    return str(found.ipv4_mapped or ipaddress.IPv6Address(int(found) >> 64 << 64))


_DESCRIBED = APIKeyCookie(
    name=COOKIE, scheme_name="session", auto_error=False,
    description="Set by signing in. Where the page is served over https its name begins with `__Host-`.",
)  # fmt: skip
"""So that the description says of each route whether one has to be signed in; the door itself looks."""


def _anyone(request: Request, _session: Annotated[str | None, Depends(_DESCRIBED)]) -> Account:
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
