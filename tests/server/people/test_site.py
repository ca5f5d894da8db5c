"""The web: who may come in, what they may do, and what they are told when they may not."""

import asyncio
import contextlib
import hashlib
import json
import sqlite3

import httpx
import pytest
import sqlalchemy as sa

from server.access.door import Door
from server.access.passwords import in_line
from server.access.store import account
from server.alarms.model import To
from server.audit.store import audit
from server.cases import store as cases
from server.cases.model import Sbar
from server.fleet import store as fleet
from server.fleet.quarantine import Unfiled, set_aside
from server.held.store import held
from server.municipality import Gateway, Municipality
from server.readings.store import Occurrence, Reading, keep, keep_events
from server.site import build
from vitals.alarm import Kind, Level
from vitals.clock import MS, NS

HOME = "http://hjemvakt.test"
HERE = {"Origin": HOME}


@pytest.fixture
def wall():
    return [0]


@pytest.fixture
def dist(tmp_path):
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>the page</title>")
    (folder / "assets" / "app-1234.js").write_text("let built = true")
    (tmp_path / "secret.txt").write_text("not for the web")
    return folder


@pytest.fixture
def app(ward, wall, dist):
    return build(ward, door=Door(ward.db, secure=False, wall=lambda: wall[0]), dist=dist)


@pytest.fixture
async def visitor(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME, headers=HERE) as client:
        yield client


@pytest.fixture
async def signed_in(app, words):
    """`await signed_in("kari")` is a browser with her session."""
    clients = []

    async def come_in(username):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME, headers=HERE)
        clients.append(client)
        answer = await client.post("/api/session", json={"username": username, "password": words.password})
        assert answer.status_code == 200, answer.text
        return client

    yield come_in
    for client in clients:
        await client.aclose()


