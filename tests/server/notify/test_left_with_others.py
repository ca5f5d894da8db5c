"""An alarm that somebody set aside or left with a colleague, as those see it who are called."""

import pytest

from server.access.store import account
from server.alarms import deeds
from server.alarms import store as alarms
from server.alarms.model import Refused, State, To
from server.cases import store as cases
from server.cases.model import Sbar
from server.notify.sender import SendError
from tests.server.notify.test_answers import of, path_of

DOWN = SendError("no such number", "correct it", for_good=True)
NOTE = Sbar("s", "b", "a", "r")
INGRID = To("doctor", "ingrid", "Ingrid Moe")
TOOK = "You have alarm 1 until 10:00."


def sent_on(town, to: To = INGRID) -> None:
    with town.server.db.write() as tx:
        kari = account(tx, "kari")
        assert kari is not None
        cases.send(tx, town.alarm(), kari, to, NOTE, "nb", {"nb": NOTE, "en": NOTE}, town.clock.now_ns())


def handed(town, to: To = INGRID) -> None:
    now_ns = town.clock.now_ns()
    town.acts(alarms.acknowledge, "Kari Berg", now_ns, 3600)
    town.acts(deeds.hand_over, "kari", "Kari Berg", now_ns, to)


@pytest.mark.parametrize("left", [handed, sent_on])
def test_whoever_it_is_left_with_is_told_by_their_own_ways_and_answers_by_them(town, left):
    town.way("ingrid", "email", "ingrid@example.no")
    town.red()
    left(town)
    town.deliver()
    assert not town.lines["sms"].to("Ingrid Moe")
    with town.server.db.write() as tx:
        key = town.server.answers.keys.behind_link(tx, path_of(town.lines["email"].sent[-1].link)[3:], 0)
        assert town.server.answers.look(tx, key, town.clock.now_ns()).what == "open"
        assert town.server.answers.take(tx, key, town.clock.now_ns(), "by link").what == "taken"
    assert (town.alarm().state, town.alarm().acknowledged_by) == (State.ACKNOWLEDGED, "Ingrid Moe")


def test_whom_no_message_reaches_nothing_is_left_with(town):
    town.red()
    with pytest.raises(Refused, match="cannot be reached"):
        handed(town, To("specialist"))


@pytest.mark.parametrize("left", [handed, sent_on])
def test_what_was_left_with_somebody_of_whom_no_way_leads_to_them_is_back_at_once(town, left):
    town.red()
    town.lines["email"].error = DOWN
    town.way("ingrid", "email", "ingrid@example.no")
    left(town)
    town.deliver()
    assert town.alarm().state in (State.HANDED, State.SENT)
    before = len(town.lines["sms"].sent)
    town.later(seconds=1)
    assert town.alarm().state is State.NOTIFIED
    assert len(town.lines["sms"].sent) > before, "the ladder climbs"


def test_a_case_that_was_found_on_the_page_waits_for_its_answer_whatever_became_of_the_message(town):
    town.red()
    sent_on(town)
    town.lines["sms"].error = DOWN
    with town.server.db.write() as tx:
        case, ingrid = cases.get(tx, 1), account(tx, "ingrid")
        assert case is not None
        assert ingrid is not None
        cases.open_case(tx, case, ingrid, town.clock.now_ns())
    town.deliver()
    town.later(seconds=1)
    assert town.alarm().state is State.SENT


async def test_a_link_to_what_a_colleague_set_aside_says_who_and_until_when_and_takes_it_all_the_same(town):
    town.red()
    town.acts(deeds.snooze, "kari", "Kari Berg", town.clock.now_ns(), 1800, "sover til ti")
    link = path_of(of(town, "Per Dahl").link)
    async with town.browser() as phone:
        page = await phone.get(link, params={"lang": "en"})
        assert page.status_code == 200
        assert "Kari Berg set alarm 1 aside at 09:00, until 09:30. You can take it." in page.text
        assert "I take it" in page.text
        assert "sover" not in page.text, "what she wrote is for those who sign in"
        assert TOOK in (await phone.post(link, params={"lang": "en"}, follow_redirects=True)).text
    assert town.alarm().acknowledged_by == "Per Dahl"


@pytest.mark.parametrize("left", [handed, sent_on])
def test_what_was_left_with_somebody_who_had_not_been_told_yet_is_back_when_a_third_took_it_by_mistake(town, left):
    town.red()
    left(town)
    town.acts(alarms.acknowledge, "Per Dahl", town.clock.now_ns(), 3600)
    town.acts(deeds.undo, "Per Dahl", town.clock.now_ns())
    town.later(seconds=1)
    assert town.lines["sms"].to("Ingrid Moe"), "the ladder climbs: what was withdrawn unsent cannot be sent as it was"


def test_an_acknowledgement_taken_back_lets_the_next_step_ring_where_a_way_had_waited(town):
    town.way("kari", "push", "{}")
    town.way("kari", "voice", "+4790000101", after_s=120)
    town.red()
    town.acts(alarms.acknowledge, "Per Dahl", town.clock.now_ns(), 3600)
    town.acts(deeds.undo, "Per Dahl", town.clock.now_ns())
    town.later(seconds=1)
    assert town.lines["sms"].to("Ingrid Moe"), "what was withdrawn unsent cannot be sent as it was"
