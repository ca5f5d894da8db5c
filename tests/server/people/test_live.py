"""Live updates: what changed reaches every screen, once, and nothing is silently left out."""

import asyncio
import contextlib
import json
import logging
import socket
import threading

import httpx
import pytest
import uvicorn

from server.access.scopes import EVERYBODY
from server.live import board, pump, screens
from server.live import event as events
from server.live.event import Both
from server.live.hub import Hub
from server.live.screens import News
from server.site import build
from server.worklist import Rows
from tests.stream import told
from vitals.alarm import Level
from vitals.clock import MS


class Screen:
    """One open stream, read an event at a time."""

    def __init__(self, hub, role="nurse", last=None, allowed=lambda: EVERYBODY):
        self._pieces = hub.stream(role, last, allowed)
        self._events = []
        self.last = None

    async def next(self):
        """(name, data) of the next event that is not a beat."""
        async with asyncio.timeout(10):
            while True:
                while not self._events:
                    self._events = told(await anext(self._pieces))
                event = self._events.pop(0)
                self.last = event.get("id", self.last)
                if event["event"] != "beat":
                    return event["event"], json.loads(event["data"])

    async def close(self):
        await self._pieces.aclose()


@contextlib.asynccontextmanager
async def open_screen(hub, *args, **more):
    screen = Screen(hub, *args, **more)
    try:
        hello = await screen.next()
        assert hello[0] == "hello"
        yield screen
    finally:
        await screen.close()


def changes(ward, count=1):
    """`count` changes of Solveig's page, each drained by itself."""
    for _ in range(count):
        ward.hub.patient_changed("solveig")
        ward.hub.drain()


async def test_an_alarm_reaches_two_screens(ward):
    ward.hub.worklist("nurse")
    async with open_screen(ward.hub) as one, open_screen(ward.hub, "doctor") as other:
        ward.hear(Level.HIGH)
        ward.hub.patient_changed("solveig")
        ward.hub.drain()
        for screen in (one, other):
            name, row = await screen.next()
            assert (name, row["patient"]["id"], row["priority"]) == ("row", "solveig", "high")
            assert await screen.next() == ("patient", {"patient_id": "solveig"})
            assert [(await screen.next())[1]["to"] for _ in range(2)] == ["Kari Olsen", "Per Hansen"]


