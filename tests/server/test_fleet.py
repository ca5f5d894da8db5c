"""Gateways and devices as they were last heard of, and the findings of silence, by a clock that we move."""

import msgspec
import pytest

from server.alarms.table import all_open
from server.fleet.store import GatewayRow, devices_of, gateways
from tests.server.conftest import START_NS, Town, acknowledged, spo2
from vitals.clock import NS, ManualClock
from vitals.wire import SPOOL_FULL, DeviceHealth, Health, encode, up


def gateway(town: Town, name: str = "gw-1") -> GatewayRow:
    with town.server.db.read() as tx:
        return next(one for one in gateways(tx) if one.id == name)


def alarms(town: Town) -> dict[str, list[str]]:
    """Open alarms: "patient kind" to the rules behind it."""
    with town.server.db.read() as tx:
        return {f"{one.patient_id} {one.kind}": sorted(r.rule for r in one.reasons) for one in all_open(tx)}


def both_beat(town: Town) -> None:
    for name in ("gw-1", "gw-2"):
        town.beat(name)


def test_a_gateway_is_online_from_its_first_sign_of_life_until_its_heartbeat_is_old(town: Town) -> None:
    assert (gateway(town).online, gateway(town).last_heard_ns) == (False, None)
    town.beat()
    assert (gateway(town).online, gateway(town).last_heard_ns) == (True, START_NS)
    town.tick(seconds=45)
    assert gateway(town).online
    town.tick(seconds=1)
    assert not gateway(town).online
    town.send(spo2(94, START_NS))
    assert gateway(town).online


def test_a_gateway_is_shown_offline_before_anybody_is_called_for_it(town: Town) -> None:
    both_beat(town)
    town.tick(seconds=46)
    assert not gateway(town).online
    assert alarms(town) == {}
    town.tick(seconds=45)
    assert alarms(town)["eva technical"] == ["gateway_silent"]


def test_the_last_will_shows_it_offline_at_once_but_only_the_heartbeat_raises_the_alarm(town: Town) -> None:
    both_beat(town)
    town.will()
    assert not gateway(town).online
    town.tick(seconds=60)
    assert alarms(town) == {}
    town.beat("gw-2")
    town.tick(seconds=31)
    assert alarms(town) == {"eva technical": ["gateway_silent"]}


def test_without_any_last_will_the_alarm_comes_all_the_same_and_settles_when_it_is_back(town: Town) -> None:
    both_beat(town)
    town.tick(seconds=91)
    assert set(alarms(town)) == {"eva technical", "odd technical"}
    for _ in range(12):
        both_beat(town)
        town.tick(minutes=1)
    assert alarms(town) == {}


def test_a_gateway_that_was_never_heard_is_found_too_and_says_so(town: Town) -> None:
    town.tick(seconds=91)
    with town.server.db.read() as tx:
        texts = {one.patient_id: one.reasons[0].text["en"] for one in all_open(tx)}
    assert texts["eva"] == "The gateway gw-1 has never been heard from"


def test_the_same_silence_is_not_news_with_every_look(town: Town) -> None:
    both_beat(town)
    town.tick(seconds=91)
    town.server.hub.drain()
    for _ in range(20):
        town.tick(seconds=15)
    assert [one.name for one in town.server.hub.drain() if one.about == "eva" and one.name == "patient"] == []


def test_a_server_that_was_away_gives_the_gateways_time_to_call(town: Town) -> None:
    both_beat(town)
    town.clock.advance(hours=5)
    town.begin_again()
    town.tick(seconds=60)
    assert alarms(town) == {}
    town.beat("gw-2")
    town.tick(seconds=31)
    assert alarms(town) == {"eva technical": ["gateway_silent"]}


def test_a_patient_from_whom_nothing_ever_came_is_found_counted_from_when_we_knew(town: Town) -> None:
    """The assignment is of January, but was applied today."""
    both_beat(town)
    town.tick(seconds=1)
    assert alarms(town) == {}
    town.clock.advance(hours=25)
    both_beat(town)
    town.tick(seconds=1)
    assert alarms(town)["eva technical"] == ["device_silent"]


def test_while_the_gateway_is_silent_its_devices_are_not_blamed(town: Town) -> None:
    town.send(spo2(95, START_NS))
    town.tick(hours=25)
    assert alarms(town)["eva technical"] == ["gateway_silent"]
    for _ in range(6):
        both_beat(town)
        town.tick(minutes=1)
    assert "device_silent" in alarms(town)["eva technical"], "25 h, twice the 12 h that are asked for"


def test_after_a_long_outage_a_home_has_time_to_send_what_it_has_before_its_devices_are_blamed(town: Town) -> None:
    """The heartbeat comes first, then hours of rows: between the two the newest reading is an old one."""
    town.send(spo2(95, START_NS))
    town.clock.advance(hours=30)
    town.begin_again()
    both_beat(town)
    town.tick(seconds=20)
    assert alarms(town) == {}
    town.send(spo2(95, town.clock.now_ns() - 3600 * NS), first=1)
    for _ in range(10):
        both_beat(town)
        town.tick(minutes=1)
    assert "device_silent" not in alarms(town).get("eva technical", [])


def beaten_by_a_clock_ahead(town: Town, hours: float, *, anew: bool) -> None:
    """Both homes are heard by a clock of ours that is so far ahead; `anew`: by which the server has begun."""
    town.clock.advance(hours=hours)
    if anew:
        town.begin_again()
    both_beat(town)


