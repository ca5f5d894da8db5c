"""The dispenser as a gateway meets it, without a line: its doses, its log, its answers."""

import struct
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.body import HOUR_NS, Body
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Battery, Happening
from firmware_sim.devices._frame import Deframer, frame
from firmware_sim.devices._log import Entry, Log, Moment, Type
from firmware_sim.devices.dispenser import Ask, Dispenser, Habit, Memory, ScheduledDose, Tell
from firmware_sim.faults import Faults, Path
from firmware_sim.scenario import Scenario
from vitals.clock import NS

MORNING_NS = int(datetime(2026, 11, 21, 7, tzinfo=UTC).timestamp()) * NS
MORNING = MORNING_NS // NS
BODY = Body(1, Scenario("calm"), MORNING_NS)
LOG_ID = 0x9F3C0001
AT_EIGHT = ScheduledDose(dose_id=7, minute_of_day=480, compartment=3, count=2, window_min=60, flags=1)


def dispenser(
    memory: Memory | None = None,
    *,
    takes_until_ns: int | None = None,
    is_set: bool = True,
    offset_s: float = 0,
    silent_ns: int | None = None,
) -> Dispenser:
    return Dispenser(
        MORNING_NS,
        seed=1,
        serial="D-1",
        clock=DeviceClock(MORNING_NS, is_set=is_set, offset_s=offset_s),
        battery=Battery(MORNING_NS, 80),
        memory=memory or Memory(Log(LOG_ID), (AT_EIGHT,)),
        habit=Habit(600, takes_until_ns),
        silent_ns=silent_ns,
    )


def ask(device: Dispenser, kind: int, body: bytes = b"", hour: float = 0, tag: int = 5) -> list[bytes]:
    """Payloads the device answers with, `hour` hours after its start."""
    t_ns = MORNING_NS + round(hour * HOUR_NS)
    device.update(t_ns, BODY.truth)
    return payloads(device.receive(frame(bytes((kind, tag)) + body), t_ns))


def payloads(frames: object) -> list[bytes]:
    return list(Deframer().feed(b"".join(frames)))  # type: ignore[call-overload]


def types(device: Dispenser) -> list[int]:
    return [entry.type for entry in device.memory.log.entries]


def whats(seen: list[Happening]) -> list[str]:
    return [happening.what for happening in seen]


def test_a_dose_is_due_presented_and_taken_out() -> None:
    device = dispenser()
    seen = device.update(MORNING_NS + 2 * HOUR_NS, BODY.truth)
    assert whats(seen) == ["dose due", "dose retrieved"]
    assert types(device) == [Type.BOOT, Type.DUE, Type.PRESENTED, Type.RETRIEVED]
    due, presented, retrieved = device.memory.log.entries[1:]
    assert due.moment.device_utc == MORNING + 3600
    assert presented.moment.device_utc == MORNING + 3605
    assert retrieved.value == retrieved.moment.device_utc - due.moment.device_utc
    assert (due.dose_id, due.compartment, due.count, due.flags) == (7, 3, 2, 1)


def test_a_dose_nobody_takes_is_missed_when_its_window_closes() -> None:
    device = dispenser(takes_until_ns=MORNING_NS)
    assert device.update(MORNING_NS + 2 * HOUR_NS - 1, BODY.truth)[-1].what == "dose due"
    (missed,) = device.update(MORNING_NS + 2 * HOUR_NS, BODY.truth)
    assert missed.what == "missed dose"
    assert missed.data == {"dose_id": 7, "compartment": 3}
    assert device.memory.log.entries[-1].type == Type.MISSED
    assert device.memory.log.entries[-1].value == 60


def test_doses_come_again_the_next_day_and_a_sleeping_simulator_misses_none() -> None:
    slept, awake = dispenser(), dispenser()
    slept.update(MORNING_NS + 96 * HOUR_NS, BODY.truth)
    while awake.wake_ns is not None and awake.wake_ns <= MORNING_NS + 96 * HOUR_NS:
        awake.update(awake.wake_ns, BODY.truth)
    assert slept.memory == awake.memory
    assert types(slept).count(Type.DUE) == types(slept).count(Type.RETRIEVED) == 4