async def test_hello_says_what_time_it_is_there(ward):
    screen = Screen(ward.hub)
    name, hello = await screen.next()
    said = {"epoch": ward.hub.screens.epoch, "now_ms": ward.now_ns // MS, "deaf": False, "speed": 1.0, "viewing": {}}
    assert len(hello.pop("stream")) == 32, "what the page calls this stream by"
    assert (name, hello) == ("hello", said)
    await screen.close()


async def test_a_hundred_readings_of_one_patient_are_one_row(ward):
    ward.hub.worklist("nurse")
    ward.hear(Level.HIGH)
    for _ in range(100):
        ward.hub.patient_changed("solveig")
    assert [event.name for event in ward.hub.drain()] == ["row", "patient", "phone", "phone"]
    assert ward.hub.drain() == []


async def test_a_row_that_is_the_same_is_not_sent_again(ward):
    ward.hub.worklist("nurse")
    ward.hub.patient_changed("solveig")
    assert [event.name for event in ward.hub.drain()] == ["patient"]


async def test_a_screen_that_was_away_gets_what_it_missed_and_nothing_twice(ward):
    async with open_screen(ward.hub) as screen:
        changes(ward)
        await screen.next()
        last = screen.last
    changes(ward, 3)
    async with open_screen(ward.hub, last=last) as screen:
        assert [(await screen.next())[0] for _ in range(3)] == ["patient"] * 3
        ward.hub.patient_changed("arne")
        ward.hub.drain()
        assert await screen.next() == ("patient", {"patient_id": "arne"})


async def test_a_screen_cut_in_the_middle_of_what_it_missed_goes_on_from_there(ward):
    async with open_screen(ward.hub) as screen:
        start = screen.last
    changes(ward, 3)
    async with open_screen(ward.hub, last=start) as screen:
        assert screen.last == start, "hello must not skip what is still to be replayed"
        await screen.next()
        middle = screen.last
    async with open_screen(ward.hub, last=middle) as screen:
        assert [await screen.next() for _ in range(2)] == [("patient", {"patient_id": "solveig"})] * 2
        assert screen.last == f"{ward.hub.screens.epoch}-{ward.hub.screens._n}"


@pytest.mark.parametrize("last", ["0123456789ab-3", "nonsense", "", "{epoch}-999", "{epoch}-x", "{epoch}--1"])
async def test_an_unknown_last_event_means_fetch_everything_anew(ward, last):
    changes(ward, 3)
    async with open_screen(ward.hub, last=last.format(epoch=ward.hub.screens.epoch)) as screen:
        assert await screen.next() == ("resync", {})
        changes(ward)
        assert (await screen.next())[0] == "patient"


async def test_and_so_does_one_that_is_too_old(ward, monkeypatch):
    monkeypatch.setattr(screens, "RING", 5)
    hub = Hub(Rows(ward.db, ward.programmes, ward.clock), ward.clock)
    for _ in range(10):
        hub.patient_changed("solveig")
        hub.drain()
    async with open_screen(hub, last=f"{hub.screens.epoch}-4") as screen:
        assert (await screen.next())[0] == "resync"
    async with open_screen(hub, last=f"{hub.screens.epoch}-5") as screen:
        assert [(await screen.next())[0] for _ in range(5)] == ["patient"] * 5


async def test_a_screen_that_reads_too_slowly_is_told_to_fetch_everything_anew(ward, monkeypatch):
    monkeypatch.setattr(events, "QUEUE", 5)
    async with open_screen(ward.hub) as slow, open_screen(ward.hub) as quick:
        changes(ward, 5)
        assert [(await quick.next())[0] for _ in range(5)] == ["patient"] * 5
        changes(ward)
        assert await slow.next() == ("resync", {})
        assert (await quick.next())[0] == "patient"
        changes(ward)
        assert (await slow.next())[0] == "patient"
        assert slow.last == f"{ward.hub.screens.epoch}-{ward.hub.screens._n}"


async def test_a_screen_that_has_gone_is_forgotten(ward):
    async with open_screen(ward.hub):
        assert len(ward.hub.screens._clients) == 1
    assert len(ward.hub.screens._clients) == 0


async def test_what_came_together_goes_out_together(ward):
    pieces = ward.hub.stream("nurse", None, lambda: EVERYBODY)
    await anext(pieces)
    changes(ward, 3)
    events = told(await anext(pieces))
    epoch = ward.hub.screens.epoch
    assert [(one["event"], one["id"]) for one in events] == [("patient", f"{epoch}-{n}") for n in (1, 2, 3)]
    await pieces.aclose()


async def test_however_much_happens_a_screen_and_the_pump_are_called_once(ward):
    """Each call writes a byte into the loop's pipe: a full one loses the signal by which the server is stopped."""
    calls, loop = [], asyncio.get_running_loop()
    async with open_screen(ward.hub) as screen, pumping(ward.hub):
        await asyncio.sleep(0)
        assert ward.hub._pump.running, "it has begun"
        real = loop.call_soon_threadsafe
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "call_soon_threadsafe", lambda *given: calls.append(given) or real(*given))
            for _ in range(100):
                ward.hub.patient_changed("solveig")
                ward.hub.screens.tell([News("patient", Both(b"{}", b"{}"))])
            assert len(calls) == 2
        assert (await screen.next())[0] == "patient"


async def test_an_administrators_screen_gets_rows_without_what_was_measured(ward):
    ward.hub.worklist("nurse")
    async with open_screen(ward.hub, "administrator") as screen:
        ward.hear(Level.HIGH)
        ward.hub.patient_changed("solveig")
        ward.hub.drain()
        name, row = await screen.next()
        assert (name, row["clinical"]["reasons"], row["latest"]) == ("row", [], [])
        assert (await screen.next())[0] == "phone", "and not which patient's page has changed"


