"""The Bluetooth devices in their particulars, as a central meets them and as their drivers read them.

That every value shown is read, once and at its time, is shown for all of them in `test_every_device`.
"""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from firmware_sim.body import DAY_NS, HOUR_NS
from firmware_sim.device import Happening, Refused, Send
from firmware_sim.devices import _gatt, _racp, body_scale, cgm, cuff, glucose_meter, heart_belt, thermometer
from firmware_sim.devices import viatom_o2ring as ring
from firmware_sim.kinds import kinds
from tests.firmware_sim.bench import START_NS, Bench
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event

MINUTE_NS = 60 * NS
ALL, COUNT, ABORT = b"\x01\x01", b"\x04\x01", b"\x03\x00"
GLUCOSE_PIPES = (glucose_meter.MEASUREMENT, glucose_meter.CONTEXT, _racp.PIPE)


def listen(device: Any, *pipes: str) -> None:
    device.connected()
    for pipe in pipes:
        device.subscribed(pipe, True)


def told(device: Any, at_most: int = 1000) -> list[Send]:
    """What the device says and the central confirms."""
    said: list[Send] = []
    while len(said) < at_most and (send := device.next_send()) is not None:
        said.append(send)
        device.confirmed(send)
    return said


def lived(kind: str, hours: float, **device: Any) -> Bench:
    """A device used for so long, and read by nobody."""
    bench = Bench(kind, **device)
    bench.live(hours=hours, reads=False)
    return bench


def words(bench: Bench, channel: str) -> Counter[str]:
    return Counter(
        word for block in bench.stored if isinstance(block, Block) and block.channel == channel for word in block.status
    )


def happenings(bench: Bench, what: str) -> list[Happening]:
    return [happening for happening in bench.happenings if happening.what == what]


def asked(device: Any, request: bytes, t_ns: int) -> list[Send]:
    device.write(_racp.PIPE, request, t_ns)
    return told(device)


# Cuffs and thermometers


@pytest.mark.parametrize("kind", ["cuff", "and-ua651", "beurer-bm85"])
def test_a_cuff_says_what_was_wrong_and_a_failure_is_no_number(kind: str) -> None:
    bench = Bench(kind)
    bench.live(hours=300)
    failures = happenings(bench, "measurement failed")
    assert failures
    assert {"motion", "cuff_loose", "irregular_pulse", "bad_position"} <= set(words(bench, "bp_sys"))
    assert len([fault for fault in bench.faults if fault.channel == "bp_sys"]) == len(failures)
    assert len([fault for fault in bench.faults if fault.channel == "pulse_rate"]) == len(failures)
    assert bench.missing() == bench.unshown() == []


def test_each_cuff_knows_its_users_as_it_does() -> None:
    users = {}
    for kind in ("cuff", "and-ua651", "beurer-bm85"):
        bench = Bench(kind)
        bench.live(hours=5)
        users[kind] = [word for word in words(bench, "bp_sys") if word.startswith("user")]
    assert users == {"cuff": ["user_1"], "and-ua651": [], "beurer-bm85": ["user_0"]}


@pytest.mark.parametrize(
    ("kind", "on_its_way", "measurement"),
    [("cuff", cuff.DEFLATING, cuff.MEASUREMENT), ("thermometer", thermometer.SETTLING, thermometer.MEASUREMENT)],
)
def test_what_is_on_its_way_is_notified_before_it_and_never_stored(
    kind: str, on_its_way: str, measurement: str
) -> None:
    bench = Bench(kind)
    listen(bench.firmware, on_its_way, measurement)
    bench.now_ns += 3 * HOUR_NS // 2
    bench.update()
    said = told(bench.firmware)
    assert [send.pipe for send in said] == ([on_its_way] * 3 + [measurement]) * len(bench.happenings)
    assert [send.record for send in said if send.pipe == on_its_way] == [None] * 3 * len(bench.happenings)


def test_a_thermometer_says_once_for_all_that_it_is_for_the_ear() -> None:
    bench = Bench("thermometer")
    bench.live(hours=5)
    assert words(bench, "body_temp") == {"site_ear": len(bench.shown)}


