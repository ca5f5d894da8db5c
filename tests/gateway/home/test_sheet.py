"""What a home is asked: from the server's document to a sentence, a voice, a page, and an answer on disk."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.afar.wishes import FILE
from gateway.config.model import LocalConfig
from gateway.home.asking import ASIDE_S
from gateway.home.local import Local
from gateway.home.sheet import Home
from gateway.identity.held import FOLDER
from gateway.identity.seals import SERVER_KEY, Seals
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from gateway.tasks import ended
from tests.gateway.identity.claimed import Claimed as Keys
from vitals.alarm import Level
from vitals.answers import QUESTIONS
from vitals.block import Block
from vitals.clock import NS, ManualClock
from vitals.errors import StoreError
from vitals.events import Event
from vitals.seal import as_signed, bound
from vitals.wire import Asking, Followed, Request, Row, Telling, Wishes, down, encode

OSLO = ZoneInfo("Europe/Oslo")
PROGRAMME = str(Path(__file__).parents[3] / "configs" / "programmes" / "copd.toml")
DAY_S = 86_400.0
ASKS = (Asking("breathlessness", DAY_S), Asking("oxygen_flow", DAY_S))


def at(clock: str, day: int = 2) -> int:
    hour, minute = map(int, clock.split(":"))
    return int(datetime(2026, 3, day, hour, minute, tzinfo=OSLO).timestamp()) * NS


class Hub:
    """A hub with a home, a clock that stands, and somebody who listens."""

    def __init__(self, spool: Spool, data: Path, **more: object) -> None:
        self.spool, self.data = spool, data
        self.clock = ManualClock(at("10:00"))
        self.said: list[str] = []
        self.silent_s: float | None = 0.0
        self.version = 0
        table = {"programme": PROGRAMME, "language": "nb", "tell": ["say"], **more}
        config = msgspec.convert(table, LocalConfig)
        self.local = Local(config, spool, self.clock, lambda: self.silent_s, [self])
        self.home = Home("gw-1", data, config, spool, self.clock, Seals(data), self.local, [self])

    async def tell(self, sentence: str) -> None:
        self.said.append(sentence)

    async def wished(self, *requests: Request, asking: tuple[Asking, ...] = (), **more: object) -> None:
        """The server's newest document arrives."""
        self.version += 1
        given = {"version": self.version, "answers": "answers-gw-1", **more}
        document = Wishes("gw-1", issued_ns=0, requests=requests, asking=asking, **given)  # type: ignore[arg-type]
        await self.arrives(encode(document))

    async def arrives(self, payload: bytes) -> None:
        self.home.wished.arrived(payload)
        await self.home.wished.turn()
        await self.home.turn()

    async def at(self, clock: str, day: int = 2) -> None:
        self.clock.advance(seconds=(at(clock, day) - self.clock.now_ns()) / NS)
        await self.home.turn()

    async def measures(self, channel: str, value: float) -> None:
        t_ns = self.clock.now_ns()
        await self.spool.put([Heard("dev-1", t_ns, Block(channel, (t_ns,), (value,), record=str(t_ns)))])
        await self.local.turn()

    async def rows(self) -> list[tuple[str, str, float]]:
        """The answers in the spool: device, channel, value."""
        read = [msgspec.json.decode(row.json, type=Row) for row in await self.spool.take(0, 1_000)]
        return [
            (row.device, row.what.channel, row.what.value[0])
            for row in read
            if isinstance(row.what, Block) and row.device.startswith("answers")
        ]


H = TypeVar("H", bound=Hub)


async def opened(hub: H) -> H:
    await hub.local.open()
    await hub.home.open()
    return hub


@pytest.fixture
async def hub(spool: Spool, tmp_path: Path) -> Hub:
    return await opened(Hub(spool, tmp_path))


def asks(channel: str = "bp_sys", start: str = "12:00", end: str = "14:00", **more: object) -> Request:
    return Request(channel, at(start), at(end), at(end) + 3600 * NS, **more)  # type: ignore[arg-type]


async def test_a_request_is_shown_and_said_when_its_window_begins_and_ends_with_the_measurement(hub: Hub) -> None:
    await hub.wished(asks())
    assert hub.home.sheet().requests == ("Neste måling: blodtrykket, fra kl. 12 og før kl. 14.",)
    assert hub.said == []
    await hub.at("12:00")
    await hub.at("12:10")
    assert hub.home.sheet().requests == ("Mål blodtrykket igjen før kl. 14.",)
    assert hub.said == ["Mål blodtrykket igjen før kl. 14."]
    await hub.at("14:00")
    assert hub.home.sheet().requests == ("Du skulle målt blodtrykket før kl. 14. Mål nå.",)
    await hub.measures("bp_sys", 128)
    assert hub.home.sheet().requests == (), "at once, whether or not the server is heard"