CLOSE = {"action": "phoned_patient", "outcome": "resolved_at_home", "usefulness": 4, "note": ""}
BODIES = {"close": CLOSE, "decide": {"decision": "confirm"}}
ROUTES = [
    ("GET", "/api/session"),
    ("DELETE", "/api/session"),
    ("GET", "/api/worklist"),
    ("GET", "/api/stream"),
    ("GET", "/api/patients/solveig"),
    ("GET", "/api/patients/solveig/readings?channel=spo2"),
    ("GET", "/api/patients/solveig/readings/latest?channel=spo2"),
    ("POST", "/api/patients/solveig/readings/invalidate"),
    ("POST", "/api/patients/solveig/readings/reinstate"),
    ("GET", "/api/patients/solveig/dispenser"),
    ("GET", "/api/patients/solveig/orders"),
    ("POST", "/api/patients/solveig/orders"),
    ("POST", "/api/patients/solveig/orders/d05e/look"),
    ("POST", "/api/patients/solveig/proposals/1/decide"),
    ("GET", "/api/alarms/1"),
    ("GET", "/api/alarms/1/explanation"),
    ("POST", "/api/alarms/1/acknowledge"),
    ("POST", "/api/alarms/1/escalate"),
    ("POST", "/api/alarms/1/close"),
    ("POST", "/api/alarms/1/undo"),
    ("POST", "/api/alarms/1/assess"),
    ("POST", "/api/alarms/1/snooze"),
    ("POST", "/api/alarms/1/hand-over"),
    ("POST", "/api/alarms/1/reopen"),
    ("POST", "/api/alarms/1/send"),
    ("GET", "/api/alarms/1/recipients"),
    ("GET", "/api/alarms/1/sbar"),
    ("GET", "/api/cases"),
    ("GET", "/api/cases/1"),
    ("POST", "/api/cases/1/open"),
    ("POST", "/api/cases/1/answer"),
    ("POST", "/api/cases/1/read"),
    ("POST", "/api/questions/1/answer"),
    ("GET", "/api/phone"),
    ("GET", "/api/fleet"),
    ("POST", "/api/fleet/gw-1/code"),
    ("POST", "/api/fleet/gw-1/revoke"),
    ("GET", "/api/fleet/holders"),
    ("GET", "/api/fleet/devices/cuff/holders"),
    ("POST", "/api/fleet/devices/cuff/give"),
    ("POST", "/api/fleet/devices/cuff/take-back"),
    ("GET", "/api/filters"),
    ("PUT", "/api/filters"),
    ("DELETE", "/api/filters?name=x"),
    ("PUT", "/api/filters/last"),
    ("PUT", "/api/presence"),
    ("POST", "/api/patients/solveig/review"),
    ("GET", "/api/quarantine"),
    ("GET", "/api/gateways/home-01/config"),
    ("PUT", "/api/gateways/home-01/config"),
    ("GET", "/api/oncall"),
    ("GET", "/api/oncall/at?t_ms=1"),
    ("PUT", "/api/rosters/pleie"),
    ("GET", "/api/rosters/pleie/history"),
    ("POST", "/api/rosters/pleie/overrides"),
    ("POST", "/api/rosters/pleie/overrides/0ver/end"),
    ("POST", "/api/rosters/pleie/swaps"),
    ("POST", "/api/rosters/pleie/swaps/5wap/answer"),
    ("GET", "/api/ladders"),
    ("PUT", "/api/ladders"),
    ("GET", "/api/ladders/history"),
    ("POST", "/api/ladders/preview"),
    ("GET", "/api/programmes"),
    ("GET", "/api/programmes/c0pd"),
    ("POST", "/api/programmes/c0pd/check"),
    ("POST", "/api/programmes/c0pd/in-force"),
    ("GET", "/api/whatif"),
    ("POST", "/api/whatif"),
    ("POST", "/api/whatif/stop"),
    ("GET", "/api/handover/pleie"),
    ("POST", "/api/handover/pleie/notes"),
    ("GET", "/api/reports"),
    ("GET", "/api/reports/f1le"),
    ("GET", "/api/patients/solveig/missed"),
    ("POST", "/api/patients/solveig/missed"),
    ("POST", "/api/patients/solveig/missed/m155/undo"),
    ("GET", "/api/patients/solveig/audit"),
    ("GET", "/api/patients/solveig/bound"),
    ("GET", "/api/me/security"),
    ("GET", "/api/me/glass"),
    ("POST", "/api/me/second-step"),
    ("POST", "/api/me/second-step/confirm"),
    ("POST", "/api/me/second-step/remove"),
    ("DELETE", "/api/me/sessions"),
    ("DELETE", "/api/me/sessions/ab12"),
    ("GET", "/api/people"),
    ("GET", "/api/people/per/sessions"),
    ("POST", "/api/people/per/lock"),
    ("POST", "/api/people/per/unlock"),
    ("POST", "/api/people/per/sign-out"),
    ("POST", "/api/people/per/second-step/reset"),
    ("POST", "/api/relations"),
    ("POST", "/api/relations/1/end"),
    ("GET", "/api/glass"),
    ("POST", "/api/glass"),
    ("POST", "/api/glass/1/end"),
    ("POST", "/api/glass/1/review"),
    ("GET", "/api/me/ways"),
    ("POST", "/api/me/ways"),
    ("PUT", "/api/me/ways/1"),
    ("DELETE", "/api/me/ways/1"),
    ("POST", "/api/me/ways/1/code"),
    ("POST", "/api/me/ways/1/confirm"),
    ("POST", "/api/me/ways/1/test"),
]
PUBLIC = {
    ("GET", "/api/about"), ("GET", "/api/health"), ("POST", "/api/session"), ("GET", "/api/session/oidc"),
    ("GET", "/api/session/oidc/back"), ("GET", "/api/session/oidc/out"),
}  # fmt: skip


def body(path):
    """Something that is meant, where the route asks for anything."""
    return next((said for end, said in BODIES.items() if path.endswith(end)), {})


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_comes_in_without_a_session(visitor, method, path):
    answer = await visitor.request(method, path, json=body(path) if method in ("POST", "PUT") else None)
    assert answer.status_code == 401
    assert "sign in" in answer.json()["detail"]


@pytest.mark.parametrize("cookie", ["", "x", "x" * 43])
async def test_nor_with_a_made_up_one(visitor, cookie):
    answer = await visitor.get("/api/worklist", headers={"Cookie": f"hjemvakt_session={cookie}"})
    assert answer.status_code == 401


