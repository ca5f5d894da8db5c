"""How far a sink has been fed: never back, each sink on its own, and nothing refused is forgotten."""

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.db import Database
from server.readings.cursor import REASON_LENGTH, Cursor, sink_refusals
from server.readings.lines import Refusal
from vitals.clock import ManualClock


def test_a_sink_begins_at_the_beginning_and_each_has_its_own_place(db: Database, clock: ManualClock) -> None:
    one, other = (Cursor(db, name, clock) for name in ("one", "other"))
    one.advance(7)
    assert (one.seq(), other.seq()) == (7, 0)
    assert (one.refused(), one.refused_last()) == (0, None)
    assert Cursor(db, "one", clock).seq() == 7, "it is in the database"


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 99), st.integers(0, 3)), min_size=1, max_size=8))
def test_it_never_goes_back_and_adds_up_what_was_refused(
    db: Database, clock: ManualClock, steps: list[tuple[int, int]]
) -> None:
    cursor = Cursor(db, repr(steps), clock)
    for seq, points in steps:
        cursor.advance(seq, [Refusal(seq, seq, points, "because")] if points else [])
    assert cursor.seq() == max(seq for seq, _ in steps)
    assert cursor.refused() == sum(points for _, points in steps)


def test_a_refusal_keeps_its_rows_its_time_and_the_beginning_of_its_reason(db: Database, clock: ManualClock) -> None:
    cursor = Cursor(db, "one", clock)
    cursor.advance(9, [Refusal(3, 5, 2, "x" * 1000)])
    then_ns = clock.now_ns()
    clock.advance(seconds=1)
    cursor.advance(12, [Refusal(11, 11, 1, "later")])
    assert cursor.refused_last() == (clock.now_ns(), "later")
    columns = sink_refusals.c
    with db.read() as tx:
        rows = tx.execute(sa.select(columns.t_ns, columns.first_seq, columns.last_seq, columns.points, columns.reason))
        assert rows.first() == (then_ns, 3, 5, 2, "x" * REASON_LENGTH)
