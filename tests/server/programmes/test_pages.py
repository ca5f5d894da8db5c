"""The routes of the programmes, as the administrators of two municipalities and everybody else use them."""

from typing import Any

import pytest

from server.audit.store import audit
from server.patients.programmes import OURS, load
from tests.server.access.conftest import Comes, Region, comes, town_region
from tests.waiting import until

__all__ = ["comes", "town_region"]  # fixtures

COPD = (OURS / "copd.toml").read_text(encoding="utf-8")
VERSION = load(None).of("copd").version
NEXT = COPD.replace(f'version = "{VERSION}"', 'version = "9"').replace("spo2_floor = 90", "spo2_floor = 86")
WRITES = {
    "/api/programmes/copd/check": {"text": NEXT},
    "/api/programmes/copd/in-force": {"text": NEXT, "seen": 1, "reason": "fewer calls"},
    "/api/whatif": {"programme": "copd", "days": 7, "text": NEXT},
    "/api/whatif/stop": {},
}


def deeds(town: Region) -> list[tuple[str, str]]:
    with town.server.db.read() as tx:
        rows = tx.execute(audit.select().order_by(audit.c.id)).all()
    return [(row.who, row.detail) for row in rows if row.what in ("put programme in force", "try programme")]


async def test_every_programme_is_listed_with_what_it_says_and_whom_you_may_see_in_it(
    town_region: Region, comes: Comes
) -> None:
    for who, patients in (("odd", 1), ("bente", 1)):
        client = await comes(who)
        lines = {one["name"]: one for one in (await client.get("/api/programmes")).json()}
        assert lines.keys() == set(town_region.server.programmes.names)
        assert lines["copd"] | {"since_ms": 0} == {
            "name": "copd", "title": {"nb": "KOLS", "en": "COPD"}, "version": VERSION, "since_ms": 0, "put_by": "",
            "rules": 12, "limits": 4, "expect": 1, "ask": 4, "actions": 3, "patients": patients,
        }  # fmt: skip


async def test_only_administrators_look_and_only_those_who_keep_the_system_change(
    town_region: Region, comes: Comes
) -> None:
    for who in ("kari", "ingrid", "bente"):
        client = await comes(who)
        for path, body in WRITES.items():
            assert (await client.post(path, json=body)).status_code == 403, (who, path)
    kari = await comes("kari")
    for path in ("/api/programmes", "/api/programmes/copd", "/api/whatif"):
        assert (await kari.get(path)).status_code == 403
    bente = await comes("bente")
    assert (await bente.get("/api/programmes/copd")).json()["may_put"] is False
    assert town_region.server.programmes.of("copd").version == VERSION
    assert deeds(town_region) == []


async def test_a_version_is_checked_put_in_force_and_put_back_and_the_audit_has_all_of_it(
    town_region: Region, comes: Comes
) -> None:
    odd = await comes("odd")
    before = (await odd.get("/api/programmes/copd")).json()
    checked = (await odd.post("/api/programmes/copd/check", json={"text": NEXT})).json()
    limits = {one["name"]: one["value"] for one in checked["version"]["limits"]}
    assert (limits["spo2_floor"], checked["limits_dropped"]) == (86, 0)
    assert (await odd.get("/api/programmes/copd")).json() == before, "nothing is kept of a check"
    said: dict[str, Any] = {"seen": before["seen"], "reason": "fewer calls", "text": NEXT}
    after = (await odd.post("/api/programmes/copd/in-force", json=said)).json()
    assert [one["version"] for one in after["versions"]] == ["9", VERSION]
    assert after["versions"][0]["text"] == NEXT
    first = await odd.post("/api/programmes/copd/in-force", json=said)
    assert (first.status_code, first.json()["who"]) == (409, "Odd Berg")
    back = {"seen": after["seen"], "reason": "it missed one", "digest": before["digest"]}
    again = (await odd.post("/api/programmes/copd/in-force", json=back)).json()
    assert (again["digest"], [one["reason"] for one in again["history"]]) == (
        before["digest"], ["it missed one", "fewer calls", ""],
    )  # fmt: skip
    assert [(who, detail.split(" (")[0], detail.split(": ")[1]) for who, detail in deeds(town_region)] == [
        ("odd", f"copd {VERSION} to 9", "fewer calls"), ("odd", f"copd 9 to {VERSION}", "it missed one"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"text": NEXT.replace("spo2_floor =", "spo2_flor =")}, "no rule of the programme has a limit 'spo2_flor'"),
        ({"text": "x ="}, "copd.toml is not TOML"),
        ({"digest": "0" * 16}, "no version of 'copd' has the digest '0000000000000000'; choose one that is listed"),
        ({}, "it is not said which version; send its text, or the digest of one there has been"),
        ({"text": NEXT, "reason": "x"}, "reason: "),
    ],
)  # fmt: skip
async def test_what_cannot_come_in_force_is_refused_with_the_mend(
    town_region: Region, comes: Comes, body: dict[str, str], why: str
) -> None:
    odd = await comes("odd")
    seen = (await odd.get("/api/programmes/copd")).json()["seen"]
    answer = await odd.post("/api/programmes/copd/in-force", json={"seen": seen, "reason": "because", **body})
    assert answer.status_code == 422
    assert why in answer.json()["detail"]
    assert town_region.server.programmes.of("copd").version == VERSION


async def test_a_programme_that_is_not_there_is_not_found(town_region: Region, comes: Comes) -> None:
    odd = await comes("odd")
    answer = await odd.get("/api/programmes/kols")
    assert (answer.status_code, answer.json()["detail"].split(";")[0]) == (404, "there is no programme 'kols'")


async def test_a_what_if_is_begun_looked_at_and_is_seen_in_the_audit(town_region: Region, comes: Comes) -> None:
    odd = await comes("odd")
    assert (await odd.get("/api/whatif")).json() is None
    begun = await odd.post("/api/whatif", json={"programme": "copd", "days": 7, "text": NEXT})
    assert (begun.status_code, begun.json()["by"], begun.json()["against"]) == (200, "Odd Berg", VERSION)
    trials = town_region.app.state.trials
    until(lambda: trials.newest().state not in ("gathering", "running"))
    over = (await odd.get("/api/whatif")).json()
    assert over["state"] == "failed", "nothing was ever measured in this town"
    assert over["problem"].startswith("there are no readings in the last 7 days of who follows 'copd'")
    assert [(who, detail.split(" (")[0]) for who, detail in deeds(town_region)] == [("odd", "copd 9")]