async def test_every_route_is_in_one_of_the_lists(app):
    names = [
        path.split("?")[0].replace("solveig", "{patient_id}").replace("questions/1", "questions/{question_id}")
        .replace("cases/1", "cases/{case_id}")
        .replace("proposals/1", "proposals/{proposal_id}").replace("ways/1", "ways/{way_id}")
        .replace("people/per", "people/{username}")
        .replace("sessions/ab12", "sessions/{session}").replace("relations/1", "relations/{relation_id}")
        .replace("glass/1", "glass/{glass_id}").replace("cuff", "{device}")
        .replace("pleie", "{roster_id}").replace("0ver", "{override_id}").replace("5wap", "{swap_id}")
        .replace("f1le", "{name}").replace("m155", "{missed_id}").replace("d05e", "{order_id}")
        .replace("c0pd", "{programme}")
        .replace("home-01", "{gateway_id}").replace("gw-1", "{gateway}")
        .replace("/1", "/{alarm_id}")
        for _, path in ROUTES
    ]  # fmt: skip
    listed = {(method, name) for (method, _), name in zip(ROUTES, names, strict=True)}
    described = {(method.upper(), path) for path, ways in app.openapi()["paths"].items() for method in ways}
    assert described == listed | PUBLIC


async def test_every_route_is_fully_described(app):
    contract = app.openapi()
    assert "HTTPValidationError" not in json.dumps(contract), "422 has the shape of every other error"
    for path, ways in contract["paths"].items():
        for route in ways.values():
            assert route["tags"], path
            assert "_" not in route["operationId"], route["operationId"]
            assert route["description"], path
            if path not in {"/api/stream", "/api/reports/{name}"} and not route["responses"].keys() & {"204", "303"}:
                assert route["responses"]["200"]["content"]["application/json"]["schema"], path


async def test_who_answers_and_how_it_does_is_public(visitor, ward):
    about = (await visitor.get("/api/about")).json()
    assert (about["demo"], about["speed"], about["now_ms"]) == (True, 1.0, ward.now_ns // MS)
    assert (await visitor.get("/api/health")).json()["status"] == "ok"


async def test_signing_in_and_out(visitor, words):
    answer = await visitor.post("/api/session", json={"username": "kari", "password": words.password})
    assert answer.json() == {"id": "kari", "name": "Kari Olsen", "role": "nurse"}
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    kept = visitor.cookies["hjemvakt_session"]
    assert (await visitor.get("/api/session")).json()["id"] == "kari"
    assert (await visitor.delete("/api/session")).status_code == 204
    again = await visitor.get("/api/session", headers={"Cookie": f"hjemvakt_session={kept}"})
    assert again.status_code == 401, "a stolen cookie is worth nothing after signing out"


async def test_behind_tls_the_cookie_is_bound_to_the_host(ward, words):
    app = build(ward, door=Door(ward.db, secure=True))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="https://hjemvakt.test",
        headers={"Origin": "https://hjemvakt.test"},
    ) as client:
        answer = await client.post("/api/session", json={"username": "kari", "password": words.password})
        assert answer.headers["set-cookie"].startswith("__Host-hjemvakt_session=")
        assert "; Secure" in answer.headers["set-cookie"]
        assert (await client.get("/api/session")).status_code == 200


