"""A row of a table is seen as a patient of that hour is: the same samples, and nothing of what comes after."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.catalogue import catalogue
from triage.grid import Sample, window
from triage.run import run
from triage.study.rows import HOUR_NS, NOW_NS, channels, windows
from triage.study.scores import score, table_of_features
from triage.study.shipped import SHIPPED
from triage.study.wide import Wide
from vitals.errors import ConfigError

RULES = ("news2", "deterioration", "pulse_high", "weight_gain")


def samples_before(wide: Wide, row: int) -> list[Sample]:
    """What has been measured of the row's patient up to its hour, with the row at `NOW_NS`."""
    return [
        Sample("p", name, NOW_NS - round((wide.hour[row] - wide.hour[earlier]) * HOUR_NS), float(value[earlier]))
        for name, value in channels(wide).items()
        for earlier in range(row + 1)
        if wide.patient[earlier] == wide.patient[row] and not np.isnan(value[earlier])
    ]


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), chunk=st.sampled_from([1, 7, 10_000]))
def test_a_rule_says_of_a_row_what_it_would_have_said_of_the_patient(tables, name, seed, chunk):
    wide, judged = tables(seed, patients=4), catalogue()[name]
    for rows, seen in windows(wide, [judged], chunk=chunk):
        found = judged.judge(seen)
        for place in range(0, len(rows), 5):
            then = window(NOW_NS, ["p"], samples_before(wide, int(rows[place])), [judged], {})
            alone = run(then, [judged])
            assert alone.level[0, 0] == found.level[place]
            for number, column in alone.because[0].items():
                assert np.array_equal(column, found.because[number][[place]], equal_nan=True), number


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_future_changes_nothing(tables, seed):
    """Whatever is written over the second half of each patient's rows, the features of the first half stay."""
    wide = tables(seed, patients=5)
    last = np.append(wide.start[1:], len(wide))
    late = np.arange(len(wide)) >= ((wide.start + last) // 2)[wide.patient]
    noise = np.random.default_rng(seed)
    other = {name: np.where(late, noise.permutation(value), value) for name, value in wide.column.items()}
    before, after = table_of_features(wide), table_of_features(dataclasses.replace(wide, column=other))
    for name in before:
        assert np.array_equal(before[name][~late], after[name][~late], equal_nan=True)
    assert any(not np.array_equal(before[name], after[name], equal_nan=True) for name in before)


def test_the_fitted_score_of_a_table_is_that_of_the_rule(tables):
    wide = tables(11, patients=40)
    fitted, ruled = score("fitted", wide, SHIPPED), score("deterioration", wide, SHIPPED)
    assert np.isfinite(fitted).sum() > 500
    assert np.array_equal(fitted, ruled, equal_nan=True)


def test_news2_of_a_table_is_the_points_of_what_was_measured_in_the_last_day(tables):
    """Pulse 120 (2 points) and then nothing: for 24 hours it counts, and then it is missing, not 0."""
    hour = np.array([1.0, 10, 25, 26])
    column = {"pulse_rate": np.array([120.0, np.nan, np.nan, np.nan]), "spo2": np.array([np.nan, 93, np.nan, np.nan])}
    wide = Wide(("p",), np.zeros(4, np.int64), hour, column)
    assert score("news2", wide, SHIPPED).tolist() == [2, 4, 4, 2]
    assert np.array_equal(score("news2:pulse_rate_points", wide, SHIPPED), [2, 2, 2, np.nan], equal_nan=True)


def test_oxygen_is_known_by_the_fraction_that_is_breathed():
    fio2 = np.array([0.21, 0.3, np.nan])
    wide = Wide(("p",), np.zeros(3, np.int64), np.arange(3.0), {"fio2": fio2})
    assert np.array_equal(channels(wide)["oxygen_flow"], [0, 1, np.nan], equal_nan=True)
    both = dataclasses.replace(wide, column={"fio2": fio2, "oxygen_flow": np.array([2.0, 0, 0])})
    assert channels(both)["oxygen_flow"].tolist() == [2, 0, 0]


def test_a_value_that_cannot_be_true_is_doubted_as_anywhere():
    wide = Wide(("p",), np.zeros(2, np.int64), np.arange(2.0), {"spo2": np.array([97.0, 20])})
    ((_, seen),) = windows(wide, [catalogue()["spo2_floor"]])
    assert seen.quality["spo2"][:, -1].tolist() == [True, False]
    assert score("news2:spo2_points", wide, SHIPPED).tolist() == [0, 0]


def test_what_a_row_says_of_the_patient_is_a_limit_of_their_own():
    wide = Wide(("p",), np.zeros(3, np.int64), np.arange(3.0), {"pulse_rate": np.array([125.0, 125, 125])})
    own = {"pulse_ceiling": np.array([120.0, 130, np.nan])}
    judged = catalogue()["pulse_high"]
    (rows, seen), *_ = windows(wide, [judged], own)
    assert rows.tolist() == [0, 1, 2]
    assert judged.judge(seen).level.tolist() == [1, 0, -1]


def test_a_rule_that_has_no_number_gives_its_level():
    wide = Wide(("p",), np.zeros(2, np.int64), np.arange(2.0), {"spo2": np.array([np.nan, 80])})
    assert np.array_equal(score("spo2_floor", wide, SHIPPED), [np.nan, 3], equal_nan=True)


def test_what_is_no_score_is_named_with_those_there_are(tables):
    with pytest.raises(ConfigError, match=r"no score 'new2': use one of hour, cusum, fitted, .*news2"):
        score("new2", tables(1), SHIPPED)
    with pytest.raises(ConfigError, match=r"'news2' gives no number 'sum': use one of total"):
        score("news2:sum", tables(1), SHIPPED)
    assert score("hour", tables(1), SHIPPED).tolist() == tables(1).hour.tolist()
