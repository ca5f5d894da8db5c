"""Who sees whom, when: organisations, relations with a beginning and an end, and the screens open meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from server.access import organisations
from server.access.filter import sees
from server.access.scopes import Scopes
from server.access.store import account
from server.live import Hub
from tests.stream import told
from vitals.clock import NS

from .conftest import STAFF, Comes, Region, region

HOUR_NS = 3600 * NS


def seen(town: Region, who: str) -> set[str]:
    """Whom that account sees now, one by one and as a whole: the same."""
    with town.server.db.read() as tx:
        person = account(tx, who)
        assert person is not None
        scope = town.app.state.scopes.of(tx, person)
        alone = {one for one in ("solveig", "arne") if sees(tx, person, one, town.clock.now_ns())}
    whole = {one for one in ("solveig", "arne") if one in scope}
    assert whole == alone
    return alone


def relate(town: Region, patient: str, until_ns: int | None = None, **whom: str) -> int:
    with town.write() as tx:
        now_ns = town.clock.now_ns()
        return organisations.relate(
            tx, patient, purpose="consultation", from_ns=now_ns, until_ns=until_ns, made_by="a test", **whom
        )


def test_everybody_sees_their_own_organisations_and_a_specialist_nobody(town_region: Region) -> None:
    assert {who: seen(town_region, who) for who in STAFF} == {
        "kari": {"solveig"}, "ingrid": {"solveig"}, "odd": {"solveig"},
        "berit": {"arne"}, "bjarne": {"arne"}, "bente": {"arne"}, "siri": set(), "hege": set(),
    }  # fmt: skip


def test_a_relation_of_an_organisation_binds_its_carers_and_not_its_administrator(town_region: Region) -> None:
    relate(town_region, "solveig", organisation="bodo")
    assert seen(town_region, "berit") == {"solveig", "arne"}
    assert seen(town_region, "bente") == {"arne"}, "an administrator has nothing to do with another's patient"
    assert seen(town_region, "siri") == set()


def test_a_case_sent_to_a_specialist_is_hers_until_it_is_done(town_region: Region) -> None:
    number = relate(town_region, "solveig", staff="siri")
    assert (seen(town_region, "siri"), seen(town_region, "hege")) == ({"solveig"}, set())
    with town_region.write() as tx:
        ended = organisations.end(tx, number, town_region.clock.now_ns(), "Siri Hov")
        assert ended is not None
        assert organisations.end(tx, number, town_region.clock.now_ns(), "Siri Hov") is None
    assert seen(town_region, "siri") == set()


def test_a_relation_begins_and_ends_by_the_clock(town_region: Region) -> None:
    begins = datetime.fromtimestamp(town_region.clock.now_ns() / NS, UTC) + timedelta(hours=1)
    related = {"patient": "solveig", "organisation": "nlsh", "purpose": "treatment", "from": begins,
               "to": begins + timedelta(hours=1)}  # fmt: skip
    town_region.reconfigured(relations=[related])
    town_region.site()
    assert seen(town_region, "siri") == set()
    town_region.clock.advance(hours=1)
    assert seen(town_region, "siri") == {"solveig"}
    town_region.clock.advance(minutes=59, seconds=59)
    assert seen(town_region, "siri") == {"solveig"}
    town_region.clock.advance(seconds=1)
    assert seen(town_region, "siri") == set()


def test_a_relation_that_leaves_the_file_ends(town_region: Region) -> None:
    related = {"patient": "solveig", "staff": "siri", "purpose": "treatment"}
    for _ in range(2):
        town_region.reconfigured(relations=[related])
        town_region.site()
        assert seen(town_region, "siri") == {"solveig"}
    town_region.reconfigured()
    town_region.site()
    assert seen(town_region, "siri") == set()


def test_one_organisation_is_everybody_and_needs_no_list(town_region: Region) -> None:
    with town_region.server.db.read() as tx:
        kari = account(tx, "kari")
        assert kari is not None
        assert Scopes(town_region.clock.now_ns).of(tx, kari).patients == {"solveig"}
    alone = region()
    del alone["organisations"]
    for one in (*alone["patients"], *alone["staff"]):
        one.pop("organisation", None)
    town_region.reconfigured(**alone | {"organisations": []})
    with town_region.server.db.read() as tx:
        kari = account(tx, "kari")
        assert kari is not None
        scope = Scopes(town_region.clock.now_ns).of(tx, kari)
    assert (scope.patients, scope.keeps) == (None, True)


def test_whoever_changes_their_work_place_is_signed_out(town_region: Region) -> None:
    staff = region()["staff"]
    staff[0]["organisation"] = "bodo"
    town_region.reconfigured(staff=staff)
    town_region.site()
    assert seen(town_region, "kari") == {"arne"}


class Screen:
    """An open stream of somebody's, and what it showed."""

    def __init__(self, town: Region, who: str) -> None:
        hub: Hub = town.server.hub

        def ask() -> Any:
            with town.server.db.read() as tx:
                person = account(tx, who)
                return person and town.app.state.scopes.of(tx, person)

        self._pieces: AsyncIterator[bytes] = hub.stream(STAFF[who][1], None, ask)  # type: ignore[arg-type]
        self._events: list[dict[str, str]] = []

    async def next(self) -> tuple[str, Any]:
        async with asyncio.timeout(20):
            while True:
                while not self._events:
                    self._events = told(await anext(self._pieces))
                event = self._events.pop(0)
                if event["event"] != "beat":
                    return event["event"], json.loads(event["data"])

    async def close(self) -> None:
        await self._pieces.aclose()  # type: ignore[attr-defined]


async def names(client: httpx.AsyncClient) -> set[str]:
    return {row["patient"]["id"] for row in (await client.get("/api/worklist")).json()["rows"]}


async def test_a_stream_shows_ones_own_and_nothing_of_anothers(town_region: Region) -> None:
    hub = town_region.server.hub
    hub.drain()
    screen = Screen(town_region, "berit")
    assert (await screen.next())[0] == "hello"
    town_region.alarm("solveig")
    hub.drain()
    town_region.alarm("arne")
    hub.drain()
    name, row = await screen.next()
    assert (name, row["patient"]["id"]) == ("row", "arne")
    assert await screen.next() == ("patient", {"patient_id": "arne"})
    await screen.close()


async def test_a_screen_fetches_anew_when_it_may_see_another_and_again_when_it_may_not(
    town_region: Region, comes: Comes
) -> None:
    siri = await comes("siri")
    hub = town_region.server.hub
    hub.drain()
    screen = Screen(town_region, "siri")
    assert (await screen.next())[0] == "hello"
    assert await names(siri) == set()
    relate(town_region, "solveig", until_ns=town_region.clock.now_ns() + HOUR_NS, staff="siri")
    town_region.alarm("solveig")
    hub.drain()
    while (await screen.next())[0] != "resync":
        pytest.fail("the screen must be told to fetch anew before anything else")
    assert await names(siri) == {"solveig"}
    town_region.alarm("solveig")
    hub.drain()
    assert (await screen.next())[1] == {"patient_id": "solveig"}
    town_region.clock.advance(hours=1)
    town_region.alarm("solveig")
    hub.drain()
    assert (await screen.next())[0] == "resync", "the hour is over: nothing more of hers"
    assert await names(siri) == set()
    await screen.close()
