"""Times from a gateway whose clock was wrong when it received, and is right when it sends, or known to be ahead."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from server.ingest.correct import AHEAD_S, BEHIND_S, DRIFT, JUMP_S, Sent, moved, shift_ns
from server.readings import journal
from server.readings.store import occurrences
from tests.server.conftest import START_NS, Town, acknowledged, broken
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event, Fault
from vitals.wire import Batch, Row, encode, up

HOUR = 3600
BOOT = "0123456789abcdef"


def told(true_ns: int, off_s: float, *whats: Block | Event | Fault, first: int = 0, spacing_ns: int = 0) -> list[Row]:
    """Rows received at `true_ns`, each `spacing_ns` after the last, by a clock that was off by so much."""
    by = round(off_s * NS)
    return [
        moved(
            Row(seq, "oximeter", true_ns + n * spacing_ns + by, what, true_ns + n * spacing_ns - START_NS + 10**15), by
        )
        for n, (seq, what) in enumerate(enumerate(whats, first))
    ]


def sending(town: Town, rows: list[Row], now_ns: int, off_s: float = 0, boots: object = ((0, BOOT),)) -> list[object]:
    """The batch with these, sent at `now_ns` by a clock that is off by so much; what is acknowledged."""
    town.clock.advance(seconds=max(0, now_ns - town.clock.now_ns()) / NS)
    batch = Batch(
        "gw-1", "e1", now_ns + round(off_s * NS), tuple(rows), boot=BOOT, mono_ns=now_ns - START_NS + 10**15,
        boots=boots,  # type: ignore[arg-type]
    )  # fmt: skip
    return list(acknowledged(town.server.receive(up("gw-1", "backlog"), encode(batch))))


def spo2(value: float, t_ns: int) -> Block:
    return Block("spo2", (t_ns,), (value,), device_t_ns=t_ns - 7 * NS)


def times(town: Town) -> list[tuple[int, int, int, int | None]]:
    with town.server.db.read() as tx:
        filed = [one for entry in journal.read(tx, 0, 1_000) for one in entry.readings]
    return sorted((one.t_ns, one.shift_ns, one.received_ns, one.device_t_ns) for one in filed)


@pytest.mark.parametrize("off_s", [HOUR, -HOUR, 300, -300, -START_NS / NS], ids=lambda off_s: f"{off_s:+.0f} s")
def test_a_reading_by_a_wrong_clock_is_filed_at_its_true_time_with_what_was_told_beside_it(
    town: Town, off_s: float
) -> None:
    taken_ns = START_NS - HOUR * NS
    rows = told(taken_ns + NS, off_s, spo2(94, taken_ns))
    assert sending(town, rows, START_NS) == [(0, 0)]
    assert town.aside() == []
    shift = -round(off_s * NS)
    assert times(town) == [(taken_ns, shift, taken_ns + NS - shift, taken_ns - 7 * NS)]


def test_an_event_moves_with_its_row(town: Town) -> None:
    rows = told(START_NS, HOUR, Event("dispenser.lid_open", START_NS - NS))
    sending(town, rows, START_NS + 5 * NS)
    with town.server.db.read() as tx:
        [row] = tx.execute(sa.select(occurrences))
    assert (row.t_ns, row.shift_ns, row.received_ns) == (START_NS - NS, -HOUR * NS, START_NS + HOUR * NS)


def test_a_clock_that_drifted_is_corrected_for_each_row_by_its_own(town: Town) -> None:
    """Five minutes in an hour, then set: the error grows with the hour, and so does the shift."""
    true = [START_NS - HOUR * NS + minute * 60 * NS for minute in range(0, 60, 5)]
    rows = [told(at, (at - true[0]) / NS * 300 / HOUR, spo2(94, at), first=number)[0] for number, at in enumerate(true)]
    sending(town, rows, START_NS)
    assert all(abs(t_ns - at) <= JUMP_S * NS for (t_ns, *_), at in zip(times(town), true, strict=True))


def test_two_readings_of_one_millisecond_stay_two(town: Town) -> None:
    at = START_NS - HOUR * NS
    rows = told(at, HOUR, Block("spo2", (at,), (94.0,)), Block("spo2", (at,), (94.0,)), spacing_ns=0)
    sending(town, rows, START_NS)
    assert [row[:2] for row in times(town)] == [(at, -HOUR * NS)] * 2


def test_the_hour_that_comes_twice_in_autumn_is_two_hours(town: Town) -> None:
    """Times are UTC's, so the two do not meet, not even where the hub's clock followed the summer and was set right."""
    oslo = ZoneInfo("Europe/Oslo")
    before, after = (datetime(2026, 10, 25, 2, 30, tzinfo=oslo, fold=fold) for fold in (0, 1))
    stamps = [int(one.astimezone(UTC).timestamp()) * NS for one in (before, after)]
    assert stamps[1] - stamps[0] == HOUR * NS
    rows = [told(at, 0, spo2(94, at), first=number)[0] for number, at in enumerate(stamps)]
    rows += [told(at, HOUR, spo2(95, at), first=2 + number)[0] for number, at in enumerate(stamps)]
    sending(town, rows, stamps[1] + HOUR * NS)
    assert [t_ns for t_ns, *_ in times(town)] == [stamps[0]] * 2 + [stamps[1]] * 2


@pytest.mark.parametrize(
    ("why", "off_s", "boots"),
    [
        ("the clock is behind, or the message was long on its way", -HOUR, ((0, BOOT),)),
        ("another boot", 0, ((0, "another"), (5, BOOT))),
        ("no boot is told", 0, ()),
    ],
)
def test_where_nothing_is_proved_the_time_stays_as_told(town: Town, why: str, off_s: float, boots: object) -> None:
    at = START_NS - 2 * HOUR * NS
    sending(town, told(at, HOUR, spo2(94, at)), START_NS, off_s, boots)
    assert [row[:2] for row in times(town)] == [(at + HOUR * NS, 0)], why


@pytest.mark.parametrize("age_s", [0, 7200])
def test_a_clock_that_is_still_ahead_is_found_out_by_ours(town: Town, age_s: int) -> None:
    """What comes now was not sent in an hour. Without the steady clock it would be in quarantine, for the future."""
    at = START_NS - age_s * NS
    sending(town, told(at, HOUR, spo2(94, at)), START_NS, HOUR)
    assert (times(town)[0][:2], town.aside()) == ((at, -HOUR * NS), [])
    town.send(spo2(95, START_NS + HOUR * NS), first=7)
    assert town.aside() == ["future"], "where there is no steady clock it is"


def test_a_row_of_before_the_jump_is_moved_and_one_of_after_is_not(town: Town) -> None:
    rows = told(START_NS, HOUR, spo2(94, START_NS)) + told(START_NS + NS, 0, spo2(95, START_NS + NS), first=1)
    sending(town, rows, START_NS + 2 * NS)
    assert [row[:2] for row in times(town)] == [(START_NS, -HOUR * NS), (START_NS + NS, 0)]


def test_a_batch_with_a_spoilt_row_is_corrected_too(town: Town) -> None:
    rows = told(START_NS, HOUR, spo2(93, START_NS), spo2(94, START_NS))
    batch = Batch("gw-1", "e1", START_NS, tuple(rows), boot=BOOT, mono_ns=10**15, boots=((0, BOOT),))
    town.server.receive(up("gw-1", "obs"), broken(encode(batch), b"[94]", b'"ninety-four"'))
    assert [row[:2] for row in times(town)] == [(START_NS, -HOUR * NS)]


def test_a_row_of_an_older_gateway_has_no_steady_clock_and_is_taken_as_told(town: Town) -> None:
    assert town.send(spo2(94, START_NS)) == [(0, 0)]
    assert times(town) == [(START_NS, 0, START_NS, START_NS - 7 * NS)]


SENT = START_NS - HOUR * NS
"""When a batch was sent that comes an hour later."""


@pytest.mark.parametrize(
    ("why", "clock_ns", "proved_ns", "since_s", "expected"),
    [
        ("an hour behind, come at once", SENT, START_NS, 20, START_NS),
        ("in 1970", 77 * NS, START_NS, 20, START_NS),
        ("ten seconds behind", START_NS - 10 * NS, START_NS, 20, START_NS),
        ("two seconds behind may be the noise of two clocks", START_NS - 2 * NS, START_NS, 20, START_NS - 2 * NS),
        ("so may 20 s after three days without an answer", START_NS - 20 * NS, START_NS, 259_200, START_NS - 20 * NS),
        ("right, and an hour in a broker", SENT, SENT, 20, SENT),
        ("right, and the answer had been slow", SENT, SENT - 30 * NS, 20, SENT),
        ("ten minutes behind and an hour in a broker", SENT - 600 * NS, SENT, 20, SENT),
        ("ahead of ours: nothing comes before it is sent", START_NS + 9 * NS, START_NS - NS, 20, START_NS),
        ("an answer of our future is as good as now", SENT, START_NS + 4 * NS, 20, START_NS),
        ("nothing is proved", SENT, None, 0, None),
        ("nothing is proved, and it agrees with ours", START_NS - 50 * NS, None, 0, START_NS - 50 * NS),
    ],
)
def test_when_a_batch_was_sent(
    why: str, clock_ns: int, proved_ns: int | None, since_s: int, expected: int | None
) -> None:
    sent = Sent(clock_ns, BOOT, 10**16, ((0, BOOT),), proved_ns, since_s * NS)
    assert sent.at_ns(START_NS) == expected, why


Off = st.integers(-(2**31), 2**31)


@given(
    off_s=Off,
    sent_off_s=st.floats(-2 * BEHIND_S, 2 * BEHIND_S),
    age_s=st.floats(0, 1e6),
    speed=st.sampled_from([1, 60]),
)
def test_what_is_corrected_is_right_and_no_worse_than_the_clock_at_sending(
    off_s: int, sent_off_s: float, age_s: float, speed: int
) -> None:
    true_ns = START_NS - round(age_s * NS) * speed
    row = Row(3, "d", true_ns + off_s * NS, Event("x", 0), 10**16 - round(age_s * NS))
    sent = Sent(START_NS + round(sent_off_s * NS), BOOT, 10**16, ((0, BOOT),))
    shift = shift_ns(row, sent, START_NS, speed)
    error_s = abs(row.received_ns + shift - true_ns) / NS
    if sent_off_s >= -BEHIND_S * speed:
        assert error_s <= min(max(-sent_off_s, sent_off_s), max(-sent_off_s, AHEAD_S * speed)) + JUMP_S * speed + 1e-6
    else:
        assert shift == 0


@given(
    clock_off_s=st.floats(-1e9, 1e6),
    answer_s=st.floats(0, 2),
    since_s=st.floats(0, 600),
    waited_s=st.floats(0, 1e5),
    gaps_ms=st.lists(st.integers(0, 10_000), min_size=2, max_size=6),
)
def test_by_its_proof_a_batch_is_right_within_how_long_our_answer_was_on_its_way_and_in_order(
    clock_off_s: float, answer_s: float, since_s: float, waited_s: float, gaps_ms: list[int]
) -> None:
    sent_ns, mono_ns = START_NS - round(waited_s * NS), 10**16
    proved_ns = sent_ns - round(answer_s * NS)
    clock_ns = sent_ns + round(clock_off_s * NS)
    sent = Sent(clock_ns, BOOT, mono_ns, ((0, BOOT),), proved_ns, round(since_s * NS))
    ages_ns = [sum(gaps_ms[place:]) * 1_000_000 for place in range(len(gaps_ms))]
    rows = [Row(seq, "d", clock_ns - age, Event("x", 0), mono_ns - age) for seq, age in enumerate(ages_ns)]
    moved_ns = [row.received_ns + shift_ns(row, sent, START_NS) for row in rows]
    assert moved_ns == sorted(moved_ns)
    assert [b - a for a, b in pairwise(moved_ns)] == [b - a for a, b in pairwise(row.received_ns for row in rows)]
    off_s = (moved_ns[-1] - (sent_ns - ages_ns[-1])) / NS
    if clock_off_s < 0:
        assert abs(off_s) <= max(answer_s, AHEAD_S + DRIFT * since_s) + JUMP_S + 1e-3


def test_a_fault_has_no_time_to_move() -> None:
    row = Row(1, "d", 5, Fault("gap", "", 5), 5)
    assert moved(row, 10) is row
    block = moved(msgspec.structs.replace(row, what=Block("pleth", (1, 2), (3.0, 4.0), device_t_ns=9)), 10).what
    assert block == Block("pleth", (11, 12), (3.0, 4.0), device_t_ns=9)
