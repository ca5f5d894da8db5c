"""A guest's finger in Eva's oximeter: a nurse says so, and nothing that looks at readings sees it any more."""

import httpx
import pytest

from server.alarms.model import State
from server.readings import journal
from server.readings.filed import Wanted, filed
from server.readings.store import latest
from tests.server.conftest import spo2
from tests.server.corrections.conftest import MINUTE, Home
from vitals.block import Block
from vitals.clock import MS


def exported(home: Home) -> list[float]:
    with home.server.db.read() as tx:
        return [value for part in filed(tx, Wanted(0, 2**62, channels=("spo2",))) for value in part.value]


def newest_value(home: Home, channel: str = "spo2") -> float | None:
    with home.server.db.read() as tx:
        found = latest(tx, ["eva"]).get("eva", {}).get(channel)
    return found.value if found else None


async def test_what_is_said_to_be_wrong_counts_nowhere_from_that_moment_on(home: Home) -> None:
    home.finger(95.0, 94.0, 82.0)
    alarm = home.alarm()
    assert alarm is not None
    guest = (await home.newest())[0]
    assert (guest["value"], guest["invalid"]) == (82.0, None)
    answer = await home.invalidate(guest["id"], note="her sister's finger")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["reason"], said["note"], said["who"]) == ("wrong_person", "her sister's finger", "Siri Berg")
    assert home.values("eva") == [95.0, 94.0]
    assert newest_value(home) == 94.0
    assert exported(home) == [95.0, 94.0]
    page = (await (await home.person("siri")).get("/api/patients/eva")).json()
    assert [one["value"] for one in page["latest"]] == [94.0]
    with home.server.db.read() as tx:
        last = journal.read(tx, 0, 100)[-1]
    assert [one.channel for one in last.withdrawn] == ["spo2"], "the feeds outside learn it from the journal"
    assert home.audited("invalidate reading") == [
        ("siri", "correction 1: spo2 of oximeter at 2026-03-02T08:03:00.000000000Z; wrong_person: her sister's finger")
    ]


async def test_an_alarm_that_rested_on_it_says_so_settles_and_is_closed_by_nobody(home: Home) -> None:
    home.finger(95.0, 94.0, 82.0)
    home.clock.advance(minutes=4)
    await home.invalidate((await home.newest())[0]["id"], note="visitor")
    ((sentence, who),) = home.timeline("invalidated")
    assert who == "Siri Berg"
    assert sentence == "SpO₂ 82 %, measured 4 min ago, is invalid: it was not the patient – visitor"
    alarm = home.alarm()
    assert alarm is not None
    assert not alarm.settled
    page = (await (await home.person("siri")).get("/api/patients/eva")).json()
    assert [one["doubted"] for one in page["alarms"][0]["reasons"]] == [True, True], "they saw the visitor's 82 %"
    home.tick(minutes=11)
    alarm = home.alarm()
    assert alarm is not None, "a clinical alarm waits for a person"
    assert alarm.settled
    assert home.timeline("settled")


async def test_what_it_hid_appears_in_the_same_transaction(home: Home) -> None:
    """The doctor's good saturation hid the bad one, which came late."""
    home.clock.advance(minutes=90)
    home.finger(97.0)
    home.hear(spo2(84.0, home.now_ns - 60 * MINUTE))
    assert home.alarm() is None, "97 % is what is known"
    await home.invalidate((await home.newest())[0]["id"])
    alarm = home.alarm()
    assert alarm is not None, "84 % is what is known"
    assert {reason.rule for reason in alarm.reasons} >= {"spo2_floor"}


async def test_who_closes_it_as_false_still_hears_of_the_patients_own(home: Home) -> None:
    """A closed alarm is quiet for an hour, but not for what it was not closed for."""
    home.finger(95.0, 82.0)
    siri = await home.person("siri")
    await home.invalidate((await home.newest())[0]["id"])
    assert (await siri.post("/api/alarms/1/acknowledge", json={"note": ""})).status_code == 200
    over = {"action": "no_action", "outcome": "false_alarm", "usefulness": 1, "note": ""}
    assert (await siri.post("/api/alarms/1/close", json=over)).status_code == 200
    home.tick(minutes=5)
    assert home.alarms() == 1
    home.finger(83.0)
    assert home.alarms() == 2


async def test_nor_is_it_quiet_where_it_was_closed_before_anybody_knew(home: Home) -> None:
    home.finger(95.0, 82.0)
    siri = await home.person("siri")
    await siri.post("/api/alarms/1/acknowledge", json={"note": ""})
    over = {"action": "phoned_patient", "outcome": "resolved_at_home", "usefulness": 3, "note": ""}
    assert (await siri.post("/api/alarms/1/close", json=over)).status_code == 200
    home.finger(82.0)
    assert home.alarms() == 1, "it goes on being true"
    for one in (await home.newest())[:2]:
        await home.invalidate(one["id"])
    assert home.alarms() == 1
    home.finger(83.0)
    assert home.alarms() == 2


