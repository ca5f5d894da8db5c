"""A case goes to a hospital's specialist, who sees that one patient for as long as it lasts, and nobody else does."""

from zoneinfo import ZoneInfo

import sqlalchemy as sa

from server.access.organisations import relations
from server.alarms import store as alarms
from server.alarms import table
from server.alarms.model import To
from server.notify.answers import Desk
from server.notify.keys import Keys
from vitals.clock import MS

from .conftest import HOME, Comes, Region, region

SIRI = To("specialist", "siri", "Siri Hov")
HERS = "/api/patients/solveig"


def closed(region: Region, who: str = "Kari Olsen") -> None:
    with region.write() as tx:
        alarm = table.get(tx, 1)
        assert alarm is not None
        if alarm.acknowledged_by is None:
            alarm = alarms.acknowledge(tx, alarm, who, region.clock.now_ns(), 3600)
        alarms.close(tx, alarm, alarm.acknowledged_by or who, region.clock.now_ns(), "no_action", "false_alarm", 1)


async def test_who_is_consulted_sees_that_patient_until_the_answer_is_read(town_region: Region, comes: Comes) -> None:
    town_region.alarm()
    town_region.alarm("arne")
    siri, kari = await comes("siri"), await comes("kari")
    assert (await siri.get(HERS)).status_code == 404
    town_region.sent("kari", SIRI)
    assert [one["patient"]["id"] for one in (await siri.get("/api/worklist")).json()["rows"]] == ["solveig"]
    assert [one["patient"]["id"] for one in (await siri.get("/api/cases")).json()["to_me"]] == ["solveig"]
    assert (await siri.get(HERS)).status_code == 200
    for other in ("/api/patients/arne", "/api/alarms/2"):
        assert (await siri.get(other)).status_code == 404
    advice = {"answer": "advise", "text": "Inhaler, og mål igjen"}
    assert (await siri.post("/api/cases/1/answer", json=advice)).status_code == 200
    assert (await siri.get("/api/cases/1")).status_code == 200, "until it is read she may be asked what she meant"
    assert (await kari.post("/api/cases/1/read")).status_code == 200
    for gone in (HERS, "/api/alarms/1", "/api/cases/1"):
        assert (await siri.get(gone)).status_code == 404
    assert (await siri.get("/api/cases")).json()["answered"] == []
    assert (await siri.get("/api/worklist")).json()["rows"] == []
    assert [what for who, what in town_region.audited() if who == "siri" and what.startswith("see")] == [
        "see cases", "see patient", "see case",
    ]  # fmt: skip
    assert ("kari", "relate") in town_region.audited()


async def test_who_takes_the_patient_over_sees_them_until_the_alarm_is_closed(
    town_region: Region, comes: Comes
) -> None:
    town_region.alarm()
    town_region.sent("kari", SIRI)
    siri, kari = await comes("siri"), await comes("kari")
    assert (await siri.post("/api/cases/1/answer", json={"answer": "take_over"})).status_code == 200
    assert (await kari.post("/api/cases/1/read")).status_code == 200
    assert (await siri.get(HERS)).status_code == 200
    close = {"action": "phoned_patient", "outcome": "resolved_at_home", "usefulness": 4, "note": ""}
    assert (await siri.post("/api/alarms/1/close", json=close)).status_code == 200
    assert (await siri.get(HERS)).status_code == 404


async def test_a_link_takes_nothing_for_whoever_does_not_see_the_patient_any_more(
    town_region: Region, comes: Comes
) -> None:
    town_region.alarm()
    town_region.sent("kari", SIRI)
    siri, kari = await comes("siri"), await comes("kari")
    desk = Desk(Keys(b"a seed that is long enough", HOME, replies=False), ZoneInfo("Europe/Oslo"), 3600)
    now_ns = town_region.clock.now_ns()
    with town_region.write() as tx:
        token = desk.keys.give(tx, "1/case1/siri/sms", 1, "siri", "sms", now_ns)[0].rpartition("/")[2]
        assert desk.look(tx, desk.keys.behind_link(tx, token, now_ns), now_ns).what == "open"
    await siri.post("/api/cases/1/answer", json={"answer": "return"})
    await kari.post("/api/cases/1/read")
    await kari.post("/api/alarms/1/escalate", json={})
    with town_region.write() as tx:
        assert desk.take(tx, desk.keys.behind_link(tx, token, now_ns), now_ns, "by link").what == "hidden"
        alarm = table.get(tx, 1)
        assert alarm is not None
        assert alarm.acknowledged_by is None


async def test_a_closed_alarm_ends_it_answered_or_not(town_region: Region, comes: Comes) -> None:
    town_region.alarm()
    town_region.sent("kari", SIRI)
    siri = await comes("siri")
    assert (await siri.get(HERS)).status_code == 200
    closed(town_region)
    assert (await siri.get(HERS)).status_code == 404
    assert (await siri.get("/api/cases")).json()["to_me"] == []
    with town_region.server.db.read() as tx:
        (row,) = tx.execute(sa.select(relations))
    assert (row.staff, row.purpose, row.made_by, row.ended_by) == ("siri", "consultation", "Kari Olsen", "Kari Olsen")