@pytest.mark.parametrize("anew", [False, True], ids=["while it runs", "after a start by the wrong clock"])
def test_a_gateway_that_falls_silent_is_missed_though_our_clock_was_hours_ahead_and_is_set_back(
    town: Town, anew: bool
) -> None:
    beaten_by_a_clock_ahead(town, hours=3, anew=anew)
    town.tick(seconds=1)
    set_back(town, hours=3)
    town.tick(seconds=60)
    assert alarms(town) == {}
    town.tick(minutes=4)
    assert alarms(town)["eva technical"] == ["gateway_silent"]


@pytest.mark.parametrize("anew", [False, True], ids=["while it runs", "after a start by the wrong clock"])
def test_a_device_that_is_silent_is_found_though_our_clock_was_hours_ahead_and_is_set_back(
    town: Town, anew: bool
) -> None:
    beaten_by_a_clock_ahead(town, hours=60, anew=anew)
    town.tick(minutes=1)
    set_back(town, hours=20)
    for _ in range(8):
        both_beat(town)
        town.tick(minutes=1)
    assert alarms(town)["eva technical"] == ["device_silent"]


def set_back(town: Town, hours: float) -> None:
    """Our clock is set right; the next turn sees it."""
    town.clock = ManualClock(town.clock.now_ns() - round(hours * 3600 * NS))
    town.server.clock = town.clock
    town.tick(seconds=1)


def test_a_gateway_that_misses_a_heartbeat_now_and_then_does_not_hide_a_silent_device(town: Town) -> None:
    town.send(spo2(95, START_NS))
    for _ in range(25 * 20):
        both_beat(town)
        town.tick(minutes=3)
    both_beat(town)
    town.tick(seconds=15)
    assert "device_silent" in alarms(town)["eva technical"]


def test_a_device_that_was_silent_before_the_server_came_back_is_found_all_the_same(town: Town) -> None:
    town.send(spo2(95, START_NS))
    town.clock.advance(hours=30)
    town.begin_again()
    for _ in range(6):
        both_beat(town)
        town.tick(minutes=1)
    assert alarms(town)["eva technical"] == ["device_silent"]


@pytest.mark.parametrize(
    ("off_s", "words"),
    [
        (-56 * 365 * 86400, "490560 h behind"),
        (-301, "5 min behind"),
        (301, "5 min ahead of"),
        (3600, "1 h ahead of"),
        (300, ""),
        (-300, ""),
    ],
)
def test_a_gateway_whose_clock_is_far_off_is_found(town: Town, off_s: int, words: str) -> None:
    """Its readings go into quarantine or are filed under a wrong time: a person must know."""
    for _ in range(7):
        wrong_beat(town, off_s)
        town.beat("gw-2")
        town.tick(minutes=1)
    assert alarms(town) == ({"eva technical": ["gateway_clock"]} if words else {})
    with town.server.db.read() as tx:
        assert all(words in one.reasons[0].text["en"] for one in all_open(tx))
    for _ in range(13):
        both_beat(town)
        town.tick(minutes=1)
    assert alarms(town) == {}, "set right, it settles"


def test_a_gateway_that_keeps_nothing_more_raises_an_alarm_at_once_which_settles(town: Town) -> None:
    both_beat(town)
    told = Health("gw-1", "e", town.clock.now_ns(), "0.1", 900, notes=(SPOOL_FULL, "the adapter is switched off"))
    town.server.receive(up("gw-1", "health"), encode(told))
    assert alarms(town) == {"eva technical": ["gateway_full"]}
    for _ in range(13):
        both_beat(town)
        town.tick(minutes=1)
    assert alarms(town) == {}


def wrong_beat(town: Town, off_s: int) -> None:
    told = Health("gw-1", "e", town.clock.now_ns() + off_s * NS, "0.1", 0)
    town.server.receive(up("gw-1", "health"), encode(told))


def test_an_old_heartbeat_that_was_delivered_late_is_no_wrong_clock(town: Town) -> None:
    """After an outage the broker hands over what it kept, the oldest first."""
    town.begin_again()
    wrong_beat(town, -4 * 3600)
    town.tick(seconds=20)
    for _ in range(7):
        both_beat(town)
        town.tick(minutes=1)
    assert alarms(town) == {}


def test_a_gateways_own_troubles_stand_until_it_no_longer_tells_them(town: Town) -> None:
    for notes in (("the adapter is switched off",), ()):
        told = Health("gw-1", "e", town.clock.now_ns(), "0.1", 0, notes=notes)
        town.server.receive(up("gw-1", "health"), encode(told))
        town.tick()
        assert gateway(town).notes == list(notes)


def test_a_heartbeat_tells_of_the_devices_and_whose_they_are(town: Town) -> None:
    oximeter = DeviceHealth("oximeter", "nonin", "connected", START_NS, 81.0, rows=4, faults=2)
    scale = DeviceHealth("scale", "and", "lost")
    town.beat(devices=(oximeter, scale), queued=7)
    town.beat(devices=(msgspec.structs.replace(oximeter, battery=80.0),), queued=3)
    found = gateway(town)
    assert (found.queued, found.software) == (3, "0.1")
    assert [(one.id, one.link, one.battery, one.faults) for one in found.devices] == [
        ("oximeter", "connected", 80.0, 2), ("scale", "lost", None, 0)
    ]  # fmt: skip
    with town.server.db.read() as tx:
        assert [one.id for one in devices_of(tx, "eva")] == ["oximeter", "scale"]
        assert devices_of(tx, "odd") == []


@pytest.mark.parametrize("oldest", [2**63, -(2**70)])
def test_a_heartbeat_with_impossible_numbers_is_set_aside(town: Town, oldest: int) -> None:
    told = Health("gw-1", "e", START_NS, "0.1", 1, oldest_ns=oldest)
    assert acknowledged(town.server.receive(up("gw-1", "health"), encode(told))) == []
    assert town.aside() == ["server error"]
    assert town.server.receive(*town.batch(town.rows(spo2(94, START_NS + NS))))
