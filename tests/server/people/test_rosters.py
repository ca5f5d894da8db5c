"""Rosters, ladders, hand-over and reports through the web: what an administrator changes, and whom it tells."""

from datetime import datetime

import httpx
import pytest
import sqlalchemy as sa

from server.access import store
from server.access.door import Door
from server.alarms import deeds
from server.alarms.model import To
from server.audit.store import audit
from server.municipality import Shift
from server.notify import ways
from server.oncall.store import newest_of
from server.site import build
from vitals.alarm import Level
from vitals.clock import MS

HOME = "http://hjemvakt.test"
HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.fixture
async def signed_in(ward, words, tmp_path):
    app, clients = build(ward, door=Door(ward.db, secure=False, wall=lambda: 0), dist=tmp_path), []

    async def come_in(username):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME, headers={"Origin": HOME})
        clients.append(client)
        answer = await client.post("/api/session", json={"username": username, "password": words.password})
        assert answer.status_code == 200, answer.text
        return client

    yield come_in
    for client in clients:
        await client.aclose()


def ms(text: str) -> int:
    """Of a time in Oslo in the winter."""
    return int(datetime.fromisoformat(text + "+01:00").timestamp()) * 1000


def pattern(*people: str, **more: object) -> dict[str, object]:
    return {
        "name": "uke", "people": list(people), "first": "2026-11-16", "begins": "08:00", "ends": "08:00", "days": 7,
        "weekdays": [0], "turn": "week", "last": None, **more,
    }  # fmt: skip


def plan(*patterns: dict[str, object], version: int = 0, **more: object) -> dict[str, object]:
    return {"version": version, "name": "Sykepleiere", "role": "nurse", "patterns": list(patterns), **more}


async def saved(client, said, roster="pleie"):
    answer = await client.put(f"/api/rosters/{roster}", json=said)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_roster_that_is_saved_says_who_is_told_from_then_on(ward, signed_in):
    odd = await signed_in("odd")
    await saved(odd, plan(pattern("kari", "per")))
    page = (await odd.get("/api/oncall", params={"days": 14})).json()
    [roster] = page["rosters"]
    assert (roster["now"], roster["next"]["staff"]) == (["kari"], ["per"])
    assert roster["next"]["from_ms"] == ms("2026-11-23T08:00")
    assert page["roles"][0] == {"role": "nurse", "names": ["Kari Olsen"], "locked": [], "rostered": True}
    assert page["roles"][1] == {"role": "doctor", "names": ["Ingrid Dahl"], "locked": [], "rostered": False}
    ward.hear(Level.HIGH)
    assert [text.split(":")[0] for text in ward.phones()] == ["Kari Olsen"]
    ward.later(hours=72)
    ward.hear(Level.HIGH, patient="arne")
    assert [text.split(":")[0] for text in ward.phones()][-1:] == ["Per Hansen"]


async def test_what_has_been_stays_as_it_was_when_the_roster_is_saved_anew(ward, signed_in):
    odd = await signed_in("odd")
    first = await saved(odd, plan(pattern("kari")))
    before = ward.now_ns // MS
    ward.clock.advance(hours=2)
    await saved(odd, plan(pattern("per"), version=first["version"]))

    async def on(t_ms):
        [then] = (await odd.get("/api/oncall/at", params={"t_ms": t_ms})).json()
        return [one["name"] for one in then["people"]]

    assert await on(before + HOUR) == ["Kari Olsen"]
    assert await on(before + 2 * HOUR) == ["Per Hansen"]
    assert (await odd.get("/api/oncall/at", params={"t_ms": before - HOUR})).json() == [], "there was no roster"
    history = (await odd.get("/api/rosters/pleie/history")).json()
    assert [one["saved_by"] for one in history] == ["Odd Berg", "Odd Berg"]


