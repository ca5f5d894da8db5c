"""What becomes of an order, told as conversations: each ends once, in words a nurse can read."""

import struct
from hashlib import sha256
from pathlib import Path

import pytest

from drivers._cobs import Frames, frame
from drivers._dispenser import NAME_TRIES
from drivers._dispenser_orders import LIVES_S, PART_DOSES
from drivers.catalogue import catalogue
from drivers.contract import Bookmark, Obedient, Order, Out, Rx, Tx
from drivers.hv_dispenser import Dispenser
from vitals.events import Event, Fault
from vitals.schedule import Dose, written

S = 10**9
NOW_S = 1_795_248_000
LOG, BOOT, UPTIME_MS = 0x9F3C0001, 7, 100_000
ID = 0x0123456789ABCDEF
DOSES = tuple(Dose(number, 480 + number, number) for number in range(1, 33))


def told(driver: Dispenser, kind: int, body: bytes, t_s: float = NOW_S, tag: int = 0) -> list[Out]:
    return list(driver.feed(Rx("serial", frame(bytes((kind, tag)) + body), int(t_s * S))))


def hello(log_id: int = LOG, oldest: int = 1, newest: int = 0) -> bytes:
    return struct.pack("<BIIIIIIBB", 1, log_id, BOOT, oldest, newest, NOW_S, UPTIME_MS, 0xFF, 0)


def met(bookmark: str = f"{LOG:08x}:0") -> Dispenser:
    driver = Dispenser(bookmark)
    told(driver, 0x81, hello())
    told(driver, 0x85, (1).to_bytes(4, "little"), tag=1)
    return driver


def asked(outs: object) -> list[bytes]:
    """The payloads of what is sent."""
    assert isinstance(outs, list | tuple)
    sent = b"".join(out.data for out in outs if isinstance(out, Tx))
    return [payload for payload in Frames().feed(sent) if isinstance(payload, bytes)]


def ends(outs: list[Out]) -> list[tuple[str, str]]:
    """How orders ended: outcome and why."""
    return [
        (out.kind.removeprefix("order."), str(out.data.get("why", "")))
        for out in outs
        if isinstance(out, Event) and out.kind.startswith("order.")
    ]


def state(code: int, reason: int = 0, seq: int = 0, order_id: int = ID) -> bytes:
    return struct.pack("<QBBI", order_id, code, reason, seq)


def entry(seq: int, kind: int, reason: int = 0) -> bytes:
    return struct.pack("<IIIIBBHBBh", seq, BOOT, NOW_S, UPTIME_MS, kind, 3, 7, 1, 0, reason)


def dispense(**more: int) -> Order:
    return Order(ID, "dispense", {"compartment": 3, "dose_id": 7, **more})


def schedule(count: int) -> Order:
    return Order(ID, "schedule", {"doses": written(DOSES[:count])})


def fingerprint(count: int) -> bytes:
    raw = b"".join(
        struct.pack("<HHBBHBB", dose.dose_id, dose.minute_of_day, dose.compartment, 1, 60, 0x7F, 0)
        for dose in DOSES[:count]
    )
    return sha256(raw).digest()[:8]


@pytest.mark.parametrize("name", ["hjemvakt-dispenser", "hjemvakt-dispenser-ble"])
def test_both_links_take_orders(name: str) -> None:
    driver = catalogue()[name]
    assert isinstance(driver(), Obedient)
    assert driver.card.orders == ("dispense", "lock", "unlock", "test", "schedule")


# Sending


def test_an_order_names_its_start_and_its_last_moment() -> None:
    (payload,) = asked(met().order(dispense(), (NOW_S + 5) * S))
    expected = struct.pack("<QBBHII", ID, 1, 3, 7, BOOT, UPTIME_MS + 5_000 + LIVES_S * 1000)
    assert payload == bytes((0x08, payload[1])) + expected
    assert payload[1]


