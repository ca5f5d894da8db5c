"""Orders and schedules in parts, as a dispenser takes them: stored first, done once, remembered, or nobody knows."""

import struct
from collections.abc import Callable

import msgspec
import pytest

from firmware_sim.body import Body
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Battery
from firmware_sim.devices._dispenser_orders import KEPT
from firmware_sim.devices._dispenser_wire import Ask, Do, Placed, Reason, ScheduledDose, State, Tell, fingerprint
from firmware_sim.devices._frame import Deframer, frame
from firmware_sim.devices._log import Log, Type
from firmware_sim.devices.dispenser import Dispenser, Memory, Trouble
from firmware_sim.scenario import Scenario
from vitals.clock import NS

START_NS = 1_795_248_000 * NS
BODY = Body(1, Scenario("calm"), START_NS)
LOG_ID = 0x9F3C0001


def nothing(step: str) -> None:
    """Nobody looks on."""


def dispenser(
    memory: Memory | None = None,
    step: Callable[[str], None] = nothing,
    trouble: Trouble | None = None,
    at_s: float = 0,
) -> Dispenser:
    return Dispenser(
        START_NS + round(at_s * NS),
        seed=1,
        serial="D-1",
        clock=DeviceClock(START_NS),
        battery=Battery(START_NS, 80),
        memory=memory or Memory(Log(LOG_ID)),
        trouble=trouble or Trouble(),
        step=step,
    )


def ask(device: Dispenser, kind: int, body: bytes = b"", at_s: float = 0) -> list[bytes]:
    t_ns = START_NS + round(at_s * NS)
    device.update(t_ns, BODY.truth)
    return list(Deframer().feed(b"".join(device.receive(frame(bytes((kind, 5)) + body), t_ns))))


def order(
    device: Dispenser,
    order_id: int,
    kind: int = Do.DISPENSE,
    compartment: int = 3,
    *,
    at_s: float = 0,
    lives_s: float = 60,
) -> tuple[int, int, int]:
    """State, reason and entry, as the device answers."""
    device.update(START_NS + round(at_s * NS), BODY.truth)
    not_after_ms = device.uptime_ms + round(lives_s * 1000)
    body = struct.pack("<QBBHII", order_id, kind, compartment, 7, device.boot_id, not_after_ms)
    return state(ask(device, Ask.ORDER, body, at_s), order_id)


def recall(device: Dispenser, order_id: int, at_s: float = 0) -> tuple[int, int, int]:
    return state(ask(device, Ask.ORDER_GET, struct.pack("<Q", order_id), at_s), order_id)


def state(answers: list[bytes], order_id: int) -> tuple[int, int, int]:
    (answer,) = answers
    assert answer[:2] == bytes((Tell.ORDER_STATE, 5))
    told_id, code, reason, seq = struct.unpack("<QBBI", answer[2:])
    assert told_id == order_id
    return code, reason, seq


def types(device: Dispenser) -> list[int]:
    return [entry.type for entry in device.memory.log.entries]


def test_a_dose_on_order_comes_out_once_and_is_taken_like_any_other() -> None:
    device = dispenser()
    assert order(device, 1) == (State.UNDER_WAY, 0, 0)
    assert order(device, 1) == (State.UNDER_WAY, 0, 0), "the same id again is no other order"
    device.update(START_NS + 3600 * NS, BODY.truth)
    assert types(device) == [Type.BOOT, Type.PRESENTED, Type.ORDER_DONE, Type.RETRIEVED]
    done = device.memory.log.entries[2]
    assert (done.compartment, done.dose_id, done.count, done.value) == (3, 7, Do.DISPENSE, 0)
    assert recall(device, 1, at_s=3600) == (State.DONE, 0, 3)
    assert order(device, 1, at_s=3601) == (State.DONE, 0, 3)
    device.update(START_NS + 7200 * NS, BODY.truth)
    assert device.acts == [1]


def test_its_end_is_told_behind_its_id_as_often_as_it_is_read() -> None:
    device = dispenser()
    order(device, 0xABC)
    device.update(START_NS + 6 * NS, BODY.truth)
    for _ in range(2):
        kinds = [payload[0] for payload in ask(device, Ask.READ_FROM, struct.pack("<I", 2), at_s=6)]
        assert kinds == [Tell.EVENT, Tell.ORDER_STATE, Tell.EVENT, Tell.READ_DONE]