async def test_of_two_who_save_one_is_first_and_the_other_is_told_who(signed_in):
    odd = await signed_in("odd")
    await saved(odd, plan(pattern("kari")))
    answer = await odd.put("/api/rosters/pleie", json=plan(pattern("per")))
    assert (answer.status_code, answer.json()["who"]) == (409, "Odd Berg")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"people": []}, "has 0 people"),
        ({"people": ["nobody"]}, "names 'nobody', who is not of the staff"),
        ({"people": ["odd"]}, "Odd Berg is administrator and cannot answer as nurse"),
        ({"days": 0}, "ends at 08:00, before it begins at 08:00"),
        ({"weekdays": []}, "begins on no day of the week"),
        ({"weekdays": [0, 3]}, "still lasts when its next one begins"),
        ({"last": "2026-11-01"}, "ends (2026-11-01) before it begins"),
    ],
)
async def test_a_roster_that_cannot_be_gone_by_is_refused_in_words_and_nothing_of_it_is_kept(signed_in, change, says):
    odd = await signed_in("odd")
    answer = await odd.put("/api/rosters/pleie", json=plan(pattern("kari") | change))
    assert answer.status_code == 422
    assert says in answer.json()["detail"]
    assert (await odd.get("/api/oncall")).json()["rosters"] == []


def lock(ward, *usernames):
    with ward.db.write() as tx:
        for username in usernames:
            store.lock(tx, username, 1)


async def test_whoever_is_locked_is_put_on_no_roster_and_all_of_them_are_named(ward, signed_in):
    odd = await signed_in("odd")
    lock(ward, "kari", "per")
    answer = await odd.put("/api/rosters/pleie", json=plan(pattern("kari"), pattern("per", weekdays=[3])))
    assert answer.status_code == 422
    assert "to answer an alarm: Kari Olsen, Per Hansen" in answer.json()["detail"]
    assert "choose somebody else, or unlock the account" in answer.json()["detail"]
    assert (await odd.get("/api/oncall")).json()["rosters"] == []
    over = {"staff": "kari", "from_ms": ms("2026-11-01T08:00"), "to_ms": ms("2026-11-08T08:00")}
    with ward.db.write() as tx:
        store.unlock(tx, "per")
    await saved(
        odd, plan(pattern("per"), pattern("kari", weekdays=[3], first="2026-10-01", last="2026-10-15"), fixed=[over])
    )


async def test_nor_are_they_put_on_for_a_while_or_asked_to_take_a_shift(ward, signed_in):
    odd, kari = await signed_in("odd"), await signed_in("kari")
    await saved(odd, plan(pattern("kari")))
    lock(ward, "per")
    now_ms = ward.now_ns // MS
    said = {"out": "kari", "into": "per", "from_ms": now_ms, "to_ms": now_ms + HOUR, "why": "syk"}
    shift = {"asked_of": "per", "from_ms": now_ms + HOUR, "to_ms": now_ms + 2 * HOUR}
    for client, path, body in ((odd, "overrides", said), (kari, "swaps", shift)):
        answer = await client.post(f"/api/rosters/pleie/{path}", json=body)
        assert answer.status_code == 422
        assert "to answer an alarm: Per Hansen" in answer.json()["detail"]


async def test_somebody_who_cannot_be_reached_is_caught_when_the_roster_is_saved(ward, words, signed_in):
    kari, *others = words.staff
    ward.staffed((words.replace(kari, phone=""), *others))
    odd = await signed_in("odd")
    answer = await odd.put("/api/rosters/pleie", json=plan(pattern("per", "kari")))
    assert answer.status_code == 422
    assert "Kari Olsen cannot be reached: no number is known" in answer.json()["detail"]
    assert "add the number, or choose somebody else" in answer.json()["detail"]


async def test_gaps_ahead_are_shown(signed_in):
    odd = await signed_in("odd")
    await saved(odd, plan(pattern("kari", last="2026-11-16")))
    [roster] = (await odd.get("/api/oncall", params={"days": 14})).json()["rosters"]
    [gap] = roster["gaps"]
    assert gap["from_ms"] == ms("2026-11-23T08:00")