async def test_a_snooze_given_for_what_was_wrong_ends_with_the_patients_own(home: Home) -> None:
    """Else a guest's finger and a snooze would hide the patient's own red for eight hours."""
    home.finger(95.0, 82.0)
    siri = await home.person("siri")
    assert (await siri.post("/api/alarms/1/acknowledge", json={"note": ""})).status_code == 200
    await home.invalidate((await home.newest())[0]["id"])
    asleep = {"minutes": 480, "why": "It was her daughter's finger"}
    assert (await siri.post("/api/alarms/1/snooze", json=asleep)).status_code == 200
    home.tick(minutes=5)
    alarm = home.alarm()
    assert alarm is not None
    assert alarm.state is State.SNOOZED
    home.finger(83.0)
    alarm = home.alarm()
    assert alarm is not None
    assert alarm.state is State.NOTIFIED


async def test_all_that_one_device_measured_at_one_moment_goes_together_or_one_value_alone(home: Home) -> None:
    home.cuff(121, 80, 70)
    home.clock.advance(minutes=5)
    home.cuff(220, 130, 71)
    (newest, *_) = await home.newest("bp_sys")
    assert [(one["channel"], one["value"]) for one in newest["also"]] == [("bp_dia", 130.0), ("pulse_rate", 71.0)]
    assert (await home.invalidate(newest["id"], "measured_wrongly")).status_code == 200
    assert [home.values("eva", name) for name in ("bp_sys", "bp_dia", "pulse_rate")] == [[121.0], [80.0], [70.0]]
    (pulse,) = [one for one in await home.newest("pulse_rate") if one["invalid"] is None]
    assert (await home.invalidate(pulse["id"], "device_error", alone=True)).status_code == 200
    assert [home.values("eva", name) for name in ("bp_sys", "bp_dia", "pulse_rate")] == [[121.0], [80.0], []]
    shown = await home.newest("pulse_rate")
    assert [(one["value"], one["invalid"]["reason"]) for one in shown] == [
        (71.0, "measured_wrongly"), (70.0, "device_error"),
    ]  # fmt: skip


@pytest.mark.parametrize("after", ["at once", "a fold before", "a fold after", "a restart", "folds and restarts"])
async def test_a_device_that_sends_it_again_does_not_bring_it_back(home: Home, after: str) -> None:
    """Under another number, another gateway's epoch, with its neighbours: it is known by what it is."""
    t_ns = home.now_ns
    block = spo2(82.0, t_ns, record="r-7")
    home.hear(block)
    if after in ("a fold before", "folds and restarts"):
        home.fold()
    assert (await home.invalidate((await home.newest())[0]["id"])).status_code == 200
    if after in ("a fold after", "folds and restarts"):
        home.fold()
    if after in ("a restart", "folds and restarts"):
        home.begin_again()
    home.clock.advance(minutes=1)
    home.hear(block, spo2(95.0, t_ns + MINUTE))
    assert home.values("eva") == [95.0]
    home.fold()
    home.begin_again()
    home.hear(block)
    assert home.values("eva") == [95.0]
    assert [one["value"] for one in await home.newest()] == [95.0, 82.0]


async def test_it_can_be_undone_with_all_that_it_had_and_is_filed_once(home: Home) -> None:
    home.finger(95.0, 82.0)
    home.tick(minutes=20)
    before = await home.newest()
    said = (await home.invalidate(before[0]["id"])).json()
    home.fold()
    home.begin_again()
    home.tick(minutes=11)
    answer = await home.reinstate(said["id"], who="per")
    assert (answer.status_code, answer.json()["undone_by"]) == (200, "Per Dahl"), answer.text
    assert await home.newest() == before, "the same reading with the same times"
    assert home.values("eva") == [95.0, 82.0]
    home.fold()
    assert home.values("eva") == [95.0, 82.0]
    assert home.timeline("reinstated") == [
        ("SpO₂ 82 % counts after all – it was her after all", "Per Dahl"),
    ]
    alarm = home.alarm()
    assert alarm is not None
    assert not alarm.settled
    t_ns = before[0]["t_ms"] * MS
    home.hear(spo2(82.0, t_ns, record=f"r-{t_ns}"))
    assert home.values("eva") == [95.0, 82.0]
    assert [who for who, _ in home.audited("reinstate reading")] == ["per"]


