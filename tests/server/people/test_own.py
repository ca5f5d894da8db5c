"""What a person keeps of their own: filters; and what all see: the last review of a patient."""

import httpx
import pytest
import sqlalchemy as sa

from server.access.door import Door
from server.audit.store import audit
from server.filters.store import MOST
from server.site import build
from vitals.clock import MS

HOME = "http://hjemvakt.test"
MINE = {"organisations": [], "places": ["Rognan"], "programmes": [], "whose": "mine", "text": ""}


@pytest.fixture
async def signed_in(ward, words):
    """`await signed_in("kari")` is a browser of hers."""
    app = build(ward, door=Door(ward.db, secure=False, wall=lambda: 0))
    clients = []

    async def come_in(username):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME, headers={"Origin": HOME})
        clients.append(client)
        assert (
            await client.post("/api/session", json={"username": username, "password": words.password})
        ).status_code == 200
        return client

    yield come_in
    for client in clients:
        await client.aclose()


async def test_another_browser_has_the_same_filters_and_another_person_has_none(signed_in):
    office, home, per = await signed_in("kari"), await signed_in("kari"), await signed_in("per")
    saved = await office.put("/api/filters", json={"name": " Rognan ", "wanted": MINE})
    assert saved.json() == {"saved": [{"name": "Rognan", "wanted": MINE}], "last": None}
    assert (await office.put("/api/filters/last", json=MINE)).status_code == 204
    assert (await home.get("/api/filters")).json() == {"saved": [{"name": "Rognan", "wanted": MINE}], "last": MINE}
    assert (await per.get("/api/filters")).json() == {"saved": [], "last": None}
    await per.delete("/api/filters", params={"name": "Rognan"})
    assert len((await home.get("/api/filters")).json()["saved"]) == 1
    assert (await home.put("/api/filters/last", json=None)).status_code == 204
    await home.delete("/api/filters", params={"name": "Rognan"})
    assert (await office.get("/api/filters")).json() == {"saved": [], "last": None}


async def test_a_name_is_one_filter_and_there_are_not_too_many(signed_in):
    kari = await signed_in("kari")
    for number in range(MOST):
        assert (await kari.put("/api/filters", json={"name": f"f{number:02}", "wanted": MINE})).status_code == 200
    assert (await kari.put("/api/filters", json={"name": "f00", "wanted": {}})).status_code == 200
    refused = await kari.put("/api/filters", json={"name": "one more", "wanted": MINE})
    assert refused.status_code == 409
    assert "remove one" in refused.json()["detail"]
    assert len((await kari.get("/api/filters")).json()["saved"]) == MOST
    assert (await kari.put("/api/filters", json={"name": "  ", "wanted": MINE})).status_code == 422
    assert (await kari.put("/api/filters", json={"name": "x", "wanted": {"whose": "everyone's"}})).status_code == 422


async def test_a_review_stands_in_the_row_with_name_and_time_and_in_the_audit(ward, signed_in):
    kari = await signed_in("kari")
    before = (await kari.get("/api/worklist")).json()["rows"]
    assert {row["reviewed_ms"] for row in before} == {None}
    made = await kari.post("/api/patients/solveig/review")
    assert made.json() == {"t_ms": ward.now_ns // MS, "who": "Kari Olsen"}
    rows = {row["patient"]["id"]: row for row in (await kari.get("/api/worklist")).json()["rows"]}
    assert (rows["solveig"]["reviewed_ms"], rows["solveig"]["reviewed_by"]) == (ward.now_ns // MS, "Kari Olsen")
    assert rows["arne"]["reviewed_ms"] is None
    with ward.db.read() as tx:
        said = sa.select(audit.c.who, audit.c.patient_id).where(audit.c.what == "review")
        assert tx.execute(said).all() == [("kari", "solveig")]
    assert (await kari.post("/api/patients/nobody/review")).status_code == 404
    odd = await signed_in("odd")
    assert (await odd.post("/api/patients/solveig/review")).status_code == 403


async def test_a_page_says_what_it_shows_only_over_a_stream_that_is_open(signed_in):
    kari = await signed_in("kari")
    refused = await kari.put("/api/presence", json={"stream": "0" * 32, "patient_id": "solveig"})
    assert refused.status_code == 409
    unknown = await kari.put("/api/presence", json={"stream": "0" * 32, "patient_id": "nobody"})
    assert unknown.status_code == 404