async def test_it_is_gone_when_it_is_withdrawn_and_when_its_time_is_over(hub: Hub) -> None:
    await hub.wished(asks())
    await hub.wished()
    assert hub.home.sheet().requests == ()
    await hub.wished(asks())
    await hub.at("15:00")
    assert hub.home.sheet().requests == ()


async def test_measure_again_now_is_said_at_once_also_at_night_and_what_can_wait_is_not(hub: Hub) -> None:
    await hub.at("23:00")
    await hub.wished(
        asks("spo2", "22:59", "23:15", at_once=True, urgent=True),
        asks("body_temp", "22:00", "23:30"),
        telling=(Telling("1", int(Level.LOW), {"nb": "Blodsukkeret er litt lavt", "en": "-"}, 0, at("12:00", 3)),),
    )
    assert hub.said == ["Mål oksygenmetningen en gang til nå. Sitt stille i fem minutter først."]
    assert hub.home.sheet().told == ("Blodsukkeret er litt lavt",)
    await hub.at("08:00", 3)
    assert hub.said[1:] == ["Blodsukkeret er litt lavt"], "in the morning, if it still stands"


async def test_the_newest_counts_an_old_one_does_not_and_a_restart_forgets_nothing(hub: Hub, spool: Spool) -> None:
    await hub.wished(asks())
    old = encode(Wishes("gw-1", 1, 0))
    await hub.arrives(old)
    assert len(hub.home.sheet().requests) == 1
    assert hub.home.version == 1
    again = Hub(spool, hub.data)
    await again.local.open()
    await again.home.open()
    assert again.home.version == 1
    assert len(again.home.sheet().requests) == 1


async def test_what_is_not_the_servers_word_is_refused(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / FOLDER / SERVER_KEY).write_bytes(public)
    hub = Hub(spool, tmp_path)
    body, topic = encode(Wishes("gw-1", 1, 0, requests=(asks(),))), down("gw-1", "wishes")
    await hub.arrives(body)
    await hub.arrives(as_signed(key.sign(bound(down("gw-2", "wishes"), body)), body))
    assert (hub.home.version, hub.home.sheet().requests) == (0, ())
    await hub.arrives(as_signed(key.sign(bound(topic, body)), body))
    assert hub.home.version == 1
    (tmp_path / FILE).write_bytes(b"{}")
    assert Hub(spool, tmp_path).home.version == 0, "what was changed on the disk is not believed either"
    foreign = encode(Wishes("gw-2", 9, 0))
    await hub.arrives(as_signed(key.sign(bound(topic, foreign)), foreign))
    assert hub.home.version == 1


