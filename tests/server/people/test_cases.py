"""A case: sent with what is known, opened, answered and read; and never out of the sender's sight before that."""

import hashlib

import httpx
import pytest

from server.access.door import Door
from server.alarms.model import State
from server.municipality import Staff
from server.readings.store import Reading, keep
from server.site import build
from vitals.alarm import Kind, Level
from vitals.clock import NS

HOME = "http://hjemvakt.test"
DOCTOR = {"role": "doctor"}


@pytest.fixture
async def staff(ward, words):
    """Browsers by user name, signed in; `sigrid` is a hospital's specialist."""
    sigrid = Staff("sigrid", "Sigrid Lie", "specialist", words.staff[0].password_hash, "90000005")
    ward.staffed((*words.staff, sigrid))
    app = build(ward, door=Door(ward.db, secure=False))
    clients = {}
    for name in ("kari", "per", "ingrid", "sigrid", "odd"):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME, headers={"Origin": HOME})
        answer = await client.post("/api/session", json={"username": name, "password": words.password})
        assert answer.status_code == 200
        clients[name] = client
    yield clients
    for client in clients.values():
        await client.aclose()


def measured(ward, channel, value, ago_h=0.0, decimals=0, status=()):
    t_ns = ward.now_ns - round(ago_h * 3600) * NS
    identity = hashlib.blake2b(f"{channel}{t_ns}".encode(), digest_size=16).digest()
    reading = Reading("solveig", channel, t_ns, identity, value, decimals, status, "ox-1", None, None, t_ns)
    with ward.db.write() as tx:
        keep(tx, [reading], t_ns)


@pytest.mark.parametrize(("status", "doubted"), [
    (("sample_capillary_blood", "site_finger"), False), (("irregular_pulse", "stored"), False),
    (("below_range",), False), (("stored", "poor_signal"), True),
])  # fmt: skip
async def test_only_what_the_device_doubts_is_called_doubtful_to_the_doctor(ward, staff, status, doubted):
    """A true low glucose, of capillary blood, is not to be taken for a bad measurement."""
    measured(ward, "glucose", 2.1, decimals=1, status=status)
    ward.hear(Level.HIGH)
    draft = (await staff["kari"].get("/api/alarms/1/sbar")).json()
    assert "2,1" in draft["en"]["assessment"]
    assert ("doubtful reading" in draft["en"]["assessment"]) == doubted


async def send(client, to=DOCTOR, alarm=1, **edited):
    draft = (await client.get(f"/api/alarms/{alarm}/sbar")).json()
    said = {**to, "language": "nb", "note": draft["nb"] | edited}
    answer = await client.post(f"/api/alarms/{alarm}/send", json=said)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def answered(client, said, case=1, **more):
    return await client.post(f"/api/cases/{case}/answer", json={"answer": said, **more})


async def test_sbar_is_filled_in_from_what_is_known(ward, staff):
    for days in (2, 3, 4):
        measured(ward, "spo2", 93.0, ago_h=24 * days)
    measured(ward, "weight", 82.4, ago_h=24 * 9, decimals=1)
    measured(ward, "spo2", 84.0)
    ward.hear(Level.HIGH)
    draft = (await staff["kari"].get("/api/alarms/1/sbar")).json()
    assert draft["nb"]["situation"].startswith(
        "Rød alarm siden 21.11.2026 04:00. SpO₂ 84.0 % (21.11.2026 04:00). NEWS2 m"
    )
    assert draft["nb"]["background"].startswith("82 år. Kjent: COPD. Program: KOLS, versjon 3. Grenser: SpO₂ ≥ ")
    assert "Vanlig siste to uker: SpO₂ 93 %, Vekt 82,4 kg." in draft["nb"]["background"]
    assert "SpO₂ 84 % (21.11.2026 04:00), under " in draft["nb"]["assessment"]
    assert "For gammelt til å gjelde nå: Vekt 82,4 kg, 216 h gammel." in draft["nb"]["assessment"]
    assert "Regel spo2_floor, versjon 1." in draft["nb"]["assessment"]
    assert draft["en"]["recommendation"] == "Please assess within 30 min: advise, take over or admit."
    assert draft["en"]["situation"].startswith(
        "Red alarm since 21.11.2026 04:00. SpO₂ 84.0 % (21.11.2026 04:00). NEWS2 at least 3 (missing"
    )