async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(visitor):
    answers = [
        await visitor.post("/api/session", json={"username": name, "password": "wrong"}) for name in ("kari", "nobody")
    ]
    assert [one.status_code for one in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    assert "set-cookie" not in answers[0].headers


async def test_after_five_wrong_passwords_even_the_right_one_waits(visitor, wall, words):
    for _ in range(5):
        await visitor.post("/api/session", json={"username": "kari", "password": "wrong"})
    right = {"username": "kari", "password": words.password}
    refused = await visitor.post("/api/session", json=right)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "301"
    assert "try again in" in refused.json()["detail"]
    wall[0] = 301 * NS
    assert (await visitor.post("/api/session", json=right)).status_code == 200


async def test_a_session_that_is_used_lives_and_one_that_is_not_ends(signed_in, wall):
    kari = await signed_in("kari")
    wall[0] = 7 * 3600 * NS
    assert (await kari.get("/api/session")).status_code == 200
    wall[0] = 11 * 3600 * NS
    assert (await kari.get("/api/session")).status_code == 200
    wall[0] = 12 * 3600 * NS
    assert (await kari.get("/api/session")).status_code == 401


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://hjemvakt.test.evil.test", HOME + ":8081"])
async def test_nothing_is_changed_from_another_origin(ward, signed_in, origin):
    ward.hear(Level.HIGH)
    kari = await signed_in("kari")
    answer = await kari.post("/api/alarms/1/acknowledge", json={}, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "refused" in answer.json()["detail"]
    assert ward.alarm().state == "notified"
    assert (await kari.get("/api/stream", headers={"Origin": origin})).status_code == 403


async def test_nor_from_nowhere(ward, signed_in):
    ward.hear(Level.HIGH)
    kari = await signed_in("kari")
    del kari.headers["Origin"]
    assert (await kari.post("/api/alarms/1/acknowledge", json={})).status_code == 403
    assert (await kari.delete("/api/session")).status_code == 403
    assert (await kari.get("/api/worklist")).status_code == 200


@pytest.mark.parametrize(
    ("who", "method", "path"),
    [
        ("kari", "GET", "/api/quarantine"),
        ("ingrid", "GET", "/api/quarantine"),
        ("kari", "GET", "/api/gateways/home-01/config"),
        ("ingrid", "PUT", "/api/gateways/home-01/config"),
        ("odd", "GET", "/api/patients/solveig"),
        ("odd", "GET", "/api/patients/solveig/readings?channel=spo2"),
        ("odd", "GET", "/api/patients/solveig/readings/latest?channel=spo2"),
        ("odd", "POST", "/api/patients/solveig/readings/invalidate"),
        ("odd", "POST", "/api/patients/solveig/readings/reinstate"),
        ("odd", "GET", "/api/patients/solveig/dispenser"),
        ("odd", "GET", "/api/patients/solveig/orders"),
        ("odd", "POST", "/api/patients/solveig/orders"),
        ("odd", "GET", "/api/alarms/1"),
        ("odd", "POST", "/api/alarms/1/acknowledge"),
        ("odd", "POST", "/api/alarms/1/escalate"),
        ("odd", "POST", "/api/alarms/1/close"),
        ("odd", "POST", "/api/alarms/1/undo"),
        ("odd", "GET", "/api/alarms/1/recipients"),
        ("odd", "GET", "/api/alarms/1/sbar"),
        ("odd", "GET", "/api/cases"),
        ("odd", "GET", "/api/cases/1"),
        ("odd", "POST", "/api/cases/1/open"),
        ("odd", "POST", "/api/cases/1/read"),
        ("odd", "POST", "/api/patients/solveig/proposals/1/decide"),
        ("odd", "POST", "/api/questions/1/answer"),
        ("odd", "POST", "/api/glass"),
        ("kari", "GET", "/api/glass"),
        ("kari", "GET", "/api/people"),
        ("ingrid", "POST", "/api/people/per/lock"),
        ("ingrid", "POST", "/api/relations"),
    ],
)
async def test_what_a_role_may_not(ward, signed_in, who, method, path):
    ward.hear(Level.HIGH)
    with ward.db.write() as tx:
        fleet.apply(tx, Municipality("Saltdal", gateways=(Gateway("home-01", "Rognan", None, "solveig"),)), ward.now_ns)
        asked = {"id": 1, "patient_id": "solveig", "device": "scale", "because": "weight", "opened_ns": 0, "version": 1}
        tx.execute(held.insert().values(asked))
        kari, note = account(tx, "kari"), Sbar("s", "b", "a", "r")
        cases.send(tx, ward.alarm(1), kari, To("doctor"), note, "nb", {"nb": note}, ward.now_ns)
    before = ward.alarm()
    client = await signed_in(who)
    answer = await client.request(method, path, json=body(path) if method in ("POST", "PUT") else None)
    assert answer.status_code == 403
    assert "ask" in answer.json()["detail"]
    assert ward.alarm() == before


async def test_phones_are_for_administrators_outside_a_demo(ward, words, signed_in):
    ward.hear(Level.HIGH)
    kari, odd = await signed_in("kari"), await signed_in("odd")
    assert [one["to"] for one in (await kari.get("/api/phone")).json()] == ["Kari Olsen", "Per Hansen"]
    assert [one["to"] for one in (await kari.get("/api/phone?after_id=1")).json()] == ["Per Hansen"]
    ward.config = words.replace(ward.config, demo=False)
    assert (await kari.get("/api/phone")).status_code == 403
    assert len((await odd.get("/api/phone")).json()) == 2


async def test_an_administrator_acts_on_technical_alarms(ward, signed_in):
    ward.hear(Level.LOW, kind=Kind.TECHNICAL)
    odd = await signed_in("odd")
    assert (await odd.post("/api/alarms/1/acknowledge", json={})).json()["actions"][:2] == ["assess", "close"]


async def test_an_administrator_sees_who_has_an_alarm_but_not_what_was_measured(ward, signed_in):
    measured(ward, "spo2", 84.0)
    ward.hear(Level.HIGH)
    odd, kari = await signed_in("odd"), await signed_in("kari")
    theirs = (await odd.get("/api/worklist")).json()["rows"][0]
    assert (theirs["patient"]["name"], theirs["priority"], theirs["clinical"]["state"]) == (
        "Solveig Nilsen",
        "high",
        "notified",
    )
    assert (theirs["latest"], theirs["news2"], theirs["clinical"]["reasons"]) == ([], None, [])
    ours = (await kari.get("/api/worklist")).json()["rows"][0]
    assert ours["latest"][0]["value"] == 84
    assert ours["clinical"]["reasons"][0]["rule"] == "spo2_floor"


async def test_the_story_of_an_alarm_over_the_web(ward, signed_in):
    ward.hear(Level.HIGH)
    kari, per = await signed_in("kari"), await signed_in("per")
    early = await kari.post("/api/alarms/1/close", json=CLOSE)
    assert (early.status_code, early.json()["who"], early.json()["state"]) == (409, None, "notified")
    assert "acknowledge it first" in early.json()["detail"]

    mine = (await kari.post("/api/alarms/1/acknowledge", json={"note": "I phone her"})).json()
    assert (mine["state"], mine["acknowledged_by"], mine["actions"]) == (
        "acknowledged",
        "Kari Olsen",
        ["assess", "close", "snooze", "hand_over", "escalate", "undo"],
    )
    assert mine["acknowledge_expires_ms"] == ward.now_ns // MS + 3_600_000
    assert (mine["next_step_ms"], mine["next_step_to"]) == (None, None)
    assert mine["timeline"][-1]["text"]["en"] == "Kari Olsen has it, for 1 h – I phone her"

    late = await per.post("/api/alarms/1/acknowledge", json={})
    assert late.status_code == 409
    assert late.json() == {
        "detail": "Kari Olsen acknowledged this alarm first; speak with Kari Olsen, or let Kari Olsen finish",
        "who": "Kari Olsen",
        "state": "acknowledged",
        "t_ms": None,
        "found": [],
    }

    done = (await per.post("/api/alarms/1/close", json=CLOSE)).json()
    assert (done["state"], done["outcome"], done["usefulness"], done["actions"]) == (
        "closed",
        "resolved_at_home",
        4,
        ["reopen"],
    )
    assert (await kari.post("/api/alarms/1/escalate", json={})).status_code == 409
    assert (await kari.get("/api/worklist")).json()["rows"][0]["clinical"] is None

    with ward.db.read() as tx:
        written = [(row.who, row.what, row.patient_id) for row in tx.execute(sa.select(audit).order_by(audit.c.id))]
    assert [one for one in written if one[2] == "solveig"] == [
        ("kari", "acknowledge", "solveig"),
        ("per", "close", "solveig"),
    ]


async def test_escalating_tells_the_doctor(ward, signed_in):
    ward.hear(Level.HIGH)
    kari = await signed_in("kari")
    answer = (await kari.post("/api/alarms/1/escalate", json={"note": "come"})).json()
    assert (answer["told"], answer["next_step_to"]) == (["Kari Olsen", "Per Hansen", "Ingrid Dahl"], "administrator")


async def test_every_look_at_a_patient_is_written_once(ward, signed_in):
    ward.hear(Level.HIGH)
    kari = await signed_in("kari")
    for _ in range(3):
        await kari.get("/api/patients/solveig")
        await kari.get("/api/patients/solveig/readings?channel=spo2")
        await kari.get("/api/alarms/1")
    ward.clock.advance(minutes=16)
    await kari.get("/api/patients/solveig")
    with ward.db.read() as tx:
        seen = [(row.who, row.what) for row in tx.execute(sa.select(audit).where(audit.c.patient_id == "solveig"))]
    assert seen == [("kari", "see patient"), ("kari", "see readings"), ("kari", "see alarm"), ("kari", "see patient")]


@pytest.mark.parametrize(
    ("path", "said", "about"),
    [
        ("close", {**CLOSE, "usefulness": 6}, "usefulness"),
        ("close", {**CLOSE, "usefulness": 0}, "usefulness"),
        ("close", {**CLOSE, "outcome": "cured"}, "outcome"),
        ("close", {}, "action"),
        ("acknowledge", {"notes": "typing error"}, "notes"),
        ("acknowledge", {"note": "x" * 2001}, "note"),
        ("acknowledge", [], "body"),
    ],
)
async def test_what_cannot_be_meant_is_refused_in_words(ward, signed_in, path, said, about):
    ward.hear(Level.HIGH)
    kari = await signed_in("kari")
    answer = await kari.post(f"/api/alarms/1/{path}", json=said)
    assert answer.status_code == 422
    assert about in answer.json()["detail"]
    assert "correct it" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/patients/nobody", 404),
        ("/api/patients/nobody/readings?channel=spo2", 404),
        ("/api/patients/nobody/readings/latest?channel=spo2", 404),
        ("/api/patients/solveig/readings/latest?channel=mood", 422),
        ("/api/patients/nobody/dispenser", 404),
        ("/api/alarms/99", 404),
        ("/api/alarms/one", 404),
        ("/api/alarms/99999999999999999999999999", 404),
        ("/api/nothing", 404),
        ("/api", 404),
        ("/api/patients/solveig/readings?channel=mood", 422),
        ("/api/patients/solveig/readings", 422),
        ("/api/patients/solveig/readings?channel=spo2&from_ms=x", 422),
        ("/api/patients/solveig/readings?channel=spo2&from_ms=-1", 422),
        ("/api/patients/solveig/readings?channel=spo2&from_ms=2&to_ms=1", 422),
        ("/api/patients/solveig/readings?channel=spo2&to_ms=1e400", 422),
        ("/api/phone?after_id=99999999999999999999", 422),
    ],
)
async def test_what_is_not_there_says_so(signed_in, path, status):
    kari = await signed_in("kari")
    answer = await kari.get(path)
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}
    assert len(answer.json()["detail"]) > 20