def test_it_waits_until_the_device_has_said_who_it_is_and_its_log_is_on_disk() -> None:
    driver = Dispenser()
    assert not driver.order(dispense(), NOW_S * S)
    outs = told(driver, 0x81, hello(), NOW_S + 60)
    (order,) = [out for out in outs if isinstance(out, Tx) and asked([out])[0][0] == 0x08]
    assert order.after_stored
    assert outs.index(Bookmark(f"{LOG:08x}:0")) < outs.index(order)
    assert asked([order])[0][-4:] == struct.pack("<I", UPTIME_MS - 60_000 + LIVES_S * 1000), "from when it was given"


def test_one_that_waited_too_long_for_that_is_never_sent() -> None:
    driver = Dispenser()
    driver.order(dispense(lives_s=10), NOW_S * S)
    outs = told(driver, 0x81, hello(), NOW_S + 10)
    assert ends(outs) == [("refused", "its time was over before the device answered")]
    assert 0x08 not in [payload[0] for payload in asked(outs)]


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (Order(ID, "dispense"), "compartment 0"),
        (Order(ID, "dispense", {"compartment": "3"}), "compartment '3'"),
        (Order(ID, "lock", {"lives_s": 0}), "lives_s 0"),
        (Order(ID, "dance"), "there is no order 'dance'"),
    ],
)
def test_one_that_cannot_be_sent_is_asked_for_so_that_it_can_be_refused(order: Order, why: str) -> None:
    driver = met()
    (payload,) = asked(driver.order(order, NOW_S * S))
    assert payload[0] == 0x09
    ((outcome, words),) = ends(told(driver, 0x88, state(0), tag=payload[1]))
    assert (outcome, words[: len(why)]) == ("refused", why)


def test_it_goes_out_as_in_the_test_vector_of_the_text() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "dispenser-protocol.md").read_text(encoding="utf-8")
    driver = Dispenser(f"{LOG:08x}:0")
    told(driver, 0x81, struct.pack("<BIIIIIIBB", 1, LOG, 0x01020304, 1, 0, NOW_S, 123_456, 0xFF, 0))
    (payload,) = asked(driver.order(dispense(lives_s=60), NOW_S * S))
    assert f"payload 08 05 {payload[2:].hex(' ')}\n" in text
    (question,) = asked(driver.recall(Order(0xFEDC, "lock"), NOW_S * S))
    assert f"payload 09 06 {question[2:].hex(' ')}\n" in text


# The end


@pytest.mark.parametrize(
    ("kind", "code", "reason", "end"),
    [
        (23, 2, 0, ("done", "")),
        (24, 3, 5, ("refused", "the mechanism is stuck")),
        (24, 3, 200, ("refused", "reason 200")),
        (25, 4, 0, ("unknown", "the device lost power while it was under way")),
    ],
)
def test_the_end_comes_with_the_log_and_once(kind: int, code: int, reason: int, end: tuple[str, str]) -> None:
    driver = met()
    (payload,) = asked(driver.order(dispense(), NOW_S * S))
    assert not ends(told(driver, 0x88, state(1), tag=payload[1]))
    assert not ends(told(driver, 0x88, state(code, reason, 1)))
    outs = told(driver, 0x82, entry(1, kind, reason))
    assert ends(outs) == [end]
    log, outcome = (out for out in outs if isinstance(out, Event))
    assert log.record == f"{LOG:08x}:1"
    assert log.data["order"] == outcome.data["order"] == "0123456789abcdef"
    assert outcome.record == f"0123456789abcdef:{end[0]}"
    again = told(driver, 0x88, state(code, reason, 1)) + told(driver, 0x82, entry(1, kind, reason))
    assert not ends(again)