async def test_what_was_found_hours_ago_is_not_told_as_how_things_are(ward, staff, words):
    """Yellow at four for her saturation and her score, red at six for something else, and asked about at eight."""
    news2 = words.replace(
        words.reason(Level.MEDIUM, "news2", ward.now_ns), because={"total": 7.0, "lacks": 0.0},
        text={"nb": "NEWS2 7", "en": "NEWS2 7"},
    )  # fmt: skip
    ward.hear(words.reason(Level.MEDIUM, t_ns=ward.now_ns), news2)
    ward.clock.advance(hours=2)
    ward.hear(words.reason(Level.HIGH, "pulse_high", ward.now_ns, low=140.0))
    ward.clock.advance(hours=2)
    measured(ward, "spo2", 96.0)
    draft = (await staff["kari"].get("/api/alarms/1/sbar")).json()
    assert draft["nb"]["situation"].startswith("Rød alarm siden 21.11.2026 06:00, åpen siden 21.11.2026 04:00.")
    said = draft["en"]["situation"]
    assert said.startswith("Red alarm since 21.11.2026 06:00, open since 21.11.2026 04:00.")
    assert "SpO₂ 84.0 % (21.11.2026 04:00)." in said
    assert "NEWS2 7 (21.11.2026 04:00)." in said
    assert "Now: NEWS2 at least 0 (missing" in said, "the old score does not stand for the one that there is"


async def test_what_is_not_known_is_said_to_be_missing(ward, staff):
    ward.hear(Level.LOW)
    draft = (await staff["kari"].get("/api/alarms/1/sbar")).json()
    assert "NEWS2 is not known." in draft["en"]["situation"]
    assert "Nothing measured in the last two weeks to compare with." in draft["en"]["background"]
    assert draft["en"]["assessment"].startswith("Nothing measured.")
    assert draft["nb"]["recommendation"] == "Ber om råd i løpet av dagen."


async def test_the_doctor_gets_the_context_and_the_sender_a_receipt_and_an_answer(ward, staff):
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    sent = await send(staff["kari"], recommendation="Kan du se på henne nå?")
    assert (sent["state"], sent["parked"]["by"], sent["parked"]["to_role"]) == ("escalated", "Kari Olsen", "doctor")
    ward.deliver()
    assert ward.phones("Ingrid Dahl") == [
        "Hjemvakt: RED alarm 1 for S.N. (SpO₂ below the limit). Case 1 sent by Kari Olsen to doctor. Sign in to see it."
    ]
    [mine] = (await staff["kari"].get("/api/cases")).json()["sent"]
    assert (mine["state"], mine["opened_by"], mine["mine"], mine["to_me"]) == ("sent", None, True, False)

    [case] = (await staff["ingrid"].get("/api/cases")).json()["to_me"]
    assert case["note"]["recommendation"] == "Kan du se på henne nå?"
    assert case["draft"]["nb"]["recommendation"] != case["note"]["recommendation"], "what was filled in is kept too"
    assert (case["place"], case["patient"]["name"], case["state"]) == ("Saltdal", "Solveig Nilsen", "sent")
    ward.clock.advance(minutes=10)
    opened = (await staff["ingrid"].post("/api/cases/1/open")).json()
    assert (opened["state"], opened["opened_by"]) == ("opened", "Ingrid Dahl")
    seen = (await staff["kari"].get("/api/worklist")).json()["rows"][0]["clinical"]["parked"]
    assert seen["opened_by"] == "Ingrid Dahl"

    ward.clock.advance(minutes=10)
    answer = await answered(staff["ingrid"], "advise", text="Inhaler, og mål igjen om en time")
    assert answer.json()["answered_by"] == "Ingrid Dahl"
    ward.deliver()
    assert ward.phones("Kari Olsen")[-1].endswith("Ingrid Dahl has answered case 1. Sign in to see it.")
    alarm = ward.alarm()
    assert (alarm.state, alarm.acknowledged_by) == (State.ACKNOWLEDGED, "Kari Olsen"), "she has it again"
    [mine] = (await staff["kari"].get("/api/cases")).json()["sent"]
    assert (mine["state"], mine["answer"], mine["answer_text"]) == (
        "answered", "advise", "Inhaler, og mål igjen om en time",
    )  # fmt: skip
    assert (await staff["kari"].post("/api/cases/1/read")).json()["state"] == "read"
    assert (await staff["kari"].get("/api/cases")).json()["sent"] == []
    assert [one["id"] for one in (await staff["ingrid"].get("/api/cases")).json()["answered"]] == ["1"]
    story = [what for what in ward.timeline() if what in ("sent", "opened", "answered")]
    assert story == ["sent", "opened", "answered"]