async def test_outside_a_demo_only_administrators_see_the_phones_ring(ward):
    hub = Hub(Rows(ward.db, ward.programmes, ward.clock), ward.clock, phones_for_all=False)
    ward.phone._ring = hub.phone
    async with open_screen(hub) as nurse, open_screen(hub, "administrator") as administrator:
        ward.hear(Level.HIGH)
        hub.patient_changed("solveig")
        hub.drain()
        assert (await administrator.next())[0] == "phone"
        assert (await nurse.next())[0] == "patient"
        hub.patient_changed("arne")
        hub.drain()
        assert await nurse.next() == ("patient", {"patient_id": "arne"})


async def test_a_heart_beats_and_a_session_that_ends_ends_the_stream(ward, monkeypatch):
    monkeypatch.setattr(screens, "BEAT_S", 0.01)
    answers = iter([EVERYBODY] * 3 + [None])
    heard = [told(piece)[0]["event"] async for piece in ward.hub.stream("nurse", None, lambda: next(answers))]
    assert heard == ["hello", "beat", "beat"]


async def test_every_beat_says_whether_what_the_homes_send_is_stored(ward, monkeypatch):
    monkeypatch.setattr(screens, "BEAT_S", 0.01)
    answers, deaf = iter([EVERYBODY] * 3 + [None]), iter([False, True, False])
    ward.hub.screens.deaf = lambda: next(deaf)
    heard = [told(piece)[0]["data"] async for piece in ward.hub.stream("nurse", None, lambda: next(answers))]
    said = [json.loads(data)["deaf"] for data in heard]
    assert said == [False, True, False]


async def test_time_alone_makes_a_value_stale_on_every_screen(ward):
    ward.hear(Level.HIGH)
    ward.hub.worklist("nurse")
    ward.hear(Level.HIGH, patient="arne")
    assert [event.name for event in ward.hub.drain(also=["arne"]) if event.name == "row"] == ["row"]


async def test_whoever_is_no_longer_there_leaves_the_list(ward):
    people = ["solveig", "arne"]
    rows = Rows(ward.db, ward.programmes, ward.clock)
    hub = Hub(lambda names: [row for row in rows(names) if row.patient.id in people], ward.clock)
    first = json.loads(hub.worklist("nurse"))
    people.remove("arne")
    hub.drain(also=["solveig", "arne"])
    second = json.loads(hub.worklist("nurse"))
    assert [row["patient"]["id"] for row in second["rows"]] == ["solveig"]
    assert second["version"] > first["version"]


@contextlib.asynccontextmanager
async def pumping(hub):
    pump = asyncio.create_task(hub.pump())
    try:
        yield
    finally:
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pump


async def test_the_pump_refreshes_everybody_however_busy_it_is(ward, monkeypatch):
    monkeypatch.setattr(pump, "REFRESH_S", 0.05)
    monkeypatch.setattr(pump, "COALESCE_S", 0.0)
    monkeypatch.setattr(pump, "REFRESHED", 1)
    rows, everybody, built = Rows(ward.db, ward.programmes, ward.clock), asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def build_rows(names):
        built.append(names)
        if ["solveig", "arne"] in built and ["solveig"] in built:  # some at a time, with whoever changed before them
            loop.call_soon_threadsafe(everybody.set)
        else:
            hub.patient_changed("solveig")  # there is always something to do
        return rows(names)

    hub = Hub(build_rows, ward.clock)
    async with asyncio.timeout(10), open_screen(hub), pumping(hub):
        hub.patient_changed("solveig")
        await everybody.wait()


async def test_the_pump_rests_long_while_nobody_looks_and_wakes_for_whoever_opens_a_screen(ward, monkeypatch):
    monkeypatch.setattr(pump, "UNSEEN_SHARE", 1e9)
    monkeypatch.setattr(pump, "UNSEEN_REST_S", 3600.0)
    rows, loop, built = Rows(ward.db, ward.programmes, ward.clock), asyncio.get_running_loop(), asyncio.Event()
    again: list[object] = []

    def build_rows(names):
        again.append(names)
        loop.call_soon_threadsafe(built.set)
        return rows(names)

    hub = Hub(build_rows, ward.clock)
    async with asyncio.timeout(30), pumping(hub):
        hub.patient_changed("solveig")
        await built.wait()
        built.clear()
        hub.patient_changed("solveig")  # while it rests
        async with open_screen(hub):
            await built.wait()
    assert again[-1] == ["solveig"]