async def test_an_override_takes_somebody_off_for_a_while_and_can_be_taken_back(ward, signed_in):
    odd, kari = await signed_in("odd"), await signed_in("kari")
    await saved(odd, plan(pattern("kari")))
    now = ward.now_ns // MS
    said = {"out": "kari", "into": "per", "from_ms": now - DAY, "to_ms": now + DAY, "why": "syk"}
    [then] = (await kari.post("/api/rosters/pleie/overrides", json=said)).json()
    assert [one["name"] for one in then["people"]] == ["Per Hansen"]
    [roster] = (await odd.get("/api/oncall")).json()["rosters"]
    [change] = roster["changes"]
    assert (change["from_ms"], change["made_by"], change["why"]) == (now, "Kari Olsen", "syk"), "the past stays"
    ward.clock.advance(hours=1)
    [then] = (await kari.post(f"/api/rosters/pleie/overrides/{change['id']}/end")).json()
    assert [one["name"] for one in then["people"]] == ["Kari Olsen"]
    [was] = (await kari.get("/api/oncall/at", params={"t_ms": now + HOUR // 2})).json()
    assert [one["name"] for one in was["people"]] == ["Per Hansen"]


async def test_only_those_on_it_and_administrators_change_a_roster_for_a_while(ward, signed_in):
    odd, ingrid = await signed_in("odd"), await signed_in("ingrid")
    await saved(odd, plan(pattern("kari")))
    now = ward.now_ns // MS
    said = {"out": "kari", "into": "per", "from_ms": now, "to_ms": now + DAY, "why": "syk"}
    assert (await ingrid.post("/api/rosters/pleie/overrides", json=said)).status_code == 403
    assert (await ingrid.put("/api/rosters/pleie", json=plan(pattern("per"), version=1))).status_code == 403


async def test_a_swap_is_asked_and_accepted_and_both_shifts_change_hands(ward, signed_in):
    odd, kari, per = await signed_in("odd"), await signed_in("kari"), await signed_in("per")
    await saved(odd, plan(pattern("kari", "per")))
    weeks = [ms(f"2026-{day}T08:00") for day in ("11-23", "11-30", "12-07")]
    said = {
        "asked_of": "kari",
        "from_ms": weeks[0],
        "to_ms": weeks[1],
        "back_from_ms": weeks[1],
        "back_to_ms": weeks[2],
    }
    swap = (await per.post("/api/rosters/pleie/swaps", json=said)).json()
    assert swap["state"] == "asked"
    path = f"/api/rosters/pleie/swaps/{swap['id']}/answer"
    assert (await per.post(path, json={"answer": "accepted"})).status_code == 403, "whoever asks cannot grant it"
    assert (await kari.post(path, json={"answer": "accepted"})).json()["state"] == "accepted"
    [roster] = (await odd.get("/api/oncall", params={"days": 20})).json()["rosters"]
    changes = [(one["from_ms"], one["staff"]) for one in roster["stretches"]]
    assert changes[1:] == [(weeks[1], ["per"])], "Kari has two weeks in a row, and then Per has"
    assert (await kari.post(path, json={"answer": "declined"})).status_code == 409
    with ward.db.read() as tx:
        did = set(tx.scalars(sa.select(audit.c.what)))
    assert {"save roster", "ask swap", "accepted swap"} <= did


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"asked_of": "per"}, "between two people"),
        ({"from_ms": ms("2026-11-20T08:00")}, "has begun"),
        ({"to_ms": ms("2026-12-02T08:00")}, "is not on all that time"),
        ({"asked_of": "odd"}, "cannot answer as nurse"),
    ],
)
async def test_a_swap_that_cannot_be_is_refused(signed_in, change, says):
    odd, per = await signed_in("odd"), await signed_in("per")
    await saved(odd, plan(pattern("kari", "per")))
    said = {"asked_of": "kari", "from_ms": ms("2026-11-23T08:00"), "to_ms": ms("2026-11-30T08:00")} | change
    answer = await per.post("/api/rosters/pleie/swaps", json=said)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


