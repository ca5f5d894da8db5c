"""What becomes of a finger, of a person on a scale and of a recording, told on a cable and read by the drivers."""

import pytest

from firmware_sim.devices._finger import OUT, SEARCHES_NS, STAYS_NS
from firmware_sim.kinds import Kind, kinds
from tests.firmware_sim.bench import START_NS, Bench
from vitals.block import Block
from vitals.clock import NS

ON_A_CABLE = sorted(name for name, kind in kinds().items() if kind.link == "serial" and kind.habit == "oximeter")
SCALES = sorted(name for name, kind in kinds().items() if kind.link == "serial" and kind.habit == "scale")
CONTECS = ["cms50dplus", "cms50dplus-46"]


def readings(bench: Bench, channel: str) -> list[Block]:
    return [out for out in bench.stored if isinstance(out, Block) and out.channel == channel]


def stored(bench: Bench) -> list[Block]:
    return [block for block in readings(bench, "spo2") if "stored" in block.status]


def when(bench: Bench, what: str) -> list[int]:
    return [happening.t_ns for happening in bench.happenings if happening.what == what]


# A finger


@pytest.mark.parametrize("name", ON_A_CABLE)
def test_a_finger_is_searched_measured_and_gone(name: str) -> None:
    bench = Bench(name)
    device = bench.firmware
    seen = []
    in_ns = device.wake_ns
    for t_ns in (in_ns - 1, in_ns, in_ns + SEARCHES_NS, in_ns + STAYS_NS):
        bench.now_ns = t_ns
        bench.update()
        seen.append(device.shown)
    assert [shown.finger for shown in seen] == [False, True, True, False]
    assert [shown.spo2 is not None for shown in seen] == [False, False, True, False]
    assert [happening.what for happening in bench.happenings] == ["finger in", "measured", "finger out"]
    assert device.shown == OUT


@pytest.mark.parametrize("name", ON_A_CABLE)
def test_nothing_is_read_but_between_the_settling_and_the_leaving_of_a_finger(name: str) -> None:
    bench = Bench(name)
    bench.live(hours=3, listen_s=150)
    spans = list(zip(when(bench, "measured"), when(bench, "finger out"), strict=False))
    assert len(spans) > 3
    for block in readings(bench, "spo2"):
        assert any(a <= block.t_ns[0] <= b + NS for a, b in spans), block


def test_a_finger_that_moves_is_doubted() -> None:
    bench = Bench("nonin-oem3-7")
    bench.live(hours=6, listen_s=150)
    moved = [block for block in readings(bench, "pulse_rate") if "motion" in block.status]
    assert moved
    assert len(moved) < len(readings(bench, "pulse_rate")) / 5


# A recording


