"""Oximeter and scale as a central meets them, without a radio: what is told, when, and what is told again."""

from datetime import UTC, datetime

import pytest

from firmware_sim.body import DAY_NS, HOUR_NS, Body
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Battery, Refused, Send
from firmware_sim.devices import _gatt
from firmware_sim.devices._spot import SpotDevice
from firmware_sim.devices.oximeter import ACCESS, SPOT, Oximeter
from firmware_sim.devices.scale import WEIGHT, Scale
from firmware_sim.routine import Routine
from firmware_sim.scenario import Scenario
from vitals.clock import NS

START_NS = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()) * NS
BODY = Body(1, Scenario("calm"), START_NS)
ALL, COUNT = b"\x01\x01", b"\x04\x01"
FROM_STORAGE_BYTE, FROM_STORAGE_BIT = 13, 0x02


def oximeter(*, keeps_delivered: bool = False, memory: int = 200, percent: float = 90, is_set: bool = True) -> Oximeter:
    return Oximeter(
        keeps_delivered=keeps_delivered,
        seed=1,
        serial="OX1",
        clock=DeviceClock(START_NS, is_set=is_set),
        battery=Battery(START_NS, percent, life_days=100),
        routine=Routine(1, START_NS, every_min=20),
        memory=memory,
    )


def scale(until_ns: int | None = None) -> Scale:
    return Scale(
        seed=1,
        serial="SC1",
        clock=DeviceClock(START_NS),
        battery=Battery(START_NS),
        routine=Routine(1, START_NS, at_hours=(7, 19), since_ns=START_NS - 5 * DAY_NS, until_ns=until_ns),
    )


def listen(device: SpotDevice, *pipes: str) -> None:
    device.connected()
    for pipe in pipes:
        device.subscribed(pipe, True)


def told(device: SpotDevice, at_most: int = 1000) -> list[bytes]:
    """What the device says and the central confirms."""
    said: list[bytes] = []
    while len(said) < at_most and (send := device.next_send()) is not None:
        said.append(send.data)
        device.confirmed(send)
    return said


def stored(packet: bytes) -> bool:
    return bool(packet[FROM_STORAGE_BYTE] & FROM_STORAGE_BIT)


def test_an_oximeter_stores_what_nobody_hears_and_tells_it_when_asked() -> None:
    device = oximeter()
    assert not device.has_news
    seen = device.update(START_NS + HOUR_NS - 1, BODY.truth)
    assert [happening.what for happening in seen] == ["measured"] * 3
    assert device.has_news
    listen(device, SPOT, ACCESS)
    assert told(device) == []
    device.write(ACCESS, COUNT, START_NS)
    assert told(device) == [bytes.fromhex("05000300")]
    device.write(ACCESS, ALL, START_NS)
    *records, response = told(device)
    assert [packet[1] for packet in records] == [happening.data["spo2"] for happening in seen]
    assert all(stored(packet) for packet in records)
    assert response.hex() == "06000101"
    assert not device.has_news
    device.write(ACCESS, ALL, START_NS)
    assert told(device) == [bytes.fromhex("06000106")]


def test_a_measurement_made_while_someone_listens_is_told_at_once() -> None:
    device = oximeter()
    listen(device, SPOT, ACCESS)
    device.update(START_NS + HOUR_NS // 3, BODY.truth)
    (packet,) = told(device)
    assert not stored(packet)
    assert not device.has_news


def test_what_was_not_confirmed_is_told_again_to_the_byte() -> None:
    device = oximeter()
    device.update(START_NS + HOUR_NS - 1, BODY.truth)
    listen(device, SPOT, ACCESS)
    device.write(ACCESS, ALL, START_NS)
    first = told(device, at_most=1)
    interrupted = device.next_send()
    device.disconnected()
    assert device.next_send() is None
    listen(device, SPOT, ACCESS)
    device.write(ACCESS, ALL, START_NS)
    again = told(device)[:-1]
    assert len(again) == 2
    assert interrupted is not None
    assert again[0] == interrupted.data
    assert first[0] not in again


def test_an_oximeter_that_keeps_what_it_delivered_tells_everything_again() -> None:
    device = oximeter(keeps_delivered=True)
    device.update(START_NS + HOUR_NS - 1, BODY.truth)
    listen(device, SPOT, ACCESS)
    device.write(ACCESS, ALL, START_NS)
    once = told(device)
    device.write(ACCESS, ALL, START_NS)
    assert told(device) == once
    assert not device.has_news


def test_a_full_memory_forgets_the_oldest() -> None:
    device = oximeter(memory=5)
    device.update(START_NS + 5 * HOUR_NS, BODY.truth)
    assert [record.number for record in device.records] == [11, 12, 13, 14, 15]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("0201", "06000201"),  # delete all
        ("0300", "06000301"),  # abort
        ("0301", "06000303"),  # abort takes no operator
        ("0100", "06000103"),  # report, no operator
        ("01030100", "06000104"),  # report from a number on: not in this profile
        ("010100", "06000105"),  # an operand where none belongs
        ("0901", "06000902"),  # no such request
    ],
)
def test_other_requests_are_answered_by_the_book(request_: str, answer: str) -> None:
    device = oximeter()
    device.update(START_NS + HOUR_NS - 1, BODY.truth)
    listen(device, SPOT, ACCESS)
    device.write(ACCESS, bytes.fromhex(request_), START_NS)
    assert [packet.hex() for packet in told(device)] == [answer]


