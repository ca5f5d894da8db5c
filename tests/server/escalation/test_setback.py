"""A clock that was set back while the server was away, and what only looks like it: the pure part, and a start."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.escalation.setback import APART_NS, EVERYTHING_NS, LEAST_NS, Setback, Shown, behind_ns, machine_of
from tests.server.conftest import Town
from vitals.clock import NS, RunningClock

HOUR_NS = 3600 * NS
T_NS = 1_795_248_000 * NS


@pytest.mark.parametrize(
    ("later", "by_ns"),
    [
        (Shown(T_NS + HOUR_NS, "a", 2 * HOUR_NS), 0),
        (Shown(T_NS + 5 * HOUR_NS, "a", 2 * HOUR_NS), 0),
        (Shown(T_NS - 3 * HOUR_NS, "a", HOUR_NS), 3 * HOUR_NS),
        (Shown(T_NS - 3 * HOUR_NS, "a", 2 * HOUR_NS), 4 * HOUR_NS),
        (Shown(T_NS + HOUR_NS, "a", 3 * HOUR_NS), HOUR_NS),
        (Shown(T_NS + HOUR_NS - LEAST_NS, "a", 2 * HOUR_NS), 0),
        (Shown(T_NS + HOUR_NS, "b", 0), 0),
        (Shown(T_NS - 5 * NS, "b", 0), 5 * NS),
        (Shown(T_NS - APART_NS - 1, "b", 0), EVERYTHING_NS),
        (Shown(T_NS - HOUR_NS, "a", 0), EVERYTHING_NS),
    ],
    ids=[
        "an hour passed", "set forward", "set back, at once", "set back, an hour later", "set back by less than passed",
        "slowed down", "another boot, later", "another machine, a little behind", "another boot, set back",
        "a steady clock that begins anew",
    ],
)  # fmt: skip
def test_by_how_much_it_was_set_back(later: Shown, by_ns: int) -> None:
    assert behind_ns(Shown(T_NS, "a", HOUR_NS), later, 1.0) == by_ns


@given(away_ns=st.integers(0, 400 * HOUR_NS), set_ns=st.integers(-400 * HOUR_NS, 400 * HOUR_NS))
def test_in_one_boot_no_setting_back_goes_unseen_and_no_other_counts(away_ns: int, set_ns: int) -> None:
    now = Shown(T_NS + away_ns + set_ns, "a", away_ns)
    found = behind_ns(Shown(T_NS, "a", 0), now, 1.0)
    assert found == (-set_ns if -set_ns > LEAST_NS else 0)


def test_a_faster_clock_runs_ahead_of_the_steady_one() -> None:
    before = Shown(T_NS, "a", 0)
    assert behind_ns(before, Shown(T_NS + 60 * HOUR_NS, "a", HOUR_NS), 60.0) == 0
    assert behind_ns(before, Shown(T_NS + 59 * HOUR_NS, "a", HOUR_NS), 60.0) == HOUR_NS


def test_this_machine_s_clocks_go_on_together() -> None:
    machine = machine_of(RunningClock())
    first, second = machine(0), machine(0)
    assert first.boot
    assert first.now_ns > T_NS - 10**17
    assert behind_ns(first, second, 1.0) == 0


def test_what_was_seen_counts_only_once_it_is_committed(town: Town) -> None:
    setback = Setback(Shown, 1.0)
    with town.server.db.write() as tx:
        setback.begin(tx)
        _, seen = setback.look(tx, T_NS + 9 * HOUR_NS)
    seen()
    for _ in range(2):  # the first time it fails, and nothing is brought forward
        with town.server.db.write() as tx:
            by_ns, seen = setback.look(tx, T_NS)
            assert by_ns == 9 * HOUR_NS
            assert setback.problem() is None
    seen()
    assert setback.problem() is not None