def test_read_again_after_a_crash_or_recalled_it_is_the_same_event() -> None:
    """The record and the data are what a reading is known by; so is the end of an order."""
    first = met()
    told(first, 0x88, state(3, 3, 1))
    read = told(first, 0x82, entry(1, 24, 3))
    later = Dispenser(f"{LOG:08x}:1")
    told(later, 0x81, hello(oldest=2, newest=1))
    (payload,) = asked(later.recall(dispense(), NOW_S * S))
    recalled = told(later, 0x88, state(3, 3, 1), NOW_S + 9, tag=payload[1])
    one, two = (
        next(out for out in outs if isinstance(out, Event) and out.kind == "order.refused") for outs in (read, recalled)
    )
    assert (one.kind, one.record, one.data) == (two.kind, two.record, two.data)


def test_an_end_that_is_still_in_the_log_is_left_to_the_log() -> None:
    driver = met()
    (payload,) = asked(driver.recall(dispense(), NOW_S * S))
    assert payload == bytes((0x09, payload[1])) + ID.to_bytes(8, "little")
    assert not ends(told(driver, 0x88, state(2, 0, 1), tag=payload[1]))
    told(driver, 0x88, state(2, 0, 1))
    assert ends(told(driver, 0x82, entry(1, 23))) == [("done", "")]


def test_an_end_without_its_id_is_read_again_and_nothing_is_acknowledged() -> None:
    driver = met()
    outs = told(driver, 0x82, entry(1, 23))
    assert not [out for out in outs if isinstance(out, Event | Bookmark)]
    ((read, tag, *_),) = asked(outs)
    assert read == 0x02
    told(driver, 0x88, state(2, 0, 1), tag=tag)
    assert ends(told(driver, 0x82, entry(1, 23), tag=tag)) == [("done", "")]


def test_a_device_that_never_gives_the_id_is_not_asked_for_ever() -> None:
    driver, tag = met(), 0
    for _ in range(20):
        outs = told(driver, 0x82, entry(1, 23), tag=tag)
        if any(isinstance(out, Event) for out in outs):
            break
        requests = asked(outs)
        if requests and requests[0][0] == 0x01:
            requests = asked(told(driver, 0x81, hello(newest=1)))
        tag = next((payload[1] for payload in requests if payload[0] == 0x02), tag)
    assert [out.kind for out in outs if isinstance(out, Event)] == ["dispenser.order_done"]
    assert any(isinstance(out, Fault) for out in outs), "and it is said that the id never came"
    assert NAME_TRIES == 4


# Never seen


def test_an_order_that_never_came_is_refused() -> None:
    driver = met()
    (payload,) = asked(driver.recall(dispense(), NOW_S * S))
    assert ends(told(driver, 0x88, state(0), tag=payload[1])) == [("refused", "it never reached the device")]


@pytest.mark.parametrize(("days", "outcome"), [(0, "unknown"), (0.9, "unknown"), (1.1, "refused")])
def test_a_device_that_lost_its_memory_cannot_know_what_it_did(days: float, outcome: str) -> None:
    driver = Dispenser("00000bad:5")
    outs = told(driver, 0x81, hello())
    (bookmark,) = [out.text for out in outs if isinstance(out, Bookmark)]
    later = Dispenser(bookmark)
    t_s = NOW_S + days * 86_400
    told(later, 0x81, hello(), t_s)
    (payload,) = asked(later.recall(dispense(), int(t_s * S)))
    ((end, _),) = ends(told(later, 0x88, state(0), t_s, tag=payload[1]))
    assert end == outcome


def test_a_device_that_stays_silent_is_asked_at_its_second_heartbeat() -> None:
    driver = met()
    driver.order(dispense(), NOW_S * S)

    def beat(after_s: int) -> list[bytes]:
        return asked(told(driver, 0x87, struct.pack("<IIB", UPTIME_MS + after_s * 1000, 0, 0xFF), NOW_S + after_s))

    assert beat(1) == []
    ((kind, *_),) = beat(31)
    assert kind == 0x09
    assert beat(61) == []
    assert len(beat(91)) == 1, "and again"


# A device of version 1.0


