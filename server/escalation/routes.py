"""The ladders: looking at them, trying them, changing them."""

from datetime import time

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException

from server.access.door import Administrator, Anyone
from server.access.organisations import all_organisations
from server.api import Answered, Text
from server.audit.store import write
from server.escalation import store
from server.escalation.api import (
    LadderBook,
    Ladders,
    LadderShape,
    LaddersSave,
    OfficeShape,
    Preview,
    PreviewAsk,
    PreviewTold,
    ProgrammeBrief,
    StepShape,
    Target,
)
from server.escalation.ladder import PERSON, ROSTER, Book, Ladder, Office, Step, check, choose
from server.escalation.preview import Told, preview
from server.escalation.store import Saved
from server.house import Here, House, Sees, problems, refusing
from server.notify.words import ROLE
from server.oncall import store as oncall
from server.oncall.model import ROLES
from server.oncall.views import organisations
from vitals.clock import MS, NS

router = APIRouter(prefix="/api/ladders", tags=["ladders"])

AHEAD_NS = 366 * 86_400 * NS
"""How far a preview may lie from now: beyond that no roster says anything worth hearing."""


@router.get("", operation_id="getLadders", responses=problems(401))
def get_ladders(account: Anyone, sight: Sees, here: Here) -> Ladders:
    """The ladders in force, and whom their steps could tell."""
    with here.db.read() as tx:
        newest = store.newest_of(tx)
        rosters = oncall.kept(tx, here.clock.now_ns(), store.FOR_EVER)
        staff = oncall.everybody(tx).values()
        there_are = organisations(tx)
    targets = [Target(tell=role, name=ROLE["nb"][role]) for role in ROLES]
    targets += [Target(tell=ROSTER + one.newest.id, name=one.newest.name) for one in rosters]
    targets += [Target(tell=PERSON + one.id, name=one.name) for one in staff]
    return Ladders(
        **_book(newest).model_dump(), targets=targets, programmes=_programmes(here), organisations=there_are,
        may_save=account.role == "administrator" and sight.keeps,
    )  # fmt: skip


@router.put(
    "", operation_id="putLadders", responses={**problems(401, 403, 422), 409: {"model": Answered}}
)  # fmt: skip
def put_ladders(said: LaddersSave, account: Administrator, sight: Sees, here: Here) -> LadderBook:
    """Put them in force for alarms that open from now on; an open alarm keeps the copy it has."""
    if not sight.keeps:
        raise HTTPException(403, "the ladders are one book for all; ask an administrator of those who keep it")
    with here.db.write() as tx, refusing():
        now_ns = here.clock.now_ns()
        _known(tx, here, said)
        saved = store.save(tx, _sent(said, here), said.version, account.name, said.note.strip(), now_ns)
        write(tx, now_ns, account.id, "save ladders", detail=f"version {saved.id}")
    return _book(saved)


@router.get("/history", operation_id="getLadderHistory", responses=problems(401))
def get_history(account: Anyone, here: Here) -> list[LadderBook]:
    """Every version there has been, the newest first."""
    with here.db.read() as tx:
        return [_book(one) for one in store.history(tx)]


@router.post("/preview", operation_id="previewLadder", responses=problems(401, 403, 422))
def preview_ladder(said: PreviewAsk, account: Anyone, here: Here) -> Preview:
    """Who would be told, and when, if such an alarm opened at that moment and nobody acted: as far as each of them may
    see the patient whose alarm it is."""
    t_ns, now_ns = said.t_ms * MS, here.clock.now_ns()
    if abs(t_ns - now_ns) > AHEAD_NS:
        raise HTTPException(422, "t_ms: that is more than a year away; choose a moment nearer to now")
    with here.db.read() as tx, refusing():
        book = store.newest_of(tx).book if said.draft is None else _sent(said.draft, here)
        if said.draft is not None:
            check(book, "the ladders")
        hours = book.hours(t_ns)
        [ladder] = choose(book.ladders, said.kind, said.priority, said.programme, said.organisation, hours)
        staff = [one for one in oncall.everybody(tx).values() if not one.locked]  # as the ladder does
        rosters = oncall.kept(tx, t_ns, t_ns + AHEAD_NS)
        told = preview(ladder, t_ns, lambda at_ns: oncall.answering_by(staff, rosters, at_ns, said.organisation))
    return Preview(ladder=ladder.name, hours=hours, repeat_s=ladder.repeat_s, told=[_told(one, t_ns) for one in told])


def _told(one: Told, t_ns: int) -> PreviewTold:
    tell = one.tell
    return PreviewTold(
        t_ms=one.t_ns // MS, after_s=(one.t_ns - t_ns) / NS, round=tell.round, step=tell.step, tell=tell.role,
        name=tell.name, told=[person.name for person in tell.people], unreachable=list(tell.unreachable),
        last_resort=tell.last_resort,
    )  # fmt: skip


def _programmes(here: House) -> list[ProgrammeBrief]:
    titles = {name: here.programmes.title(name) for name in here.programmes.names}
    return [ProgrammeBrief(id=name, title=Text(nb=title["nb"], en=title["en"])) for name, title in titles.items()]


def _known(tx: sa.Connection, here: House, said: LaddersSave) -> None:
    there_are = {one.id for one in all_organisations(tx)}
    for one in said.ladders:
        if one.programme is not None and one.programme not in here.programmes.names:
            known = ", ".join(here.programmes.names)
            raise HTTPException(
                422, f"ladder {one.name!r}: there is no programme {one.programme!r}; use one of {known}"
            )
        if one.organisation and one.organisation not in there_are:
            raise HTTPException(422, f"ladder {one.name!r}: there is no organisation {one.organisation!r}; choose one")


def _sent(said: LaddersSave, here: House) -> Book:
    """What the page sent, as a book."""
    office = Office(
        tuple(sorted(said.office.weekdays)), time.fromisoformat(said.office.begins),
        time.fromisoformat(said.office.ends), tuple(sorted(said.office.closed)),
    )  # fmt: skip
    ladders = tuple(
        Ladder(
            one.name.strip(), one.kind, one.priority,
            tuple(Step(step.tell, step.wait_s, step.name) for step in one.steps),
            one.repeat_s, one.language, one.programme or None, one.organisation or None, one.hours,
        )
        for one in said.ladders
    )  # fmt: skip
    return Book(ladders, office, here.config.time_zone)


def _book(saved: Saved) -> LadderBook:
    book = saved.book
    ladders = [
        LadderShape(
            name=one.name, kind=one.kind, priority=one.priority, programme=one.programme,
            organisation=one.organisation, hours=one.hours, language=one.language, repeat_s=one.repeat_s,
            steps=[StepShape(tell=step.tell, wait_s=step.wait_s, name=step.name) for step in one.steps],
        )
        for one in book.ladders
    ]  # fmt: skip
    office = OfficeShape(
        weekdays=list(book.office.weekdays), begins=f"{book.office.begins:%H:%M}", ends=f"{book.office.ends:%H:%M}",
        closed=list(book.office.closed),
    )  # fmt: skip
    return LadderBook(
        version=saved.id, saved_by=saved.saved_by, saved_ms=saved.saved_ns // MS, note=saved.note, ladders=ladders,
        office=office,
    )  # fmt: skip
