"""An alarm is taken by a link, a text message or a key on a call; too late, it is told how it went instead."""

import re

import pytest
import sqlalchemy as sa

from server.access.store import lock
from server.alarms import deeds
from server.alarms import store as alarms
from server.alarms.model import State
from server.audit.store import audit
from server.notify.answers import GUESS_NS, replies
from server.notify.config import Gateway, Inbound, Notify
from server.notify.outbox import outbox
from tests.server.notify.house import ADDRESS, Staffed

KARI, PER = "+4790000101", "+4790000102"
INBOUND = "the secret of the provider"


@pytest.fixture
def town(tmp_path, database, secret_file):
    """With a provider that passes on replies."""
    notify = Notify(sms=Gateway("http://127.0.0.1:1/"), inbound=Inbound(secret_file(INBOUND)))
    made = Staffed(tmp_path, database=database, notify=notify)
    yield made
    made.server.close()


def path_of(link: str) -> str:
    assert link.startswith(f"{ADDRESS}/a/")
    return link.removeprefix(ADDRESS)


def say(town, sender: str, text: str, name: str | None = None) -> str | None:
    """Somebody answers; returns what they are answered."""
    before = len(town.lines["sms"].sent)
    town.server.heard([(name or f"{sender} {text} {town.clock.now_ns()}", sender, text)], ())
    town.deliver()
    fresh = town.lines["sms"].sent[before:]
    return fresh[0].text if fresh else None


def close(town) -> None:
    town.acts(alarms.close, "Per Dahl", town.clock.now_ns(), "phoned_patient", "resolved_at_home", 4)


def of(town, name: str):
    return town.lines["sms"].to(name)[-1]


async def test_a_link_shows_a_button_and_only_the_button_takes_the_alarm(town):
    town.red()
    link = path_of(of(town, "Kari Berg").link)
    async with town.browser() as phone:
        for _ in range(3):  # a preview, another one, and a person
            page = await phone.get(link, headers={"accept-language": "en"})
            assert page.status_code == 200
        assert "I take it" in page.text
        assert "You answer as Kari Berg." in page.text
        assert town.alarm().state is State.NOTIFIED
        taken = await phone.post(link, params={"lang": "en"}, follow_redirects=True)
        assert "You have alarm 1 until" in taken.text
    assert town.alarm().acknowledged_by == "Kari Berg"
    with town.server.db.read() as tx:
        row = tx.execute(sa.select(audit).where(audit.c.what == "acknowledge")).one()
    assert (row.who, row.patient_id, row.detail) == ("kari", "eva", "alarm 1 by link")


async def test_the_page_tells_a_stranger_nothing_that_the_message_did_not(town):
    town.red()
    async with town.browser() as phone:
        path = path_of(of(town, "Kari Berg").link)
        page = await phone.get(path)
    shown = page.text.replace(path, "")
    for secret in ("84", "1940", "Gata", "copd"):
        assert secret not in shown
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"


async def test_another_page_cannot_press_the_button(town):
    town.red()
    link = path_of(of(town, "Kari Berg").link)
    async with town.browser(origin=False) as phone:
        assert (await phone.post(link)).status_code == 403
        assert (await phone.post(link, headers={"origin": "https://evil.example"})).status_code == 403
    assert town.alarm().state is State.NOTIFIED


async def test_who_comes_second_is_told_who_has_it_and_later_who_closed_it(town):
    town.red()
    town.acts(alarms.acknowledge, "Per Dahl", town.clock.now_ns(), 3600)
    link = path_of(of(town, "Kari Berg").link)
    async with town.browser() as phone:
        for ask in (phone.get, phone.post):
            page = await ask(link, params={"lang": "en"})
            assert page.status_code == 409
            assert "Per Dahl has had alarm 1 since 09:00." in page.text
        close(town)
        page = await phone.post(link, params={"lang": "en"})
        assert page.status_code == 410
        assert "Per Dahl closed alarm 1 at 09:00." in page.text


async def test_a_link_is_used_once_and_an_old_one_takes_nothing(town):
    town.red()
    link = path_of(of(town, "Kari Berg").link)
    async with town.browser() as phone:
        await phone.post(link)
        town.acts(alarms.escalate, "Per Dahl", town.clock.now_ns())
        again = await phone.post(link, params={"lang": "en"})
        assert again.status_code == 410
        assert "still waits" in again.text
        assert town.alarm().state is State.NOTIFIED
        other = path_of(of(town, "Per Dahl").link)
        town.clock.advance(hours=13)
        assert (await phone.post(other)).status_code == 410
    assert town.alarm().state is State.NOTIFIED