def test_a_dose_for_sundays_waits_for_sunday() -> None:
    sunday = msgspec.structs.replace(AT_EIGHT, weekdays=1 << 6)
    device = dispenser(Memory(Log(LOG_ID), (sunday,)))
    device.update(MORNING_NS + 14 * 24 * HOUR_NS, BODY.truth)
    days = [
        datetime.fromtimestamp(entry.moment.device_utc, UTC).isoweekday()
        for entry in device.memory.log.entries
        if entry.type == Type.DUE
    ]
    assert days == [7, 7]


def test_the_magazine_runs_low_then_empty_and_is_refilled() -> None:
    hourly = tuple(msgspec.structs.replace(AT_EIGHT, dose_id=n, minute_of_day=470 + n) for n in range(1, 9))
    device = dispenser(Memory(Log(LOG_ID), hourly, inside=7))
    device.update(MORNING_NS + 24 * HOUR_NS, BODY.truth)
    assert [t for t in types(device) if t in (Type.LOW, Type.EMPTY, Type.DISPENSE_FAIL, Type.REFILL)] == [
        Type.LOW,
        Type.EMPTY,
        Type.DISPENSE_FAIL,
        Type.REFILL,
    ]


def test_hello_says_who_and_how_far() -> None:
    device = dispenser()
    (hello,) = ask(device, Ask.HELLO_GET, b"\1", hour=2)
    assert hello[:2] == bytes((Tell.HELLO, 5))
    version, log_id, boot_id, oldest, newest, utc, uptime_ms, battery, length = struct.unpack_from("<B6IBB", hello, 2)
    assert (version, log_id, oldest, newest, utc) == (1, LOG_ID, 1, 4, MORNING + 7200)
    assert (uptime_ms, battery) == (7_200_000, 80)
    assert hello[-length:] == b"D-1"
    assert boot_id == device.memory.log.entries[0].moment.boot_id != 0


def test_entries_are_kept_and_the_same_to_the_byte_until_they_are_acknowledged() -> None:
    device = dispenser()
    first = ask(device, Ask.READ_FROM, struct.pack("<I", 1), hour=2)
    again = ask(device, Ask.READ_FROM, struct.pack("<I", 1), hour=3)
    assert first == again
    assert [event[:2] for event in first[:-1]] == [bytes((Tell.EVENT, 5))] * 4
    assert first[-1] == bytes((Tell.READ_DONE, 5)) + struct.pack("<I", 5)
    assert ask(device, Ask.ACK_UPTO, struct.pack("<II", LOG_ID, 3)) == [b"\x83\x05" + struct.pack("<I", 3)]
    assert ask(device, Ask.READ_FROM, struct.pack("<I", 1)) == [first[3], first[4]]
    assert ask(device, Ask.ACK_UPTO, struct.pack("<II", LOG_ID, 4)) == [b"\x83\x05" + struct.pack("<I", 4)]
    (hello,) = ask(device, Ask.HELLO_GET, b"\1")
    assert struct.unpack_from("<II", hello, 11) == (5, 4), "an empty log: oldest is newest + 1"


def test_an_acknowledgement_of_another_log_or_of_the_future_releases_nothing() -> None:
    device = dispenser()
    device.update(MORNING_NS + 2 * HOUR_NS, BODY.truth)
    assert ask(device, Ask.ACK_UPTO, struct.pack("<II", LOG_ID + 1, 4)) == [bytes((0xFF, 5, 3, 3))]
    assert ask(device, Ask.ACK_UPTO, struct.pack("<II", LOG_ID, 5)) == [bytes((0xFF, 5, 3, 2))]
    assert len(device.memory.log.entries) == 4