def test_a_weighing_in_two_packets_is_told_again_in_both_when_the_second_was_not_heard() -> None:
    device = lived("body-scale", 5).firmware
    packets = [record.stored for record in device.records]
    assert [len(packet) for packet in packets[:2]] == [34, 34]
    listen(device, body_scale.MEASUREMENT)
    assert b"".join(send.data for send in told(device, at_most=2)) == packets[0]
    listen(device, body_scale.MEASUREMENT)
    assert told(device, at_most=1)[0].data == packets[1][:20]
    listen(device, body_scale.MEASUREMENT)
    assert b"".join(send.data for send in told(device)) == b"".join(packets[1:])
    assert not device.has_news


def test_shoes_on_cost_the_body_fat_and_leave_no_number() -> None:
    bench = Bench("body-scale")
    bench.live(hours=24 * 7)
    failures = happenings(bench, "measurement failed")
    assert failures
    assert len([fault for fault in bench.faults if fault.channel == "body_fat"]) == len(failures) == len(bench.faults)
    assert {block.channel for block in bench.stored if isinstance(block, Block)} >= set(body_scale._STEPS)


# A&D


def test_the_clock_of_an_and_device_is_a_bare_date() -> None:
    device = Bench("and-ua651", clock_offset_s=600).firmware
    assert device.read(_gatt.DATE_TIME, START_NS) == _gatt.date_time(START_NS + 600 * NS)
    device.write(_gatt.DATE_TIME, _gatt.date_time(START_NS), START_NS)
    assert device.clock.read_ns(START_NS + NS) == START_NS + NS
    assert _gatt.CURRENT_TIME not in {pipe.uuid for pipe in device.pipes}


@pytest.mark.parametrize(("data", "code"), [(bytes(6), 0x0D), (bytes(10), 0x0D), (bytes(7), 0x80)])
def test_a_date_that_is_none_is_refused(data: bytes, code: int) -> None:
    with pytest.raises(Refused) as refused:
        Bench("and-uc352").firmware.write(_gatt.DATE_TIME, data, START_NS)
    assert refused.value.code == code


@pytest.mark.parametrize("kind", ["and-ua651", "and-uc352", "accu-chek"])
def test_what_needs_a_bond_tells_a_stranger_nothing_of_anybody(kind: str) -> None:
    device = Bench(kind).firmware
    assert device.bonds
    open_pipes = {pipe.uuid for pipe in device.pipes if not pipe.bonded}
    labels = {_gatt.BATTERY_LEVEL, _gatt.MAKER, _gatt.MODEL, _gatt.SERIAL_NUMBER, _gatt.FIRMWARE_REVISION}
    assert open_pipes <= labels | {_gatt.CURRENT_TIME, cuff.FEATURES, "2a9e"}


# Glucose


def test_a_meter_tells_nothing_unasked_and_what_it_told_is_delivered_by_the_answer() -> None:
    bench = lived("glucose-meter", 5)
    device, now_ns = bench.firmware, bench.now_ns
    listen(device, *GLUCOSE_PIPES)
    assert told(device) == []
    count = len(device.records)
    assert asked(device, COUNT, now_ns)[0].data == bytes((5, 0, count, 0))
    device.write(_racp.PIPE, ALL, now_ns)
    said = told(device, at_most=count)
    device.disconnected()
    assert device.has_news
    listen(device, *GLUCOSE_PIPES)
    again = asked(device, ALL, now_ns)
    assert again[: len(said)] == said
    assert again[-1].data.hex() == "06000101"
    assert [send.data[1] for send in again if send.pipe == glucose_meter.MEASUREMENT] == list(range(1, count + 1))
    assert not device.has_news
    assert asked(device, b"\x01\x03\x01\x63\x00", now_ns)[0].data.hex() == "06000106"  # from 99 on: none
    assert asked(device, b"\x02\x01", now_ns)[0].data.hex() == "06000202"  # delete: not supported
    assert asked(device, b"\x03\x01", now_ns)[0].data.hex() == "06000303"  # abort takes no operator


def test_a_report_of_a_meter_can_be_aborted_and_not_doubled() -> None:
    bench = lived("glucose-meter", 5)
    device = bench.firmware
    listen(device, *GLUCOSE_PIPES)
    device.write(_racp.PIPE, ALL, bench.now_ns)
    with pytest.raises(Refused) as refused:
        device.write(_racp.PIPE, ALL, bench.now_ns)
    assert refused.value.code == 0xFE
    assert [send.data.hex() for send in asked(device, ABORT, bench.now_ns)] == ["06000301"]
    assert device.has_news


