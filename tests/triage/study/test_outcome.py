"""Which rows are cases, to the hour."""

import numpy as np
import pytest

from triage.study.outcome import outcome
from triage.study.wide import Wide
from vitals.errors import ConfigError


def table(*patients: dict[float, int]) -> Wide:
    """Each patient as hour -> label."""
    rows = [(number, hour, label) for number, told in enumerate(patients) for hour, label in told.items()]
    patient, hour, label = (np.array(column) for column in zip(*rows, strict=True))
    return Wide(
        tuple(map(str, range(len(patients)))), patient.astype(np.int64), hour.astype(float), {}, label.astype(bool)
    )


def hours(*cases: int, upto: int = 40) -> dict[float, int]:
    return {float(hour): int(hour in cases) for hour in range(1, upto + 1)}


def test_a_case_is_a_row_with_the_onset_ahead_and_within_the_horizon():
    """Label from hour 30 on, six hours early: the onset is at 36, and the rows from 12 to 35 are cases."""
    found = outcome(table(hours(*range(30, 41)), hours()), horizon_h=24, lead_h=6)
    ill = found.patient == 0
    assert found.onset.tolist() == [36, np.inf]
    assert found.hour[ill & found.case].tolist() == list(range(12, 36))
    assert found.hour[ill & ~found.case].tolist() == list(range(1, 12))
    assert found.hour[~ill].tolist() == list(range(1, 41))
    assert not found.case[~ill].any()
    assert (found.days * 24).tolist() == [35, 40]


def test_a_label_at_the_onset_itself_has_no_lead():
    found = outcome(table(hours(30), hours()), horizon_h=2, lead_h=0)
    assert found.hour[found.case].tolist() == [28, 29]


def test_a_label_that_ends_again_is_still_the_first_onset():
    found = outcome(table(hours(20, 35), hours()), horizon_h=1, lead_h=0)
    assert found.hour[found.case].tolist() == [19]
    assert found.hour[found.patient == 0].max() == 19


def test_who_is_labelled_from_the_first_row_on_is_counted():
    found = outcome(table(hours(1, 2), hours()), horizon_h=24, lead_h=6)
    assert found.from_start == 1
    assert found.hour[found.case].tolist() == [1, 2, 3, 4, 5, 6]


def test_hours_may_be_parts_and_share_the_whole_hour():
    found = outcome(table({1.25: 0, 1.75: 0, 2.5: 1}, {1.5: 0}), horizon_h=1, lead_h=0)
    assert found.hour[found.case].tolist() == [1.75]
    assert found.stratum().tolist() == [1, 1, 1]


@pytest.mark.parametrize(("told", "says"), [(hours(), "no case"), (hours(*range(1, 41)), "no control")])
def test_without_cases_or_controls_nothing_can_be_said(told, says):
    with pytest.raises(ConfigError, match=f"there is {says}.*look at the label"):
        outcome(table(told, told), horizon_h=24, lead_h=6)


def test_the_definition_is_in_words():
    found = outcome(table(hours(30), hours()), horizon_h=24, lead_h=6)
    assert "plus 6 h" in found.definition
    assert "within 24 h" in found.definition


def test_some_rows_alone():
    found = outcome(table(hours(30), hours()), horizon_h=24, lead_h=6)
    kept = found.only(found.hour > 20)
    assert kept.hour.min() == 21
    assert len(kept.row) == len(kept.case) == len(kept.patient) == len(kept.hour)
    assert kept.days is found.days