async def test_the_same_said_twice_is_said_once(home: Home) -> None:
    home.finger(95.0, 82.0)
    reading = (await home.newest())[0]["id"]
    first, again = [(await home.invalidate(reading)).json() for _ in range(2)]
    assert first == again
    first, again = [(await home.reinstate(first["id"])).json() for _ in range(2)]
    assert first == again
    assert first["undone_by"] == "Siri Berg"
    assert len(home.audited("invalidate reading") + home.audited("reinstate reading")) == 2
    assert len(home.timeline("invalidated") + home.timeline("reinstated")) == 2


async def test_the_second_of_two_nurses_is_told_who_was_first(home: Home) -> None:
    home.finger(82.0)
    reading = (await home.newest())[0]["id"]
    said = (await home.invalidate(reading)).json()
    late = await home.invalidate(reading, "device_error", who="per")
    assert (late.status_code, late.json()["who"]) == (409, "Siri Berg")
    assert (await home.reinstate(said["id"], who="per")).status_code == 200
    late = await home.reinstate(said["id"], who="siri")
    assert (late.status_code, late.json()["who"]) == (409, "Per Dahl")
    assert home.values("eva") == [82.0]
    again = (await home.invalidate(reading, "device_error")).json()
    assert again["id"] != said["id"]
    assert (await home.reinstate(said["id"], who="siri")).status_code == 409, "an old page does not undo the new one"
    assert home.values("eva") == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"reading": f"{2**70 % 10**18}.{'0' * 32}", "reason": "wrong_person"}, 404),
        ({"reading": f"9999999999999999999.{'0' * 32}", "reason": "wrong_person"}, 404),
        ({"reading": "x", "reason": "wrong_person"}, 422),
        ({"reading": f"1.{'0' * 32}", "reason": "because"}, 422),
        ({"reading": f"1.{'0' * 32}", "reason": "other"}, 422),
        ({"reading": f"1.{'0' * 32}", "reason": "other", "note": "  "}, 422),
    ],
)
async def test_what_cannot_be_said_is_refused_with_what_to_do(home: Home, body: dict[str, str], status: int) -> None:
    home.finger(82.0)
    answer = await (await home.person("siri")).post("/api/patients/eva/readings/invalidate", json=body)
    assert answer.status_code == status, answer.text
    assert home.values("eva") == [82.0]


async def test_only_who_cares_for_the_patient_may(home: Home, signed_out: httpx.AsyncClient) -> None:
    home.finger(82.0)
    reading = (await home.newest())[0]["id"]
    assert (await home.invalidate(reading, who="anne")).status_code == 403
    body = {"reading": reading, "reason": "wrong_person"}
    assert (await signed_out.post("/api/patients/eva/readings/invalidate", json=body)).status_code == 401
    siri = await home.person("siri")
    assert (await siri.post("/api/patients/odd/readings/invalidate", json=body)).status_code == 404, "it is not Odd's"
    assert (await siri.post("/api/patients/nobody/readings/invalidate", json=body)).status_code == 404
    assert (await home.reinstate("7")).status_code == 404
    assert home.values("eva") == [82.0]


async def test_a_weight_that_is_no_longer_hers_says_nothing_of_what_is_usual(home: Home) -> None:
    """Somebody answered that 95 kg was hers; a colleague knows better, and 74 kg is usual again."""
    day = 24 * 60
    for kg in (74.0, 74.2, 73.9, 95.0):
        home.hear(Block("weight", (home.now_ns,), (kg,), 1), device="scale")
        home.clock.advance(minutes=day)
    siri = await home.person("siri")
    (question,) = (await siri.get("/api/patients/eva")).json()["questions"]
    body = {"said": "hers", "version": question["version"]}
    assert (await siri.post(f"/api/questions/{question['id']}/answer", json=body)).status_code == 200
    assert (await home.invalidate((await home.newest("weight"))[0]["id"])).status_code == 200
    home.hear(Block("weight", (home.now_ns,), (95.3,), 1), device="scale")
    assert home.values("eva", "weight") == [74.0, 74.2, 73.9], "the next guest is asked about, too"


async def test_who_was_silent_before_is_silent_again(home: Home) -> None:
    """The only sign of life of two days was somebody else's: nothing is known, and nothing is what is shown."""
    home.finger(95.0)
    home.clock.advance(minutes=48 * 60)
    home.finger(96.0)
    assert newest_value(home) == 96.0
    await home.invalidate((await home.newest())[0]["id"])
    page = (await (await home.person("siri")).get("/api/patients/eva")).json()
    (value,) = page["latest"]
    assert (value["value"], value["stale"]) == (95.0, True)
    assert page["news2"] is None