async def test_a_body_without_end_is_refused_before_it_is_read(visitor):
    async def endless():
        yield b"{"
        raise AssertionError("it was read")

    assert (await visitor.post("/api/session", content=endless())).status_code == 411
    long = await visitor.post("/api/session", content=b" " * 70_000)
    assert long.status_code == 413
    assert "65536" in long.json()["detail"]


def measured(ward, channel, value, *, ago_h=0.0, decimals=0, patient="solveig", status=()):
    t_ns = ward.now_ns - round(ago_h * 3600) * NS
    identity = hashlib.blake2b(f"{patient}{channel}{t_ns}".encode(), digest_size=16).digest()
    reading = Reading(patient, channel, t_ns, identity, value, decimals, status, "ox-1", None, None, t_ns)
    with ward.db.write() as tx:
        keep(tx, [reading], ward.now_ns)


@pytest.mark.parametrize(("status", "total"), [(("motion",), 3), ((), 6)])
async def test_the_score_that_is_shown_is_made_of_nothing_that_the_device_doubts(ward, signed_in, status, total):
    """A finger that moves would be three points more, of which no rule knows."""
    measured(ward, "resp_rate", 26.0)
    measured(ward, "spo2", 84.0, status=status)
    page = (await (await signed_in("kari")).get("/api/patients/solveig")).json()
    assert page["news2"]["total"] == total
    assert ("spo2" in page["news2"]["lacks"]) == bool(status)