@pytest.mark.parametrize("how", ["GET", "POST"])
async def test_a_link_that_never_was_says_so_and_trying_is_counted(town, how):
    town.red()
    async with town.browser() as phone:
        statuses = [(await phone.request(how, f"/a/guess-{n}")).status_code for n in range(22)]
        assert statuses == [404] * 20 + [429] * 2


def test_a_text_message_with_the_code_takes_the_alarm(town):
    town.red()
    assert re.fullmatch(r"\d{4}", of(town, "Kari Berg").code)
    answer = say(town, "90 00 01 01", f"ok {of(town, 'Kari Berg').code}")
    assert town.alarm().acknowledged_by == "Kari Berg"
    assert answer == "You have alarm 1 until 10:00."


def test_a_text_message_takes_what_a_colleague_had_set_aside(town):
    town.red()
    town.acts(deeds.snooze, "kari", "Kari Berg", town.clock.now_ns(), 1800, "sover til ti")
    assert say(town, "90 00 01 02", f"ok {of(town, 'Per Dahl').code}") == "You have alarm 1 until 10:00."
    assert (town.alarm().state, town.alarm().acknowledged_by) == (State.ACKNOWLEDGED, "Per Dahl")


def test_the_same_text_message_read_twice_acts_once(town):
    town.red()
    code = of(town, "Kari Berg").code
    assert say(town, KARI, f"OK {code}", "modem/1")
    assert say(town, KARI, f"OK {code}", "modem/1") is None
    with town.server.db.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(replies)) == 1


def test_a_code_is_good_only_from_the_telephone_it_was_sent_to(town):
    town.red()
    code = of(town, "Kari Berg").code
    assert code != of(town, "Per Dahl").code
    assert say(town, "+4799999999", f"OK {code}") is None, "a stranger is not answered"
    say(town, PER, f"OK {code}")
    assert town.alarm().state is State.NOTIFIED


def test_an_answer_that_comes_too_late_is_told_what_happened(town):
    town.red()
    code = of(town, "Kari Berg").code
    town.acts(alarms.acknowledge, "Per Dahl", town.clock.now_ns(), 3600)
    assert say(town, KARI, f"OK {code}") == "Per Dahl has had alarm 1 since 09:00."
    close(town)
    assert say(town, KARI, f"OK {code} igjen") == "Per Dahl closed alarm 1 at 09:00."
    town.clock.advance(hours=24 * 90)
    say(town, KARI, f"OK {code}")
    assert town.alarm().state is State.CLOSED