async def test_rows_that_cannot_be_built_stop_neither_the_pump_nor_the_screens(ward, caplog):
    broken = [True]
    rows = Rows(ward.db, ward.programmes, ward.clock)

    def build_rows(names):
        if broken:
            raise RuntimeError("the disk is away")
        return rows(names)

    hub = Hub(build_rows, ward.clock)
    async with open_screen(hub) as screen, pumping(hub):
        hub.patient_changed("solveig")
        assert await screen.next() == ("resync", {})
        assert "the disk is away" in caplog.text
        broken.clear()
        hub.patient_changed("arne")
        for name in ("solveig", "arne"):
            assert await screen.next() == ("patient", {"patient_id": name})
    assert len(json.loads(hub.worklist("nurse"))["rows"]) == 2


async def test_whoever_asks_while_a_change_is_being_built_is_not_shown_what_was_before_it(ward):
    """The pump is in the middle of it: the change is no longer waiting, and is not to be seen yet either."""
    rows, began, may_end = Rows(ward.db, ward.programmes, ward.clock), threading.Event(), threading.Event()

    def build_rows(names):
        if names == ["solveig"] and not began.is_set():
            began.set()
            assert may_end.wait(20)
        return rows(names)

    hub = Hub(build_rows, ward.clock)
    before = hub.shown("nurse")
    ward.hear(Level.HIGH)
    hub.patient_changed("solveig")
    pump = asyncio.create_task(asyncio.to_thread(hub.drain))
    assert await asyncio.to_thread(began.wait, 20)
    assert not hub.still(before)
    asked = asyncio.create_task(asyncio.to_thread(hub.worklist, "nurse"))
    await asyncio.wait([asked], timeout=0)
    may_end.set()
    first = json.loads(await asked)["rows"][0]
    assert (first["patient"]["id"], first["priority"]) == ("solveig", "high")
    await pump


@pytest.mark.parametrize("part", ["_build", "_counted"])
async def test_what_could_not_be_built_for_one_reader_is_built_and_told_for_the_next(ward, monkeypatch, part):
    """The database is away for a moment: who asks just then must not take the change with them."""
    ward.hub.worklist("nurse")
    async with open_screen(ward.hub) as screen:
        ward.hear(Level.HIGH)
        ward.hub.patient_changed("solveig")
        ward.hub.glass("arne")
        with monkeypatch.context() as away:
            away.setattr(ward.hub, part, broken)
            with pytest.raises(RuntimeError):
                ward.hub.worklist("nurse")
        assert json.loads(ward.hub.worklist("nurse"))["rows"][0]["priority"] == "high"
        assert [(await screen.next())[0] for _ in range(4)] == ["row", "patient", "glass", "phone"]


async def test_rows_built_while_all_were_thrown_away_are_not_all_there_are(ward, monkeypatch):
    """The pump fails; before it has told the screens to fetch anew, somebody else builds the row of one patient."""
    ward.hub.worklist("nurse")
    build, begun, go_on = ward.hub._build, threading.Event(), threading.Event()

    def slow(asked):
        begun.set()
        assert go_on.wait(10)
        return build(asked)

    class Meanwhile(logging.Handler):
        def emit(self, _record):
            monkeypatch.setattr(ward.hub, "_build", slow)
            ward.hub.patient_changed("arne")
            other.start()
            assert begun.wait(10)

    other, watching = threading.Thread(target=ward.hub.drain), Meanwhile()
    pump.log.addHandler(watching)
    try:
        monkeypatch.setattr(ward.hub, "_build", broken)
        ward.hub.patient_changed("solveig")
        await ward.hub._pump.drained(())
    finally:
        pump.log.removeHandler(watching)
        go_on.set()
        other.join(10)
    assert len(json.loads(ward.hub.worklist("nurse"))["rows"]) == 2


def broken(*_asked):
    raise RuntimeError("the disk is away")


