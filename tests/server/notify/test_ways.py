"""Everybody is reached in the way and the order of their own choice, and a way that fails is followed by the next."""

import pytest

from server.alarms import store as alarms
from server.notify import ways
from server.notify.sender import SendError
from vitals.alarm import Level

DOWN = SendError("the line is down", "wait")
GONE = SendError("ended", "subscribe", gone=True)
NOBODY = SendError("no such number", "correct it", for_good=True)


def test_who_has_no_ways_of_their_own_is_reached_by_the_municipalitys_telephone(town):
    town.red()
    assert [(one.channel, one.address) for one in town.lines["sms"].to("Kari Berg")] == [("sms", "+47 900 00 101")]


def test_own_ways_are_used_in_their_order_each_after_its_own_wait(town):
    town.way("kari", "push", "{}")
    town.way("kari", "voice", "+4790000101", after_s=120)
    town.way("kari", "email", "kari@example.no", after_s=60)
    town.red()
    used = lambda: [name for name, line in town.lines.items() if line.to("Kari Berg")]  # noqa: E731
    assert used() == ["push"]
    town.later(seconds=61)
    assert used() == ["email", "push"]
    town.later(seconds=60)
    assert used() == ["email", "push", "voice"]
    assert not town.lines["sms"].to("Kari Berg")


def test_who_acts_spares_themselves_the_rest(town):
    town.way("kari", "push", "{}")
    town.way("kari", "voice", "+4790000101", after_s=120)
    town.red()
    town.acts(alarms.acknowledge, "Kari Berg", town.clock.now_ns(), 3600)
    town.later(minutes=3)
    assert not town.lines["voice"].sent


@pytest.mark.parametrize("error", [DOWN, NOBODY])
def test_a_way_that_fails_is_followed_by_the_next_at_once(town, error):
    town.way("kari", "push", "{}")
    town.way("kari", "voice", "+4790000101", after_s=900)
    town.lines["push"].error = error
    town.red()
    town.deliver()
    assert town.lines["voice"].to("Kari Berg")


def test_a_browser_that_has_gone_is_a_way_no_more(town):
    town.way("kari", "push", "{}")
    town.lines["push"].error = GONE
    town.red()
    with town.server.db.read() as tx:
        assert ways.of(tx, "kari") == []


def test_a_long_wait_is_not_outrun_by_a_ladder_that_repeats_sooner(town):
    """The call comes half an hour after the first message, though the ladder has begun anew in between."""
    town.way("kari", "sms", "+4790000101")
    town.way("kari", "voice", "+4790000101", after_s=1800)
    town.red()
    for _ in range(31):
        town.later(minutes=1)
    assert town.alarm().climb.round > 0
    assert town.lines["voice"].to("Kari Berg")


def test_a_step_that_reaches_nobody_by_any_way_costs_no_time(town):
    town.lines["sms"].error = NOBODY
    town.way("ingrid", "email", "ingrid@example.no")
    town.red()
    assert not town.lines["email"].sent
    town.later(seconds=1)
    assert town.lines["email"].to("Ingrid Moe")


def test_a_ladder_of_which_no_step_reaches_anybody_does_not_run_in_circles(town):
    town.lines["sms"].error = NOBODY
    town.red()
    for _ in range(20):
        town.later(seconds=1)
    assert town.alarm().climb.round == 0
    assert len(town.states()) <= 8


def test_a_person_who_is_only_reached_by_mail_is_no_hole_in_the_roster(town, tmp_path):
    text = (tmp_path / "municipality.toml").read_text().replace("+47 900 00 103", "")
    (tmp_path / "municipality.toml").write_text(text)
    town.way("ingrid", "email", "ingrid@example.no")
    town.begin_again()
    town.red()
    town.later(minutes=6)
    assert town.lines["email"].to("Ingrid Moe")
    assert town.timeline("skipped") == []


def test_a_report_says_what_became_of_it(town):
    town.red()
    town.server.heard((), [("r1", None, True), ("r2", None, False), ("r9", None, True)])
    assert list(town.states().values()) == ["delivered", "failed"]
    assert town.timeline("sent") == ["Sent to Kari Berg (sms)", "Sent to Per Dahl (sms)"]
    assert town.timeline("delivered") == ["Delivered to Kari Berg (sms)"]
    assert town.timeline("undelivered") == ["Not delivered to Per Dahl: sms did not get through."]
    town.server.heard((), [("r1", None, False)])
    assert next(iter(town.states().values())) == "delivered", "a report that comes twice or late changes nothing"


def test_a_message_that_did_not_get_through_is_followed_by_the_persons_next_way(town):
    town.way("kari", "sms", "+4790000101")
    town.way("kari", "email", "kari@example.no", after_s=900)
    town.red()
    town.server.heard((), [("r1", None, False)])
    town.deliver()
    assert town.lines["email"].to("Kari Berg")


def test_of_a_message_in_parts_the_last_is_waited_for_and_the_number_tells_whose_it_is(town):
    class Parts:
        def send(self, message):
            from server.notify.sender import Receipt

            return Receipt("254,255")

    town.server.senders["sms"] = Parts()
    town.red()
    town.server.heard((), [("254", "+4790000101", True)])
    assert set(town.states().values()) == {"sent"}
    town.server.heard((), [("255", "90000101", True), ("254", "+4790000102", False)])
    assert list(town.states().values()) == ["delivered", "failed"]


