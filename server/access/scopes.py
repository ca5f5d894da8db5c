"""What each account may see as a whole, remembered for lists and streams until it can have changed.

It can change in two ways: somebody changed who may see whom, which `access_changes` counts, or a moment came at which
a relation begins or ends, which is known ahead. So a remembered scope is right, and not just right a while ago.
"""

import threading
from collections.abc import Callable

import msgspec
import sqlalchemy as sa

from server.access import filter as access_filter
from server.access.organisations import change_count, organisations
from server.access.store import Account
from server.patients.store import patients

_REMEMBERED = 1_000


class Scope(msgspec.Struct, frozen=True):
    """`patients`: whom the account may see, None for everybody there is; good before `until_ns` (None: for ever).

    `keeps`: of the organisation that keeps the system. `count` is the state of `access_changes` that it was made at.
    """

    patients: frozenset[str] | None
    keeps: bool = True
    until_ns: int | None = None
    count: int = 0

    def __contains__(self, patient_id: str) -> bool:
        return self.patients is None or patient_id in self.patients

    def good(self, count: int, now_ns: int) -> bool:
        """Whether it is still right."""
        return self.count >= count and (self.until_ns is None or now_ns < self.until_ns)


EVERYBODY = Scope(None)


class Scopes:
    """Thread-safe. `now_ns`: the server's clock."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._known: dict[Account, Scope] = {}

    def of(self, tx: sa.Connection, account: Account) -> Scope:
        """What the account may see now."""
        count, now_ns = change_count(tx), self._now_ns()
        with self._lock:
            known = self._known.get(account)
        if known is not None and known.good(count, now_ns):
            return known
        scope = _made(tx, account, count, now_ns)
        with self._lock:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[account] = scope
        return scope


def _made(tx: sa.Connection, account: Account, count: int, now_ns: int) -> Scope:
    seen = access_filter.visible(account, now_ns)
    until_ns = access_filter.next_change_ns(tx, account, now_ns)
    keeps = tx.scalar(sa.select(organisations.c.place).where(organisations.c.id == account.organisation)) == 0
    if tx.scalar(sa.select(patients.c.id).where(~seen).limit(1)) is None:
        return Scope(None, keeps, until_ns, count)
    return Scope(frozenset(tx.scalars(sa.select(patients.c.id).where(seen))), keeps, until_ns, count)


Ask = Callable[[], Scope | None]
"""The scope of whoever holds a stream open, as it is now; None: they may not hold it open any longer."""