async def test_the_patients_page(ward, signed_in):
    measured(ward, "spo2", 91.0, ago_h=24)
    measured(ward, "spo2", 84.0)
    measured(ward, "weight", 82.4, decimals=1, ago_h=40)
    ward.hear(Level.HIGH)
    kari = await signed_in("kari")
    page = (await kari.get("/api/patients/solveig")).json()
    assert (page["patient"]["programme"], page["phone"], page["conditions"]) == (
        {"nb": "KOLS", "en": "COPD"},
        "75000001",
        ["COPD"],
    )
    spo2, weight = page["latest"]
    assert (spo2["value"], spo2["low"], spo2["trend"], spo2["stale"], spo2["unit"]) == (84, 90, -7, False, "%")
    assert (weight["value"], weight["stale"], weight["trend"]) == (82.4, True, None)
    assert page["news2"]["lacks"] == ["resp_rate", "oxygen_flow", "bp_sys", "pulse_rate", "consciousness", "body_temp"]
    assert (page["news2"]["total"], page["news2"]["single_red"]) == (3, True)
    assert page["alarms"][0]["state"] == "notified"
    assert (page["gateway"], page["gateway_online"], page["devices"]) == (None, None, [])

    readings = (await kari.get("/api/patients/solveig/readings?channel=spo2")).json()
    assert (readings["value"], readings["good"], readings["low"]) == ([91, 84], [True, True], 90)
    since = ward.now_ns // MS - 1000
    assert (await kari.get(f"/api/patients/solveig/readings?channel=spo2&from_ms={since}")).json()["value"] == [84]
    nothing = (await kari.get("/api/patients/arne/readings?channel=glucose")).json()
    assert (nothing["t_ms"], nothing["decimals"], nothing["low"]) == ([], 0, None)


