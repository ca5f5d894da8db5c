"""Who may answer, over the web: the nurse on her page, and whoever holds the telephone at home."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from server.config import Config, Web, load
from server.held.home import LINK_S, links
from server.notify.outbox import outbox
from server.notify.sender import Message, Receipt, SendError
from server.site import build
from tests.server.held.conftest import HOME, Bathroom, sign_in, weight
from vitals.clock import NS
from vitals.errors import ConfigError

OSLO = ZoneInfo("Europe/Oslo")


@pytest.fixture
def asked(bathroom: Bathroom) -> Bathroom:
    """A visitor has been on the scale, at about nine in the morning."""
    bathroom.mornings(74.0, 74.2, 73.9)
    bathroom.weigh(54.2)
    return bathroom


def at_home(bathroom: Bathroom) -> datetime:
    return datetime.fromtimestamp(bathroom.now_ns / NS, OSLO)


async def test_a_nurse_answers_on_her_page_and_the_question_goes_away(
    asked: Bathroom, visitor: httpx.AsyncClient
) -> None:
    siri = await sign_in(visitor, "siri")
    rows = (await siri.get("/api/worklist")).json()["rows"]
    assert [row["patient"]["id"] for row in rows] == ["kari", "odd"], "who is asked about comes before the calm"
    (question,) = rows[0]["questions"]
    assert (question["because"], question["usual_kg"], question["values"][0]["value"]) == ("weight", 74.0, 54.2)
    answer = await siri.post("/api/questions/1/answer", json={"said": "not_hers", "version": question["version"]})
    assert (answer.status_code, answer.json()["said_by"], answer.json()["said_from"]) == (200, "Siri Berg", "staff")
    assert (await siri.get("/api/worklist")).json()["rows"][0]["questions"] == []
    (over,) = (await siri.get("/api/patients/kari")).json()["questions"]
    assert (over["said"], over["said_by"]) == ("not_hers", "Siri Berg")
    assert asked.audited() == [("siri", "question 1: not_hers")]


@pytest.mark.parametrize("where", ["page", "home"])
async def test_the_rules_look_at_what_was_filed_before_the_answer_is_answered(
    bathroom: Bathroom, visitor: httpx.AsyncClient, where: str
) -> None:
    bathroom.mornings(74.0, 74.0, 74.0, 74.0)
    bathroom.weigh(81.0)
    bathroom.tick()
    if where == "home":
        assert (await visitor.post(*_press(await visitor.get(bathroom.link()), "me"))).status_code == 303
    else:
        siri = await sign_in(visitor, "siri")
        body = {"said": "hers", "version": bathroom.question().version}
        assert (await siri.post("/api/questions/1/answer", json=body)).status_code == 200
    assert "weight_gain" in bathroom.rules()


async def test_the_second_nurse_gets_a_conflict_that_names_the_first(
    asked: Bathroom, visitor: httpx.AsyncClient
) -> None:
    siri = await sign_in(visitor, "siri")
    body = {"said": "hers", "version": asked.question().version}
    assert (await siri.post("/api/questions/1/answer", json=body)).status_code == 200
    per = await sign_in(visitor, "per")
    late = await per.post("/api/questions/1/answer", json={**body, "said": "not_hers"})
    assert late.status_code == 409
    assert late.json() == {
        "detail": "Siri Berg has answered this question; fetch it to see the answer", "who": "Siri Berg",
    }  # fmt: skip
    assert asked.weights()[-1] == 54.2, "the first answer stands"


async def test_an_answer_to_less_than_there_is_now_is_refused(asked: Bathroom, visitor: httpx.AsyncClient) -> None:
    seen = asked.question().version
    asked.weigh(54.4)
    siri = await sign_in(visitor, "siri")
    late = await siri.post("/api/questions/1/answer", json={"said": "hers", "version": seen})
    assert (late.status_code, late.json()["who"]) == (409, None)
    assert "more was measured" in late.json()["detail"]
    assert asked.weights() == [74.0, 74.2, 73.9]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/questions/7/answer", {"said": "hers", "version": 1}, 404),
        ("/api/questions/x/answer", {"said": "hers", "version": 1}, 404),
        ("/api/questions/1/answer", {"said": "perhaps", "version": 1}, 422),
        ("/api/questions/1/answer", {"said": "hers"}, 422),
    ],
)
async def test_an_answer_that_cannot_be_is_refused(
    asked: Bathroom, visitor: httpx.AsyncClient, path: str, body: dict[str, object], status: int
) -> None:
    siri = await sign_in(visitor, "siri")
    assert (await siri.post(path, json=body)).status_code == status
    assert asked.question()


async def test_an_administrator_sees_neither_the_question_nor_the_message(
    asked: Bathroom, visitor: httpx.AsyncClient
) -> None:
    asked.tick()
    anne = await sign_in(visitor, "anne")
    assert "54.2" not in (await anne.get("/api/worklist")).text
    assert asked.link().split("/")[-1] in (await anne.get("/api/phone")).text, "everybody sees it in a demo"
    asked.server.config = asked.config = _without_demo(asked)
    assert {one["role"] for one in (await anne.get("/api/phone")).json()} == {"nurse"}


def test_the_home_is_asked_by_a_message_without_name_and_number(asked: Bathroom) -> None:
    asked.tick()
    (text,) = asked.phones()
    said, link = text.rsplit(" ", 1)
    assert said == "Hjemvakt har et spørsmål om en måling i dag:"
    assert link.startswith(f"{HOME}/q/")
    token = link.rsplit("/", 1)[1]
    assert len(token) >= 43
    with asked.server.db.read() as tx:
        kept = "".join(map(repr, [*tx.execute(sa.select(outbox)), *tx.execute(sa.select(links))]))
    assert token not in kept, "only its hash is kept"
    asked.begin_again()
    asked.tick(minutes=1)
    assert len(asked.phones()) == 1


def test_outside_a_demo_the_table_of_the_fake_phone_keeps_no_key(asked: Bathroom) -> None:
    asked.config = _without_demo(asked)
    asked.begin_again()
    asked.tick()
    assert asked.phones() == ["Hjemvakt har et spørsmål om en måling i dag:"]


def test_a_home_is_asked_once_a_day_at_most(asked: Bathroom) -> None:
    asked.tick(minutes=1)
    asked.weigh(31.0)
    asked.tick(hours=8)
    assert (len(asked.phones()), len(asked.questions())) == (1, 2)
    asked.tick(hours=16)
    assert len(asked.phones()) == 2, "the other question, the next day"


def test_at_night_the_message_waits_for_the_morning(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0)
    bathroom.tick(hours=12, minutes=5)
    assert at_home(bathroom).hour == 21
    bathroom.weigh(54.2)
    for _ in range(40):
        bathroom.tick(minutes=15)
    assert at_home(bathroom).hour == 7
    assert bathroom.phones() == []
    for _ in range(4):
        bathroom.tick(minutes=15)
    assert at_home(bathroom).hour == 8
    assert [text.split(":")[0] for text in bathroom.phones()] == ["Hjemvakt har et spørsmål om en måling"], (
        "yesterday's"
    )


def test_a_message_that_could_not_be_sent_in_the_evening_is_not_tried_at_night(bathroom: Bathroom) -> None:
    tried: list[int] = []

    class Line:
        """It is down."""

        def send(self, message: Message) -> Receipt:
            if message.role == "patient":
                tried.append(at_home(bathroom).hour)
            raise SendError("the line is down", "wait")

    bathroom.server.senders["sms"] = Line()
    bathroom.mornings(74.0, 74.0)
    bathroom.tick(hours=11, minutes=50)
    bathroom.weigh(54.2)
    bathroom.tick()
    for _ in range(12 * 12):
        bathroom.tick(minutes=5)
    assert set(tried) == {20, 8}, "and it is given up after as many attempts as any other message"


def test_nobody_is_asked_about_what_is_long_ago(bathroom: Bathroom) -> None:
    bathroom.mornings(*[74.0] * 5)
    bathroom.hear(weight(54.2, bathroom.now_ns - 3 * 86_400 * NS, "stored"))
    bathroom.tick(minutes=1)
    assert bathroom.question()
    assert bathroom.phones() == []


def test_without_a_number_or_an_address_nobody_is_asked_and_the_question_stays(tmp_path: Path) -> None:
    nameless = Bathroom(tmp_path, Web())
    nameless.mornings(74.0, 74.0)
    nameless.weigh(54.2)
    nameless.mornings(74.0)
    for patient, scale in (("kari", "scale"), ("odd", "odds-scale")):
        nameless.weigh(80.0, 50.0, device=scale)
        nameless.tick(minutes=1)
        assert nameless.questions(patient)
    assert nameless.phones() == nameless.phones("Odd") == []
    nameless.server.close()


def test_once_answered_nothing_more_is_sent(asked: Bathroom) -> None:
    asked.server.decide(asked.now_ns)  # queued
    asked.says("not_hers")
    asked.tick(minutes=1)
    assert asked.phones() == []


async def test_me_files_it_and_the_nurse_sees_who_said_so(asked: Bathroom, visitor: httpx.AsyncClient) -> None:
    asked.tick(minutes=1)
    page = await visitor.get(asked.link())
    assert page.status_code == 200
    assert "Var det du som brukte badevekten?" in page.text
    assert "kl. 09." in page.text
    for secret in ("Kari", "Testesen", "54,2", "74,0", " kg"):
        assert secret not in page.text.replace("kl. ", "")
    answer = await visitor.post(*_press(page, "me"))
    assert answer.status_code == 303
    assert asked.weights()[-1] == 54.2
    after = await visitor.get(answer.headers["location"])
    assert (after.status_code, "Takk for svaret" in after.text) == (200, True)
    assert asked.audited() == [("home", "question 1: hers")]
    siri = await sign_in(visitor, "siri")
    (over,) = (await siri.get("/api/patients/kari")).json()["questions"]
    assert (over["said"], over["said_from"], over["said_by"]) == ("hers", "home", "home")


async def test_somebody_else_keeps_it_out(asked: Bathroom, visitor: httpx.AsyncClient) -> None:
    asked.tick(minutes=1)
    assert (await visitor.post(*_press(await visitor.get(asked.link()), "other"))).status_code == 303
    assert asked.weights() == [74.0, 74.2, 73.9]
    assert asked.questions() == []


async def test_a_home_that_does_not_know_leaves_it_to_the_nurse(asked: Bathroom, visitor: httpx.AsyncClient) -> None:
    asked.tick(minutes=1)
    assert (await visitor.post(*_press(await visitor.get(asked.link()), "unknown"))).status_code == 303
    assert asked.question().home_unknown_ns == asked.now_ns
    assert asked.audited() == [("home", "question 1: does not know")]
    siri = await sign_in(visitor, "siri")
    version = asked.question().version
    assert (
        await siri.post("/api/questions/1/answer", json={"said": "not_hers", "version": version})
    ).status_code == 200


async def test_a_link_is_good_for_one_answer(asked: Bathroom, visitor: httpx.AsyncClient) -> None:
    asked.tick(minutes=1)
    press = _press(await visitor.get(asked.link()), "unknown")
    assert (await visitor.post(*press)).status_code == 303
    for again in (await visitor.post(*press), await visitor.get(asked.link())):
        assert (again.status_code, "Lenken virker ikke lenger" in again.text) == (410, True)
    assert len(asked.audited()) == 1


async def test_looking_at_it_uses_nothing_up(asked: Bathroom, visitor: httpx.AsyncClient) -> None:
    """A telephone may look at a link before its owner does."""
    asked.tick(minutes=1)
    for _ in range(3):
        assert (await visitor.get(asked.link())).status_code == 200
    assert asked.question()


async def test_a_link_is_worth_nothing_after_a_day_nor_once_a_nurse_has_answered(
    asked: Bathroom, visitor: httpx.AsyncClient
) -> None:
    asked.tick(minutes=1)
    page = await visitor.get(asked.link())
    asked.clock.advance(seconds=LINK_S - 1)
    assert (await visitor.get(asked.link())).status_code == 200
    asked.clock.advance(seconds=1)
    assert (await visitor.get(asked.link())).status_code == 410
    assert (await visitor.post(*_press(page, "me"))).status_code == 410
    assert asked.weights() == [74.0, 74.2, 73.9]


async def test_a_nurses_answer_closes_the_link(asked: Bathroom, visitor: httpx.AsyncClient) -> None:
    asked.tick(minutes=1)
    page = await visitor.get(asked.link())
    asked.says("not_hers")
    assert (await visitor.get(asked.link())).status_code == 410
    assert (await visitor.post(*_press(page, "me"))).status_code == 410
    assert asked.weights() == [74.0, 74.2, 73.9]


async def test_what_was_measured_meanwhile_is_shown_before_it_is_answered(
    asked: Bathroom, visitor: httpx.AsyncClient
) -> None:
    asked.tick(minutes=1)
    page = await visitor.get(asked.link())
    asked.weigh(54.3)
    again = await visitor.post(*_press(page, "me"))
    assert (again.status_code, again.text.count("<li>")) == (409, 2)
    assert "Det er kommet en måling til" in again.text
    assert asked.weights() == [74.0, 74.2, 73.9]
    assert (await visitor.post(*_press(again, "me"))).status_code == 303
    assert asked.weights()[-2:] == [54.2, 54.3]


@pytest.mark.parametrize("token", ["x", "A" * 43, "..%2f..", "%00"])
async def test_a_made_up_link_opens_nothing(asked: Bathroom, visitor: httpx.AsyncClient, token: str) -> None:
    asked.tick(minutes=1)
    assert (await visitor.get(f"/q/{token}")).status_code in (404, 410)
    assert (await visitor.post(f"/q/{token}?said=me&version=1")).status_code in (404, 405, 410)
    assert asked.question()


async def test_only_the_page_itself_can_answer(asked: Bathroom, visitor: httpx.AsyncClient) -> None:
    asked.tick(minutes=1)
    url, *_ = _press(await visitor.get(asked.link()), "me")
    for origin in ("https://evil.test", "null"):
        assert (await visitor.post(url, headers={"Origin": origin})).status_code == 403
    assert asked.question()


async def test_the_page_is_kept_by_nobody_and_may_load_nothing_from_elsewhere(
    asked: Bathroom, visitor: httpx.AsyncClient
) -> None:
    asked.tick(minutes=1)
    for path in (asked.link(), "/q/nothing"):
        headers = (await visitor.get(path)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin", "a form without one says it comes from nowhere"
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "set-cookie" not in headers
    style = await visitor.get("/q/page.css")
    assert (style.status_code, style.headers["content-type"].split(";")[0]) == (200, "text/css")


@pytest.mark.parametrize(
    ("accepted", "says"),
    [
        ("en-GB,en;q=0.9,nb;q=0.8", "Was it you who used the scale?"),
        ("nn-NO,nn;q=0.9,en;q=0.8", "Var det du"),
        ("de", "Var det du"),
        ("", "Var det du"),
    ],
)
async def test_it_speaks_the_browsers_language(
    asked: Bathroom, visitor: httpx.AsyncClient, accepted: str, says: str
) -> None:
    asked.tick(minutes=1)
    assert says in (await visitor.get(asked.link(), headers={"Accept-Language": accepted})).text
    assert "Was it you" in (await visitor.get(f"{asked.link()}?lang=en")).text


@pytest.mark.parametrize(
    ("line", "about"),
    [
        ('time_zone = "Europe/Olso"', "no time zone 'Europe/Olso'"),
        ('[web]\naddress = "hjemvakt.no/q"', "is no address"),
        ('[web]\naddress = "https://hjemvakt.no/staff"', "is no address"),
    ],
)
def test_a_zone_or_an_address_that_cannot_be_is_told_at_the_start(tmp_path: Path, line: str, about: str) -> None:
    file = tmp_path / "server.toml"
    file.write_text(f'name = "x"\n{line}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=about):
        load(file)


def _press(page: httpx.Response, button: str) -> tuple[str]:
    """Where that button of the page leads."""
    start = page.text.index(f'said={button}">')
    url = page.text[page.text.rindex('formaction="', 0, start) + len('formaction="') : start] + f"said={button}"
    return (url.replace("&amp;", "&"),)


def _without_demo(bathroom: Bathroom) -> Config:
    return msgspec.structs.replace(bathroom.config, demo=False)


def test_the_app_has_no_route_of_the_home_in_the_contract_of_the_staff(bathroom: Bathroom) -> None:
    assert not [path for path in build(bathroom.server).openapi()["paths"] if path.startswith("/q")]
