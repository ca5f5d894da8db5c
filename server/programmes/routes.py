"""The programmes: looking at them, comparing, trying a version on what was measured, putting it in force."""

from collections import Counter
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException, Request

from server.access.door import Administrator
from server.api import Answered, Text
from server.audit.store import write
from server.house import Here, House, Seen, Sees, problems, refusing
from server.patients import versions
from server.patients.store import all_patients
from server.programmes import store, views
from server.programmes.api import (
    Checked,
    ProgrammeLine,
    ProgrammePage,
    ProgrammeText,
    PutInForce,
    WhatIf,
    WhatIfNew,
)
from server.programmes.trial import Trials
from triage.programme import Programme
from vitals.clock import MS
from vitals.errors import ConfigError

router = APIRouter(prefix="/api", tags=["programmes"])

_KEEPERS = "the programmes are one set for all; ask an administrator of those who keep the system"


def _trials(request: Request) -> Trials:
    trials: Trials = request.app.state.trials
    return trials


Tried = Annotated[Trials, Depends(_trials)]


@router.get("/programmes", operation_id="getProgrammes", responses=problems(401, 403))
def get_programmes(account: Administrator, sight: Sees, here: Here) -> list[ProgrammeLine]:
    """Every programme as it is in force, and how many of those whom you may see follow it."""
    with here.db.read() as tx:
        follow = Counter(one.programme for one in all_patients(tx) if one.id in sight)
        newest = {name: store.newest_of(tx, name) for name in here.programmes.names}
    return [_line(here.programmes.of(name), one, follow[name]) for name, one in newest.items() if one is not None]


@router.get("/programmes/{programme}", operation_id="getProgramme", responses=problems(401, 403, 404, 422))
def get_programme(programme: str, account: Administrator, sight: Sees, here: Here) -> ProgrammePage:
    """One of them, with every version there has been."""
    _known(here, programme)
    with here.db.read() as tx:
        return _page(tx, here, programme, sight)


@router.post("/programmes/{programme}/check", operation_id="checkProgramme", responses=problems(401, 403, 404, 422))
def check_programme(programme: str, said: ProgrammeText, account: Administrator, sight: Sees, here: Here) -> Checked:
    """Whether that text could be put in force; nothing is kept of it."""
    _may(sight)
    _known(here, programme)
    with here.db.read() as tx, refusing():
        found = store.read(tx, here.programmes, programme, said.text)
        return Checked(
            version=views.draft(found, said.text), limits_dropped=store.dropped(tx, here.programmes, found)
        )  # fmt: skip


@router.post(
    "/programmes/{programme}/in-force", operation_id="putProgrammeInForce",
    responses={**problems(401, 403, 404, 422), 409: {"model": Answered}},
)  # fmt: skip
def put_in_force(
    programme: str, said: PutInForce, account: Administrator, sight: Sees, here: Here
) -> ProgrammePage:  # fmt: skip
    """Put a version in force, a new one or one there has been, for all who follow it, from their next look on."""
    _may(sight)
    _known(here, programme)
    with refusing():
        with here.db.read() as tx:
            chosen = _chosen(tx, here, programme, said.text, said.digest)
        people = store.put(
            here.db, here.programmes, chosen, said.text, seen=said.seen, username=account.id, name=account.name,
            reason=said.reason, now_ns=here.clock.now_ns(),
        )  # fmt: skip
    for one in people:
        here.hub.patient_changed(one)
    with here.db.read() as tx:
        return _page(tx, here, programme, sight)


@router.get("/whatif", operation_id="getWhatIf", responses=problems(401, 403))
def get_whatif(account: Administrator, sight: Sees, here: Here, trials: Tried, looks: Seen) -> WhatIf | None:
    """The what-if that was begun last, as far as it has come; null before the first."""
    _may(sight)
    newest = trials.newest()
    if newest is None:
        return None
    if newest.outcome is not None:
        looks.saw(here.clock.now_ns(), account.id, "what-if")
    with here.db.read() as tx:
        names = {one.id: one.name for one in all_patients(tx) if one.id in sight}
    return views.whatif(newest, names)


@router.post(
    "/whatif", operation_id="beginWhatIf", responses={**problems(401, 403, 404, 422), 409: {"model": Answered}}
)  # fmt: skip
def begin_whatif(said: WhatIfNew, account: Administrator, sight: Sees, here: Here, trials: Tried) -> WhatIf:
    """Begin to let a version and today's watch over the last days; 409 while another what-if is under way."""
    _may(sight)
    _known(here, said.programme)
    now_ns = here.clock.now_ns()
    with here.db.read() as tx, refusing():
        chosen = _chosen(tx, here, said.programme, said.text, said.digest)
    begun = trials.begin(here.programmes.of(chosen.name), chosen, said.days, account.name, now_ns)
    with here.db.write() as tx:
        detail = f"{chosen.name} {chosen.version} ({chosen.digest}), {said.days} days"
        write(tx, now_ns, account.id, "try programme", detail=detail)
    return views.whatif(begun, {})


@router.post("/whatif/stop", operation_id="stopWhatIf", status_code=204, responses=problems(401, 403))
def stop_whatif(account: Administrator, sight: Sees, trials: Tried) -> None:
    """End the what-if that is under way, if one is."""
    _may(sight)
    trials.stop()


def _may(sight: Sees) -> None:
    if not sight.keeps:
        raise HTTPException(403, _KEEPERS)


def _known(here: House, name: str) -> None:
    if name not in here.programmes.names:
        raise HTTPException(404, f"there is no programme {name!r}; use one of {', '.join(here.programmes.names)}")


def _chosen(tx: sa.Connection, here: House, name: str, text: str | None, digest: str | None) -> Programme:
    """The version that is meant; raises ConfigError for one that could not be put in force."""
    if (text is None) == (digest is None):
        raise ConfigError("it is not said which version", "send its text, or the digest of one there has been")
    if text is not None:
        return store.read(tx, here.programmes, name, text)
    kept = next((one for one in versions.versions_of(tx, name) if one.digest == digest), None)
    if kept is None:
        raise ConfigError(f"no version of {name!r} has the digest {digest!r}", "choose one that is listed")
    return store.usable(tx, here.programmes, kept.programme)


def _line(programme: Programme, newest: store.InForce, patients: int) -> ProgrammeLine:
    return ProgrammeLine(
        name=programme.name, title=Text(nb=programme.title["nb"], en=programme.title["en"]),
        version=programme.version, since_ms=newest.since_ns // MS, put_by=newest.put_by, rules=len(programme.rules),
        limits=len(programme.limits), expect=len(programme.expect), ask=len(programme.ask),
        actions=len(programme.action), patients=patients,
    )  # fmt: skip


def _page(tx: sa.Connection, here: House, name: str, sight: Sees) -> ProgrammePage:
    kept = versions.versions_of(tx, name)
    history = store.history(tx, name)
    by_digest = {one.digest: one for one in kept}
    return ProgrammePage(
        name=name, seen=history[0].id, digest=history[0].digest,
        patients=sum(one.id in sight for one in store.followers(tx, name)),
        versions=[views.version(one) for one in reversed(kept)],
        history=[views.history(one, by_digest) for one in history], may_put=sight.keeps,
    )  # fmt: skip
