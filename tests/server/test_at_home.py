"""What the home was told by its own hub is on the timeline of the alarm, once, in whatever order it comes."""

import asyncio

import msgspec
import pytest
import sqlalchemy as sa

from gateway.config.model import LocalConfig
from gateway.home.local import Local
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from server.alarms.table import alarms
from server.alarms.timeline import timeline
from server.patients.programmes import OURS
from tests.server.conftest import START_NS, Town, acknowledged, spo2
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event
from vitals.wire import Batch, Row, encode, up

TOLD = {"rule": "spo2_floor", "version": "1", "level": 3, "nb": "SpO₂ 82 %", "en": "SpO₂ 82 %"}


def entries(town: Town) -> list[tuple[str, int, str]]:
    with town.server.db.read() as tx:
        rows = tx.execute(sa.select(timeline).where(timeline.c.what.like("local.%")).order_by(timeline.c.id))
        return [(row.what, row.t_ns, row.en) for row in rows]


def open_alarms(town: Town) -> int:
    with town.server.db.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(alarms).where(alarms.c.kind == "clinical")) or 0


READINGS = [spo2(82, START_NS - n * 30 * NS) for n in (4, 3, 2)]
ALARM = Event("local.alarm", START_NS - 50 * NS, TOLD)
SEEN = Event("local.seen", START_NS - 20 * NS, TOLD)


@pytest.mark.parametrize("order", ["told first", "readings first", "together"])
def test_it_is_one_alarm_and_one_entry_in_whatever_order_they_come(town: Town, order: str) -> None:
    match order:
        case "told first":  # as the lanes have it
            town.send(ALARM, SEEN)
            assert open_alarms(town) == 0, "it raises nothing by itself"
            town.send(*READINGS, first=2)
        case "readings first":
            town.send(*READINGS)
            town.send(ALARM, SEEN, first=3)
        case _:
            town.send(ALARM, *READINGS, SEEN)
    town.send(spo2(81, START_NS), first=10)
    town.send(ALARM, first=20)
    told = "The home was told by its own box while the server was away: SpO₂ 82 %"
    seen = "Somebody in the home said that this was seen"
    assert entries(town) == [("local.alarm", ALARM.t_ns, told), ("local.seen", SEEN.t_ns, seen)]
    assert open_alarms(town) == 1


def test_what_the_rules_here_do_not_find_is_kept_and_on_no_timeline(town: Town) -> None:
    town.send(Event("local.alarm", START_NS, {**TOLD, "rule": "pulse_high"}), *READINGS)
    assert entries(town) == []


def test_a_gap_of_waves_is_filed_under_the_patient(town: Town) -> None:
    data: dict[str, int | float | str] = {"channel": "pleth", "from_seq": 2, "to_seq": 90, "rows": 80}
    assert town.send(Event("gap", START_NS, data)) == [(0, 0)]
    assert town.aside() == []


async def test_a_home_that_was_alone_for_an_hour_and_what_the_nurse_reads_of_it_afterwards(
    town: Town, tmp_path: object
) -> None:
    """The hub's own spool and rules, the server's own: first what is urgent, then the rest, as the uplink sends it."""
    said: list[str] = []

    class Ear:
        async def tell(self, sentence: str) -> None:
            said.append(sentence)

    spool = await Spool.open(town.folder / "spool.sqlite")
    config = msgspec.convert({"programme": str(OURS / "copd.toml"), "tell": ["x"]}, LocalConfig)
    silent_s = 3_600.0
    local = Local(config, spool, town.clock, lambda: silent_s, [Ear()])
    await local.open()
    for n, value in enumerate((96.0, 83.0, 82.0)):
        t_ns = START_NS + n * 30 * NS
        await spool.put([Heard("oximeter", t_ns, Block("spo2", (t_ns,), (value,), record=f"r{n}"))])
    town.clock.advance(seconds=120)
    await local.turn()
    await local.seen()
    assert len(said) == 1
    for lane, urgent in (("alarm", True), ("backlog", False)):
        rows = tuple(msgspec.json.decode(one.json, type=Row) for one in await spool.take(0, 100, urgent=urgent))
        batch = Batch("gw-1", spool.epoch, town.clock.now_ns(), rows)
        assert acknowledged(town.server.receive(up("gw-1", lane), encode(batch)))
    assert [what for what, *_ in entries(town)] == ["local.alarm", "local.seen"]
    assert open_alarms(town) == 1
    await spool.close()
    await asyncio.sleep(0)
