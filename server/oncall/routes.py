"""Looking at rosters, and changing them. Every act is one transaction: the roster and the audit, or neither."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException, Query

from server.access.door import Administrator, Anyone
from server.access.organisations import all_organisations
from server.access.scopes import Scope
from server.access.store import Account
from server.api import Answered
from server.audit.store import write
from server.escalation import store as ladders
from server.house import Here, Sees, problems, refusing
from server.oncall import store, swaps, views
from server.oncall.api import (
    OnCall,
    OverrideNew,
    RosterSave,
    RosterVersion,
    SwapAnswer,
    SwapNew,
    SwapView,
    WhoThen,
)
from server.oncall.check import reachable, unlocked
from server.oncall.model import Roster
from server.oncall.swaps import Swap
from vitals.clock import MS, NS
from vitals.errors import ConfigError

router = APIRouter(tags=["on call"])

MOST_DAYS = 92
_CHANGING = {**problems(401, 403, 404, 422), 409: {"model": Answered}}
Moment = Annotated[int | None, Query(ge=0, le=2**43, description="milliseconds since 1970")]


@router.get("/api/oncall", operation_id="getOnCall", responses=problems(401, 422))
def get_oncall(
    account: Anyone,
    sight: Sees,
    here: Here,
    from_ms: Moment = None,
    days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 28,
) -> OnCall:
    """Who is on now and next, the days from `from_ms` (now) on, and where nobody is."""
    now_ns = here.clock.now_ns()
    from_ns = now_ns if from_ms is None else from_ms * MS
    with here.db.read() as tx:
        return views.oncall(tx, account, sight.keeps, now_ns, from_ns, from_ns + days * 86_400 * NS)


@router.get("/api/oncall/at", operation_id="getOnCallAt", responses=problems(401, 422))
def get_oncall_at(
    account: Anyone, sight: Sees, here: Here, t_ms: Annotated[int, Query(ge=0, le=2**43)]
) -> list[WhoThen]:
    """Who was, is or will be on at that moment: what is past as it was, what is ahead as it is planned."""
    with here.db.read() as tx:
        rosters = store.kept(tx, t_ms * MS, t_ms * MS + 1)
        shown = [one for one in rosters if views.yours(account, sight.keeps, one.newest)]
        return views.then(shown, store.everybody(tx), t_ms * MS)


@router.put("/api/rosters/{roster_id}", operation_id="putRoster", responses=_CHANGING)
def put_roster(roster_id: str, said: RosterSave, account: Administrator, sight: Sees, here: Here) -> RosterVersion:
    """Put a roster in force from now on; what is past stays as it was."""
    with here.db.write() as tx, refusing():
        now_ns = here.clock.now_ns()
        roster = views.sent(roster_id, here.config.time_zone, said)
        _may_save(tx, roster, account, sight)
        saved = store.save(tx, roster, said.version, account.name, now_ns)
        ladders.check_in_force(tx, now_ns)
        write(tx, now_ns, account.id, "save roster", detail=f"{roster_id}, version {saved.id}")
        return views.version(saved)


@router.get("/api/rosters/{roster_id}/history", operation_id="getRosterHistory", responses=problems(401, 404, 422))
def get_roster_history(roster_id: str, account: Anyone, sight: Sees, here: Here) -> list[RosterVersion]:
    """What the roster has been, the newest first."""
    with here.db.read() as tx:
        find(tx, roster_id, account, sight)
        return [views.version(one) for one in store.history(tx, roster_id)]


@router.post(
    "/api/rosters/{roster_id}/overrides", operation_id="overrideRoster", responses=problems(401, 403, 404, 422)
)
def override_roster(roster_id: str, said: OverrideNew, account: Anyone, sight: Sees, here: Here) -> list[WhoThen]:
    """Put somebody on instead of somebody else for a while; returns who is on at its beginning."""
    with here.db.write() as tx, refusing():
        now_ns = here.clock.now_ns()
        roster = _may_change(tx, roster_id, account, sight)
        since_ns, until_ns = max(said.from_ms * MS, now_ns), said.to_ms * MS
        if until_ns <= since_ns:
            raise ConfigError("that time is over, or ends before it begins", "correct its times")
        if said.out is None and said.into is None:
            raise ConfigError("nobody is taken off and nobody is put on", "choose one of the two at least")
        if said.into is not None:
            _puts_on(tx, said.into, roster)
        store.change(tx, roster_id, said.out, said.into, since_ns, until_ns, account.name, said.why, now_ns)
        ladders.check_in_force(tx, now_ns)
        write(tx, now_ns, account.id, "override roster", detail=f"{roster_id}: {said.into} for {said.out}")
        return views.then(store.kept(tx, since_ns, since_ns + 1, roster_id), store.everybody(tx), since_ns)


@router.post(
    "/api/rosters/{roster_id}/overrides/{override_id}/end", operation_id="endOverride",
    responses=problems(401, 403, 404, 422),
)  # fmt: skip
def end_override(roster_id: str, override_id: str, account: Anyone, sight: Sees, here: Here) -> list[WhoThen]:
    """It holds no longer; what it was until now stays. Returns who is on now."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        _may_change(tx, roster_id, account, sight)
        number = _number(override_id)
        if number not in {one.id for one in store.changes(tx, roster_id, now_ns, 2**63 - 1)}:
            raise HTTPException(404, f"there is no override {override_id!r} that still holds; reload the page")
        store.take_back(tx, number, account.name, now_ns)
        write(tx, now_ns, account.id, "end override", detail=f"{roster_id}, override {number}")
        return views.then(store.kept(tx, now_ns, now_ns + 1, roster_id), store.everybody(tx), now_ns)


