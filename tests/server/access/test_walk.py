"""Every route, as every role of another organisation, gives nothing; and as one's own, leaves a line in the audit.

The routes are those of the description that the server gives of itself, so a new one is walked without anybody's
thinking of it.
"""

import contextlib
import json
import re
from typing import Any

import pytest
import sqlalchemy as sa

from server.access.guard import WHOSE
from server.alarms.model import To
from server.audit.store import write

from .conftest import ELSEWHERE, Comes, Region

OF_SOLVEIG = {
    "patient_id": "solveig", "alarm_id": "1", "case_id": "1", "question_id": "1", "gateway_id": "gw-1",
    "gateway": "gw-1", "device": "oximeter",
}  # fmt: skip
NOBODYS = {
    "patient_id": "nobody", "alarm_id": "77", "case_id": "77", "question_id": "77", "gateway_id": "gw-77",
    "gateway": "gw-77", "device": "toaster",
}  # fmt: skip
NOT_OF_A_PATIENT = {
    "username", "session", "relation_id", "glass_id", "way_id", "roster_id", "override_id", "swap_id", "name",
    "programme",
}  # fmt: skip
"""Parameters that name no patient's thing by themselves; each has a test below, or in `test_people`, `test_glass` or
`test_rosters`."""
ASKED = {"channel": "spo2", "t_ms": "1"}
"""What routes want in the address."""
HERS = re.compile(r"solveig|storgata|gw-1\b", re.IGNORECASE)


def routes(app: Any) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, said)
        for path, ways in app.openapi()["paths"].items()
        for method, said in ways.items()
        if path != "/api/stream"
    ]


def address(path: str, said: dict[str, Any], names: dict[str, str]) -> str:
    wanted = [one["name"] for one in said.get("parameters", []) if one["in"] == "query" and one.get("required")]
    query = "&".join(f"{name}={ASKED[name]}" for name in wanted)
    others = dict.fromkeys(NOT_OF_A_PATIENT | {"order_id", "proposal_id", "missed_id"}, "1")
    return path.format_map(others | names) + f"?{query}"


def whose(path: str) -> set[str]:
    return WHOSE.keys() & set(re.findall(r"{(\w+)}", path))


@pytest.fixture
def ill(town_region: Region) -> Region:
    town_region.alarm()
    town_region.sent("kari", To("doctor"))
    town_region.asked()
    town_region.lent()
    return town_region


def test_every_parameter_is_known_to_name_somebodys_thing_or_nobodys(ill: Region) -> None:
    for _, path, _ in routes(ill.app):
        names = set(re.findall(r"{(\w+)}", path))
        assert not names or whose(path) or names <= NOT_OF_A_PATIENT, f"{path}: tell server.access.guard whose it is"


async def test_what_is_another_organisations_is_as_if_it_were_not_there(ill: Region, comes: Comes) -> None:
    walked = 0
    for who in ELSEWHERE:
        client = await comes(who)
        for method, path, said in routes(ill.app):
            if not whose(path):
                continue
            body = {} if method in ("POST", "PUT") else None
            hers = await client.request(method, address(path, said, OF_SOLVEIG), json=body)
            nobodys = await client.request(method, address(path, said, NOBODYS), json=body)
            assert (hers.status_code, nobodys.status_code) == (404, 404), path
            (name,) = whose(path)
            assert hers.text.replace(OF_SOLVEIG[name], "X") == nobodys.text.replace(NOBODYS[name], "X"), path
            assert hers.headers.keys() == nobodys.headers.keys()
            walked += 1
    assert walked > 20 * len(ELSEWHERE)
    assert set(ill.audited()) == {(who, "refused patient") for who in ELSEWHERE}, "whoever tries a name is seen to"


async def test_no_list_has_anything_of_hers(ill: Region, comes: Comes) -> None:
    walked = 0
    for who in ELSEWHERE:
        client = await comes(who)
        for method, path, said in routes(ill.app):
            if method == "GET" and "{" not in path and "oidc" not in path:
                answer = await client.get(address(path, said, {}))
                assert not HERS.search(answer.text), f"{who} {path}: {answer.text}"
                walked += 1
    assert walked > 8 * len(ELSEWHERE)


async def test_the_municipality_itself_sees_all_of_hers(ill: Region, comes: Comes) -> None:
    """So that the walk above has something to find."""
    kari, odd = await comes("kari"), await comes("odd")
    found = {
        path
        for method, path, said in routes(ill.app)
        if method == "GET" and "{" not in path and "oidc" not in path
        for client in (kari, odd)
        if HERS.search((await client.get(address(path, said, {}))).text)
    }
    assert {"/api/worklist", "/api/fleet", "/api/fleet/holders", "/api/people", "/api/cases"} <= found


async def test_each_look_at_a_patient_leaves_a_line(ill: Region, comes: Comes) -> None:
    kari, odd = await comes("kari"), await comes("odd")
    walked = []
    for method, path, said in routes(ill.app):
        if method != "GET" or not whose(path):
            continue
        answer, who = await kari.get(address(path, said, OF_SOLVEIG)), "kari"
        if answer.status_code == 403:
            answer, who = await odd.get(address(path, said, OF_SOLVEIG)), "odd"
        assert answer.status_code == 200, (path, answer.text)
        walked.append(path)
        lines = [what for one, what in ill.audited() if one == who]
        (name,) = whose(path)
        word = path.partition(f"{{{name}}}")[2].strip("/").split("/")[0] or WHOSE[name][0]
        assert f"see {word}" in lines, path
    assert len(walked) > 8