def test_a_report_can_be_aborted_and_not_doubled() -> None:
    device = oximeter()
    device.update(START_NS + HOUR_NS - 1, BODY.truth)
    listen(device, SPOT, ACCESS)
    device.write(ACCESS, ALL, START_NS)
    with pytest.raises(Refused) as refused:
        device.write(ACCESS, ALL, START_NS)
    assert refused.value.code == 0xFE
    device.write(ACCESS, b"\x03\x00", START_NS)
    assert [packet.hex() for packet in told(device)] == ["06000301"]
    assert device.has_news


def test_the_access_point_wants_both_indications_on() -> None:
    device = oximeter()
    listen(device, ACCESS)
    with pytest.raises(Refused) as refused:
        device.write(ACCESS, ALL, START_NS)
    assert refused.value.code == 0xFD


def test_the_clock_can_be_set_and_stored_records_keep_their_time() -> None:
    device = oximeter(is_set=False)
    device.update(START_NS + HOUR_NS // 3, BODY.truth)
    assert device.records[0].stored[0] == 0x1F
    before = device.records[0].stored
    device.write(_gatt.CURRENT_TIME, _gatt.current_time(START_NS + 1000 * NS), START_NS + 1000 * NS)
    assert device.clock.is_set
    assert device.records[0].stored == before
    read = device.read(_gatt.CURRENT_TIME, START_NS + 1060 * NS)
    assert _gatt.read_current_time(read) == START_NS + 1060 * NS
    device.update(START_NS + HOUR_NS, BODY.truth)
    assert device.records[-1].stored[0] == 0x0F


@pytest.mark.parametrize(("data", "code"), [(b"\x00" * 9, 0x0D), (b"\x00" * 10, 0x80)])
def test_a_time_that_is_none_is_refused(data: bytes, code: int) -> None:
    with pytest.raises(Refused) as refused:
        oximeter().write(_gatt.CURRENT_TIME, data, START_NS)
    assert refused.value.code == code


def test_an_empty_battery_is_the_end() -> None:
    device = oximeter(percent=1)
    seen = device.update(START_NS + 2 * DAY_NS, BODY.truth)
    assert seen[-1].what == "fell silent"
    assert seen[-1].t_ns == START_NS + DAY_NS
    assert len(device.records) == 72
    assert not device.has_news
    assert device.wake_ns is None
    assert device.read(_gatt.BATTERY_LEVEL, START_NS + 2 * DAY_NS) == b"\x00"


def test_a_device_that_slept_is_as_one_that_was_awake() -> None:
    slept, awake = oximeter(), oximeter()
    slept.update(START_NS + DAY_NS, BODY.truth)
    while awake.wake_ns is not None and awake.wake_ns <= START_NS + DAY_NS:
        awake.update(awake.wake_ns, BODY.truth)
    assert awake.records == slept.records


def test_a_scale_tells_days_of_history_oldest_first_and_only_once_confirmed_is_it_released() -> None:
    device = scale()
    device.update(START_NS, BODY.truth)
    assert device.has_news
    listen(device, WEIGHT)
    first = told(device, at_most=4)
    device.disconnected()
    listen(device, WEIGHT)
    rest = told(device)
    assert len(first + rest) == 10
    times = [packet[5:] for packet in first + rest]
    assert times == sorted(times)
    assert not device.has_news


def test_a_scale_that_is_listened_to_tells_at_once() -> None:
    device = scale()
    device.update(START_NS, BODY.truth)
    listen(device, WEIGHT)
    told(device)
    (weighed,) = device.update(START_NS + 9 * HOUR_NS, BODY.truth)
    (packet,) = told(device)
    assert int.from_bytes(packet[1:3], "little") / 200 == weighed.data["weight"]


def test_a_person_who_stops_is_seen_to_fall_silent_once() -> None:
    device = scale(until_ns=START_NS + HOUR_NS)
    seen = device.update(START_NS + DAY_NS, BODY.truth)
    assert [happening.what for happening in seen if happening.t_ns >= START_NS] == ["fell silent"]
    assert device.update(START_NS + 2 * DAY_NS, BODY.truth) == []


def test_a_confirmation_that_comes_late_is_not_taken_for_the_next() -> None:
    device = scale()
    device.update(START_NS, BODY.truth)
    listen(device, WEIGHT)
    stale = Send(WEIGHT, b"", None)
    head = device.next_send()
    device.confirmed(stale)
    assert device.next_send() is head
