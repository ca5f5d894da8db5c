"""Every driver has a simulated device, and reads from it, over days and lost connections, what its display showed.

Firmware and driver were written from the same specifications by different hands and share no line. Nothing here knows
a device: the kinds are found, made and read as a home and a gateway would, without the radio between (see `bench`).
"""

from typing import Any

import pytest

from drivers.catalogue import catalogue
from drivers.contract import Link
from firmware_sim.body import HOUR_NS
from firmware_sim.kinds import find, kinds
from firmware_sim.scenario import HABITS
from tests.firmware_sim.bench import START_NS, Bench
from vitals.clock import NS
from vitals.events import Event

LINKS = {"air": Link.BLE, "advert": Link.ADVERT, "serial": Link.SERIAL}
A_STREAM_REPEATS_S = 360
"""As long as a display stands still: what is worn takes down a value every five minutes, or a little later."""
WITHIN_S = {"cgm": 75.0}
"""Where two seconds are too few: this one counts whole minutes since its session began, by a clock nobody sets."""
READ = {name: kind for name, kind in kinds().items() if kind.habit != "dispenser"}


def remembers(bench: Bench) -> bool:
    """Whether it keeps what nobody heard, with its time."""
    return hasattr(bench.firmware, "records")


def streams(bench: Bench) -> bool:
    """Whether it tells what it shows again and again for as long as it is used, and keeps none of it."""
    on_a_finger = bench.kind.link == "serial" and bench.kind.habit == "oximeter"
    return on_a_finger or (bench.kind.link == "air" and not remembers(bench))


REMEMBER = [name for name, kind in READ.items() if kind.habit != "worn" and remembers(Bench(name))]


def days(bench: Bench) -> float:
    """A stream is as many bytes in a minute as other devices tell in a month."""
    return 0.125 if streams(bench) else 3


def test_every_driver_has_a_device_and_every_device_a_driver() -> None:
    read = {kind.driver for kind in kinds().values()}
    alone = sorted(set(catalogue()) - read)
    assert not alone, f"without a simulated device: {alone}; see `A device to try it on` in docs/add-a-device.md"
    assert read <= set(catalogue()), "a simulated device that no driver reads"


@pytest.mark.parametrize("name", kinds())
def test_a_device_is_reached_as_its_driver_s_card_says(name: str) -> None:
    kind = find(name)
    card = catalogue()[kind.driver].card
    assert LINKS[kind.link] is card.link
    assert kind.habit in HABITS
    firmware = Bench(name).firmware
    if kind.link == "air":
        assert set(firmware.advertised) & set(card.services)
        assert firmware.name.startswith(card.local_names or "")
        assert firmware.bonds == card.pair
        assert {pipe.uuid for pipe in firmware.pipes} & set(card.notify)
    if kind.link == "advert":
        assert firmware.name.startswith(card.local_names or "")


@pytest.mark.parametrize(
    ("name", "cuts"),
    [(name, cuts) for name, kind in READ.items() for cuts in (False, True)[: 1 + (kind.link == "air")]],
)
def test_every_value_shown_is_stored_once_and_at_its_time(name: str, cuts: bool) -> None:
    bench = Bench(name, drift_ppm=40, clock_offset_s=95, cuts=cuts)
    bench.live(hours=24 * days(bench))
    assert len(bench.shown) > 3
    within_s = A_STREAM_REPEATS_S if streams(bench) else WITHIN_S.get(name, 2.0)
    assert bench.missing(within_s) == []
    assert bench.unshown(within_s, repeats=streams(bench)) == []


@pytest.mark.parametrize("name", REMEMBER)
def test_a_memory_that_is_full_forgets_the_oldest_and_nothing_else(name: str) -> None:
    bench = Bench(name, records=8)
    bench.live(hours=24, reads=False)
    assert bench.values == []
    bench.read()
    told = sorted({value.t_ns for value in bench.missing()})
    forgotten, kept = bench.happenings[:-8], bench.happenings[-8:]
    assert forgotten
    assert set(told) <= {happening.t_ns for happening in forgotten}
    assert bench.unshown() == []
    assert kept


@pytest.mark.parametrize("name", REMEMBER)
@pytest.mark.parametrize("weakness", [{"resets_sequence_at_h": 5.3}, {"keeps_delivered": True}])
def test_a_device_s_weakness_neither_loses_nor_doubles_a_value(name: str, weakness: dict[str, Any]) -> None:
    bench = Bench(name, drift_ppm=40, cuts=True, **weakness)
    bench.live(hours=10)
    assert bench.missing() == []
    assert bench.unshown() == []


@pytest.mark.parametrize("name", READ)
def test_an_empty_battery_is_the_end_of_it(name: str) -> None:
    bench = Bench(name, battery=0.1, battery_life_days=100)
    empty_ns = START_NS + round(2.4 * HOUR_NS)
    bench.live(hours=2.3)
    before = len(bench.values)
    assert before
    bench.live(hours=4)
    assert all(happening.t_ns <= empty_ns for happening in bench.happenings)
    assert all(value.t_ns <= empty_ns + 60 * NS for value in bench.values)
    if bench.kind.link == "air":
        assert not bench.firmware.has_news
        assert bench.firmware.next_send() is None
    if bench.kind.link == "advert":
        assert bench.firmware.advert() is None


@pytest.mark.parametrize("name", [name for name in kinds() if name not in READ])
def test_a_dispenser_s_day_is_read_event_for_event(name: str) -> None:
    bench = Bench(name, drift_ppm=40)
    bench.live(hours=72)
    told = [event.kind for event in bench.stored if isinstance(event, Event)]
    for what, kind in {"dose due": "dispenser.due", "dose retrieved": "dispenser.retrieved"}.items():
        seen = [happening for happening in bench.happenings if happening.what == what]
        assert seen
        assert told.count(kind) == len(seen)


@pytest.mark.parametrize("name", [name for name in kinds() if name not in READ])
def test_what_befalls_a_dispenser_in_a_home_s_file_is_told(name: str) -> None:
    troubles = {
        "jams_at_h": [1],
        "forced_open_at_h": [2],
        "mains_off_h": [[3, 4]],
        "clock_lost_at_h": [5],
        "power_cut_at_h": [6],
    }
    bench = Bench(name, scenario="missed-dose", options=troubles)
    bench.live(hours=24)
    told = {event.kind.removeprefix("dispenser.") for event in bench.stored if isinstance(event, Event)}
    assert {"jam", "tamper", "mains_lost", "mains_restored", "clock_unset", "boot", "missed"} <= told
