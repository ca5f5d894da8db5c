"""What the screens show besides the worklist, devices, holders and who looks at whom: each sees only their own."""

import asyncio
import json
from typing import Any

import httpx

from server.presence.model import Viewer
from tests.stream import told
from vitals.clock import MS
from vitals.wire import DeviceHealth

from .conftest import STAFF, Comes, Region
from .test_scopes import relate, screen_of

WHY = {"why": "utlevert", "sure": True}
STREAM = "0" * 32


async def give(client: httpx.AsyncClient, patient: str, device: str = "oximeter", **more: Any) -> httpx.Response:
    return await client.post(f"/api/fleet/devices/{device}/give", json={**WHY, "patient_id": patient, **more})


async def take_back(client: httpx.AsyncClient, device: str = "oximeter", **more: Any) -> httpx.Response:
    return await client.post(f"/api/fleet/devices/{device}/take-back", json={**WHY, **more})


async def had(client: httpx.AsyncClient, device: str = "oximeter") -> list[str]:
    answer = await client.get(f"/api/fleet/devices/{device}/holders")
    assert answer.status_code == 200, answer.text
    return [one["patient_id"] for one in answer.json()]


async def test_a_device_that_was_anothers_is_had_by_ones_own_and_its_past_is_not_told(
    town_region: Region, comes: Comes
) -> None:
    kari, berit = await comes("kari"), await comes("berit")
    town_region.lent()
    town_region.clock.advance(hours=1)
    assert (await give(berit, "arne")).status_code == 404, "it is no business of theirs while it is Solveig's"
    town_region.taken_back()
    town_region.clock.advance(hours=1)
    assert (await give(berit, "arne")).status_code == 404, "nor while it lies in Salten's cupboard"
    town_region.beat("gw-2", (DeviceHealth("oximeter", "ble", "idle"),))
    assert (await give(berit, "arne")).status_code == 200, "Arne's own gateway has heard it: it is with him"
    assert await had(berit) == ["arne"]
    assert [one["patient_id"] for one in (await berit.get("/api/fleet/holders")).json()] == ["arne"]
    assert (await kari.get("/api/fleet/holders")).json() == []
    assert (await kari.get("/api/fleet/devices/oximeter/holders")).status_code == 404


async def test_a_refusal_names_nobody_of_another_organisation(town_region: Region, comes: Comes) -> None:
    berit = await comes("berit")
    since_ms = town_region.clock.now_ns() // MS
    town_region.lent()
    town_region.clock.advance(hours=1)
    town_region.taken_back()
    town_region.clock.advance(hours=1)
    town_region.beat("gw-2", (DeviceHealth("oximeter", "ble", "idle"),))
    refused = await give(berit, "arne", from_ms=since_ms)
    assert refused.status_code == 409
    assert "oximeter is a patient of another organisation's from" in refused.json()["detail"]
    assert "Solveig" not in refused.text


async def test_nobody_gives_to_a_patient_who_is_not_theirs_and_the_try_is_in_the_audit(
    town_region: Region, comes: Comes
) -> None:
    kari = await comes("kari")
    town_region.lent()
    town_region.clock.advance(seconds=1)
    town_region.taken_back()
    hers, nobodys = await give(kari, "arne"), await give(kari, "nobody")
    assert (hers.status_code, nobodys.status_code) == (404, 404)
    assert hers.text.replace("arne", "X") == nobodys.text.replace("nobody", "X")
    assert town_region.audited("arne") == [("kari", "refused patient")]


async def test_being_told_what_would_follow_is_a_look_and_doing_it_a_deed(town_region: Region, comes: Comes) -> None:
    kari = await comes("kari")
    town_region.lent()
    town_region.clock.advance(hours=1)
    assert (await take_back(kari, sure=False)).json()["done"] is False
    assert (await take_back(kari)).json()["done"] is True
    town_region.clock.advance(hours=1)
    assert (await give(kari, "solveig", sure=False)).json()["done"] is False
    assert (await give(kari, "solveig")).json()["done"] is True
    assert [what for _, what in town_region.audited()] == [
        "see what follows", "take device back", "see what follows", "give device",
    ]  # fmt: skip


async def test_nobody_says_that_they_look_at_a_patient_who_is_not_theirs(town_region: Region, comes: Comes) -> None:
    berit = await comes("berit")
    hers = await berit.put("/api/presence", json={"stream": STREAM, "patient_id": "solveig"})
    nobodys = await berit.put("/api/presence", json={"stream": STREAM, "patient_id": "nobody"})
    assert (hers.status_code, nobodys.status_code) == (404, 404)
    assert hers.text.replace("solveig", "X") == nobodys.text.replace("nobody", "X")
    assert town_region.audited() == [("berit", "refused patient")]
    assert (await berit.put("/api/presence", json={"stream": STREAM, "patient_id": "arne"})).status_code == 409


async def test_who_looks_at_a_patient_is_seen_by_those_who_may_see_the_patient_now(town_region: Region) -> None:
    hub = town_region.server.hub
    pieces = {who: hub.stream(STAFF[who][1], None, screen_of(town_region, who), Viewer(STAFF[who][0], who))
              for who in ("kari", "berit")}  # type: ignore[arg-type]  # fmt: skip
    kari = told(await anext(pieces["kari"]))[0]
    assert json.loads(told(await anext(pieces["berit"]))[0]["data"])["viewing"] == {}
    hub.presence.looks_at(json.loads(kari["data"])["stream"], "kari", "solveig")
    hub.drain()
    relate(town_region, "solveig", organisation="bodo")
    town_region.alarm("arne")
    hub.drain()
    async with asyncio.timeout(20):
        heard = told(await anext(pieces["berit"]))
    assert [one["event"] for one in heard] == ["resync", "viewing"], "and nothing of what went before"
    assert json.loads(heard[1]["data"]) == {"viewing": {"solveig": [{"id": "kari", "name": "Kari Olsen"}]}}
    for one in pieces.values():
        await one.aclose()  # type: ignore[attr-defined]


async def test_a_review_is_for_who_may_see_the_patient(town_region: Region, comes: Comes) -> None:
    kari, berit = await comes("kari"), await comes("berit")
    assert (await berit.post("/api/patients/solveig/review")).status_code == 404
    assert (await kari.post("/api/patients/solveig/review")).status_code == 200
    assert town_region.audited() == [("berit", "refused patient"), ("kari", "review")]


async def test_a_row_says_whose_the_patient_is_for_who_sees_those_of_two(town_region: Region, comes: Comes) -> None:
    relate(town_region, "solveig", organisation="bodo")
    rows = (await (await comes("berit")).get("/api/worklist")).json()["rows"]
    assert {row["patient"]["id"]: row["patient"]["organisation"] for row in rows} == {
        "arne": "Bodø kommune", "solveig": "Saltdal kommune",
    }  # fmt: skip


async def test_each_has_their_own_filters(town_region: Region, comes: Comes) -> None:
    kari, berit = await comes("kari"), await comes("berit")
    wanted = {"places": ["Storgata 1"], "programmes": [], "whose": "all", "text": ""}
    assert (await kari.put("/api/filters", json={"name": "gata", "wanted": wanted})).status_code == 200
    assert (await kari.put("/api/filters/last", json=wanted)).status_code == 204
    assert (await berit.get("/api/filters")).json() == {"saved": [], "last": None}
    assert (await berit.request("DELETE", "/api/filters?name=gata")).json()["saved"] == []
    assert len((await kari.get("/api/filters")).json()["saved"]) == 1