def test_later_entries_follow_unasked_once_reading_began() -> None:
    device = dispenser()
    assert payloads(device.unasked()) == []
    ask(device, Ask.READ_FROM, struct.pack("<I", 1))
    device.update(MORNING_NS + HOUR_NS, BODY.truth)
    (due,) = payloads(device.unasked())
    assert due == bytes((Tell.EVENT, 0)) + device.memory.log.entries[-1].encode()
    assert payloads(device.unasked()) == []


def test_setting_the_clock_is_answered_and_an_honest_jump_is_logged() -> None:
    device = dispenser(offset_s=-95)
    (answer,) = ask(device, Ask.TIME_SET, struct.pack("<I", MORNING + 60), hour=1 / 60)
    assert answer == bytes((Tell.TIME, 5)) + struct.pack("<II", MORNING + 60, 60_000)
    entry = device.memory.log.entries[-1]
    assert (entry.type, entry.value, entry.moment.device_utc) == (Type.CLOCK_SET, 95, MORNING + 60)
    ask(device, Ask.TIME_SET, struct.pack("<I", MORNING + 61), hour=1 / 60)
    assert types(device) == [Type.BOOT, Type.CLOCK_SET], "a second's correction is not worth an entry"


def test_a_clock_never_set_dispenses_nothing_and_says_so() -> None:
    device = dispenser(is_set=False)
    device.update(MORNING_NS + 3 * HOUR_NS, BODY.truth)
    assert types(device) == [Type.BOOT]
    assert device.memory.log.entries[0].flags == 4
    assert device.memory.log.entries[0].moment.device_utc == 0
    assert ask(device, Ask.TIME_GET, hour=3) == [bytes((Tell.TIME, 5)) + struct.pack("<II", 0, 3 * 3_600_000)]
    ask(device, Ask.TIME_SET, struct.pack("<I", MORNING + 3 * 3600), hour=3)
    assert device.memory.log.entries[-1].encode()[-2:] == (32767).to_bytes(2, "little")
    device.update(MORNING_NS + 26 * HOUR_NS, BODY.truth)
    assert types(device).count(Type.DUE) == 1, "tomorrow's, not this morning's"


def test_a_clock_put_back_does_not_give_a_dose_twice_and_put_forward_does_not_skip_one() -> None:
    device = dispenser()
    ask(device, Ask.TIME_SET, struct.pack("<I", MORNING + 3600), hour=1.5)
    device.update(MORNING_NS + 3 * HOUR_NS, BODY.truth)
    assert types(device).count(Type.DUE) == 1
    device = dispenser(takes_until_ns=MORNING_NS)
    ask(device, Ask.TIME_SET, struct.pack("<I", MORNING + 3 * 3600), hour=0.5)
    seen = device.update(MORNING_NS + HOUR_NS, BODY.truth)
    assert whats(seen) == ["dose due", "missed dose"]


def test_a_schedule_is_taken_kept_and_proven_by_its_hash() -> None:
    device = dispenser()
    doses = [AT_EIGHT, msgspec.structs.replace(AT_EIGHT, dose_id=8, minute_of_day=1200)]
    raw = b"".join(dose.encode() for dose in doses)
    assert raw[:10].hex() == "0700" + "e001" + "03" + "02" + "3c00" + "7f" + "01"
    expected = [bytes((Tell.SCHEDULE, 5, 0)) + sha256(raw).digest()[:8]]
    assert ask(device, Ask.SCHEDULE_PUT, b"\2" + raw) == expected
    assert ask(device, Ask.SCHEDULE_GET) == expected
    assert list(device.memory.schedule) == doses


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        (0x0B, "", 1),
        (0x81, "", 1),
        (Ask.HELLO_GET, "", 2),
        (Ask.READ_FROM, "0100", 2),
        (Ask.TIME_SET, "00000000", 2),
        (Ask.SCHEDULE_PUT, "", 2),
        (Ask.SCHEDULE_PUT, "02" + "0700e00103023c007f01", 2),
        (Ask.SCHEDULE_PUT, "01" + "0700a00503023c007f01", 2),  # minute 1440 of the day
        (Ask.SCHEDULE_PUT, "0c" + "0700e00103023c007f01" * 11, 2),
    ],
)
def test_what_cannot_be_is_answered_with_an_error(kind: int, body: str, code: int) -> None:
    device = dispenser()
    assert ask(device, kind, bytes.fromhex(body)) == [bytes((Tell.ERROR, 5, kind, code))]
    assert device.memory.schedule == (AT_EIGHT,)


