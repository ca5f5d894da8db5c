"""Being viewed by …: known for as long as a stream is open, told to those who care for patients, and to nobody else."""

import asyncio
import json

from server.access.scopes import EVERYBODY, Scope
from server.live import event as events
from server.notify.api import PhoneMessage
from server.presence.model import Presence, Viewer
from tests.stream import told

KARI, PER = Viewer("Kari Olsen", "kari"), Viewer("Per Hansen", "per")
KARI_SEEN, PER_SEEN = {"id": "kari", "name": "Kari Olsen"}, {"id": "per", "name": "Per Hansen"}


class Tab:
    """A browser's tab: its live stream, read an event at a time."""

    def __init__(self, hub, viewer, role="nurse", scope=EVERYBODY):
        self._hub, self._viewer, self.scope = hub, viewer, scope
        self._pieces = hub.stream(role, None, lambda: self.scope, viewer)
        self._events = []

    async def hello(self):
        hello = await self.next("hello")
        self.stream = hello["stream"]
        return hello

    async def next(self, *names):
        async with asyncio.timeout(10):
            while True:
                while not self._events:
                    self._events = told(await anext(self._pieces))
                event = self._events.pop(0)
                if event["event"] in names:
                    return json.loads(event["data"])

    def looks_at(self, patient_id):
        heard = self._hub.presence.looks_at(self.stream, self._viewer.id, patient_id)
        self._hub.drain()
        return heard

    async def close(self):
        await self._pieces.aclose()
        self._hub.drain()


async def test_who_opens_a_page_is_seen_by_the_others_until_the_tab_is_closed(ward):
    kari, per = Tab(ward.hub, KARI), Tab(ward.hub, PER)
    for tab in (kari, per):
        assert (await tab.hello())["viewing"] == {}
    assert kari.looks_at("solveig")
    assert await per.next("viewed") == {"patient_id": "solveig", "viewers": [KARI_SEEN]}
    assert kari.looks_at("arne")
    told = [await per.next("viewed") for _ in range(2)]
    assert {one["patient_id"]: one["viewers"] for one in told} == {"solveig": [], "arne": [KARI_SEEN]}
    late = Tab(ward.hub, PER)
    assert (await late.hello())["viewing"] == {"arne": [KARI_SEEN]}, "who comes later is told how it stands"
    await kari.close()
    assert await per.next("viewed") == {"patient_id": "arne", "viewers": []}
    for tab in (per, late):
        await tab.close()


async def test_an_administrator_is_not_told_who_looks_at_whom(ward):
    kari = Tab(ward.hub, KARI)
    await kari.hello()
    assert kari.looks_at("solveig")
    odd = Tab(ward.hub, None, "administrator")
    assert (await odd.hello())["viewing"] == {}
    assert kari.looks_at("arne")
    ward.hub.patient_changed("solveig")
    ward.hub.worklist("administrator")
    ward.hub.phone(ward_phone := _message())
    ward.hub.drain()
    assert (await odd.next("viewed", "phone"))["id"] == ward_phone.id, "the next it hears is the phone"
    for tab in (kari, odd):
        await tab.close()


def _message():
    return PhoneMessage(id=7, t_ms=0, to="Kari Olsen", role="nurse", channel="sms", text="RED", alarm_id=None)


async def test_who_looks_at_whom_is_told_to_those_who_may_see_the_patient(ward):
    kari, per = Tab(ward.hub, KARI), Tab(ward.hub, PER, scope=Scope(frozenset({"arne"})))
    for tab in (kari, per):
        await tab.hello()
    assert kari.looks_at("solveig")
    late = Tab(ward.hub, PER, scope=Scope(frozenset({"arne"})))
    assert (await late.hello())["viewing"] == {}
    assert kari.looks_at("arne")
    for tab in (per, late):
        assert await tab.next("viewed", "viewing") == {"patient_id": "arne", "viewers": [KARI_SEEN]}
    for tab in (kari, per, late):
        await tab.close()


async def test_whoever_may_see_the_patient_no_longer_is_not_told_and_looks_no_more(ward):
    counts = [0]
    ward.hub._counted = lambda: counts[0]
    kari, per = Tab(ward.hub, KARI), Tab(ward.hub, PER)
    for tab in (kari, per):
        await tab.hello()
    assert per.looks_at("solveig")
    assert await kari.next("viewed") == {"patient_id": "solveig", "viewers": [PER_SEEN]}
    await per.next("viewed")
    counts[0], per.scope, kari.scope = 1, Scope(frozenset({"arne"}), count=1), Scope(None, count=1)
    assert kari.looks_at("solveig")
    assert await per.next("viewed", "viewing") == {"viewing": {}}
    ward.hub.drain()
    told_kari = [await kari.next("viewed") for _ in range(2)]
    assert [one["viewers"] for one in told_kari] == [[KARI_SEEN, PER_SEEN], [KARI_SEEN]]
    for tab in (kari, per):
        await tab.close()


async def test_whoever_fell_behind_is_told_how_it_stands(ward, monkeypatch):
    monkeypatch.setattr(events, "QUEUE", 5)
    kari, per = Tab(ward.hub, KARI), Tab(ward.hub, PER)
    for tab in (kari, per):
        await tab.hello()
    assert kari.looks_at("solveig")
    for _ in range(5):
        ward.hub.patient_changed("solveig")
        ward.hub.drain()
    await per.next("resync")
    assert await per.next("viewing") == {"viewing": {"solveig": [KARI_SEEN]}}
    for tab in (kari, per):
        await tab.close()


def test_nobody_says_what_another_persons_stream_shows():
    changed = []
    presence = Presence(changed.append)
    presence.came("a", KARI)
    assert not presence.looks_at("a", "per", "solveig")
    assert not presence.looks_at("b", "kari", "solveig")
    assert changed == []


def test_two_tabs_of_one_person_are_one_viewer_and_the_last_to_close_ends_it():
    changed = []
    presence = Presence(changed.append)
    for tab in ("a", "b"):
        presence.came(tab, KARI)
        assert presence.looks_at(tab, "kari", "solveig")
    presence.came("c", PER)
    assert presence.looks_at("c", "per", "solveig")
    presence.left("a")
    assert presence.everybody() == {"solveig": [KARI, PER]}
    presence.left("b")
    assert presence.of("solveig") == [PER]
    presence.left("c")
    assert set(changed) == {"solveig"}
    assert presence.everybody() == {}
