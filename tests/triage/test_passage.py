"""Patients through time at once are what each of them is alone, look by look, with the rules' ordinary window."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.catalogue import catalogue
from triage.grid import Sample, needs, window
from triage.passage import Alarm, Record, _Cut, alarms, difference
from triage.run import run
from vitals.alarm import Kind, Level
from vitals.clock import NS

BEGAN_NS = 1_700_000_000 * NS // (3600 * NS) * 3600 * NS
HOUR_NS = 3600 * NS
RULES = tuple(catalogue()[name] for name in ("spo2_floor", "pulse_high", "news2", "spo2_drop"))
NAMES = ("spo2", "pulse_rate", "body_temp")
LIMITS = {"a": {"spo2_floor": 90.0}, "b": {"spo2_floor": 86.0}}


def record(*rows: tuple[str, str, float, float, float, bool]) -> Record:
    """Rows of patient, name, hour measured, hour known, value, good."""
    patients = sorted({row[0] for row in rows})
    return Record(
        patients, NAMES, np.array([patients.index(row[0]) for row in rows], np.int64),
        np.array([NAMES.index(row[1]) for row in rows], np.int64),
        np.array([BEGAN_NS + round(row[2] * HOUR_NS) for row in rows], np.int64),
        np.array([BEGAN_NS + round(row[3] * HOUR_NS) for row in rows], np.int64),
        np.array([row[4] for row in rows]), np.array([row[5] for row in rows], np.bool_),
    )  # fmt: skip


def of(found: Record, **more: float) -> list[Alarm]:
    return alarms(found, RULES, LIMITS, short_s=more.get("short_s", 300.0), long_s=3600.0)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(("a", "b")), st.sampled_from(NAMES), st.integers(0, 60), st.integers(0, 5),
        st.integers(60, 130), st.booleans(),
    ),
    min_size=1, max_size=60, unique_by=lambda row: row[:3],
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_what_is_cut_for_the_rules_is_what_they_would_see_of_everything(rows: list[tuple]) -> None:
    value = {"spo2": lambda v: min(100, v), "pulse_rate": float, "body_temp": lambda v: 30 + v / 12}
    found = record(*[(p, n, t, t + late, value[n](v), good) for p, n, t, late, v, good in rows])
    cut = _Cut(found, needs(RULES))
    everybody = np.arange(len(found.patients))
    for hour in range(0, 70, 7):
        now_ns = BEGAN_NS + hour * HOUR_NS
        cut.to(now_ns)
        mine = run(window(now_ns, found.patients, cut.samples(everybody), RULES, LIMITS), RULES)
        samples = [
            Sample(found.patients[p], found.names[n], int(t), float(v), bool(good))
            for p, n, t, known, v, good in zip(
                found.patient, found.name, found.t_ns, found.known_ns, found.value, found.good, strict=True
            )
            if known <= now_ns
        ]
        plain = run(window(now_ns, found.patients, samples, RULES, LIMITS), RULES)
        assert (mine.level == plain.level).all()
        for one, other in zip(mine.because, plain.because, strict=True):
            assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


def test_an_alarm_opens_when_it_is_known_and_with_the_patients_own_limit() -> None:
    rows = [(p, "spo2", 1.0, 1.5, 87.0, True) for p in "ab"] + [(p, "spo2", 1.1, 1.5, 88.0, True) for p in "ab"]
    rows += [(p, "spo2", 3.0, 3.0, 97.0, True) for p in "ab"]
    (alarm,) = [one for one in of(record(*rows)) if one.rule == "spo2_floor"]
    assert (alarm.patient, alarm.level, alarm.kind) == ("a", Level.HIGH, Kind.CLINICAL)
    assert alarm.opened_ns == BEGAN_NS + round(1.5 * HOUR_NS)


def test_what_lasts_opens_again_when_somebody_has_attended_to_it() -> None:
    rows = [("a", "pulse_rate", hour / 2, hour / 2, 150.0, True) for hour in range(60)]
    found = of(record(*rows))
    assert [round((one.opened_ns - found[0].opened_ns) / HOUR_NS) for one in found] == [0, 12, 24]
    assert found[0].ended_ns == found[1].opened_ns


def test_one_patient_alone_and_everybody_are_the_same() -> None:
    rng = np.random.default_rng(5)
    low_high = {"spo2": (82, 100), "pulse_rate": (80, 150)}
    rows = [
        (p, name, float(hour), float(hour + rng.integers(0, 3)), float(rng.integers(*low_high[name])), True)
        for p in "ab"
        for name in low_high
        for hour in range(40)
    ]
    alone = [one for p in "ab" for one in of(record(*[row for row in rows if row[0] == p]))]
    assert sorted(of(record(*rows)), key=str) == sorted(alone, key=str)
    assert len(alone) > 3


def alarm(patient: str, opened: int, ended: int, level: Level = Level.HIGH) -> Alarm:
    return Alarm(patient, Kind.CLINICAL, opened, ended, level, "spo2_floor")


def test_which_come_which_go_and_which_stay() -> None:
    before = [alarm("a", 0, 10), alarm("b", 0, 10), alarm("c", 50, 60)]
    after = [alarm("a", 5, 20, Level.MEDIUM), alarm("c", 0, 10), alarm("d", 0, 1)]
    found = difference(before, after)
    assert [one.patient for one in found.come] == ["c", "d"]
    assert [one.patient for one in found.go] == ["b", "c"]
    assert (found.stay, found.higher, found.lower) == (1, 0, 1)


def test_what_the_last_reading_of_all_opens_is_the_same_in_both_of_two_equal_programmes() -> None:
    found = of(record(("a", "spo2", 1.0, 1.01, 80.0, True)))
    assert [one.ended_ns - one.opened_ns for one in found] == [0], "it was opened a little after the record ends"
    same = difference(found, found)
    assert (same.come, same.go, same.stay) == ([], [], 1)


def test_nobody_is_nothing() -> None:
    assert of(record(("a", "spo2", 0, 0, 97.0, True))) == []