async def test_a_deed_that_its_route_forgets_to_write_down_is_written_down(ill: Region, comes: Comes) -> None:
    """A route of tomorrow that nobody taught about the audit."""

    def forgetful(patient_id: str) -> dict[str, str]:
        return {"did": patient_id}

    ill.app.post("/api/patients/{patient_id}/forget", operation_id="forget")(forgetful)
    kari, berit = await comes("kari"), await comes("berit")
    for _ in range(2):
        assert (await kari.post("/api/patients/solveig/forget")).json() == {"did": "solveig"}
    assert (await berit.post("/api/patients/solveig/forget")).status_code == 404
    assert ill.audited() == [("kari", "forget"), ("kari", "forget"), ("berit", "refused patient")]


async def test_a_deed_that_its_route_writes_down_is_not_written_twice(ill: Region, comes: Comes) -> None:
    kari = await comes("kari")
    assert (await kari.post("/api/alarms/1/acknowledge", json={})).status_code == 200
    assert ill.audited() == [("kari", "acknowledge")]


async def test_a_line_that_was_taken_back_does_not_count_as_written(ill: Region, comes: Comes) -> None:
    """Whoever was the second to do the same is answered like the first, of whom alone there is something stored."""

    def do(tx: sa.Connection) -> None:
        write(tx, ill.clock.now_ns(), "kari", "hurry", "solveig")
        raise LookupError("somebody else was quicker")

    def hurry(patient_id: str, part: bool = False) -> dict[str, str]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.suppress(LookupError))
            tx = stack.enter_context(ill.write())
            if part:
                with contextlib.suppress(LookupError), tx.begin_nested():
                    do(tx)
            else:
                do(tx)
        return {"did": patient_id}

    ill.app.post("/api/patients/{patient_id}/hurry", operation_id="hurryUp")(hurry)
    kari = await comes("kari")
    for query in ("", "?part=true"):
        assert (await kari.post(f"/api/patients/solveig/hurry{query}")).status_code == 200
    assert ill.audited() == [("kari", "hurryUp"), ("kari", "hurryUp")]


async def test_what_cannot_be_written_down_is_not_shown(
    ill: Region, comes: Comes, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = await comes("kari")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ill.app.state.looks, "saw", full)
    answer = await kari.get("/api/patients/solveig/audit")
    assert answer.status_code == 500
    assert not HERS.search(answer.text)


async def test_what_belongs_to_nobody_is_for_those_who_keep_the_system(ill: Region, comes: Comes) -> None:
    odd, bente = await comes("odd"), await comes("bente")
    assert (await odd.get("/api/gateways/gw-drawer/config")).status_code == 200
    assert (await bente.get("/api/gateways/gw-drawer/config")).status_code == 404
    assert [one["id"] for one in (await bente.get("/api/fleet")).json()] == ["gw-2"]
    assert (await odd.get("/api/quarantine")).status_code == 200
    assert (await bente.get("/api/quarantine")).status_code == 403


async def test_the_page_says_who_saw_and_did_what(ill: Region, comes: Comes) -> None:
    kari, ingrid = await comes("kari"), await comes("ingrid")
    await kari.get("/api/patients/solveig")
    await kari.post("/api/alarms/1/acknowledge", json={})
    page = (await ingrid.get("/api/patients/solveig/audit")).json()
    assert [(one["who"], one["role"], one["what"]) for one in page["rows"]] == [
        ("Kari Olsen", "nurse", "acknowledge"),
        ("Kari Olsen", "nurse", "see patient"),
    ]
    assert page["more"] is False
    older = (await ingrid.get(f"/api/patients/solveig/audit?before={page['rows'][0]['id']}")).json()
    assert json.dumps(page["rows"][1]) in json.dumps(older["rows"])


async def test_what_carers_wrote_beside_a_deed_is_not_for_the_office(ill: Region, comes: Comes) -> None:
    odd, ingrid = await comes("odd"), await comes("ingrid")
    now_ns = ill.clock.now_ns()
    with ill.write() as tx:
        write(tx, now_ns, "kari", "close", "solveig", "alarm 1")
        write(tx, now_ns, "kari", "invalidate reading", "solveig", "correction 1: weight 71.2; she was drunk")
        write(tx, now_ns, "kari", "break glass", "solveig", "60 min: fell at the shop")
    seen = {}
    for name, client in (("odd", odd), ("ingrid", ingrid)):
        rows = (await client.get("/api/patients/solveig/audit")).json()["rows"]
        seen[name] = [(one["what"], one["detail"], one["withheld"]) for one in rows if one["who"] == "Kari Olsen"]
    glass, alarm = ("break glass", "60 min: fell at the shop", False), ("close", "alarm 1", False)
    assert seen["odd"] == [glass, ("invalidate reading", "", True), alarm]
    assert seen["ingrid"] == [glass, ("invalidate reading", "correction 1: weight 71.2; she was drunk", False), alarm]