async def test_what_is_edited_outlasts_a_start_and_a_changed_file_is_a_new_version(ward, words, signed_in):
    since = datetime.fromisoformat("2026-11-20T00:00+00:00")
    ward.staffed(words.staff, (Shift("nurse", "per", since),))
    odd = await signed_in("odd")
    [of_file] = (await odd.get("/api/oncall")).json()["rosters"]
    assert (of_file["id"], of_file["now"], of_file["saved_by"]) == ("nurse", ["per"], "")
    await saved(odd, plan(pattern("kari"), version=of_file["version"]), roster="nurse")
    ward.staffed(words.staff, (Shift("nurse", "per", since),))  # the server starts again
    [roster] = (await odd.get("/api/oncall")).json()["rosters"]
    assert roster["now"] == ["kari"]
    ward.staffed(words.staff, (Shift("nurse", "ingrid", since),))  # somebody has changed the file
    with ward.db.read() as tx:
        newest = newest_of(tx, "nurse")
    assert newest is not None
    assert newest.saved_by == ""


async def ladders(client):
    return (await client.get("/api/ladders")).json()


def draft(book, **more):
    return {"version": book["version"], "ladders": book["ladders"], "office": book["office"], **more}


def clinical_red(book):
    return next(one for one in book["ladders"] if (one["kind"], one["priority"]) == ("clinical", "high"))


async def test_a_ladder_for_a_programme_wins_and_names_a_roster_and_a_person(ward, signed_in):
    odd = await signed_in("odd")
    await saved(odd, plan(pattern("per")))
    book = await ladders(odd)
    own = clinical_red(book) | {
        "name": "KOLS", "programme": "copd", "language": "en",
        "steps": [{"tell": "roster:pleie", "wait_s": 120}, {"tell": "person:ingrid", "wait_s": 60}, {"tell": "nurse"}],
    }  # fmt: skip
    answer = await odd.put("/api/ladders", json=draft(book, note="KOLS først") | {"ladders": [*book["ladders"], own]})
    assert answer.status_code == 200, answer.text
    ward.hear(Level.HIGH)
    ward.hear(Level.HIGH, patient="arne")
    assert ward.alarm(1).climb.ladder.name == "KOLS"
    assert ward.alarm(2).climb.ladder.name == "clinical, red"
    ward.later(minutes=2)
    assert ward.phones("Ingrid Dahl") == [
        "Hjemvakt: RED alarm 1 for S.N. (SpO₂ below the limit). Not acknowledged by the Sykepleiere within 2 min. "
        "Sign in to see it."
    ]
    history = (await odd.get("/api/ladders/history")).json()
    assert [(one["saved_by"], one["note"]) for one in history] == [("Odd Berg", "KOLS først"), ("", "")]


def hole(book):
    return {"ladders": [one for one in book["ladders"] if one["priority"] != "high"]}


def contradiction(book):
    red = clinical_red(book)
    return {
        "ladders": [*book["ladders"], red | {"name": "A", "programme": "copd"}, red | {"name": "B", "hours": "night"}]
    }


def stranger(book):
    return {"ladders": [clinical_red(book) | {"steps": [{"tell": "roster:nowhere"}]}, *book["ladders"][1:]]}


def no_programme(book):
    return {"ladders": [*book["ladders"], clinical_red(book) | {"programme": "gout"}]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (hole, "no ladders serve clinical alarms of high priority"),
        (contradiction, "high priority in programme copd, outside office hours: 'A' and 'B'"),
        (stranger, "tells 'roster:nowhere', and there is no such roster or person"),
        (no_programme, "there is no programme 'gout'"),
    ],
)  # fmt: skip
async def test_ladders_with_holes_and_contradictions_are_refused(signed_in, change, says):
    odd = await signed_in("odd")
    book = await ladders(odd)
    answer = await odd.put("/api/ladders", json=draft(book) | change(book))
    assert answer.status_code == 422
    assert says in answer.json()["detail"]
    assert (await ladders(odd))["version"] == book["version"]


def way(ward, who, channel, after_s, address="+4790000009"):
    """A way that counts."""
    with ward.db.write() as tx:
        return ways.add(tx, who, channel, address, "", after_s, ward.now_ns, confirmed=True)