def test_the_worst_goes_first_then_what_has_waited_longest(town):
    town.lines["sms"].error = DOWN
    town.red("odd", Level.LOW)
    town.clock.advance(seconds=1)
    town.red("eva")
    town.lines["sms"].error = None
    town.later(minutes=4)
    colours = [one.text.split()[1] for one in town.lines["sms"].sent]
    assert colours == sorted(colours, key=["RED", "YELLOW", "CYAN"].index)
    assert {"RED", "CYAN"} <= set(colours)


async def test_a_way_counts_when_its_code_has_come_back(town):
    async with town.browser("kari") as kari:
        made = await kari.post("/api/me/ways", json={"channel": "email", "address": "kari@example.no"})
        assert made.status_code == 200
        way = made.json()
        assert way["confirmed"] is False
        [mail] = town.lines["email"].sent
        code = mail.text.split("koden din er ")[1][:6]
        town.red()
        assert town.lines["email"].sent == [mail], "it does not count yet"
        wrong = await kari.post(f"/api/me/ways/{way['id']}/confirm", json={"code": f"{(int(code) + 1) % 10**6:06}"})
        assert wrong.status_code == 409
        good = await kari.post(f"/api/me/ways/{way['id']}/confirm", json={"code": code})
        assert good.json()["confirmed"] is True
        tried = await kari.post(f"/api/me/ways/{way['id']}/test", json={})
        assert tried.json()["reference"] == "r2"
    town.red("odd")
    assert town.lines["email"].to("Kari Berg")[-1].alarm_id == 2


async def test_a_code_is_guessed_at_five_times_and_dies_after_a_quarter_of_an_hour(town):
    async with town.browser("kari") as kari:
        way = (await kari.post("/api/me/ways", json={"channel": "sms", "address": "+47 911 11 111"})).json()
        code = town.lines["sms"].sent[-1].text.split("koden din er ")[1][:6]
        for n in range(1, 6):
            await kari.post(f"/api/me/ways/{way['id']}/confirm", json={"code": f"{(int(code) + n) % 10**6:06}"})
        late = await kari.post(f"/api/me/ways/{way['id']}/confirm", json={"code": code})
        assert late.status_code == 409
        await kari.post(f"/api/me/ways/{way['id']}/code", json={"language": "en"})
        fresh = town.lines["sms"].sent[-1].text.split("your code is ")[1][:6]
        town.clock.advance(minutes=16)
        late = await kari.post(f"/api/me/ways/{way['id']}/confirm", json={"code": fresh})
        assert late.status_code == 409


async def test_the_page_is_told_which_waits_a_ladder_allows_and_they_are_what_the_server_takes(town):
    town.way("kari", "email", "kari@example.no")
    async with town.browser("kari") as kari:
        below_s = (await kari.get("/api/me/ways")).json()["waits_below_s"]
        assert below_s == 300, "the nurses' step of a red alarm"
        assert (await kari.put("/api/me/ways/1", json={"after_s": below_s})).status_code == 422
        assert (await kari.put("/api/me/ways/1", json={"after_s": below_s - 1})).status_code == 200


async def test_ways_are_ones_own(town):
    town.way("kari", "email", "kari@example.no")
    async with town.browser("per") as per:
        assert (await per.get("/api/me/ways")).json()["ways"] == []
        for method, path, said in (
            ("POST", "/api/me/ways/1/test", {}),
            ("PUT", "/api/me/ways/1", {"after_s": 1}),
            ("DELETE", "/api/me/ways/1", None),
            ("POST", "/api/me/ways/1/code", {}),
            ("POST", "/api/me/ways/1/confirm", {"code": "1"}),
        ):
            assert (await per.request(method, path, json=said)).status_code == 404
    async with town.browser("kari") as kari:
        changed = await kari.put("/api/me/ways/1", json={"after_s": 240})
        assert changed.json()["after_s"] == 240
        assert (await kari.delete("/api/me/ways/1")).json()["ways"] == []
        mine = (await kari.get("/api/me/ways")).json()
        assert (mine["ways"], mine["phone"]) == ([], "+47 900 00 101")


@pytest.mark.parametrize(
    ("channel", "address", "status"),
    [
        ("sms", "not a number", 422), ("email", "kari@", 422), ("email", "a@b.no\r\nBcc: c@d.no", 422),
        ("telex", "abc", 422), ("webhook", "../../x", 422),
    ],
)  # fmt: skip
async def test_an_address_that_is_none_is_refused_with_what_to_write(town, channel, address, status):
    async with town.browser("kari") as kari:
        answer = await kari.post("/api/me/ways", json={"channel": channel, "address": address})
        assert answer.status_code == status
        assert all(not line.sent for line in town.lines.values())


async def test_a_way_to_which_nothing_can_be_sent_is_not_kept_and_its_owner_is_told_why(town):
    town.lines["email"].error = NOBODY
    async with town.browser("kari") as kari:
        answer = await kari.post("/api/me/ways", json={"channel": "email", "address": "kari@example.no"})
        assert answer.status_code == 502
        assert "no such number" in answer.json()["detail"]
        assert (await kari.get("/api/me/ways")).json()["ways"] == []


async def test_nobody_is_pestered_from_here(town):
    async with town.browser("kari") as kari:
        answers = [
            await kari.post("/api/me/ways", json={"channel": "sms", "address": "+47 911 11 111"}) for _ in range(12)
        ]
        assert [one.status_code for one in answers] == [200] * 8 + [429] * 4
        assert len(town.lines["sms"].sent) == 8
