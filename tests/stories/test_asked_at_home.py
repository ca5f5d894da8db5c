"""A patient is asked to measure sooner, answers a question, and is left alone again: through the whole house.

The devices, the hub's spool, its page and its voice, the server's ingest, rules and documents are the real ones; only
the wires are missing. The hub's home is shown to nobody but the story.
"""

from pathlib import Path

import msgspec
import pytest

from firmware_sim.body import Truth
from gateway.config.model import LocalConfig
from gateway.home.local import Local
from gateway.home.sheet import Home as Sheets
from gateway.identity.seals import Seals
from server.wishes import store
from server.wishes.store import Asked
from tests.stories.conftest import Build
from tests.stories.town import START_NS, Town
from vitals.clock import NS

ASKING = """
name = "copd"
version = "1"
rules = ["spo2_floor", "news2", "device_silent"]
title = { nb = "KOLS", en = "COPD" }
limits = { spo2_floor = 90, silence_times = 2 }
expect = [{ channel = "spo2", every_s = 43200 }]
ask = [{ channel = "breathlessness", every_s = 86400 }]
"""
SELDOM = """
title = "Measures when she is asked, and else morning and evening"

[baseline]
spo2 = 96.5
pulse_rate = 72
weight = 74

[habits]
oximeter = { at_hours = [6, 18] }
"""
AT_ONCE = "Measure your oxygen saturation once more now. Sit still for five minutes first."


class Living:
    """The home in front of its page: what it is shown and told, carried as the uplink would carry it."""

    def __init__(self, town: Town, folder: Path) -> None:
        self.town, self.home, self.folder = town, town.homes[0], folder
        self.said: list[str] = []
        self.silent_s = 0.0

    async def open(self) -> None:
        table = {"programme": str(self.folder / "programmes" / "copd.toml"), "tell": ["say"], "language": "en"}
        config = msgspec.convert(table, LocalConfig)
        home = self.home
        self.local = Local(config, home.spool, home.clock, lambda: self.silent_s, [self])
        await self.local.open()
        self.sheets = Sheets(home.name, self.folder, config, home.spool, home.clock, Seals(), self.local, [self])
        await self.sheets.open()
        carry = home.command

        def command(payload: bytes) -> None:
            if b'"requests"' in payload or b'"asking"' in payload or b'"answers"' in payload:
                if home.on and home.reached:
                    self.sheets.wished.arrived(payload)
            else:
                carry(payload)

        home.command = command  # type: ignore[method-assign]

    async def tell(self, sentence: str) -> None:
        self.said.append(sentence)

    async def turn(self) -> None:
        """The hub's own tasks have their turn, and its next heartbeat says what the home is shown."""
        await self.sheets.wished.turn()
        await self.local.turn()
        await self.sheets.turn()
        self.home.shown = self.sheets.version

    async def measures(self, spo2: float) -> None:
        """She puts the finger in."""
        firmware, home = self.home.firmware("oxi-1"), self.home
        truth: Truth = msgspec.structs.replace(home._body.truth(home.clock.now_ns()), spo2=spo2)
        home.happenings.append(firmware._use(home.clock.now_ns(), truth))  # type: ignore[union-attr]
        await self.spend(5)

    async def sleeps(self, hours: float) -> None:
        """Time passes without anybody looking."""
        self.town.clock.advance(hours=hours)
        await self.spend(10)

    async def spend(self, minutes: float) -> None:
        for _ in range(round(minutes / 5)):
            await self.town.step()
            await self.turn()

    def asked(self) -> list[Asked]:
        assert self.town.server is not None
        with self.town.server.db.read() as tx:
            return store.of_patient(tx, "p-1", 100)


@pytest.fixture
async def living(build: Build, tmp_path: Path) -> Living:
    programmes = tmp_path / "programmes"
    programmes.mkdir()
    (programmes / "copd.toml").write_text(ASKING, encoding="utf-8")
    (tmp_path / "seldom.toml").write_text(SELDOM, encoding="utf-8")
    town = await build(("Kari", "copd", str(tmp_path / "seldom"), {}), programmes=programmes)
    living = Living(town, tmp_path)
    await living.open()
    return living