@pytest.mark.parametrize("recalled", [False, True])
def test_version_1_0_has_no_orders(recalled: bool) -> None:
    driver = met()
    (payload,) = asked((driver.recall if recalled else driver.order)(dispense(), NOW_S * S))
    outs = told(driver, 0xFF, bytes((payload[0], 1)), tag=payload[1])
    assert ends(outs) == [("refused", "the device speaks version 1.0 of the protocol, which has no orders")]
    assert not [out for out in outs if isinstance(out, Fault)]


def test_a_full_list_of_orders_refuses_once_the_id_is_stored() -> None:
    driver = met()
    (payload,) = asked(driver.order(dispense(), NOW_S * S))
    (question,) = asked(told(driver, 0xFF, bytes((0x08, 4)), tag=payload[1]))
    assert question[0] == 0x09
    assert not ends(told(driver, 0xFF, bytes((0x09, 4)), tag=question[1])), "no room for that either: asked again"
    assert ends(told(driver, 0x88, state(0), tag=question[1])) == [("refused", "the device's list of orders is full")]


# Schedules


def test_a_short_schedule_is_one_request_and_done_when_the_hash_is_right() -> None:
    driver = met()
    (payload,) = asked(driver.order(schedule(2), NOW_S * S))
    assert payload[0] == 0x06
    assert payload[2:] == bytes((2,)) + bytes.fromhex("0100e10101013c007f00" + "0200e20102013c007f00")
    assert ends(told(driver, 0x86, b"\0" + fingerprint(2), tag=payload[1])) == [("done", "")]


def test_a_long_one_goes_in_parts_each_when_the_one_before_is_taken() -> None:
    driver = met()
    (payload,) = asked(driver.order(schedule(32), NOW_S * S))
    for first in range(0, 32, PART_DOSES):
        assert payload[0] == 0x0A
        assert payload[2:4] == bytes((first, 32))
        upto = first + (len(payload) - 4) // 10
        if upto < 32:
            (payload,) = asked(told(driver, 0x86, b"\1" + fingerprint(upto), tag=payload[1]))
    assert upto == 32
    assert ends(told(driver, 0x86, b"\0" + fingerprint(32), tag=payload[1])) == [("done", "")]


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        (0x86, b"\0" + bytes(8), "another schedule is in force"),
        (0x86, b"\1" + bytes(8), "the device did not take the schedule"),
        (0x86, b"\2" + bytes(8), "the device did not take the schedule"),
        (0x86, b"\3" + bytes(8), "the device did not take the schedule"),
        (0xFF, b"\x0a\1", "the device speaks version 1.0 of the protocol, which holds at most 11 doses"),
        (0xFF, b"\x0a\2", "bad body"),
    ],
)
def test_a_schedule_that_is_not_taken_is_refused(kind: int, body: bytes, why: str) -> None:
    driver = met()
    (payload,) = asked(driver.order(schedule(12), NOW_S * S))
    assert ends(told(driver, kind, body, tag=payload[1])) == [("refused", why)]


@pytest.mark.parametrize(("count", "end"), [(3, ("done", "")), (4, ("refused", "another schedule is in force"))])
def test_a_recalled_schedule_is_known_by_its_hash(count: int, end: tuple[str, str]) -> None:
    driver = met()
    (payload,) = asked(driver.recall(schedule(3), NOW_S * S))
    assert payload == bytes((0x07, payload[1]))
    assert ends(told(driver, 0x86, b"\0" + fingerprint(count), tag=payload[1])) == [end]


def test_a_schedule_that_cannot_be_read_is_refused_and_not_sent() -> None:
    driver = met()
    (payload,) = asked(driver.order(Order(ID, "schedule", {"doses": "7@25:00 c3"}), NOW_S * S))
    assert payload[0] == 0x07
    ((outcome, why),) = ends(told(driver, 0x86, b"\0" + bytes(8), tag=payload[1]))
    assert outcome == "refused"
    assert "hour" in why