async def test_a_person_without_a_number_who_has_a_way_of_their_own_may_be_on_a_roster(ward, words, signed_in):
    kari, *others = words.staff
    ward.staffed((words.replace(kari, phone=""), *others))
    way(ward, "kari", "email", 0, "kari@example.no")
    odd = await signed_in("odd")
    await saved(odd, plan(pattern("kari")))
    page = (await odd.get("/api/oncall")).json()
    assert page["rosters"][0]["gaps"] == []
    assert next(one for one in page["people"] if one["id"] == "kari")["reachable"] is True


async def test_the_chain_does_not_outrun_a_persons_own_ways(ward, signed_in):
    kari, odd = await signed_in("kari"), await signed_in("odd")
    late = way(ward, "kari", "sms", 120)
    way(ward, "kari", "push", 0, "{}")
    answer = await kari.put(f"/api/me/ways/{late}", json={"after_s": 300})
    assert answer.status_code == 422
    assert "step 1 waits 300 s, and Kari Olsen is not told the last way before 300 s" in answer.json()["detail"]
    with ward.db.read() as tx:
        assert [one.after_s for one in ways.of(tx, "kari")] == [0, 120], "nothing is half-applied"
    assert (await kari.put(f"/api/me/ways/{late}", json={"after_s": 240})).status_code == 200
    book = await ladders(odd)
    steps = [{"tell": "nurse", "wait_s": 60}, {"tell": "doctor"}]
    answer = await odd.put(
        "/api/ladders", json=draft(book) | {"ladders": [clinical_red(book) | {"steps": steps}, *book["ladders"][1:]]}
    )
    assert "waits 60 s, and Kari Olsen is not told the last way before 240 s" in answer.json()["detail"]
    ward.senders["push"] = ward.phone
    ward.hear(Level.HIGH)
    assert sum(text.startswith("Kari Olsen") for text in ward.phones()) == 1, "push, and no message yet"
    assert [text.split(":")[0] for text in ward.later(minutes=4)] == ["Kari Olsen"]


async def test_nor_does_it_when_somebody_slow_is_put_on_a_roster(ward, signed_in):
    odd = await signed_in("odd")
    book = await ladders(odd)
    steps = [{"tell": "roster:pleie", "wait_s": 60}, {"tell": "doctor"}]
    await saved(odd, plan(pattern("per")))
    changed = {"ladders": [clinical_red(book) | {"steps": steps}, *book["ladders"][1:]]}
    assert (await odd.put("/api/ladders", json=draft(book) | changed)).status_code == 200
    way(ward, "kari", "sms", 120)
    answer = await odd.put("/api/rosters/pleie", json=plan(pattern("per", "kari"), version=1))
    assert "waits 60 s, and Kari Olsen is not told the last way before 120 s" in answer.json()["detail"]
    now = ward.now_ns // MS
    said = {"out": "per", "into": "kari", "from_ms": now, "to_ms": now + DAY, "why": "syk"}
    answer = await odd.post("/api/rosters/pleie/overrides", json=said)
    assert answer.status_code == 422


