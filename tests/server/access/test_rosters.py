"""Rosters, ladders, hand-over and reports where several organisations share a server."""

from server.access.filter import seers, sees
from server.access.store import account
from server.alarms import timeline
from vitals.clock import MS

from .conftest import STAFF, Comes, Region, region

HOUR = 3_600_000


def plan(*people: str, version: int = 0, **more: object) -> dict[str, object]:
    pattern = {
        "name": "uke", "people": list(people), "first": "2026-01-01", "begins": "08:00", "ends": "08:00", "days": 1,
        "weekdays": [0, 1, 2, 3, 4, 5, 6], "turn": "shift", "last": None,
    }  # fmt: skip
    return {"version": version, "name": "Sykepleiere", "role": "nurse", "patterns": [pattern], **more}


def told(town: Region, number: int = 1) -> set[str | None]:
    with town.server.db.read() as tx:
        return {row.who for row in timeline.entries(tx, [number])[number] if row.what == "told"}


def climb(town: Region, **step: float) -> None:
    now_ns = town.clock.advance(**step)
    town.server._part("escalation", lambda: town.server._climb(now_ns))


def relate(town: Region, patient: str, *, until_ns: int | None = None, **whom: str) -> None:
    from server.access import organisations

    with town.write() as tx:
        organisations.relate(
            tx, patient, purpose="treatment", from_ns=0, until_ns=until_ns, made_by="Odd Berg", **whom
        )  # fmt: skip


def test_who_may_see_somebody_is_the_same_asked_from_either_side(town_region: Region) -> None:
    now_ns = town_region.clock.now_ns()
    relate(town_region, "solveig", organisation="nlsh")
    relate(town_region, "solveig", staff="bjarne", until_ns=now_ns)
    relate(town_region, "arne", staff="kari", until_ns=now_ns + 1)
    relate(town_region, "arne", staff="odd")
    with town_region.server.db.read() as tx:
        for patient in ("solveig", "arne", "nobody"):
            accounts = [one for name in STAFF if (one := account(tx, name)) is not None]
            one_by_one = {one.id for one in accounts if sees(tx, one, patient, now_ns)}
            assert seers(tx, patient, now_ns) == one_by_one
            assert len(one_by_one) == {"solveig": 5, "arne": 4, "nobody": 0}[patient]


def test_a_role_is_answered_by_those_who_may_see_the_patient(town_region: Region) -> None:
    town_region.alarm()
    assert told(town_region) == {"Kari Olsen"}
    climb(town_region, minutes=5)
    assert told(town_region) == {"Kari Olsen", "Ingrid Dahl"}
    relate(town_region, "arne", organisation="nlsh")
    town_region.alarm("arne")
    assert told(town_region, 2) == {"Berit Moe", "Hege Aas"}


def test_an_organisation_without_an_administrator_ends_at_another_ones(town_region: Region) -> None:
    """Nobody of theirs is on, and the last resort is somebody who finds somebody."""
    town_region.reconfigured(staff=[one for one in region()["staff"] if one["organisation"] == "salten"])
    town_region.alarm("arne")
    assert told(town_region) == {"Odd Berg"}


