"""What the captures of the dispenser do not reach: every type by name, any bytes in a whole frame, and the uptime."""

import struct
from hashlib import sha256

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers._cobs import frame
from drivers.contract import Order, Out, Rx
from drivers.hv_dispenser import Dispenser
from vitals.block import Block
from vitals.events import DISPENSER, Event

S = 10**9
NOW_S = 1_795_248_000
WRAP_MS = 2**32
BOOT = 7


def told(driver: Dispenser, kind: int, body: bytes, t_s: float = NOW_S, tag: int = 0) -> list[Out]:
    return list(driver.feed(Rx("serial", frame(bytes((kind, tag)) + body), int(t_s * S))))


def met(uptime_ms: int, utc: int = NOW_S) -> Dispenser:
    """A driver that has just heard HELLO from a dispenser with one unread entry."""
    driver = Dispenser()
    told(driver, 0x81, struct.pack("<BIIIIIIBB", 1, 1, BOOT, 1, 1, utc, uptime_ms, 90, 0))
    return driver


def entry(driver: Dispenser, uptime_ms: int, utc: int, flags: int = 0, kind: int = 13, value: int = 0) -> Event:
    body = struct.pack("<IIIIBBHBBh", 1, BOOT, utc, uptime_ms, kind, 0, 0, 0, flags, value)
    return next(out for out in told(driver, 0x82, body, tag=1) if isinstance(out, Event))


@pytest.mark.parametrize(("kind", "name"), DISPENSER.items())
def test_every_type_has_its_name(kind: int, name: str) -> None:
    driver = met(1000)
    told(driver, 0x88, struct.pack("<QBBI", 7, 2, 0, 1))  # whose end it is, where it ends an order
    assert entry(driver, 1000, NOW_S, kind=kind).kind == f"dispenser.{name}"


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        (3, "after_due_s"),
        (4, "after_due_s"),
        (5, "window_min"),
        (6, "delay_min"),
        (7, "early_min"),
        (8, "doses_inside"),
        (9, "doses_left"),
        (12, "maker_code"),
        (15, "maker_code"),
        (16, "battery_percent"),
        (19, "reset_cause"),
        (20, "step_s"),
        (22, "lost_entries"),
        (1, "value"),
        (200, "value"),
    ],
)
def test_value_is_told_under_its_meaning(kind: int, meaning: str) -> None:
    assert entry(met(1000), 1000, NOW_S, kind=kind, value=-7).data == {"count": 0, meaning: -7}


@given(st.integers(0, WRAP_MS - 1), st.integers(0, WRAP_MS - 60_001))
@example(5, 10)
def test_an_entry_of_this_start_is_dated_by_its_uptime_over_the_wrap(uptime_ms: int, age_ms: int) -> None:
    """The clock was never set; the milliseconds since the start may have wrapped in between."""
    event = entry(met(uptime_ms, utc=0), (uptime_ms - age_ms) % WRAP_MS, 0)
    assert event.t_ns == NOW_S * S - age_ms * 10**6
    assert "clock_unset" not in event.data
    assert event.device_t_ns is None


@given(st.integers(0, 400 * 86_400))
def test_the_clock_is_believed_where_uptime_agrees_however_long_ago(age_s: int) -> None:
    """400 days are eight wraps; seconds of drift are allowed for."""
    uptime_ms = 1000
    event = entry(met(uptime_ms), (uptime_ms - age_s * 1000 - 900) % WRAP_MS, NOW_S - age_s)
    assert event.t_ns == event.device_t_ns == (NOW_S - age_s) * S


@given(st.integers(61, 86_400), st.sampled_from((1, -1)))
def test_a_clock_that_uptime_contradicts_is_not_believed(off_s: int, sign: int) -> None:
    event = entry(met(500_000, utc=NOW_S + sign * off_s), 440_000, NOW_S - 60 + sign * off_s)
    assert event.t_ns == (NOW_S - 60) * S
    assert event.device_t_ns == (NOW_S - 60 + sign * off_s) * S


def test_an_untrusted_clock_is_not_believed_though_it_is_kept() -> None:
    event = entry(met(500_000), 440_000, NOW_S - 61, flags=4)
    assert event.t_ns == (NOW_S - 60) * S
    assert event.device_t_ns == (NOW_S - 61) * S
    assert event.data["clock_untrusted"] == 1


def test_the_battery_is_told_when_it_changes() -> None:
    driver = met(0)
    levels = [
        out.value
        for minute, percent in enumerate((90, 90, 89, 0xFF, 89))
        for out in told(driver, 0x87, struct.pack("<IIB", minute * 60_000, 0, percent), NOW_S + minute * 60)
        if isinstance(out, Block)
    ]
    assert levels == [(89.0,), (89.0,)]


ORDERS = (
    Order(1, "dispense", {"compartment": 1}),
    Order(2, "lock", {"lives_s": 3}),
    Order(2**32 - 1, "schedule", {"doses": "; ".join(f"{number}@08:00 c1" for number in range(1, 14))}),
    Order(2**64 - 1, "dance", {"compartment": 1.5}),
)
FINGERPRINT = sha256(
    b"".join(struct.pack("<HHBBHBB", number, 480, 1, 1, 60, 127, 0) for number in range(1, 12))
).digest()[:8]
KINDS = st.sampled_from((0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0xFF)) | st.integers(0, 255)
EDGES = st.sampled_from((0, 1, 2, 2**31, 2**32 - 2, 2**32 - 1))
HELLOS = st.builds(
    lambda log, boot, oldest, newest, utc, up: struct.pack("<BIIIIIIBB", 1, log, boot, oldest, newest, utc, up, 1, 0),
    *[EDGES] * 6,
)
ENTRIES = st.builds(
    lambda seq, boot, utc, up, rest: struct.pack("<IIII", seq, boot, utc, up) + rest,
    *[EDGES] * 4,
    st.binary(min_size=8, max_size=8),
)
PACKETS = st.one_of(
    st.tuples(st.just(0x81), HELLOS),
    st.tuples(st.just(0x82), ENTRIES),
    st.tuples(
        st.just(0x88),
        st.builds(lambda order, code, seq: struct.pack("<QBBI", order, code, 1, seq), EDGES, st.integers(0, 5), EDGES),
    ),
    st.tuples(st.just(0x86), st.builds(lambda result: bytes((result, *FINGERPRINT)), st.integers(0, 4))),
    st.tuples(st.just(0xFF), st.builds(lambda kind, code: bytes((kind, code)), st.integers(6, 10), st.integers(0, 5))),
    st.tuples(st.just(0x85), EDGES.map(lambda seq: seq.to_bytes(4, "little"))),
    st.tuples(KINDS, st.binary(max_size=40)),
)


@given(st.lists(st.tuples(PACKETS, st.integers(0, 6)), max_size=15), st.sampled_from(("", "1:0", "1:4294967295", "x")))
def test_nothing_a_whole_frame_can_hold_makes_it_raise(
    packets: list[tuple[tuple[int, bytes], int]], bookmark: str
) -> None:
    driver = Dispenser(bookmark)
    for order in ORDERS:
        driver.order(order, NOW_S * S)
    for at, ((kind, body), tag) in enumerate(packets):
        for out in told(driver, kind, body, NOW_S + at, tag):
            assert not isinstance(out, Block) or 0 <= out.value[0] <= 100
