"""Every deed that is about people, access, duty or how somebody is reached leaves a line in the audit.

The deeds are those of the description that the server gives of itself: one that nobody has tried here fails the last
test, until it is tried or it is said why it needs no line. A deed about a patient needs no trying: the witness writes
down what its route forgets (`test_walk`). What the municipality's file does is tried as well.
"""

import re
from datetime import UTC, datetime
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa

from server.access.guard import WHOSE
from server.audit.store import audit
from server.notify.phone import messages
from tests.server.programmes.test_pages import NEXT
from vitals.clock import MS, NS

from .conftest import PASSWORD, Comes, Region, region
from .test_glass import NEED
from .test_rosters import HOUR, plan

NEEDS_NO_LINE = {
    "saveFilter": "how one looks at the worklist is no act on anybody",
    "removeFilter": "the same", "useFilter": "the same",
    "lookAt": "what is shown there is written when it is fetched",
    "previewLadder": "it asks what would be, and changes nothing", "checkProgramme": "the same",
    "stopWhatIf": "that it was begun is written, and what it finds changes nothing",
    "reportDelivery": "a provider's report is on the alarm's timeline", "heardText": "what it answers is written",
    "pressedKey": "the same", "claim": "the desk writes it under the gateway's name", "renew": "the same",
}  # fmt: skip
"""By operation; hooks and hubs have no session, and `tests/identity` and `tests/server/notify` try theirs."""


def operations(region: Region) -> dict[str, tuple[str, str]]:
    """Operation id to (method, path), of all that changes something about no patient."""
    return {
        said["operationId"]: (method.upper(), path)
        for path, ways in region.app.openapi()["paths"].items()
        for method, said in ways.items()
        if method != "get" and not WHOSE.keys() & set(re.findall(r"{(\w+)}", path))
    }


class Trail:
    """Does one thing after the other, and sees that each has left a line of whoever did it."""

    def __init__(self, town: Region, comes: Comes) -> None:
        self._town = town
        self._comes = comes
        self.known = operations(town)
        self.tried: set[str] = set()
        self._clients: dict[str, Any] = {}
        self._read = 0

    async def __call__(self, who: str, operation: str, said: Any = None, **names: object) -> Any:
        if who not in self._clients:
            self._clients[who] = await self._comes(who)
        self.lines()
        method, path = self.known[operation]
        answer = await self._clients[who].request(method, path.format_map(names), json=said)
        assert answer.status_code < 300, (operation, answer.text)
        assert who in {one for one, _ in self.lines()}, f"{operation} leaves no line"
        self.tried.add(operation)
        return answer.json() if answer.content else None

    def lines(self) -> list[tuple[str, str]]:
        """Who and what, since the last time."""
        with self._town.server.db.read() as tx:
            rows = tx.execute(sa.select(audit).where(audit.c.id > self._read).order_by(audit.c.id)).all()
        self._read = rows[-1].id if rows else self._read
        return [(row.who, row.what) for row in rows]


@pytest.fixture
def deed(town_region: Region, comes: Comes) -> Trail:
    return Trail(town_region, comes)


def newest_code(town: Region) -> str:
    with town.server.db.read() as tx:
        return re.findall(r"\b\d{6}\b", messages(tx)[-1].text)[-1]