@pytest.mark.parametrize(("missing", "request_", "code"), [(0, ALL, 0xFD), (1, ALL, 0xFD), (None, b"", 0x0D)])
def test_a_meter_wants_everything_enabled_and_something_asked(missing: int | None, request_: bytes, code: int) -> None:
    device = Bench("glucose-meter").firmware
    listen(device, *(pipe for place, pipe in enumerate(GLUCOSE_PIPES) if place != missing))
    with pytest.raises(Refused) as refused:
        device.write(_racp.PIPE, request_, START_NS)
    assert refused.value.code == code


def test_control_solution_is_no_reading_and_what_the_person_told_becomes_an_event() -> None:
    bench = Bench("glucose-meter")
    bench.live(hours=24 * 7)
    controls = happenings(bench, "control test")
    assert controls
    assert [fault.channel for fault in bench.faults] == ["glucose"] * len(controls)
    contexts = [event for event in bench.stored if isinstance(event, Event)]
    readings = {block.record for block in bench.stored if isinstance(block, Block) and block.channel == "glucose"}
    assert contexts
    assert {event.record for event in contexts} <= readings
    assert {event.data["tester"] for event in contexts} == {"self"}
    assert {event.data["meal"] for event in contexts} == {"before_meal", "after_meal"}
    assert all(("carbohydrate_g" in event.data) == (event.data["meal"] == "after_meal") for event in contexts)
    assert all(20 <= event.data["medication_mg"] <= 80 for event in contexts)
    assert {"site_finger", "site_alternate"} <= set(words(bench, "glucose"))


@pytest.mark.parametrize("kind", ["glucose-meter", "accu-chek"])
@pytest.mark.parametrize("cuts", [False, True])
def test_a_meter_that_starts_anew_is_read_on_from_its_first_number(kind: str, cuts: bool) -> None:
    bench = Bench(kind, resets_sequence_at_h=30, cuts=cuts)
    bench.live(hours=60)
    assert len(happenings(bench, "started anew")) == 1
    records = [block.record for block in bench.stored if isinstance(block, Block) and block.channel == "glucose"]
    numbers = Counter(record.partition("@")[0] for record in set(records) if record)
    assert numbers["5"] == 2
    assert bench.missing() == bench.unshown() == []


def test_setting_a_meter_s_clock_moves_the_offset_by_whole_minutes() -> None:
    bench = lived("glucose-meter", 5, clock_offset_s=3 * 3600)
    device, now_ns = bench.firmware, bench.now_ns
    device.write(_gatt.CURRENT_TIME, _gatt.current_time(now_ns), now_ns)
    bench.live(hours=5, reads=False)
    bases = [_gatt.read_date_time(record.stored[3:10]) for record in device.records]
    offsets = [int.from_bytes(record.stored[10:12], "little", signed=True) for record in device.records]
    assert all(0 < later - earlier < 2 * HOUR_NS for earlier, later in pairwise(bases))
    assert set(offsets) == {0, -180}
    assert _gatt.read_current_time(device.read(_gatt.CURRENT_TIME, bench.now_ns)) == pytest.approx(bench.now_ns, abs=NS)


def test_a_meter_that_was_never_set_says_so_and_is_believed_when_it_is_set() -> None:
    bench = Bench("glucose-meter", clock_set=False)
    bench.live(hours=1.5)
    first, *later = [block for block in bench.stored if isinstance(block, Block) and block.channel == "glucose"]
    assert "clock_unset" in first.status
    assert later
    bench.live(hours=24)
    assert words(bench, "glucose")["clock_unset"] == 1
    assert bench.missing() == bench.unshown() == []


def test_a_low_battery_is_said_with_the_reading() -> None:
    bench = Bench("accu-chek", battery=5, battery_life_days=100)
    bench.live(hours=5)
    assert words(bench, "glucose")["low_battery"] == len(bench.shown)


# Continuous glucose


def test_records_of_a_continuous_monitor_come_two_to_a_notification() -> None:
    bench = lived("cgm", 3)
    device = bench.firmware
    listen(device, cgm.MEASUREMENT, _racp.PIPE)
    *notifications, answer = asked(device, ALL, bench.now_ns)
    assert max(len(send.data) for send in notifications) == cgm.MOST
    assert b"".join(send.data for send in notifications) == b"".join(record.stored for record in device.records)
    assert answer.data.hex() == "06000101"
    from_100_on = len(device.records) - 20  # 0, 5 … 95 are before
    assert asked(device, b"\x04\x03\x01\x64\x00", bench.now_ns)[0].data == bytes((5, 0, from_100_on, 0))
    device.update(bench.now_ns + 5 * MINUTE_NS, bench.house.body.truth)
    assert [send.data for send in told(device)] == [device.records[-1].live]
    assert not device.has_news


