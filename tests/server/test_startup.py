"""A new patient's first weeks: their own limits are learned and proposed, and a clinician decides."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from server.audit.store import audit
from server.config import Database as DatabaseConfig
from server.patients.store import patient
from server.startup import store
from tests.server.conftest import spo2
from tests.server.test_orders import SignIn, Ward
from tests.server.test_orders import signed_in as signed_in  # a fixture
from vitals.clock import NS


@pytest.fixture
def ward(tmp_path: Path, database: DatabaseConfig) -> Iterator[Ward]:
    ward = Ward(tmp_path, database)
    yield ward
    ward.server.close()


def live(ward: Ward, days: int, value: float = 93.0) -> None:
    """Every day two readings, one a little lower."""
    for _ in range(days):
        for below in (0, 1):
            ward.clock.advance(hours=12)
            now_ns = ward.clock.now_ns()
            ward.send(spo2(value - below, now_ns), first=now_ns // NS)
        ward.server.tick(ward.clock.now_ns())


def limits(ward: Ward, who: str = "eva") -> dict[str, float]:
    with ward.server.db.read() as tx:
        record = patient(tx, who)
    assert record is not None
    return ward.server.programmes.limits(record.programme, record.limits)


async def page(client: httpx.AsyncClient) -> dict[str, object]:
    answer = await client.get("/api/patients/eva")
    assert answer.status_code == 200
    found: dict[str, object] = answer.json()
    return found


async def decide(client: httpx.AsyncClient, number: object, decision: str, **more: object) -> httpx.Response:
    said = {"decision": decision, **more}
    return await client.post(f"/api/patients/eva/proposals/{number}/decide", json=said)


async def test_after_the_first_weeks_limits_are_proposed_and_nothing_changes_by_itself(
    ward: Ward, signed_in: SignIn
) -> None:
    kari = await signed_in("kari")
    live(ward, 10)
    shown = await page(kari)
    assert shown["proposals"] == []
    assert shown["startup"] is not None
    live(ward, 5)
    shown = await page(kari)
    assert shown["startup"] is None
    (proposal,) = shown["proposals"]  # type: ignore[misc]
    assert (proposal["limit"], proposal["value"], proposal["usual"]) == ("spo2_floor", 89.0, 90.0)
    assert (proposal["median"], proposal["days"], proposal["state"]) == (92.5, 15, "open")
    assert limits(ward)["spo2_floor"] == 90.0
    live(ward, 5)
    assert len((await page(kari))["proposals"]) == 1, "proposed once"  # type: ignore[arg-type]


async def test_what_is_confirmed_holds_over_a_restart_and_is_written_down(ward: Ward, signed_in: SignIn) -> None:
    kari = await signed_in("kari")
    live(ward, 15)
    (proposal,) = (await page(kari))["proposals"]  # type: ignore[misc]
    answer = await decide(kari, proposal["id"], "confirm")
    assert (answer.status_code, answer.json()["state"], answer.json()["decided_by"]) == (200, "confirmed", "Kari")
    assert limits(ward)["spo2_floor"] == 89.0
    ward.begin_again()
    assert limits(ward)["spo2_floor"] == 89.0
    with ward.server.db.read() as tx:
        rows = tx.execute(sa.select(audit.c.who, audit.c.what, audit.c.detail).where(audit.c.what.like("% limit")))
        said = [tuple(row) for row in rows]
    assert said == [
        ("hjemvakt", "propose limit", "spo2_floor 89"),
        ("kari", "confirm limit", "spo2_floor 89 (proposed 89, before 90)"),
    ]


async def test_the_rules_go_by_it_at_once(ward: Ward, signed_in: SignIn) -> None:
    kari = await signed_in("kari")
    live(ward, 15, value=96.0)
    (proposal,) = (await page(kari))["proposals"]  # type: ignore[misc]
    assert (await page(kari))["alarms"] == []
    answer = await decide(kari, proposal["id"], "change", value=97.0, note="på forsøk")
    assert answer.json()["set_to"] == 97.0
    assert (await page(kari))["alarms"] != [], "95 is below a floor of 97"


async def test_it_may_be_changed_within_the_bounds_declined_and_decided_anew(ward: Ward, signed_in: SignIn) -> None:
    kari = await signed_in("kari")
    live(ward, 15)
    (proposal,) = (await page(kari))["proposals"]  # type: ignore[misc]
    number = proposal["id"]
    assert (await decide(kari, number, "change")).status_code == 422
    refused = await decide(kari, number, "change", value=12.0)
    assert refused.status_code == 422
    assert "set it from 40 to 100" in refused.json()["detail"]
    assert limits(ward)["spo2_floor"] == 90.0, "nothing half-applied"
    assert (await decide(kari, number, "decline", note="nei")).json()["state"] == "declined"
    assert limits(ward)["spo2_floor"] == 90.0
    assert (await decide(kari, number, "change", value=88.0, seen="declined")).json()["set_to"] == 88.0
    assert limits(ward)["spo2_floor"] == 88.0
    assert (await decide(kari, number, "decline", seen="changed")).status_code == 200
    assert limits(ward)["spo2_floor"] == 90.0


async def test_the_second_of_two_is_told_who_was_first_and_an_administrator_decides_nothing(
    ward: Ward, signed_in: SignIn
) -> None:
    kari, anne = await signed_in("kari"), await signed_in("anne")
    live(ward, 15)
    (proposal,) = (await page(kari))["proposals"]  # type: ignore[misc]
    assert (await decide(anne, proposal["id"], "confirm")).status_code == 403
    assert (await decide(kari, "99", "confirm")).status_code == 404
    assert (await decide(kari, "x", "confirm")).status_code == 404
    await decide(kari, proposal["id"], "confirm")
    second = await decide(kari, proposal["id"], "decline")
    assert (second.status_code, second.json()["who"]) == (409, "Kari")
    assert limits(ward)["spo2_floor"] == 89.0


async def test_too_little_is_waited_for_and_then_given_up(ward: Ward, signed_in: SignIn) -> None:
    kari = await signed_in("kari")
    ward.tick(hours=24 * 15)
    live(ward, 3)
    shown = await page(kari)
    assert (shown["proposals"], shown["startup"] is None) == ([], False)
    live(ward, 6)
    assert len((await page(kari))["proposals"]) == 1, "when there is enough"  # type: ignore[arg-type]
    ward.tick(hours=24 * 30)
    ward.tick(hours=24 * 2)
    with ward.server.db.read() as tx:
        assert store.due(tx, ward.clock.now_ns(), 10) == [], "and nobody waits for ever"


async def test_what_the_file_sets_is_nobodys_to_learn_and_what_a_programme_has_no_more_is_dropped(
    ward: Ward, signed_in: SignIn
) -> None:
    live(ward, 15)
    file = ward.folder / "municipality.toml"
    text = file.read_text(encoding="utf-8")
    own = 'programme = "copd"\nlimits = { spo2_floor = 87.0 }'
    file.write_text(text.replace('programme = "copd"', own, 1), encoding="utf-8")
    ward.begin_again()
    assert limits(ward)["spo2_floor"] == 87.0
    with ward.server.db.read() as tx:
        assert [one.state for one in store.of_patient(tx, "eva")] == ["withdrawn"]
    file.write_text(text, encoding="utf-8")
    with ward.server.db.write() as tx:
        store.set_learned(tx, "eva", {"spo2_floor": 88.0, "no_such_limit": 1.0})
    ward.begin_again()
    assert limits(ward)["spo2_floor"] == 88.0, "and the server starts"
    kari = await signed_in("kari")
    assert (await page(kari))["proposals"] != [], "what it was stays to be read"


def test_a_bad_finger_teaches_nothing(ward: Ward) -> None:
    for _ in range(15):
        ward.clock.advance(hours=24)
        now_ns = ward.clock.now_ns()
        ward.send(spo2(85.0, now_ns, status=("motion",)), first=now_ns // NS)
        ward.server.tick(now_ns)
    with ward.server.db.read() as tx:
        assert store.of_patient(tx, "eva") == []
