"""Two people at once, from two connections and two threads that start together: one is first, the other hears who."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from server.access.store import Account
from server.alarms import deeds, store, table
from server.alarms.model import Refused, State, To, as_seen
from server.cases import store as cases
from server.cases.model import Sbar
from server.db import Database
from tests.server.people.conftest import reason
from vitals.alarm import Level

NAMES = {"kari": "Kari Olsen", "per": "Per Hansen"}
NOTE = Sbar("s", "b", "a", "r")
DEEDS = {
    "acknowledge": lambda tx, alarm, who, now: store.acknowledge(tx, alarm, NAMES[who], now, 3600.0),
    "assess": lambda tx, alarm, who, now: deeds.assess(tx, alarm, NAMES[who], now, 3600.0, "other"),
    "snooze": lambda tx, alarm, who, now: deeds.snooze(tx, alarm, who, NAMES[who], now, 600.0, "why"),
    "hand over": lambda tx, alarm, who, now: deeds.hand_over(tx, alarm, who, NAMES[who], now, To("doctor")),
    "send": lambda tx, alarm, who, now: cases.send(
        tx, alarm, Account(who, NAMES[who], "nurse", ""), To("doctor"), NOTE, "nb", {"nb": NOTE}, now
    ),
    "close": lambda tx, alarm, who, now: store.close(tx, alarm, NAMES[who], now, "no_action", "false_alarm", 1),
    "reopen": lambda tx, alarm, who, now: deeds.reopen(tx, alarm, NAMES[who], now, 3600.0, "why"),
    "undo": lambda tx, alarm, who, now: deeds.undo(tx, alarm, NAMES[who], now),
}
BOTH = [
    ("told", "acknowledge", "acknowledge"),
    ("told", "acknowledge", "snooze"),
    ("told", "snooze", "snooze"),
    ("told", "send", "send"),
    ("told", "send", "snooze"),
    ("kari has it", "close", "close"),
    ("kari has it", "hand over", "close"),
    ("kari has it", "snooze", "close"),
    ("kari has it", "send", "close"),
    ("kari has it", "assess", "close"),
    ("closed", "reopen", "reopen"),
]


@pytest.mark.parametrize(("before", "karis", "pers"), BOTH)
def test_of_two_at_once_one_wins_and_the_other_hears_who(ward, database, before, karis, pers):
    ward.hear(Level.HIGH)
    if before != "told":
        ward.acknowledge("Kari Olsen")
    if before == "closed":
        ward.close("Kari Olsen")
    together, now_ns, seen = threading.Barrier(2), ward.now_ns, ward.alarm().state.value

    def act(who, deed):
        mine = Database(database.where(ward.config.data))  # a connection, and a lock in this process, of their own
        try:
            together.wait(timeout=30)
            with mine.write() as tx:
                alarm = table.get(tx, 1)
                assert alarm is not None
                DEEDS[deed](tx, as_seen(alarm, seen), who, now_ns)
        except Refused as refused:
            return refused
        finally:
            mine.close()
        return None

    with ThreadPoolExecutor(2) as threads:
        refused = [
            one.result(timeout=60) for one in (threads.submit(act, "kari", karis), threads.submit(act, "per", pers))
        ]
    lost = [one for one in refused if one is not None]
    alarm = ward.alarm()
    assert len(lost) == 1, "one wins, and only one"
    winner = NAMES["per" if refused[0] else "kari"]
    assert (lost[0].who, alarm.holder) == (winner, winner)
    assert alarm.due_ns is not None or alarm.state is State.CLOSED


@pytest.mark.parametrize("deed", ["close", "snooze"])
async def test_what_is_found_while_somebody_fills_in_the_form_is_not_ended_unseen(ward, words, deed):
    """It does not rise above what they have taken, so they still have it; but it is not what they looked at."""
    import httpx

    from server.access.door import Door
    from server.site import build

    app = build(ward, door=Door(ward.db, secure=False))
    home = "http://hjemvakt.test"
    ward.hear(Level.HIGH)
    ward.acknowledge("Per Hansen")
    closing = {"action": "no_action", "outcome": "false_alarm", "usefulness": 1}
    said = closing if deed == "close" else {"minutes": 60, "why": "asleep"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=home, headers={"Origin": home}) as per:
        await per.post("/api/session", json={"username": "per", "password": words.password})

        async def looked() -> list[dict[str, str]]:
            [alarm] = (await per.get("/api/patients/solveig")).json()["alarms"]
            return [{"rule": one["rule"], "priority": one["priority"]} for one in alarm["reasons"]]

        seen = await looked()
        ward.hear(reason(Level.HIGH), reason(Level.HIGH, "chest_pain", low=7))
        answer = await per.post(f"/api/alarms/1/{deed}", json=said | {"seen": "acknowledged", "seen_reasons": seen})
        assert (answer.status_code, answer.json()["found"]) == (409, [{"nb": "SpO₂ 7 %", "en": "SpO₂ 7 %"}])
        ward.hear(reason(Level.HIGH), reason(Level.HIGH, "chest_pain", low=8))
        answer = await per.post(f"/api/alarms/1/{deed}", json=said | {"seen_reasons": await looked()})
        assert answer.status_code == 200, "new numbers of the same are no news"


async def test_whoever_decided_on_what_is_no_longer_so_is_told_who_changed_it(ward, words):
    """Closing what was assessed meanwhile: the table allows it, but it is not what was looked at."""
    import httpx

    from server.access.door import Door
    from server.site import build

    app = build(ward, door=Door(ward.db, secure=False))
    home = "http://hjemvakt.test"
    ward.hear(Level.HIGH)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=home, headers={"Origin": home}) as per:
        await per.post("/api/session", json={"username": "per", "password": words.password})
        ward.acknowledge("Kari Olsen")
        ward.does(deeds.assess, "Kari Olsen", ward.now_ns, 3600.0, "expected")
        said = {"action": "no_action", "outcome": "false_alarm", "usefulness": 1, "seen": "acknowledged"}
        answer = await per.post("/api/alarms/1/close", json=said)
        assert (answer.status_code, answer.json()["who"], answer.json()["state"]) == (409, "Kari Olsen", "assessed")
        said["seen"] = "assessed"
        assert (await per.post("/api/alarms/1/close", json=said)).json()["state"] == "closed"