@pytest.mark.parametrize("troubles", [{"options": {"start_off_s": 7200}}, {"clock_set": False}])
def test_where_the_session_s_start_is_wrong_or_unknown_the_count_of_minutes_dates_the_records(
    troubles: dict[str, Any],
) -> None:
    bench = Bench("cgm", **troubles)
    bench.live(hours=6, reads=False)
    bench.live(hours=6)
    assert len(bench.shown) > 100
    assert bench.missing(within_s=61) == bench.unshown(within_s=61) == []


def test_a_new_sensor_is_a_new_session_and_is_read_on() -> None:
    bench = Bench("cgm")
    bench.live(hours=24 * cgm.SESSION_DAYS - 10, reads=False)
    bench.happenings.clear()
    bench.live(hours=24)
    (new,) = happenings(bench, "new sensor")
    after = [value for value in bench.shown if value.t_ns > new.t_ns]
    assert len(after) > 50
    assert bench.missing() == []
    started = bench.firmware.read(cgm.START, bench.now_ns)
    assert _gatt.read_date_time(started) == pytest.approx(new.t_ns + HOUR_NS, abs=NS)
    assert started[7:9] == bytes((4, 0))


def test_a_monitor_that_was_never_put_on_has_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_sim.routine.Routine.next_ns", lambda self, after_ns: None)
    device = Bench("cgm").firmware
    assert device.read(cgm.START, START_NS)[:7] == bytes(7)
    assert device.read(cgm.STATUS, START_NS)[:5].hex() == "0000010000"  # stopped
    assert device.update(START_NS + DAY_NS, lambda t_ns: pytest.fail("nothing is measured")) == []


# Worn


def test_a_finger_oximeter_searches_estimates_and_then_vouches_for_it() -> None:
    bench = Bench("nonin-3230")
    bench.live(hours=3)
    assert words(bench, "spo2")["estimated"] > 0
    assert any(not block.status for block in bench.stored if isinstance(block, Block) and block.channel == "spo2")
    assert {fault.text for fault in bench.faults if fault.channel == "spo2"} == {
        "spo2: the device sent 127: no measurement"
    }
    assert {block.channel for block in bench.stored if isinstance(block, Block)} >= {"perfusion_index", "battery"}


def test_a_finger_oximeter_says_for_some_seconds_that_the_finger_is_gone_and_sleeps() -> None:
    bench = Bench("nonin-3230")
    while not bench.firmware.has_news:
        bench.now_ns = bench.firmware.wake_ns
        bench.update()
    device, at_ns = bench.firmware, bench.now_ns
    listen(device, device.stream)
    packets = []
    for second in range(160):
        t_ns = at_ns + second * NS
        device.update(t_ns, bench.house.body.truth)
        device.tick(t_ns, bench.house.body.truth)
        packets += [send.data for send in told(device)]
    assert 125 <= len(packets) <= 130
    assert [packet[7] for packet in packets[-5:]] == [127] * 5
    assert [packet[1] & 0x10 for packet in packets[-5:]] == [0] * 5
    assert not device.has_news


def test_a_stream_is_cut_without_regard_to_its_packets() -> None:
    bench = Bench("berrymed-ble")
    bench.live(hours=2)
    listen(bench.firmware, bench.firmware.stream)
    bench.firmware.tick(bench.now_ns, bench.house.body.truth)
    assert [len(send.data) for send in told(bench.firmware)] == [18, 18, 14]
    assert not [fault for fault in bench.faults if fault.code == "short packet"]


def test_a_central_that_does_not_keep_up_misses_some() -> None:
    bench = Bench("berrymed-ble")
    bench.live(hours=2)
    listen(bench.firmware, bench.firmware.stream)
    for _ in range(100):
        bench.firmware.tick(bench.now_ns, bench.house.body.truth)
    assert len(told(bench.firmware)) == 50


def worn(kind: str) -> Bench:
    """A device somebody has worn for ten minutes."""
    bench = lived(kind, 1)
    while not (bench.firmware.worn and bench.firmware.shown):
        bench.now_ns = bench.firmware.wake_ns
        bench.update()
    return bench