async def test_a_roster_is_its_own_organisations_and_changes_nothing_elsewhere(
    town_region: Region, comes: Comes
) -> None:
    odd, bente, kari = await comes("odd"), await comes("bente"), await comes("kari")
    assert (await bente.put("/api/rosters/nurse", json=plan("berit"))).status_code == 403, "everybody's is not hers"
    assert (await bente.put("/api/rosters/bodo", json=plan("berit", organisation="salten"))).status_code == 403
    unknown = await odd.put("/api/rosters/x", json=plan("kari", organisation="oslo"))
    assert "there is no 'oslo'" in unknown.json()["detail"]
    mine = await bente.put("/api/rosters/bodo", json=plan("berit", organisation="bodo"))
    assert mine.status_code == 200, mine.text
    assert [one["id"] for one in (await bente.get("/api/oncall")).json()["rosters"]] == ["bodo"]
    assert (await kari.get("/api/oncall")).json()["rosters"] == []
    assert (await kari.get("/api/rosters/bodo/history")).status_code == 404
    assert (await kari.get("/api/oncall/at", params={"t_ms": town_region.clock.now_ns() // MS})).json() == []
    assert (await odd.get("/api/oncall")).json()["rosters"][0]["may_keep"] is True, "Odd keeps the system"
    town_region.alarm()
    assert told(town_region) == {"Kari Olsen"}, "where no roster is hers, everybody answers"
    page = (await bente.get("/api/oncall")).json()
    assert [one["id"] for one in page["organisations"]] == ["bodo"]
    assert page["shared"] is False


async def test_the_ladders_are_saved_by_those_who_keep_the_system(town_region: Region, comes: Comes) -> None:
    odd, bente = await comes("odd"), await comes("bente")
    book = (await bente.get("/api/ladders")).json()
    assert book["may_save"] is False
    said = {name: book[name] for name in ("version", "ladders", "office")}
    assert (await bente.put("/api/ladders", json=said)).status_code == 403
    own = said["ladders"][0] | {"name": "Bodø", "organisation": "bodo", "steps": [{"tell": "person:bjarne"}]}
    assert (await odd.put("/api/ladders", json=said | {"ladders": [*said["ladders"], own]})).status_code == 200
    nowhere = own | {"organisation": "oslo"}
    said = said | {"version": book["version"] + 1, "ladders": [*said["ladders"], nowhere]}
    refused = await odd.put("/api/ladders", json=said)
    assert "there is no organisation 'oslo'" in refused.json()["detail"]


async def test_what_is_handed_over_is_of_ones_own_patients(town_region: Region, comes: Comes) -> None:
    kari, berit, hege = await comes("kari"), await comes("berit"), await comes("hege")
    town_region.alarm()
    town_region.alarm("arne")
    path = "/api/handover/nurse"
    for text, patient in (("Solveig ringes", "solveig"), ("Husk nøkkelen", None)):
        signed = await kari.post(f"{path}/notes", json={"text": text, "patient": patient})
        assert signed.status_code == 200, signed.text
    refused = await berit.post(f"{path}/notes", json={"text": "hva er dette?", "patient": "solveig"})
    nobody = await berit.post(f"{path}/notes", json={"text": "hva er dette?", "patient": "nobody"})
    assert (refused.status_code, refused.text.replace("solveig", "nobody")) == (404, nobody.text)
    await kari.post("/api/alarms/1/acknowledge", json={})
    hers, other = (await kari.get(path)).json(), (await berit.get(path)).json()
    assert [one["patient"]["id"] for one in hers["open"]] == ["solveig"]
    assert [one["text"] for one in hers["notes"]] == ["Solveig ringes", "Husk nøkkelen"]
    assert [one["patient"] for one in hers["deeds"]] == ["Solveig Nilsen"]
    assert [one["patient"]["id"] for one in other["open"] + other["raised"]] == ["arne", "arne"]
    assert (other["notes"], other["deeds"]) == ([], [])
    relate(town_region, "solveig", organisation="nlsh")
    bound = (await hege.get(path)).json()
    assert [one["text"] for one in bound["notes"]] == ["Solveig ringes"], "about her, and not what is about nobody"


async def test_a_report_counts_ones_own_patients(town_region: Region, comes: Comes) -> None:
    town_region.alarm()
    town_region.alarm("arne")
    kari = await comes("kari")
    said = {"t_ms": town_region.clock.now_ns() // MS - HOUR, "note": "innlagt uten varsel"}
    assert (await kari.post("/api/patients/solveig/missed", json=said)).status_code == 200
    town_region.clock.advance(minutes=1)
    for who, name, missed in (("kari", "Solveig Nilsen", 1), ("berit", "Arne Lund", 0)):
        report = (await (await comes(who)).get("/api/reports")).json()
        assert [one["name"] for one in report["patients"]] == [name]
        assert (report["burden"]["clinical"], report["missed"]) == (1, missed)
    figures = (await (await comes("bente")).get("/api/reports")).json()
    assert (figures["burden"]["clinical"], figures["missed"], figures["patients"]) == (1, 0, [])
    nothing = (await (await comes("siri")).get("/api/reports")).json()
    assert (nothing["burden"]["clinical"], nothing["rules"]) == (0, [])