async def test_a_case_that_nobody_opens_climbs_the_ladder_and_can_be_answered_all_the_same(ward, staff):
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    await send(staff["kari"], {"person": "sigrid"})
    assert ward.later(minutes=14) == ["Sigrid Lie: " + ward.phones("Sigrid Lie")[0]]
    told = ward.later(minutes=1)
    assert [text.split(":")[0] for text in told] == ["Ingrid Dahl", "Kari Olsen"]
    assert all("Sent by Kari Olsen to Sigrid Lie 15 min ago but not answered." in text for text in told)
    [mine] = (await staff["kari"].get("/api/cases")).json()["sent"]
    assert (mine["state"], mine["lapsed_ms"] is not None, mine["until_ms"]) == ("sent", True, None)
    ward.acknowledge("Kari Olsen")
    assert (await answered(staff["sigrid"], "take_over")).status_code == 200
    assert ward.alarm().acknowledged_by == "Sigrid Lie", "from whoever sent it, for whom it was"


async def test_opening_gives_time_for_the_answer_and_no_more(ward, staff):
    ward.hear(Level.HIGH)
    await send(staff["kari"])
    ward.later(minutes=14)
    await staff["ingrid"].post("/api/cases/1/open")
    assert ward.later(minutes=14) == []
    await staff["ingrid"].post("/api/cases/1/open")
    assert ward.later(minutes=1) != [], "opened again, it waits no longer"
    assert ward.alarm().state is State.NOTIFIED


@pytest.mark.parametrize("said", ["take_over", "admit"])
async def test_who_takes_over_has_it_and_who_admits_too(ward, staff, said):
    ward.hear(Level.HIGH)
    await send(staff["kari"])
    await answered(staff["ingrid"], said)
    assert (ward.alarm().state, ward.alarm().acknowledged_by) == (State.ACKNOWLEDGED, "Ingrid Dahl")
    late = await answered(staff["ingrid"], "return")
    assert (late.status_code, late.json()["who"]) == (409, "Ingrid Dahl")


async def test_a_case_is_not_taken_from_under_a_colleagues_hands(ward, staff):
    ward.hear(Level.HIGH)
    await send(staff["kari"])
    ward.acknowledge("Per Hansen")
    refused = await answered(staff["ingrid"], "take_over")
    assert (refused.status_code, refused.json()["who"]) == (409, "Per Hansen")
    [case] = (await staff["ingrid"].get("/api/cases")).json()["to_me"]
    assert case["answer"] is None, "nothing of it was written"
    assert (await answered(staff["ingrid"], "advise", text="Ring meg")).status_code == 200
    assert ward.alarm().acknowledged_by == "Per Hansen"