@router.post("/api/rosters/{roster_id}/swaps", operation_id="askSwap", responses=problems(401, 403, 404, 422))
def ask_swap(roster_id: str, said: SwapNew, account: Anyone, sight: Sees, here: Here) -> SwapView:
    """Ask a colleague to take a shift of yours, and perhaps offer to take one of theirs."""
    with here.db.write() as tx, refusing():
        now_ns = here.clock.now_ns()
        roster = find(tx, roster_id, account, sight)
        _puts_on(tx, said.asked_of, roster)
        if (said.back_from_ms is None) != (said.back_to_ms is None):
            raise ConfigError("the shift in return has only one end", "give both its times, or neither")
        back_since_ns, back_until_ns = (
            None if each is None else each * MS for each in (said.back_from_ms, said.back_to_ms)
        )
        asked = Swap(
            0, roster_id, account.id, said.asked_of, said.from_ms * MS, said.to_ms * MS, back_since_ns, back_until_ns,
            said.note.strip(), now_ns, "asked",
        )  # fmt: skip
        asked = swaps.ask(tx, asked)
        write(tx, now_ns, account.id, "ask swap", detail=f"{roster_id}, swap {asked.id} of {said.asked_of}")
        return views.swap(asked)


@router.post("/api/rosters/{roster_id}/swaps/{swap_id}/answer", operation_id="answerSwap", responses=_CHANGING)
def answer_swap(roster_id: str, swap_id: str, said: SwapAnswer, account: Anyone, sight: Sees, here: Here) -> SwapView:
    """Say yes or no to what you are asked, or take back what you asked."""
    with here.db.write() as tx, refusing():
        now_ns = here.clock.now_ns()
        find(tx, roster_id, account, sight)
        one = swaps.get(tx, _number(swap_id))
        if one is None or one.roster != roster_id:
            raise HTTPException(404, f"there is no swap {swap_id!r} in this roster; reload the page")
        whose = one.asked_by if said.answer == "withdrawn" else one.asked_of
        if account.id != whose:
            called = store.names(tx, [whose])[whose]
            raise HTTPException(403, f"only {called} may do this; ask them")
        why = f"Byttet / swapped: {store.names(tx, [one.asked_by])[one.asked_by]}"
        answered = swaps.answer(tx, one, said.answer, account.name, why, now_ns)
        write(tx, now_ns, account.id, f"{said.answer} swap", detail=f"{roster_id}, swap {one.id}")
        return views.swap(answered)


def find(tx: sa.Connection, roster_id: str, account: Account, sight: Scope) -> Roster:
    """The roster, if it is theirs to see; or a 404 that says what to do."""
    newest = store.newest_of(tx, roster_id)
    if newest is None or not views.yours(account, sight.keeps, newest.roster):
        raise HTTPException(404, f"there is no roster {roster_id!r}; go back to the on-call page")
    return newest.roster


def _may_save(tx: sa.Connection, roster: Roster, account: Account, sight: Scope) -> None:
    """Both as it was and as it is to be."""
    if roster.organisation and roster.organisation not in {one.id for one in all_organisations(tx)}:
        raise ConfigError(f"organisation: there is no {roster.organisation!r}", "choose one of the list, or none")
    before = store.newest_of(tx, roster.id)
    whose = {roster.organisation} | ({before.roster.organisation} if before else set())
    if not all(views.may_keep(account, sight.keeps, one) for one in whose):
        raise HTTPException(403, "that roster is not your organisation's; ask an administrator of those who keep all")


def _may_change(tx: sa.Connection, roster_id: str, account: Account, sight: Scope) -> Roster:
    roster = find(tx, roster_id, account, sight)
    if not views.may_change(account, sight.keeps, roster):
        raise HTTPException(403, "only an administrator or somebody on the roster may do this; ask one of them")
    return roster


def _puts_on(tx: sa.Connection, name: str, roster: Roster) -> None:
    staff, where = store.everybody(tx), f"roster {roster.name!r}"
    reachable(name, staff, roster, where)
    unlocked([name], staff, where)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0