async def test_a_preview_is_what_then_happens(ward, signed_in):
    odd = await signed_in("odd")
    await saved(odd, plan(pattern("kari", last="2026-11-16")))
    ask = {"kind": "clinical", "priority": "high", "programme": "copd", "t_ms": ward.now_ns // MS}
    told = (await odd.post("/api/ladders/preview", json=ask)).json()["told"]
    promised = [(one["t_ms"], name) for one in told if one["round"] == 0 for name in one["told"]]
    assert [name for _, name in promised] == ["Kari Olsen", "Ingrid Dahl", "Odd Berg"]
    ward.hear(Level.HIGH)
    happened = [(ward.now_ns // MS, "Kari Olsen")]
    for t_ms, _ in promised[1:]:
        rang = ward.later(seconds=(t_ms - ward.now_ns // MS) / 1000)
        happened += [(t_ms, text.split(":")[0]) for text in rang]
    assert happened == promised
    later = ask | {"t_ms": ms("2026-11-24T12:00")}
    told = (await odd.post("/api/ladders/preview", json=later)).json()["told"]
    assert (told[0]["told"], told[1]["told"], told[1]["after_s"]) == ([], ["Ingrid Dahl"], 0.0), "the gap is skipped"


async def test_a_preview_passes_by_whoever_is_locked_as_the_ladder_does(ward, signed_in):
    odd = await signed_in("odd")
    await saved(odd, plan(pattern("kari", "per", turn="shift", weekdays=[0])))
    lock(ward, "kari")
    ask = {"kind": "clinical", "priority": "high", "programme": "copd", "t_ms": ward.now_ns // MS}
    told = (await odd.post("/api/ladders/preview", json=ask)).json()["told"]
    assert (told[0]["told"], told[1]["told"], told[1]["after_s"]) == ([], ["Ingrid Dahl"], 0.0)
    ward.hear(Level.HIGH)
    assert [text.split(":")[0] for text in ward.phones()] == ["Ingrid Dahl"]


def test_whoever_is_locked_is_not_told_as_the_last_resort_either(ward):
    """Their telephone may be a stranger's; and who comes back within minutes must not wait for a whole round."""
    for name in ("kari", "per", "ingrid", "odd"):
        lock(ward, name)
    ward.hear(Level.HIGH)
    assert ward.phones() == []
    with ward.db.write() as tx:
        tx.execute(store.staff.update().where(store.staff.c.id == "odd").values(locked_ns=None))
    assert [text.split(":")[0] for text in ward.later(minutes=5)] == ["Odd Berg"]


def test_nor_is_who_handed_over_what_nobody_took_and_was_locked_since(ward):
    ward.hear(Level.MEDIUM)
    ward.acknowledge("Kari Olsen")
    ward.does(deeds.hand_over, "kari", "Kari Olsen", ward.now_ns, To("nurse", "per", "Per Hansen"), "")
    ward.deliver()
    lock(ward, "kari")
    assert [text.split(":")[0] for text in ward.later(minutes=30)] == ["Ingrid Dahl"]


async def test_a_draft_can_be_tried_before_it_is_saved(ward, signed_in):
    odd = await signed_in("odd")
    book = await ladders(odd)
    own = clinical_red(book) | {"name": "natt", "hours": "night", "steps": [{"tell": "person:odd"}]}
    ask = {"kind": "clinical", "priority": "high", "t_ms": ms("2026-11-23T23:00"),
           "draft": draft(book) | {"ladders": [*book["ladders"], own]}}  # fmt: skip
    answer = (await odd.post("/api/ladders/preview", json=ask)).json()
    assert (answer["ladder"], answer["hours"], answer["told"][0]["told"]) == ("natt", "night", ["Odd Berg"])
    day = (await odd.post("/api/ladders/preview", json=ask | {"t_ms": ms("2026-11-23T12:00")})).json()
    assert (day["ladder"], day["hours"]) == ("clinical, red", "office")


async def test_the_hand_over_page_has_what_happened_what_is_open_and_who_comes_on(ward, signed_in):
    odd, kari = await signed_in("odd"), await signed_in("kari")
    await saved(odd, plan(pattern("kari", "per")))
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    ward.clock.advance(minutes=5)
    ward.close("Kari Olsen")
    ward.hear(Level.MEDIUM, patient="arne")
    ward.escalate("Kari Olsen")
    signed = await kari.post("/api/handover/pleie/notes", json={"text": "Arne ringes kl. 20", "patient": "arne"})
    assert signed.json()["name"] == "Kari Olsen"
    page = (await kari.get("/api/handover/pleie")).json()
    assert (page["shift"]["names"], page["after"]["names"]) == (["Kari Olsen"], ["Per Hansen"])
    assert [(one["patient"]["name"], one["state"]) for one in page["open"]] == [("Arne Lund", "notified")]
    assert page["open"][0]["aside"]["en"].startswith("Escalated by Kari Olsen")
    assert [(one["patient"]["name"], one["closed_by"]) for one in page["closed"]] == [("Solveig Nilsen", "Kari Olsen")]
    assert [one["what"] for one in page["deeds"]] == ["acknowledged", "closed", "escalated"]
    assert [(one["text"], one["patient"]["name"]) for one in page["notes"]] == [("Arne ringes kl. 20", "Arne Lund")]
    other = (await kari.get("/api/handover/pleie", params={"t_ms": page["shift"]["to_ms"]})).json()
    assert (other["notes"], other["shift"]["names"]) == ([], ["Per Hansen"])
    assert (await odd.get("/api/handover/pleie")).status_code == 403, "an administrator reads nothing of patients"
    assert (await kari.get("/api/handover/nowhere")).status_code == 404
    assert (await kari.get("/api/handover/doctor")).json()["rostered"] is False
    assert (await kari.get("/api/handover/nurse")).json() == page, (
        "whoever asks for a role gets the roster it is kept in"
    )


async def test_whoever_comes_on_sees_as_snoozed_only_what_still_is(ward, signed_in):
    """The page has what is set aside in a table of its own, below what is open."""
    kari, ingrid = await signed_in("kari"), await signed_in("ingrid")

    async def aside():
        [one] = (await kari.get("/api/handover/nurse")).json()["open"]
        return one["aside"] and one["aside"]["en"]

    async def does(who, path, **said):
        answer = await who.post(f"/api/{path}", json=said)
        assert answer.status_code == 200, answer.text

    ward.hear(Level.MEDIUM)
    await does(kari, "alarms/1/snooze", minutes=60, why="she sleeps")
    assert (await aside()).startswith("Snoozed by Kari Olsen")
    ward.later(minutes=61)
    assert await aside() is None, "its time is out, nobody has it, and the ladder climbs"
    note = {"situation": "s", "background": "b", "assessment": "a", "recommendation": "r"}
    await does(kari, "alarms/1/send", person="ingrid", language="en", note=note)
    await does(kari, "alarms/1/acknowledge")
    await does(kari, "alarms/1/undo")
    assert (await aside()).startswith("Case 1 sent by Kari Olsen"), "taken by mistake: it is with the doctor again"
    await does(ingrid, "cases/1/answer", answer="advise", text="Inhale")
    assert await aside() is None, "it is answered, and Kari has it again"
    await does(kari, "alarms/1/escalate")
    assert (await aside()).startswith("Escalated by Kari Olsen")
    ward.hear(Level.HIGH)
    assert await aside() is None, "it is worse, and begins at the foot of another ladder"


async def test_what_was_missed_is_marked_counted_and_taken_back(ward, signed_in):
    kari, odd = await signed_in("kari"), await signed_in("odd")
    said = {"t_ms": ward.now_ns // MS - HOUR, "note": "innlagt uten varsel"}
    mark = (await kari.post("/api/patients/solveig/missed", json=said)).json()
    report = (await kari.get("/api/reports")).json()
    assert (report["missed"], report["missed_list"][0]["name"]) == (1, "Solveig Nilsen")
    seen = (await odd.get("/api/reports")).json()
    assert (seen["missed"], seen["missed_list"], seen["patients"]) == (1, [], []), "figures, and no patients"
    await kari.post(f"/api/patients/solveig/missed/{mark['id']}/undo", json={"why": "varslet i går"})
    assert (await kari.get("/api/reports")).json()["missed"] == 0
    ahead = await kari.post("/api/patients/solveig/missed", json=said | {"t_ms": ward.now_ns // MS + HOUR})
    assert ahead.status_code == 422


async def test_a_report_is_a_file_for_a_spreadsheet(ward, signed_in):
    kari, odd = await signed_in("kari"), await signed_in("odd")
    ward.hear(Level.HIGH)
    ward.clock.advance(seconds=90)
    ward.acknowledge("Kari Olsen")
    ward.close("Kari Olsen")
    answer = await kari.get("/api/reports/summary")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "acknowledge_median_s;90\r\n" in answer.content.decode("utf-8-sig")
    rules = (await kari.get("/api/reports/rules", params={"language": "en"})).content.decode("utf-8-sig")
    assert rules == "rule;alarms;judged;usefulness;false\r\nspo2_floor;1;1;4;0\r\n"
    assert (await odd.get("/api/reports/summary")).status_code == 200
    assert (await odd.get("/api/reports/patients")).status_code == 403
    assert (await kari.get("/api/reports", params={"from_ms": 2, "to_ms": 1})).status_code == 422