async def test_old_alarms_follow_the_open_ones(ward, signed_in):
    for level in (Level.LOW, Level.MEDIUM, Level.HIGH):
        ward.hear(level)
        if level is not Level.HIGH:
            ward.acknowledge("Kari Olsen")
            ward.close("Kari Olsen")
            ward.clock.advance(hours=9)
    kari = await signed_in("kari")
    alarms = (await kari.get("/api/patients/solveig")).json()["alarms"]
    assert [(one["id"], one["state"]) for one in alarms] == [("3", "notified"), ("2", "closed"), ("1", "closed")]


async def test_the_worklist_is_ordered_by_priority_then_by_who_has_waited_longest(ward, signed_in):
    kari = await signed_in("kari")
    assert [row["patient"]["id"] for row in (await kari.get("/api/worklist")).json()["rows"]] == ["arne", "solveig"]
    ward.hear(Level.MEDIUM, patient="arne")
    ward.clock.advance(minutes=1)
    ward.hear(Level.MEDIUM)
    ward.hub.patient_changed("arne")
    ward.hub.patient_changed("solveig")
    ward.hub.drain()
    list_ = (await kari.get("/api/worklist")).json()
    assert [row["patient"]["id"] for row in list_["rows"]] == ["arne", "solveig"]
    ward.hear(Level.HIGH)
    ward.hub.patient_changed("solveig")
    ward.hub.drain()
    newer = (await kari.get("/api/worklist")).json()
    assert [row["patient"]["id"] for row in newer["rows"]] == ["solveig", "arne"]
    assert newer["version"] > list_["version"]


async def test_quarantine_shows_the_bytes(ward, signed_in):
    with ward.db.write() as tx:
        set_aside(tx, [Unfiled("g1", "ox-1", "does not parse", "Batch does not parse", b"\x01\xff")], ward.now_ns)
    odd = await signed_in("odd")
    (row,) = (await odd.get("/api/quarantine")).json()
    assert (row["gateway"], row["size"], row["data_hex"]) == ("g1", 2, "01ff")
    assert (await odd.get("/api/fleet")).json() == []


async def test_the_page_and_its_files(visitor):
    for path in ("/", "/patient/solveig", "/phone", "/fleet"):
        answer = await visitor.get(path)
        assert (answer.status_code, answer.text) == (200, "<title>the page</title>")
        assert answer.headers["cache-control"] == "no-cache"
    built = await visitor.get("/assets/app-1234.js")
    assert (built.text, "immutable" in built.headers["cache-control"]) == ("let built = true", True)
    assert (await visitor.get("/assets/app-0000.js")).status_code == 404


async def test_what_the_page_is_made_of_travels_packed_to_whoever_unpacks_it(visitor):
    for path, accepts, packed in (
        ("/assets/app-1234.js", "gzip, br", "gzip"),
        ("/assets/app-1234.js", "identity", None),
        ("/", "gzip", None),
        ("/api/about", "gzip", None),  # what is told of patients is not squeezed together with what somebody asked
    ):
        answer = await visitor.get(path, headers={"Accept-Encoding": accepts})
        assert answer.headers.get("content-encoding") == packed, (path, accepts)
    built = await visitor.get("/assets/app-1234.js", headers={"Accept-Encoding": "gzip"})
    assert (built.text, built.headers["vary"]) == ("let built = true", "accept-encoding")
    assert built.headers["content-type"].startswith("text/javascript")
    assert "immutable" in built.headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/%2fetc/hostname.txt"]
)
async def test_no_file_outside_the_page_is_served(visitor, path):
    answer = await visitor.get(path)
    assert answer.status_code == 404
    assert "not for the web" not in answer.text