def test_guessing_is_stopped_also_through_a_restart(town):
    town.red()
    good = of(town, "Kari Berg").code
    wrong = [f"{n:04}" for n in range(10) if f"{n:04}" != good][:6]
    said = [say(town, KARI, f"OK {code}") for code in wrong[:5]]
    assert said[:4] == ["Den koden er ikke riktig. Se i meldingen, eller logg inn."] * 4
    assert said[4] == "For mange gale koder. Logg inn, eller ring en kollega."
    town.begin_again()
    assert say(town, KARI, f"OK {good}") is None
    assert town.alarm().state is State.NOTIFIED
    town.clock.advance(seconds=GUESS_NS // 10**9 + 1)
    say(town, KARI, f"OK {good}")
    assert town.alarm().acknowledged_by == "Kari Berg"


def test_two_machines_do_not_talk_to_each_other_for_ever(town):
    assert [say(town, KARI, f"Jeg er på ferie {n}") is not None for n in range(6)] == [True] * 3 + [False] * 3


def test_who_has_been_sent_every_code_there_is_is_told_without_one(town, monkeypatch):
    """Thousands of alarms in one night: a message that waited for a code would let no other by."""
    monkeypatch.setattr("server.notify.keys.DIGITS", 1)
    for _ in range(60):
        town.red()
        town.later(minutes=10)
    sent = [one for one in town.lines["sms"].sent if one.to == "Kari Berg"]
    codes = [one.code for one in sent]
    assert len(sent) > 12
    assert "" in codes[5:12]
    assert all(one.link for one in sent)
    assert town.server.health().problems == []


def test_the_same_message_sent_again_carries_the_same_link_and_code(town):
    """A provider that knows the message's key gets the very same text, and the database holds neither."""

    class Dying:
        def __init__(self) -> None:
            self.seen = []

        def send(self, message):
            self.seen.append(message)
            raise RuntimeError("killed after it was sent")

    town.server.senders["sms"] = dying = Dying()
    town.red()
    town.begin_again()
    town.server.senders["sms"] = dying
    town.later(seconds=11)
    first, again = (one for one in dying.seen if one.to == "Kari Berg")
    assert (first.dedupe, first.link, first.code) == (again.dedupe, again.link, again.code)
    with town.server.db.read() as tx:
        kept = repr(tx.execute(sa.select(outbox)).all()) + repr(tx.execute(sa.text("SELECT * FROM answer_keys")).all())
    assert first.link.rpartition("/")[2] not in kept
    assert f"'{first.code}'" not in kept


def test_an_administrator_is_called_but_finds_somebody_else(town):
    town.red()
    town.later(minutes=6)
    town.later(minutes=11)
    [call] = town.lines["sms"].to("Odd Vik")
    assert (call.link, call.code) == ("", "")


async def test_a_provider_passes_on_a_reply_with_its_secret_and_not_without(town):
    town.red()
    said = {"from": KARI, "text": f"Ok {of(town, 'Kari Berg').code}", "id": "77"}
    async with town.browser(origin=False) as provider:
        assert (await provider.post("/hooks/sms", json=said)).status_code == 401
        wrong = await provider.post("/hooks/sms", json=said, headers={"authorization": "Bearer wrong"})
        assert wrong.status_code == 401
        assert town.alarm().state is State.NOTIFIED
        good = {"authorization": f"Bearer {INBOUND}"}
        for _ in range(2):
            assert (await provider.post("/hooks/sms", data=said, headers=good)).status_code == 200
        assert (await provider.post("/hooks/sms", json={"from": KARI}, headers=good)).status_code == 422
        assert (await provider.post("/hooks/sms", content=b"[1]", headers=good)).status_code == 422
    assert town.alarm().acknowledged_by == "Kari Berg"


async def test_a_provider_reports_on_delivery(town):
    town.red()
    good = {"authorization": f"Bearer {INBOUND}"}
    async with town.browser(origin=False) as provider:
        for status in ("enroute", "delivered"):
            said = {"reference": "r1", "status": status}
            assert (await provider.post("/hooks/receipt", json=said, headers=good)).status_code == 200
    assert list(town.states().values()) == ["delivered", "sent"]


async def test_a_key_pressed_on_a_call_takes_the_alarm_and_another_does_not(town):
    town.way("kari", "voice", KARI)
    town.red()
    [call] = town.lines["voice"].sent
    hook = path_of(call.link).replace("/a/", "/hooks/voice/")
    async with town.browser(origin=False) as telephone:
        other = await telephone.post(hook, json={"digits": "9"})
        assert other.json()["status"] == "open"
        taken = await telephone.post(hook, json={"digits": "1"})
        assert taken.json()["status"] == "taken"
        assert (await telephone.post("/hooks/voice/none", json={"digits": "1"})).json()["status"] == "unknown"
    assert town.alarm().acknowledged_by == "Kari Berg"


async def test_who_has_left_the_staff_answers_no_more(town, tmp_path):
    town.red()
    message = of(town, "Kari Berg")
    text = (tmp_path / "municipality.toml").read_text()
    head, _, tail = text.partition('[[staff]]\nid = "kari"')
    (tmp_path / "municipality.toml").write_text(head + tail[tail.index("[[staff]]") :])
    town.begin_again()
    async with town.browser() as phone:
        await phone.post(path_of(message.link))
    say(town, KARI, f"OK {message.code}")
    assert town.alarm().state is State.NOTIFIED


def test_a_locked_accounts_telephone_is_a_strangers_and_holds_nobody_else_up(town):
    town.red()
    codes = {name: of(town, name).code for name in ("Kari Berg", "Per Dahl")}
    with town.server.db.write() as tx:
        lock(tx, "kari", town.clock.now_ns())
    town.server.heard([("1", KARI, f"OK {codes['Kari Berg']}"), ("2", PER, f"OK {codes['Per Dahl']}")], ())
    assert town.alarm().acknowledged_by == "Per Dahl"
    with town.server.db.read() as tx:
        assert list(tx.execute(sa.select(replies.c.staff, replies.c.did).order_by(replies.c.id))) == [
            (None, "stranger"), ("per", "taken"),
        ]  # fmt: skip