def test_a_heartbeat_says_how_far_the_log_is() -> None:
    device = dispenser()
    device.update(MORNING_NS + 30 * NS, BODY.truth)
    assert payloads([device.heartbeat()]) == [bytes((Tell.HEARTBEAT, 0)) + struct.pack("<IIB", 30_000, 1, 80)]


def test_without_power_it_answers_nothing_and_dispenses_nothing() -> None:
    device = dispenser(silent_ns=MORNING_NS + HOUR_NS // 2)
    assert whats(device.update(MORNING_NS + 3 * HOUR_NS, BODY.truth)) == ["fell silent"]
    assert ask(device, Ask.HELLO_GET, b"\1", hour=3) == []
    assert types(device) == [Type.BOOT]
    assert device.wake_ns is None


def test_over_a_bad_line_every_entry_arrives_in_the_end() -> None:
    device = dispenser()
    device.update(MORNING_NS + 10 * 24 * HOUR_NS, BODY.truth)
    line = Path(Faults(flips_per_kb=10, losses_per_kb=5), seed=4)
    whole = [b"\x82\x05" + entry.encode() for entry in device.memory.log.entries]
    deframer, arrived, reads = Deframer(), set[bytes](), 0
    while not arrived >= set(whole):
        reads += 1
        assert reads < 100
        request = line.carry(b"\0" + frame(b"\x02\x05" + struct.pack("<I", 1)))
        answer = b"".join(device.receive(request, MORNING_NS + 10 * 24 * HOUR_NS))
        arrived.update(payload for payload in deframer.feed(line.carry(answer)) if payload[0] == Tell.EVENT)
    assert reads > 1, "the line is bad"
    assert arrived == set(whole), "and no damage passed the check"


def test_a_power_cut_loses_nothing_that_was_written() -> None:
    device = dispenser()
    device.update(MORNING_NS + 2 * HOUR_NS, BODY.truth)
    saved = msgspec.msgpack.encode(device.memory)
    again = dispenser(msgspec.msgpack.decode(saved, type=Memory))
    assert again.memory.log.entries[:4] == device.memory.log.entries
    boot = again.memory.log.entries[4]
    assert (boot.seq, boot.type) == (5, Type.BOOT)
    assert boot.moment.boot_id != device.memory.log.entries[0].moment.boot_id


@given(st.lists(st.one_of(st.none(), st.integers(0, 300)), max_size=400), st.integers(8, 40), st.integers(1, 8))
def test_no_entry_is_lost_before_it_is_acknowledged_unless_the_log_says_so(
    steps: list[int | None], capacity: int, page: int
) -> None:
    """None writes an entry, a number acknowledges up to it. Whatever left the log was released or counted as lost."""
    log = Log(LOG_ID, [], capacity=capacity, page=page)
    written: dict[int, Entry] = {}
    acknowledged = lost = 0
    for step in steps:
        if step is None:
            log.write(Moment(1, 0, 0), Type.LID_OPEN)
            for entry in log.entries:
                assert written.setdefault(entry.seq, entry) == entry, "an entry never changes"
                lost += entry.value if entry.type == Type.LOG_OVERFLOW and entry.seq == log.newest_seq - 1 else 0
        elif step <= log.newest_seq:
            before = log.oldest_seq
            log.release(step)
            acknowledged += log.oldest_seq - before
        numbers = [entry.seq for entry in log.entries]
        assert all(later == earlier + 1 for earlier, later in pairwise(numbers))
        assert not numbers or numbers[-1] == log.newest_seq
        assert len(numbers) <= capacity + 1
        assert log.newest_seq == acknowledged + lost + len(numbers)
    assert sorted(written) == list(range(1, log.next_seq))