def ticked(bench: Bench, seconds: int) -> list[bytes]:
    said = []
    for _ in range(seconds):
        bench.now_ns += NS
        bench.firmware.tick(bench.now_ns, bench.house.body.truth)
        said += [send.data for send in told(bench.firmware)]
    return said


def test_a_belt_s_intervals_are_the_beats_of_the_time_that_passed() -> None:
    bench = worn("heart-belt")
    listen(bench.firmware, heart_belt.MEASUREMENT)
    packets = ticked(bench, 60)
    assert len(packets) == 60
    assert all(packet[0] & 0x06 == 0x06 for packet in packets)
    starts = [4 if packet[0] & heart_belt.HAS_ENERGY else 2 for packet in packets]
    intervals = [
        int.from_bytes(packet[at : at + 2], "little")
        for packet, start in zip(packets, starts, strict=True)
        for at in range(start, len(packet), 2)
    ]
    assert sum(intervals) / 1024 == pytest.approx(59, abs=2)
    assert starts.count(4) == 6


def test_a_belt_s_energy_is_set_back_by_a_1_and_by_nothing_else() -> None:
    bench = worn("heart-belt")
    device = bench.firmware
    listen(device, heart_belt.MEASUREMENT)
    energy = [packet[2] for packet in ticked(bench, 100) if packet[0] & heart_belt.HAS_ENERGY]
    assert energy == sorted(energy)
    assert energy[-1] > 5
    with pytest.raises(Refused) as refused:
        device.write(heart_belt.CONTROL, b"\x02", bench.now_ns)
    assert refused.value.code == 0x80
    device.write(heart_belt.CONTROL, b"\x01", bench.now_ns)
    assert [packet[2] for packet in ticked(bench, 10) if packet[0] & heart_belt.HAS_ENERGY] == [1]


def test_a_belt_that_has_found_no_heart_says_so_and_is_heard_once() -> None:
    bench = Bench("heart-belt")
    bench.now_ns = bench.firmware.wake_ns
    bench.read(listen_s=3)
    bench.update()
    bench.read(listen_s=3)
    assert [fault.text for fault in bench.faults] == ["heart_rate: the device sent 0: it has found no heart"]


def test_a_ring_answers_in_pieces_and_only_whole_requests() -> None:
    bench = worn("viatom-o2ring")
    device, now_ns = bench.firmware, bench.now_ns
    listen(device, ring.ANSWER)
    device.write(ring.COMMAND, bytes.fromhex("aa17e8000000001b"), now_ns)
    pieces = [send.data for send in told(device)]
    assert [len(piece) for piece in pieces] == [20, 1]
    assert ring.crc8(b"".join(pieces)) == 0
    device.write(ring.COMMAND, bytes.fromhex("aa17e8000000001c"), now_ns)
    assert told(device) == []
    head = bytes.fromhex("aa14eb00000000")
    device.write(ring.COMMAND, head + bytes((ring.crc8(head),)), now_ns)
    assert [send.data[:7].hex() for send in told(device)] == ["5501fe00000000"]


@pytest.mark.parametrize("kind", ["heart-belt", "viatom-o2ring"])
def test_what_is_worn_no_more_is_taken_off_and_off_the_air(kind: str) -> None:
    bench = lived(kind, 8, scenario="falls-silent")
    assert [happening.what for happening in bench.happenings if happening.what != "measured"] == [
        "put on",
        "fell silent",
    ]
    assert not bench.firmware.has_news
    assert bench.firmware.wake_ns is None


def test_what_is_put_away_for_a_while_is_taken_off_and_put_on_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hourly = "firmware_sim.routine.Routine.next_ns"
    monkeypatch.setattr(hourly, lambda self, after_ns: after_ns - after_ns % HOUR_NS + HOUR_NS)
    bench = lived("viatom-o2ring", 3.5)
    assert [happening.what for happening in bench.happenings][:9] == ["put on", "measured", "taken off"] * 3


# Time


@pytest.mark.parametrize("kind", sorted(name for name, kind in kinds().items() if kind.link == "air"))
def test_a_device_that_slept_is_as_one_that_was_awake(kind: str) -> None:
    if kinds()[kind].habit == "dispenser":
        return
    awake, slept = Bench(kind), Bench(kind)
    awake.live(hours=30, reads=False)
    slept.now_ns = awake.now_ns
    awake.update()
    slept.update()
    assert slept.happenings == awake.happenings
    assert len(slept.happenings) > 10