async def test_what_was_closed_meanwhile_is_answered_with_who_closed_it(ward, staff):
    ward.hear(Level.HIGH)
    await send(staff["kari"])
    ward.acknowledge("Per Hansen")
    ward.close("Per Hansen")
    refused = await answered(staff["ingrid"], "return")
    assert (refused.status_code, refused.json()["who"]) == (409, "Per Hansen")
    assert (await staff["ingrid"].get("/api/cases")).json()["to_me"] == []
    assert (await staff["kari"].get("/api/cases")).json()["sent"] == []


async def test_what_gets_worse_while_it_is_away_rings_again(ward, staff):
    ward.hear(Level.MEDIUM)
    await send(staff["kari"])
    ward.hear(Level.HIGH)
    assert ward.alarm().state is State.NOTIFIED
    [case] = (await staff["ingrid"].get("/api/cases")).json()["to_me"]
    assert (case["alarm"]["priority"], case["until_ms"]) == ("high", None)


async def test_a_case_is_between_those_it_is_between(ward, staff):
    ward.hear(Level.HIGH)
    await send(staff["kari"], {"person": "sigrid"})
    for name in ("per", "ingrid"):
        assert (await staff[name].get("/api/cases/1")).status_code == 403
        assert (await answered(staff[name], "return")).status_code == 403
        assert (await staff[name].get("/api/cases")).json()["to_me"] == []
    assert (await answered(staff["kari"], "return")).status_code == 403, "who sent it does not answer it"
    assert (await staff["sigrid"].post("/api/cases/1/read")).status_code == 403
    assert (await staff["sigrid"].get("/api/cases/9")).status_code == 404
    assert (await staff["kari"].post("/api/cases/1/open")).json()["opened_by"] is None, "not whom it is for"


async def test_what_a_nurse_sends_to_the_nurses_is_for_the_others(ward, staff):
    ward.hear(Level.HIGH)
    await send(staff["kari"], {"role": "nurse"})
    mine = (await staff["kari"].get("/api/cases")).json()
    assert (len(mine["to_me"]), len(mine["sent"])) == (0, 1)
    assert (await answered(staff["kari"], "take_over")).status_code == 403
    assert len((await staff["per"].get("/api/cases")).json()["to_me"]) == 1


async def test_it_goes_to_whoever_can_be_reached_and_nothing_is_written_otherwise(ward, staff):
    ward.hear(Level.HIGH)
    note = (await staff["kari"].get("/api/alarms/1/sbar")).json()["nb"]
    for to, status in (({"person": "nobody"}, 422), ({}, 422), ({**DOCTOR, "person": "per"}, 422),
                       ({"person": "kari"}, 409)):  # fmt: skip
        answer = await staff["kari"].post("/api/alarms/1/send", json={**to, "language": "nb", "note": note})
        assert answer.status_code == status, to
    assert ward.alarm().state is State.NOTIFIED
    assert (await staff["kari"].get("/api/cases")).json()["sent"] == []
    listed = (await staff["kari"].get("/api/alarms/1/recipients")).json()
    assert [one["role"] for one in listed["roles"]] == ["nurse", "doctor", "specialist"]
    assert ("sigrid", True) in [(one["id"], one["reachable"]) for one in listed["people"]]
    assert "kari" not in [one["id"] for one in listed["people"]]


@pytest.mark.parametrize("to", [{"person": "odd"}, {"role": "administrator"}])
async def test_a_case_goes_to_nobody_who_could_not_open_it(ward, staff, to):
    """An administrator acts on technical alarms, and is where ladders end; what a case is about is not theirs to see.

    It would lie there for an hour."""
    ward.hear(Level.MEDIUM, kind=Kind.TECHNICAL)
    listed = (await staff["kari"].get("/api/alarms/1/recipients?by=case")).json()
    assert "odd" not in [one["id"] for one in listed["people"]]
    assert "administrator" not in [one["role"] for one in listed["roles"]]
    note = {"situation": "s", "background": "b", "assessment": "a", "recommendation": "r"}
    refused = await staff["kari"].post("/api/alarms/1/send", json={**to, "language": "nb", "note": note})
    assert refused.status_code == 409, refused.text
    assert ward.alarm().state is State.NOTIFIED