async def test_each_leaves_a_line(town_region: Region, deed: Trail) -> None:
    now_ms = town_region.clock.now_ns() // MS

    related = {"patient": "solveig", "organisation": "bodo", "purpose": "treatment"}
    relation = await deed("odd", "addRelation", related)
    await deed("odd", "endRelation", relation_id=relation["id"])

    glass = await deed("bjarne", "breakGlass", NEED)
    await deed("bjarne", "mendGlass", glass_id=glass["id"])
    await deed("odd", "reviewGlass", {"verdict": "justified", "note": ""}, glass_id=glass["id"])

    begun = await deed("kari", "beginSecondStep", {"password": PASSWORD})
    otp = pyotp.TOTP(begun["secret"])
    codes = await deed("kari", "confirmSecondStep", {"code": otp.at(town_region.wall_ns // NS)})
    await deed("kari", "removeSecondStep", {"password": PASSWORD, "code": codes["codes"][0]})

    way = await deed("kari", "addMyWay", {"channel": "sms", "address": "+4790000102", "name": "", "after_s": 0,
                                          "language": "nb"})  # fmt: skip
    await deed("kari", "sendWayCode", {"language": "nb"}, way_id=way["id"])
    await deed("kari", "confirmMyWay", {"code": newest_code(town_region)}, way_id=way["id"])
    await deed("kari", "changeMyWay", {"after_s": 60}, way_id=way["id"])
    await deed("kari", "testMyWay", {"language": "nb"}, way_id=way["id"])
    await deed("kari", "removeMyWay", way_id=way["id"])

    await deed("odd", "putRoster", plan("kari", "ingrid", role="nurse") | {"role": "nurse"}, roster_id="dag")
    out = {"out": None, "into": "kari", "from_ms": now_ms, "to_ms": now_ms + HOUR, "why": "syk"}
    await deed("odd", "overrideRoster", out, roster_id="dag")
    await deed("odd", "endOverride", roster_id="dag", override_id=1)
    shift = {"asked_of": "ingrid", "from_ms": now_ms, "to_ms": now_ms + HOUR, "back_from_ms": None, "back_to_ms": None,
             "note": ""}  # fmt: skip
    swap = await deed("kari", "askSwap", shift, roster_id="dag")
    await deed("ingrid", "answerSwap", {"answer": "declined"}, roster_id="dag", swap_id=swap["id"])
    await deed("kari", "writeNote", {"text": "Husk nøkkelen", "patient": None}, roster_id="dag")

    odd = deed._clients["odd"]
    book = (await odd.get("/api/ladders")).json()
    await deed("odd", "putLadders", {name: book[name] for name in ("version", "ladders", "office")})

    await deed("odd", "beginWhatIf", {"programme": "copd", "days": 7, "text": NEXT})
    text = {
        "text": NEXT,
        "seen": (await odd.get("/api/programmes/copd")).json()["seen"],
        "reason": "færre oppringninger",
    }
    await deed("odd", "putProgrammeInForce", text, programme="copd")

    (session,) = (await odd.get("/api/people/ingrid/sessions")).json()
    await deed._comes("ingrid")
    await deed("ingrid", "endSession", session=next(
        one["name"] for one in (await odd.get("/api/people/ingrid/sessions")).json() if one["name"] != session["name"]
    ))  # fmt: skip
    await deed("ingrid", "endOtherSessions")
    for operation in ("lockPerson", "unlockPerson", "signOutPerson", "resetSecondStep"):
        await deed("odd", operation, username="ingrid")
    await deed("bente", "signIn", {"username": "bente", "password": PASSWORD})
    await deed("bente", "signOut")

    assert deed.known.keys() - deed.tried - NEEDS_NO_LINE.keys() == set(), "try it here, or say why it needs no line"
    assert NEEDS_NO_LINE.keys() & deed.tried == set()


def without(**changes: Any) -> dict[str, Any]:
    """The region's file without Bodø: its people, its patient and its gateway."""
    town = region()
    kept = {
        "organisations": [one for one in town["organisations"] if one["id"] != "bodo"],
        "staff": [one for one in town["staff"] if one["organisation"] != "bodo"],
        "patients": town["patients"][:1],
        "gateways": [one for one in town["gateways"] if one.get("patient") != "arne"],
    }
    return kept | changes


def test_what_the_file_opens_and_closes_leaves_a_line_each(town_region: Region, comes: Comes) -> None:
    trail = Trail(town_region, comes)
    assert {what for who, what in trail.lines() if who == "municipality.toml"} == {"open organisation", "open account"}
    town_region.begin_again()
    assert trail.lines() == [], "what has not changed is not said again"
    bound = [
        {"patient": "solveig", "organisation": "bodo", "purpose": "response"},
        {"patient": "solveig", "staff": "siri", "purpose": "consultation"},
    ]
    town_region.reconfigured(relations=bound)
    assert trail.lines() == [("municipality.toml", "add relation")] * 2
    town_region.reconfigured(relations=[bound[0], bound[1] | {"to": datetime(2027, 1, 1, tzinfo=UTC)}])
    town_region.reconfigured(relations=bound[:1])
    assert trail.lines() == [("municipality.toml", "change relation"), ("municipality.toml", "end relation")]
    staff = [one | {"role": "doctor"} if one["id"] == "hege" else one for one in without()["staff"]]
    town_region.reconfigured(**without(staff=staff))
    assert sorted(what for _, what in trail.lines()) == [
        "change account", "close account", "close account", "close account", "close organisation", "end relation",
    ]  # fmt: skip
    town_region.begin_again()
    assert trail.lines() == []
    town_region.reconfigured()
    assert sorted(what for _, what in trail.lines()) == [
        "change account", "open account", "open account", "open account", "open organisation",
    ]  # fmt: skip


async def test_a_closed_organisation_can_be_chosen_no_more(town_region: Region, comes: Comes) -> None:
    town_region.reconfigured(**without())
    odd = await comes("odd")
    assert {one["id"] for one in (await odd.get("/api/people")).json()["organisations"]} == {"salten", "nlsh"}
    said = {"patient": "solveig", "organisation": "bodo", "purpose": "treatment"}
    assert (await odd.post("/api/relations", json=said)).status_code == 422