async def test_whose_answer_comes_too_late_is_told_who_was_first_and_when(town_region: Region, comes: Comes) -> None:
    town_region.alarm()
    town_region.sent("kari", SIRI)
    siri, berit, hege = await comes("siri"), await comes("berit"), await comes("hege")
    late = {"answer": "advise", "text": "Inhaler, og mål igjen"}
    closed(town_region)
    now_ms = town_region.clock.now_ns() // MS
    town_region.clock.advance(minutes=5)
    for deed, said in (("open", None), ("answer", late)):
        answer = await siri.post(f"/api/cases/1/{deed}", json=said)
        told = answer.json()
        assert (answer.status_code, told["who"], told["state"], told["t_ms"]) == (409, "Kari Olsen", "closed", now_ms)
        assert not any(word in answer.text for word in ("Solveig", "solveig", "SpO")), "and no more than that"
    assert ("siri", "refused case 1") in town_region.audited(None)
    assert (await siri.get("/api/cases/1")).status_code == 404
    nobodys = await siri.post("/api/cases/77/answer", json=late)
    for never in (berit, hege):
        answer = await never.post("/api/cases/1/answer", json=late)
        assert (answer.status_code, answer.text.replace("1", "77")) == (404, nobodys.text), "who was never asked"


async def test_who_is_one_of_a_role_is_told_that_another_has_answered(town_region: Region, comes: Comes) -> None:
    second = {**region()["staff"][-2], "id": "sara", "name": "Sara Vik"}
    town_region.reconfigured(staff=[*region()["staff"], second])
    town_region.alarm()
    town_region.sent("kari", To("specialist"))
    siri, sara, kari = await comes("siri"), await comes("sara"), await comes("kari")
    assert (await siri.post("/api/cases/1/answer", json={"answer": "return"})).status_code == 200
    assert (await kari.post("/api/cases/1/read")).status_code == 200
    told = await sara.post("/api/cases/1/answer", json={"answer": "return"})
    assert (told.status_code, told.json()["who"]) == (409, "Siri Hov")


async def test_from_whom_the_patient_was_taken_while_the_case_stands_is_told_nothing(
    town_region: Region, comes: Comes
) -> None:
    town_region.alarm()
    town_region.sent("kari", SIRI)
    siri, odd = await comes("siri"), await comes("odd")
    assert (await odd.post("/api/relations/1/end")).status_code == 200
    assert (await siri.post("/api/cases/1/answer", json={"answer": "return"})).status_code == 404


async def test_what_a_case_gave_is_seen_to_be_given_and_ended_in_the_audit(town_region: Region) -> None:
    town_region.alarm()
    town_region.sent("kari", SIRI)
    closed(town_region)
    assert town_region.audited() == [("kari", "relate"), ("kari", "end relation")]


async def test_a_case_to_a_role_is_for_those_of_it_who_see_the_patient(town_region: Region, comes: Comes) -> None:
    town_region.alarm()
    town_region.sent("kari", To("doctor"))
    bjarne, ingrid = await comes("bjarne"), await comes("ingrid")
    assert len((await ingrid.get("/api/cases")).json()["to_me"]) == 1
    assert (await bjarne.get("/api/cases")).json()["to_me"] == []
    assert (await bjarne.get("/api/cases/1")).status_code == 404
    assert (await bjarne.post("/api/cases/1/answer", json={"answer": "return"})).status_code == 404


async def test_nothing_is_left_with_somebody_who_may_not_see_the_patient(town_region: Region, comes: Comes) -> None:
    town_region.alarm()
    kari = await comes("kari")
    listed = (await kari.get("/api/alarms/1/recipients")).json()
    assert [one["id"] for one in listed["people"]] == ["ingrid", "siri"]
    assert {one["role"]: one["names"] for one in listed["roles"]} == {
        "nurse": [], "doctor": ["Ingrid Dahl"], "specialist": ["Siri Hov"],
    }  # fmt: skip
    at_hand = (await kari.get("/api/alarms/1/recipients?by=hand_over")).json()
    assert [one["id"] for one in at_hand["people"]] == ["ingrid"]
    note = (await kari.get("/api/alarms/1/sbar")).json()["nb"]
    for who in ("berit", "bjarne"):
        sent = await kari.post("/api/alarms/1/send", json={"person": who, "language": "nb", "note": note})
        assert sent.status_code == 409
    await kari.post("/api/alarms/1/acknowledge", json={})
    for who in ("berit", "siri"):  # a hand-over is no case, and lets nobody see anybody
        handed = await kari.post("/api/alarms/1/hand-over", json={"person": who, "note": ""})
        assert handed.status_code == 409
        assert "may not see this patient" in handed.json()["detail"]
    with town_region.server.db.read() as tx:
        assert tx.execute(sa.select(relations)).all() == []