async def test_a_page_that_is_not_built_says_how_to_build_it(ward, tmp_path):
    app = build(ward, dist=tmp_path / "nothing")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME) as client:
        answer = await client.get("/")
    assert answer.status_code == 503
    assert "npm run build" in answer.text


@pytest.mark.parametrize("path", ["/", "/api/about", "/api/worklist", "/api/nothing", "/assets/app-1234.js"])
async def test_every_answer_has_the_guards_headers(visitor, path):
    headers = (await visitor.get(path)).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    if path.startswith("/api"):
        assert headers["cache-control"] == "no-store"


async def test_no_documentation_is_fetched_from_elsewhere(visitor):
    for path in ("/docs", "/redoc"):
        assert (await visitor.get(path)).text == "<title>the page</title>"


async def test_of_two_nurses_who_press_in_the_same_moment_exactly_one_is_first(ward, signed_in):
    kari, per = await signed_in("kari"), await signed_in("per")
    for number in range(1, 6):
        ward.hear(Level.HIGH)
        answers = await asyncio.gather(
            *(client.post(f"/api/alarms/{number}/acknowledge", json={}) for client in (kari, per))
        )
        assert sorted(one.status_code for one in answers) == [200, 409]
        (won,), (lost,) = ([one.json() for one in answers if one.status_code == code] for code in (200, 409))
        assert lost["who"] == won["acknowledged_by"] == ward.alarm().acknowledged_by
        ward.close("Kari Olsen")
        ward.clock.advance(hours=2)


@pytest.mark.parametrize("path", ["/%00", f"/{'a' * 5000}", "/assets/%00.js", "/%2e%2e/secret.txt%00"])
async def test_a_name_that_no_file_can_have_is_no_mistake_of_ours(visitor, path):
    answer = await visitor.get(path)
    assert answer.status_code in (200, 404)
    assert "not for the web" not in answer.text


async def test_an_origin_that_is_no_address_is_refused(visitor):
    answer = await visitor.get("/api/about", headers={"Origin": "http://["})
    assert answer.status_code == 403


async def test_our_own_mistake_says_nothing_of_itself_and_has_the_headers_too(visitor, ward, caplog):
    def health():
        raise ZeroDivisionError("secret")

    ward.health = health
    answer = await visitor.get("/api/health")
    assert (answer.status_code, answer.headers["cache-control"]) == (500, "no-store")
    assert "frame-ancestors" in answer.headers["content-security-policy"]
    assert "secret" not in answer.text
    assert "a request failed" in caplog.text


async def test_whoever_asks_while_the_disk_is_full_is_told_so_and_whom_to_call(visitor, ward):
    def health():
        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorname = "SQLITE_FULL"
        raise sa.exc.OperationalError("INSERT", {}, full)

    ward.health = health
    answer = await visitor.get("/api/health")
    assert answer.status_code == 503
    assert "the disk is full: make room on it; tell an administrator" in answer.json()["detail"]


async def test_nothing_inline_and_nothing_from_elsewhere_may_run_on_the_page(visitor):
    policy = (await visitor.get("/")).headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "data:" not in policy


async def test_a_crowd_at_the_door_is_sent_away_and_keeps_no_thread_waiting(visitor, words):
    said = {"username": "kari", "password": words.password}
    with contextlib.ExitStack() as crowd:
        for _ in range(8):
            crowd.enter_context(in_line())
        answer = await visitor.post("/api/session", json=said)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert (await visitor.post("/api/session", json=said)).status_code == 200


async def test_an_event_with_a_dose_of_no_number_is_shown_all_the_same(ward, signed_in):
    happened = Occurrence(
        "solveig",
        ward.now_ns,
        bytes(16),
        "dispenser.missed",
        {"dose_id": "x"},
        "dispenser.missed",
        0.0,
        "d",
        None,
        None,
        0,
    )
    with ward.db.write() as tx:
        keep_events(tx, [happened], ward.now_ns)
    kari = await signed_in("kari")
    (shown,) = (await kari.get("/api/patients/solveig/dispenser")).json()
    assert (shown["kind"], shown["dose_id"]) == ("missed", 0)