async def test_the_worklist_is_encoded_once_a_version(ward, monkeypatch):
    encoded = []
    real = board.encoded
    monkeypatch.setattr(board, "encoded", lambda row: encoded.append(row.patient.id) or real(row))
    first = json.loads(ward.hub.worklist("nurse"))
    ward.clock.advance(seconds=5)
    second = json.loads(ward.hub.worklist("nurse"))
    assert sorted(encoded) == ["arne", "solveig"]
    assert second["now_ms"] == first["now_ms"] + 5000
    ward.hear(Level.HIGH)
    ward.hub.patient_changed("solveig")
    third = json.loads(ward.hub.worklist("nurse"))
    assert (third["version"], third["rows"][0]["priority"]) == (second["version"] + 1, "high")


async def test_what_the_office_sees_of_a_row_is_made_of_what_was_kept_of_it(ward):
    """Of a row its JSON for carers is kept, and no more."""
    ward.hear(Level.HIGH)
    rows = sorted(Rows(ward.db, ward.programmes, ward.clock)(None), key=lambda row: row.priority is None)
    kept = board.Board()
    kept.fill(rows)
    shown = json.loads(b"[%s]" % kept.shown("administrator", EVERYBODY).rows)
    assert shown == [board.for_office(row).model_dump(mode="json") for row in rows]
    assert rows[0].clinical.reasons, "there is something that is not shown"
    assert kept.put(rows, ["solveig", "arne"]) == [], "they are as they were"


async def lines(response):
    """(id, event, data) as a browser would see them."""
    event = {}
    async for line in response.aiter_lines():
        if not line:
            yield event.get("id"), event["event"], json.loads(event["data"])
            event = {}
        else:
            field, _, value = line.partition(": ")
            event[field] = value


async def test_over_real_http_an_acknowledgement_reaches_a_colleague_and_the_server_shuts_down(ward, words):
    ward.hear(Level.HIGH)
    with socket.create_server(("127.0.0.1", 0)) as door:
        home = f"http://127.0.0.1:{door.getsockname()[1]}"
        site = uvicorn.Server(uvicorn.Config(build(ward), log_level="error", timeout_graceful_shutdown=5))
        serving = asyncio.create_task(site.serve(sockets=[door]))
        async with (
            asyncio.timeout(30),
            httpx.AsyncClient(base_url=home, headers={"Origin": home}) as kari,
            httpx.AsyncClient(base_url=home, headers={"Origin": home}) as per,
        ):
            for client, name in ((kari, "kari"), (per, "per")):
                await client.post("/api/session", json={"username": name, "password": words.password})
            await per.get("/api/worklist")
            async with per.stream("GET", "/api/stream") as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                assert "default-src 'self'" in response.headers["content-security-policy"]
                stream = lines(response)
                start, name, _ = await anext(stream)
                assert name == "hello"
                answer = await kari.post("/api/alarms/1/acknowledge", json={})
                assert answer.status_code == 200
                seen = []
                while "patient" not in [name for _, name, _ in seen]:
                    seen.append(await anext(stream))
                rows = [data for _, name, data in seen if name == "row"]
                assert rows[-1]["clinical"]["acknowledged_by"] == "Kari Olsen"
            async with per.stream("GET", "/api/stream", headers={"Last-Event-ID": start}) as response:
                stream = lines(response)
                again = [await anext(stream) for _ in range(1 + len(seen))]
                assert again[1:] == seen, "the same events with the same numbers"
                site.should_exit = True
                with contextlib.suppress(httpx.RemoteProtocolError):
                    async for _ in stream:
                        pass
        await asyncio.wait_for(serving, 10)


async def test_a_stream_that_is_never_idle_ends_all_the_same_when_its_session_does(ward, monkeypatch):
    monkeypatch.setattr(screens, "BEAT_S", 0.01)
    ends = [EVERYBODY, EVERYBODY, None]
    async with open_screen(ward.hub, allowed=lambda: ends.pop(0)) as screen:

        async def watch():
            for _ in range(5000):
                ward.hub.screens.tell([News("patient", Both(b"{}", b"{}"), "solveig")])
                await screen.next()

        with pytest.raises(StopAsyncIteration):
            await watch()