@pytest.mark.parametrize("name", CONTECS)
def test_a_recording_made_away_from_the_cable_is_told_once_and_second_for_second(name: str) -> None:
    bench = Bench(name, options={"record_every": 2}, drift_ppm=40, clock_offset_s=95)
    bench.live(hours=9)
    recorded, told = when(bench, "recorded"), stored(bench)
    assert len(recorded) > 8
    assert len(told) == len(recorded)
    assert {len(block.value) for block in told} == {(STAYS_NS - SEARCHES_NS) // NS}
    assert len({block.record for block in told}) == len(told)
    assert not [fault for fault in bench.faults if fault.code != "no value"]
    for block, measured_ns in zip(told, when(bench, "measured off the cable"), strict=True):
        off_s = (block.t_ns[0] - measured_ns) / NS
        if name == "cms50dplus-46":
            assert block.status == ("stored",), "the clock was set at the first visit"
            assert abs(off_s) < 2.5
        else:
            assert block.status == ("clock_unset", "stored")
            assert 0 < off_s < 30, "as late as it can have been"


@pytest.mark.parametrize("name", CONTECS)
def test_a_recording_of_before_the_first_visit_may_be_anybody_s(name: str) -> None:
    bench = Bench(name, options={"record_every": 1})
    bench.live(hours=1.5, reads=False)
    before = bench.firmware.recording
    assert before is not None
    bench.live(hours=0.5)
    assert [fault.code for fault in bench.faults if fault.code != "no value"][:1] == ["unknown recording"]
    assert bench.bookmark.split()[0] != "-"
    bench.live(hours=2)
    assert stored(bench), "what was made since is this person's"


@pytest.mark.parametrize("name", CONTECS)
def test_a_recording_that_is_known_is_not_told_to_the_next_connection(name: str) -> None:
    bench = Bench(name, options={"record_every": 2})
    bench.live(hours=1.9)
    before = len(stored(bench))
    assert before
    bench.connections = 0  # the cable is put back: a driver made anew, with the bookmark
    bench.live(hours=0.4)
    assert len(stored(bench)) == before


def test_a_contec_that_was_switched_off_is_asked_for_live_data_again() -> None:
    bench = Bench("cms50dplus-46")
    bench.live(hours=4)
    assert bench.missing() == []
    assert len(when(bench, "measured")) > 3


# A scale


@pytest.mark.parametrize("name", [*SCALES, "mi-scale", "mi-composition-scale"])
@pytest.mark.parametrize("unit", ["kg", "g", "lb", "jin"])
def test_a_weight_is_the_same_in_every_unit(name: str, unit: str) -> None:
    if not offered(kinds()[name], unit):
        return
    bench = Bench(name, options={"unit": unit})
    bench.live(hours=8)
    assert len(bench.shown) > 3
    assert bench.missing() == []
    assert bench.unshown() == []


def offered(kind: Kind, unit: str) -> bool:
    """Whether the scale can be set to it."""
    return unit in (("kg", "lb", "jin") if kind.link == "advert" else ("kg", "g", "lb"))


@pytest.mark.parametrize("name", SCALES)
def test_a_scale_with_too_much_on_it_has_no_weight_and_says_so(name: str) -> None:
    bench = Bench(name)
    bench.live(hours=1, reads=False)  # whoever comes later misses what was said
    bench.live(hours=30, listen_s=1)
    on_ns = {happening.t_ns for happening in bench.happenings}
    bench = Bench(name)
    for weighed_ns in sorted(on_ns):
        bench.now_ns = max(bench.now_ns, weighed_ns - 5 * NS)
        bench.update()
        bench.read(25)
    overloads = [fault for fault in bench.faults if "overload" in fault.text]
    assert overloads
    assert {fault.code for fault in bench.faults} == {"no value"}
    assert bench.missing() == []


def test_a_mt_sics_scale_talks_when_it_is_asked_and_until_it_is_stopped() -> None:
    scale = Bench("mt-sics").firmware
    assert list(scale.unasked()) == [b'I4 A "BENCH1"\r\n']
    assert list(scale.tick(START_NS, None)) == []
    assert list(scale.receive(b"SI", START_NS)) == []
    assert list(scale.receive(b"R\r\nS\r\n", START_NS)) == [b"S S       0.00 kg\r\n"] * 2
    assert not scale.talks
    assert list(scale.receive(b"SIR\r\nWHAT\r\n", START_NS)) == [b"S S       0.00 kg\r\n", b"ES\r\n"]
    assert list(scale.tick(START_NS, None)) == [b"S S       0.00 kg\r\n"]
    assert list(scale.receive(b"@\r\n", START_NS)) == [b'I4 A "BENCH1"\r\n']
    assert list(scale.tick(START_NS, None)) == []


def test_an_and_scale_that_is_asked_for_a_stable_load_waits_for_one() -> None:
    bench = Bench("and-scale")
    scale = bench.firmware
    bench.now_ns = scale.wake_ns - NS
    bench.update()
    truth_at = bench.house.body.truth
    assert list(scale.receive(b"S\r\n", bench.now_ns)) == []
    assert list(scale.tick(bench.now_ns, truth_at)) == []
    bench.now_ns += NS
    bench.update()
    (line,) = scale.tick(bench.now_ns, truth_at)
    assert line.startswith(b"ST,+0")
    assert list(scale.tick(bench.now_ns, truth_at)) == []
    assert list(scale.receive(b"XYZ\r\n", bench.now_ns)) == [b"EC,E01\r\n"]


def test_a_kern_scale_is_asked_by_letters() -> None:
    scale = Bench("kern").firmware
    assert len(list(scale.receive(b"ws", START_NS))) == 2
    assert list(scale.receive(b"?", START_NS)) == []