def test_locked_it_gives_nothing_until_it_is_unlocked_even_after_a_power_cut() -> None:
    device = dispenser(Memory(Log(LOG_ID), (ScheduledDose(9, 481, 2, 1, 60),)))
    device.memory.schedule = (ScheduledDose(9, (START_NS // NS % 86_400) // 60 + 2, 2, 1, 60),)
    order(device, 1, Do.LOCK)
    device.update(START_NS + 2 * NS, BODY.truth)
    device = dispenser(device.memory, at_s=10)
    assert order(device, 2, at_s=11)[:2] == (State.REFUSED, Reason.LOCKED)
    device.update(START_NS + 300 * NS, BODY.truth)
    assert types(device)[-2:] == [Type.DUE, Type.DISPENSE_FAIL]
    order(device, 3, Do.UNLOCK, at_s=300)
    assert order(device, 4, at_s=303)[:2] == (State.UNDER_WAY, 0)


@pytest.mark.parametrize(
    ("kind", "compartment", "lives_s", "inside", "reason"),
    [
        (Do.DISPENSE, 0, 60, 28, Reason.NO_COMPARTMENT),
        (Do.DISPENSE, 200, 60, 28, Reason.NO_COMPARTMENT),
        (Do.DISPENSE, 3, 60, 0, Reason.NO_DOSE),
        (Do.DISPENSE, 3, -1, 28, Reason.LATE),
        (Do.LOCK, 0, -2, 28, Reason.LATE),
        (77, 0, 60, 28, Reason.CANNOT),
    ],
)
def test_what_it_will_not_do_is_refused_stored_and_logged(
    kind: int, compartment: int, lives_s: float, inside: int, reason: Reason
) -> None:
    device = dispenser(Memory(Log(LOG_ID), inside=inside))
    device.update(START_NS + 10 * NS, BODY.truth)
    assert order(device, 1, kind, compartment, at_s=10, lives_s=lives_s) == (State.REFUSED, reason, 2)
    assert types(device) == [Type.BOOT, Type.ORDER_REFUSED]
    assert recall(device, 1, at_s=10) == (State.REFUSED, reason, 2)


def test_an_order_for_an_earlier_start_is_late() -> None:
    device = dispenser()
    body = struct.pack("<QBBHII", 1, Do.DISPENSE, 3, 7, device.boot_id, 60_000)
    again = dispenser(device.memory, at_s=1)
    assert state(ask(again, Ask.ORDER, body, 1), 1)[:2] == (State.REFUSED, Reason.LATE)


def test_a_stuck_mechanism_refuses_and_fails_its_test_until_somebody_clears_it() -> None:
    device = dispenser(trouble=Trouble(jam_ns=(START_NS,), jam_cleared_after_s=60))
    device.update(START_NS, BODY.truth)
    order(device, 1)
    device.update(START_NS + 6 * NS, BODY.truth)
    assert recall(device, 1, at_s=6)[:2] == (State.REFUSED, Reason.STUCK)
    order(device, 2, Do.TEST, at_s=7)
    assert recall(device, 2, at_s=10)[:2] == (State.REFUSED, Reason.STUCK)
    order(device, 3, Do.TEST, at_s=100)
    assert recall(device, 3, at_s=103)[:2] == (State.DONE, 0)
    assert types(device)[1:4] == [Type.JAM, Type.ORDER_REFUSED, Type.ORDER_REFUSED]


class PowerCut(Exception):
    """In the middle of something."""


def ordered_and_awaited(device: Dispenser) -> None:
    order(device, 1)
    device.update(START_NS + 10 * NS, BODY.truth)


@pytest.mark.parametrize(
    ("cut_at", "after", "doses"),
    [
        ("stored", State.UNKNOWN, 0),
        ("moved", State.UNKNOWN, 1),
        ("logged", State.UNKNOWN, 1),
        ("ended", State.DONE, 1),
    ],
)
def test_power_may_fail_at_any_moment_and_it_is_never_done_again(cut_at: str, after: State, doses: int) -> None:
    def step(name: str) -> None:
        if name == cut_at:
            raise PowerCut

    device = dispenser(step=step)
    with pytest.raises(PowerCut):
        ordered_and_awaited(device)
    assert device.acts == [1] * doses
    saved = msgspec.msgpack.decode(msgspec.msgpack.encode(device.memory), type=Memory)
    again = dispenser(saved, at_s=20)
    assert order(again, 1, at_s=21)[:2] == (after, 0)
    again.update(START_NS + 600 * NS, BODY.truth)
    assert again.acts == []
    ends = [entry.type for entry in saved.log.entries if entry.type >= Type.ORDER_DONE]
    assert ends == [Type.ORDER_UNKNOWN if after == State.UNKNOWN else Type.ORDER_DONE], "one end, whatever happened"
    if after == State.UNKNOWN:
        assert types(again)[-2:] == [Type.BOOT, Type.ORDER_UNKNOWN], "the start comes first"


def test_an_id_asked_for_before_it_came_is_never_acted_on() -> None:
    device = dispenser()
    assert recall(device, 1) == (State.NEVER_SEEN, 0, 0)
    assert order(device, 1) == (State.NEVER_SEEN, 0, 0)
    device.update(START_NS + 60 * NS, BODY.truth)
    assert device.acts == []
    assert recall(device, 0) == (State.NEVER_SEEN, 0, 0)
    assert [one.id for one in device.memory.orders] == [1], "0 is no order"


def test_it_forgets_an_order_only_when_its_end_was_acknowledged_and_many_came_after_it() -> None:
    device = dispenser()
    for number in range(1, KEPT + 1):
        order(device, number, Do.TEST, at_s=10 * number)
    device.update(START_NS + 1000 * NS, BODY.truth)
    full = ask(device, Ask.ORDER, struct.pack("<QBBHII", 99, Do.TEST, 0, 0, device.boot_id, 2_000_000), 1000)
    assert full == [bytes((Tell.ERROR, 5, Ask.ORDER, 4))]
    assert ask(device, Ask.ORDER_GET, struct.pack("<Q", 98), 1000) == [bytes((Tell.ERROR, 5, Ask.ORDER_GET, 4))]
    ask(device, Ask.ACK_UPTO, struct.pack("<II", LOG_ID, 2), 1000)
    assert order(device, 99, Do.TEST, at_s=1000) == (State.UNDER_WAY, 0, 0)
    assert [one.id for one in device.memory.orders] == [*range(2, KEPT + 1), 99]


def test_an_end_that_nobody_read_is_written_again_when_the_log_runs_over() -> None:
    device = dispenser(Memory(Log(LOG_ID, capacity=10, page=4)))
    order(device, 1)
    device.update(START_NS + 10 * NS, BODY.truth)
    ended = next(entry for entry in device.memory.log.entries if entry.type == Type.ORDER_DONE)
    for number in range(30):
        ask(device, Ask.TIME_SET, struct.pack("<I", START_NS // NS + 100 * number), 10)
    (kept,) = [entry for entry in device.memory.log.entries if entry.type == Type.ORDER_DONE]
    assert kept.seq > ended.seq
    assert kept.moment == ended.moment
    assert recall(device, 1, at_s=10) == (State.DONE, 0, kept.seq)


# Schedules


def part(doses: tuple[ScheduledDose, ...], first: int, total: int) -> bytes:
    return bytes((first, total)) + b"".join(dose.encode() for dose in doses)


DOSES = tuple(ScheduledDose(number, 470 + number, 1, 1, 60) for number in range(1, 41))


def test_a_long_schedule_comes_in_parts_and_is_in_force_only_as_a_whole() -> None:
    device = dispenser(Memory(Log(LOG_ID), DOSES[:1]))
    for first in (0, 11, 22, 33):
        assert device.memory.schedule == DOSES[:1]
        (answer,) = ask(device, Ask.SCHEDULE_PART, part(DOSES[first : first + 11], first, 40))
        result = Placed.IN_FORCE if first == 33 else Placed.MORE
        assert answer == bytes((Tell.SCHEDULE, 5, result)) + fingerprint(DOSES[: first + 11])
    assert device.memory.schedule == DOSES


@pytest.mark.parametrize(
    ("bodies", "result"),
    [
        ([part(DOSES[11:22], 11, 40)], Placed.NOT_TAKEN),  # not the first
        ([part(DOSES[:11], 0, 40), part(DOSES[22:33], 22, 40)], Placed.NOT_TAKEN),  # one is missing
        ([part(DOSES[:11], 0, 40), part(DOSES[:11], 11, 40)], Placed.NOT_TAKEN),  # the same doses again
        ([part(DOSES[:11], 0, 5)], Placed.NOT_TAKEN),  # more than it said
        ([bytes((0, 40))], Placed.NOT_TAKEN),
        ([bytes((0, 40)) + bytes(10)], Placed.NOT_TAKEN),
        ([bytes((0, 40)) + bytes(9)], Placed.NOT_TAKEN),
        ([part(DOSES[:11], 0, 200)], Placed.TOO_MANY),
    ],
)
def test_a_part_that_does_not_fit_leaves_the_old_schedule_in_force(bodies: list[bytes], result: Placed) -> None:
    device = dispenser(Memory(Log(LOG_ID), DOSES[:1]))
    answers = [ask(device, Ask.SCHEDULE_PART, body)[0] for body in bodies]
    assert answers[-1] == bytes((Tell.SCHEDULE, 5, result)) + fingerprint(DOSES[:1])
    assert device.memory.schedule == DOSES[:1]
    (again,) = ask(device, Ask.SCHEDULE_PART, part(DOSES[11:22], 11, 40))
    assert again[2] == Placed.NOT_TAKEN, "what was gathered is dropped"


def test_parts_are_forgotten_with_the_power() -> None:
    device = dispenser(trouble=Trouble(power_cut_ns=(START_NS + NS,)))
    ask(device, Ask.SCHEDULE_PART, part(DOSES[:11], 0, 12))
    (answer,) = ask(device, Ask.SCHEDULE_PART, part(DOSES[11:12], 11, 12), at_s=2)
    assert answer[2] == Placed.NOT_TAKEN
