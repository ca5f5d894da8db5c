"""Breaking the glass: in need, with a reason, for an hour at most, in sight of those whose patient it is."""

import pytest

from .conftest import Comes, Region
from .test_scopes import Screen

NEED = {"patient": "solveig", "reason": "Brought in unconscious, we need her medicines"}


async def test_a_doctor_in_need_sees_another_municipalitys_patient_for_an_hour(
    town_region: Region, comes: Comes
) -> None:
    bjarne, odd = await comes("bjarne"), await comes("odd")
    assert (await bjarne.get("/api/patients/solveig")).status_code == 404
    broken = (await bjarne.post("/api/glass", json=NEED)).json()
    assert (broken["by"], broken["patient"]["name"], broken["until_ms"] - broken["from_ms"]) == (
        "Bjarne Lie", "Solveig Nilsen", 3_600_000,
    )  # fmt: skip
    assert (await bjarne.get("/api/patients/solveig")).status_code == 200
    assert [one["id"] for one in (await bjarne.get("/api/me/glass")).json()] == [broken["id"]]
    bound = (await odd.get("/api/patients/solveig/bound")).json()
    assert [(one["by"], one["reason"]) for one in bound["glass"]] == [("Bjarne Lie", NEED["reason"])]
    town_region.clock.advance(minutes=60)
    assert (await bjarne.get("/api/patients/solveig")).status_code == 404
    assert (await bjarne.get("/api/me/glass")).json() == []
    assert town_region.audited()[:3] == [
        ("bjarne", "refused patient"), ("bjarne", "break glass"), ("bjarne", "see patient"),
    ]  # fmt: skip


async def test_it_is_reviewed_by_the_patients_own_administrator_once(town_region: Region, comes: Comes) -> None:
    bjarne, odd, bente = await comes("bjarne"), await comes("odd"), await comes("bente")
    broken = (await bjarne.post("/api/glass", json=NEED)).json()
    assert (await bente.get("/api/glass")).json() == [], "it is not about one of Bodø's patients"
    verdict = {"verdict": "justified", "note": "spoke with the ward"}
    assert (await bente.post(f"/api/glass/{broken['id']}/review", json=verdict)).status_code == 404
    (waiting,) = (await odd.get("/api/glass")).json()
    assert (waiting["reviewed_by"], waiting["reason"]) == (None, NEED["reason"])
    done = (await odd.post(f"/api/glass/{broken['id']}/review", json=verdict)).json()
    assert (done["reviewed_by"], done["verdict"], done["note"]) == ("Odd Berg", "justified", "spoke with the ward")
    again = await odd.post(f"/api/glass/{broken['id']}/review", json=verdict)
    assert (again.status_code, "Odd Berg" in again.json()["detail"]) == (409, True)


async def test_it_ends_when_it_is_needed_no_longer_and_only_by_who_did_it(town_region: Region, comes: Comes) -> None:
    bjarne, berit = await comes("bjarne"), await comes("berit")
    broken = (await bjarne.post("/api/glass", json=NEED)).json()
    assert (await berit.get("/api/patients/solveig")).status_code == 404, "it is broken for one person"
    assert (await berit.post(f"/api/glass/{broken['id']}/end")).status_code == 404
    assert (await bjarne.post(f"/api/glass/{broken['id']}/end")).status_code == 200
    assert (await bjarne.get("/api/patients/solveig")).status_code == 404
    assert (await bjarne.post(f"/api/glass/{broken['id']}/end")).status_code == 404


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({**NEED, "reason": "because"}, 422), ({**NEED, "reason": " " * 20}, 422), ({**NEED, "minutes": 61}, 422),
        ({**NEED, "minutes": 0}, 422), ({**NEED, "patient": "nobody"}, 404), ({**NEED, "patient": "arne"}, 409),
    ],
)  # fmt: skip
async def test_what_is_no_need_is_refused(town_region: Region, comes: Comes, said: object, status: int) -> None:
    bjarne = await comes("bjarne")
    assert (await bjarne.post("/api/glass", json=said)).status_code == status
    assert (await bjarne.get("/api/me/glass")).json() == []


async def test_those_who_keep_the_patient_are_told_on_their_screens(town_region: Region, comes: Comes) -> None:
    town_region.server.hub.drain()
    bjarne = await comes("bjarne")
    ours, theirs = Screen(town_region, "odd"), Screen(town_region, "bente")
    for screen in (ours, theirs):
        assert (await screen.next())[0] == "hello"
    await bjarne.post("/api/glass", json=NEED)
    assert await ours.next() == ("glass", {"patient_id": "solveig"})
    town_region.alarm("arne")
    town_region.server.hub.drain()
    assert (await theirs.next())[0] != "glass"
    for screen in (ours, theirs):
        await screen.close()