async def test_a_worse_reading_asks_for_the_next_and_a_good_one_leaves_her_alone(living: Living) -> None:
    town, sheets = living.town, living.sheets
    await living.spend(30)
    await living.measures(96.5)
    assert sheets.sheet().requests == ()

    await living.measures(88.6)  # one, just below her floor
    await living.spend(10)
    assert sheets.sheet().requests == (AT_ONCE,)
    assert living.said[-1] == AT_ONCE
    assert town.rules("Kari") >= {"spo2_floor"}, "the nurse is told of it as ever"
    (asked,) = [one for one in living.asked() if one.wish.channel == "spo2"]
    assert (asked.state, asked.wish.why) == ("delivered", "again")
    said = len(living.said)

    await living.measures(95.5)
    await living.measures(95.5)  # of three two agree
    await living.spend(5)
    assert AT_ONCE not in sheets.sheet().requests
    answered = [one for one in living.asked() if one.state == "answered"]
    assert [one.wish.why for one in answered] == ["again", "again"]
    await living.spend(120)
    assert sheets.sheet().requests == (), "things have settled"
    assert len(living.said[said:]) <= 2, "once more now, and once within the hour"
    assert len(town.stored("Kari", "spo2")) == 4
    assert town.quarantined() == []


async def test_her_answer_is_a_reading_of_hers_whenever_the_server_hears_of_it(living: Living) -> None:
    town, sheets = living.town, living.sheets
    await living.spend(10)
    ready = sheets.sheet().question
    assert ready is not None
    assert ready.question.channel == "breathlessness"
    town.stop_server()
    assert await sheets.answer(ready.id, "3") == "kept"
    assert sheets.sheet().note == "Thank you. Your answer is stored. The next question comes tomorrow at 8:00."
    await living.home.restart()
    living.local._telling._spool = sheets._questions._spool = living.home.spool
    town.start_server()
    await living.spend(10)
    assert town.stored("Kari", "breathlessness") == [3.0]
    assert town.quarantined() == []
    assert sheets.sheet().question is None
    await living.sleeps(hours=24)
    assert sheets.sheet().question is not None


async def test_nobody_answers_and_it_is_given_up_and_the_night_is_quiet(living: Living) -> None:
    await living.spend(30)
    await living.measures(90.7)  # not below her floor, but NEWS2 gives it three points
    assert living.home.measured("spo2")[-1] in (90, 91)
    (asked,) = [one for one in living.asked() if one.wish.channel == "spo2"]
    assert asked.wish.why == "sooner"
    assert (asked.wish.by_ns - asked.wish.from_ns) <= 3600 * NS
    await living.sleeps(hours=13)  # it is nearly eleven at home
    assert "expired" in {one.state for one in living.asked()}
    heard = len(living.said)
    await living.measures(90.7)
    await living.sleeps(hours=8)
    assert living.said[heard:] == [], "what can wait waits for the morning"
    assert all(living.sheets.day.awake(one.wish.from_ns) for one in living.asked())


async def test_while_the_server_is_away_the_hub_asks_and_what_it_asked_is_forgotten_when_it_is_back(
    living: Living,
) -> None:
    town, sheets = living.town, living.sheets
    await living.spend(60)
    town.stop_server()
    living.silent_s = 600.0
    await living.measures(88.6)
    await living.spend(5)
    assert AT_ONCE in sheets.sheet().requests
    assert AT_ONCE in living.said
    town.start_server()
    living.silent_s = 0.0
    await living.spend(10)
    asked = [one for one in living.asked() if one.wish.channel == "spo2"]
    assert [(one.wish.why, one.state) for one in asked] == [("again", "delivered")], "the server asks the same, once"
    assert sheets.sheet().requests == (AT_ONCE,)
    assert asked[0].wish.asked_ns > START_NS