@pytest.mark.parametrize("to", [{"person": "odd"}, {"role": "administrator"}])
async def test_a_clinical_alarm_is_handed_over_to_nobody_who_could_not_take_it(ward, staff, to):
    ward.hear(Level.MEDIUM)
    ward.acknowledge("Kari Olsen")
    refused = await staff["kari"].post("/api/alarms/1/hand-over", json=to)
    assert refused.status_code == 409, refused.text
    ward.hear(Level.MEDIUM, kind=Kind.TECHNICAL)
    ward.acknowledge("Kari Olsen")
    assert (await staff["kari"].post("/api/alarms/2/hand-over", json=to)).status_code == 200, "that they can take"


async def test_what_a_hand_over_left_is_in_both_lists_until_it_is_taken(ward, staff):
    ward.hear(Level.MEDIUM)
    ward.acknowledge("Kari Olsen")
    handed = await staff["kari"].post("/api/alarms/1/hand-over", json={"person": "per", "note": "Jeg går av vakt"})
    assert handed.json()["parked"]["to"] == "Per Hansen"
    assert len((await staff["kari"].get("/api/cases")).json()["handed"]) == 1
    assert len((await staff["per"].get("/api/cases")).json()["handed_to_me"]) == 1
    assert (await staff["per"].post("/api/alarms/1/acknowledge", json={})).status_code == 200
    assert (await staff["kari"].get("/api/cases")).json()["handed"] == []


async def test_asking_for_measurements_needs_a_home_that_can_show_it(ward, staff):
    measured(ward, "spo2", 84.0)
    ward.hear(Level.HIGH)
    await send(staff["kari"])
    case = (await staff["ingrid"].get("/api/cases/1")).json()
    assert "spo2" in [one["channel"] for one in case["may_measure"]]
    for wrong in ([], ["fev1"]):
        assert (await answered(staff["ingrid"], "measure", measure=wrong)).status_code == 422
    assert (await answered(staff["ingrid"], "measure", measure=["spo2"])).status_code == 200
    assert ward.timeline("answered") == [
        "Answer from Ingrid Dahl: asks for measurements. The home has no box that could show it: phone the patient."
    ]


BLANK = {"situation": "   ", "background": "   ", "assessment": "   ", "recommendation": "   "}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("alarms/1/snooze", {"minutes": 30, "why": "    "}),
        ("alarms/1/reopen", {"why": "    "}),
        ("alarms/1/send", {**DOCTOR, "language": "nb", "note": BLANK}),
        ("patients/solveig/missed", {"t_ms": 0, "note": "    "}),
        ("patients/solveig/missed/1/undo", {"why": "    "}),
        ("patients/solveig/readings/reinstate", {"correction": "1", "why": "    "}),
    ],
)
async def test_blanks_are_no_reason_and_say_nothing(ward, staff, path, said):
    ward.hear(Level.HIGH)
    answer = await staff["kari"].post(f"/api/{path}", json=said)
    assert answer.status_code == 422, answer.text


async def test_a_reason_is_kept_without_the_blanks_around_it(ward, staff):
    ward.hear(Level.HIGH)
    assert (await staff["kari"].post("/api/alarms/1/snooze", json={"minutes": 30, "why": "  ok\n "})).status_code == 422
    answer = await staff["kari"].post("/api/alarms/1/snooze", json={"minutes": 30, "why": "  she sleeps\n "})
    assert answer.json()["parked"]["why"] == "she sleeps"