async def test_a_document_that_cannot_be_stored_does_not_count(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("gateway.files.os.fsync", full)
        await hub.wished(asks())
    assert hub.home.version == 0, "so it is sent again"


async def test_questions_are_asked_one_at_a_time_and_the_next_time_is_told(hub: Hub) -> None:
    await hub.wished(asking=ASKS)
    assert hub.said == ["Det er et spørsmål til deg på skjermen."]
    sheet = hub.home.sheet()
    assert sheet.question is not None
    assert (sheet.question.question, sheet.whose) == (QUESTIONS["breathlessness"], "Spørsmål 1 av 2")
    assert await hub.home.answer(sheet.question.id, "3") == "kept"
    second = hub.home.sheet().question
    assert second is not None
    assert second.question.channel == "oxygen_flow"
    assert await hub.home.answer(second.id, "1,5") == "kept"
    assert await hub.rows() == [("answers-gw-1", "breathlessness", 3.0), ("answers-gw-1", "oxygen_flow", 1.5)]
    assert hub.home.sheet().question is None
    assert hub.home.sheet().note == "Takk. Svaret er lagret. Neste spørsmål kommer i morgen kl. 8."
    await hub.at("07:59", 3)
    assert hub.home.sheet().question is None, "nobody is asked in the night"
    await hub.at("08:00", 3)
    assert hub.home.sheet().question is not None


async def test_pressing_twice_reloading_and_a_restart_make_no_second_answer(hub: Hub, spool: Spool) -> None:
    await hub.wished(asking=ASKS[:1])
    ready = hub.home.sheet().question
    assert ready is not None
    said = await asyncio.gather(*(hub.home.answer(ready.id, "1") for _ in range(3)))
    assert sorted(said) == ["kept", "known", "known"]
    again = Hub(spool, hub.data)
    await again.home.open()
    assert await again.home.answer(ready.id, "1") == "known"
    assert again.home.sheet().question is None
    assert await hub.rows() == [("answers-gw-1", "breathlessness", 1.0)]


async def test_a_disk_that_takes_longer_than_a_browser_is_heard_makes_no_second_answer(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.wished(asking=ASKS[:1])
    ready = hub.home.sheet().question
    assert ready is not None
    put, writing = hub.spool.put, asyncio.Event()

    async def noticed(*what: Any) -> None:
        writing.set()
        await put(*what)

    monkeypatch.setattr(hub.spool, "put", noticed)
    asked = asyncio.create_task(hub.home.answer(ready.id, "1"))
    await writing.wait()
    await ended([asked])  # as `gateway.door` does when its time is over
    assert await hub.home.answer(ready.id, "1") == "known"
    assert await hub.rows() == [("answers-gw-1", "breathlessness", 1.0)]


@pytest.mark.parametrize("text", ["", "three", "-1", "61", "nan", "inf", "1e400"])
async def test_what_is_no_answer_is_refused_with_the_range_and_kept_for_mending(hub: Hub, text: str) -> None:
    await hub.wished(asking=ASKS[1:])
    ready = hub.home.sheet().question
    assert ready is not None
    assert await hub.home.answer(ready.id, text) == "unfit"
    sheet = hub.home.sheet()
    assert (sheet.error, sheet.typed) == ("Svaret passer ikke. Skriv et tall fra 0 til 60.", text)
    assert await hub.rows() == []
    assert await hub.home.answer(ready.id, "2") == "kept"
    assert hub.home.sheet().error == ""


async def test_a_choice_that_is_not_offered_and_a_question_that_is_not_asked_are_no_answers(hub: Hub) -> None:
    await hub.wished(asking=ASKS[:1])
    ready = hub.home.sheet().question
    assert ready is not None
    assert await hub.home.answer(ready.id, "9") == "unfit"
    assert await hub.home.answer("pain@0", "3") == "known"
    assert await hub.home.answer("", "3") == "known"
    assert await hub.rows() == []


async def test_nobody_is_thanked_for_what_is_not_on_disk(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StoreError("the spool is full", "make room")

    await hub.wished(asking=ASKS[:1])
    ready = hub.home.sheet().question
    assert ready is not None
    with monkeypatch.context() as patch:
        patch.setattr(hub.spool, "put", full)
        assert await hub.home.answer(ready.id, "1") == "lost"
    assert "ikke lagret" not in hub.home.sheet().note
    assert hub.home.sheet().question == ready, "it is still asked"
    assert await hub.home.answer(ready.id, "1") == "kept"


async def test_a_question_that_is_put_off_comes_back(hub: Hub) -> None:
    await hub.wished(asking=ASKS[:1])
    ready = hub.home.sheet().question
    assert ready is not None
    hub.home.later(ready.id)
    assert hub.home.sheet().question is None
    hub.clock.advance(seconds=ASIDE_S)
    assert hub.home.sheet().question == ready


async def test_the_home_of_another_patient_answers_under_another_device(hub: Hub) -> None:
    await hub.wished(asking=ASKS[:1])
    old = hub.home.sheet().question
    assert old is not None
    assert await hub.home.answer(old.id, "1") == "kept"
    await hub.wished(asking=ASKS[:1], answers="answers-gw-1.2")
    new = hub.home.sheet().question
    assert new is not None, "the next one has not answered yet"
    assert await hub.home.answer(new.id, "4") == "kept"
    assert [device for device, _, _ in await hub.rows()] == ["answers-gw-1", "answers-gw-1.2"]


async def test_a_question_may_be_wished_for_earlier(hub: Hub) -> None:
    await hub.wished(asking=ASKS[:1])
    ready = hub.home.sheet().question
    assert ready is not None
    await hub.home.answer(ready.id, "1")
    await hub.wished(asks("breathlessness", "11:00", "12:00"), asking=ASKS[:1])
    assert hub.home.sheet().requests == (), "it is asked as the question it is"
    await hub.at("10:59")
    assert hub.home.sheet().question is None
    await hub.at("11:00")
    assert hub.home.sheet().question is not None


async def test_a_clock_that_was_never_set_asks_nothing(hub: Hub) -> None:
    hub.clock._now_ns = 9 * 3600 * NS
    await hub.wished(asking=ASKS)
    assert hub.home.sheet().question is None
    assert hub.home.sheet().note == ""


async def test_while_the_server_is_away_the_hub_asks_by_the_same_plan(hub: Hub) -> None:
    hub.silent_s = 600.0
    await hub.local.turn()
    await hub.measures("spo2", 89)
    await hub.home.turn()
    assert hub.home.sheet().requests == ("Mål oksygenmetningen en gang til nå. Sitt stille i fem minutter først.",)
    assert hub.said[-1] == hub.home.sheet().requests[0]
    for _ in range(2):  # the second disagrees with the first, so a third decides
        assert any("en gang til" in one for one in hub.home.sheet().requests)
        hub.clock.advance(seconds=60)
        await hub.measures("spo2", 97)
    assert not any("en gang til" in one for one in hub.home.sheet().requests)
    hub.silent_s = 0.0
    await hub.local.turn()
    assert hub.home.sheet().requests == (), "from then on it is the server that asks"


class Claimed(Hub):
    """One that can look at the server's signature."""

    def __init__(self, spool: Spool, data: Path, **more: object) -> None:
        self.keys = Keys(data)
        super().__init__(spool, data, **more)

    async def follows(self, programme: dict[str, object], **more: object) -> None:
        """The server has put that programme in force."""
        self.version += 1
        limits = more.pop("limits", {})
        followed = Followed(programme, "0123456789abcdef", limits)  # type: ignore[arg-type]
        document = Wishes("gw-1", self.version, 0, followed=followed, **more)  # type: ignore[arg-type]
        await self.arrives(self.keys.sign(down("gw-1", "wishes"), encode(document)))

    async def alone(self) -> None:
        self.silent_s = 200.0
        await self.local.turn()

    async def told(self) -> list[tuple[object, object]]:
        """By which programme the home was told of something: its name and version, and its digest."""
        read = [msgspec.json.decode(row.json, type=Row) for row in await self.spool.take(0, 1_000)]
        return [
            (row.what.data["programme"], row.what.data["digest"])
            for row in read
            if isinstance(row.what, Event) and row.what.kind == "local.alarm"
        ]


def stricter(**other: object) -> dict[str, object]:
    """Of one rule, with a floor that the programme of the hub's file does not have."""
    title = {"nb": "KOLS", "en": "COPD"}
    limits = {"spo2_floor": 95.0}
    return {"name": "copd", "version": "9", "title": title, "rules": ["spo2_floor"], "limits": limits, **other}


@pytest.fixture
async def claimed(spool: Spool, tmp_path: Path) -> Claimed:
    return await opened(Claimed(spool, tmp_path))


async def low(hub: Claimed) -> None:
    """Readings that are low by the stricter programme alone."""
    await hub.alone()
    for _ in range(3):
        hub.clock.advance(seconds=30)
        await hub.measures("spo2", 93)


async def test_a_home_alone_is_watched_by_the_version_that_was_put_in_force_and_says_which(claimed: Claimed) -> None:
    await low(claimed)
    assert await claimed.told() == [], "by the programme of the file it is calm"
    claimed.silent_s = 0.0
    await claimed.local.turn()
    await claimed.follows(stricter())
    await low(claimed)
    before = await claimed.told()
    assert set(before) == {("copd 9", "0123456789abcdef")}
    claimed.silent_s = 0.0
    await claimed.local.turn()
    await claimed.follows(stricter(version="10"), limits={"spo2_floor": 92.0})
    await low(claimed)
    assert await claimed.told() == before, "by the limit of this patient it is calm"


async def test_the_version_in_force_outlasts_a_restart(claimed: Claimed) -> None:
    await claimed.follows(stricter())
    again = Claimed.__new__(Claimed)
    again.keys = claimed.keys
    Hub.__init__(again, claimed.spool, claimed.data)
    await again.local.open()
    await low(again)
    assert set(await again.told()) == {("copd 9", "0123456789abcdef")}


async def test_a_programme_that_this_hub_cannot_use_leaves_it_to_the_one_of_its_file(claimed: Claimed) -> None:
    await claimed.follows(stricter(rules=["a_rule_of_next_year"]))
    await claimed.alone()
    assert not claimed.local.blind
    assert "a_rule_of_next_year" in claimed.local.outdated
    for _ in range(3):
        claimed.clock.advance(seconds=30)
        await claimed.measures("spo2", 82)
    assert {title for title, _ in await claimed.told()} == {"copd 3"}
    claimed.silent_s = 0.0
    await claimed.local.turn()
    await claimed.follows(stricter())
    await claimed.alone()
    assert claimed.local.outdated == ""


async def test_a_programme_counts_with_the_servers_signature_only(hub: Hub, claimed: Claimed) -> None:
    await hub.wished(followed=Followed(stricter(), "0"))
    assert hub.home.wished.now.version == 1
    assert hub.home.wished.now.followed is None, "a hub without keys takes no programme from anybody"
    document = Wishes("gw-1", 1, 0, followed=Followed(stricter(), "0"))
    await claimed.arrives(encode(document))
    assert claimed.home.wished.now.version == 0


async def test_a_document_whose_time_is_over_is_not_taken_up_but_stays_where_it_was(claimed: Claimed) -> None:
    now_ns = claimed.clock.now_ns()
    await claimed.follows(stricter(), expires_ns=now_ns)
    assert claimed.home.wished.now.version == 0
    await claimed.follows(stricter(), expires_ns=now_ns + NS)
    claimed.clock.advance(seconds=5)
    await claimed.home.turn()
    assert claimed.home.wished.now.followed is not None
