"""Episodes against a plain loop, and a table small enough for a head."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.study.auroc import draws
from triage.study.episodes import alerts, at_budget, starts
from triage.study.outcome import outcome
from triage.study.wide import Wide

NO_DRAWS = np.empty((0, 3), np.int64)


def slowly(patient, hour, over, refractory_h) -> list[int]:
    last: dict[int, float] = {}
    found = []
    for row, (who, when, called) in enumerate(zip(patient, hour, over, strict=True)):
        if called and (who not in last or when >= last[who] + refractory_h):
            last[who] = when
            found.append(row)
    return found


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.booleans()), max_size=60),
    st.sampled_from([0.5, 1, 5, 12]),
)
def test_an_episode_begins_where_a_plain_loop_says(told, refractory_h):
    unique = sorted({(who, when): called for who, when, called in told}.items())
    patient = np.array([who for (who, _), _ in unique], dtype=np.int64)
    hour = np.array([when for (_, when), _ in unique], dtype=np.float64)
    over = np.array([called for _, called in unique], dtype=np.bool_)
    assert starts(patient, hour, over, refractory_h).tolist() == slowly(patient, hour, over, refractory_h)


def three_patients() -> tuple[Wide, np.ndarray]:
    """Ida has her onset at hour 40 and a score of 5 at 2, 3, 14, 30 and 36; Per 5 at 10; Siv has it at 25 and no score.

    At 12 h quiet Ida's episodes are at 2, 14 and 30: the second is 26 h early, so wrong, and so is the first. The
    third is right, 10 h ahead.
    """
    lengths = (40, 24, 30)
    patient = np.repeat(np.arange(3), lengths)
    hour = np.concatenate([np.arange(1.0, length + 1) for length in lengths])
    label = ((patient == 0) & (hour >= 34)) | ((patient == 2) & (hour >= 19))
    score = np.where(patient == 2, np.nan, 1.0)
    score[(patient == 0) & np.isin(hour, [2, 3, 14, 30, 36])] = 5
    score[(patient == 1) & (hour == 10)] = 5
    return Wide(("ida", "per", "siv"), patient, hour, {}, label), score


def test_three_patients_by_hand():
    wide, score = three_patients()
    known = outcome(wide, horizon_h=24, lead_h=6)
    days = (39 + 24 + 24) / 24
    found = alerts(score[known.row], known, 5.0, 12.0, NO_DRAWS)
    assert found.episodes == 4
    assert found.per_100_days == pytest.approx(400 / days)
    assert found.ppv == 1 / 4
    assert found.sensitivity == 1 / 2
    assert found.lead_h == 10
    assert found.lead_quartiles_h == (10, 10)
    assert all(map(math.isnan, found.ppv_interval))


def test_a_budget_finds_the_lowest_threshold_that_keeps_to_it():
    wide, score = three_patients()
    known = outcome(wide, horizon_h=24, lead_h=6)
    rate = alerts(score[known.row], known, 5.0, 12.0, NO_DRAWS).per_100_days
    found = at_budget(score[known.row], known, rate, 12.0, NO_DRAWS)
    assert found is not None
    assert found.threshold == 5
    assert at_budget(score[known.row], known, rate - 0.1, 12.0, NO_DRAWS) is None
    often = at_budget(score[known.row], known, 1000, 12.0, NO_DRAWS)
    assert often is not None
    assert often.threshold == 1


def test_a_score_nobody_has_calls_nobody():
    wide, _ = three_patients()
    known = outcome(wide, horizon_h=24, lead_h=6)
    assert at_budget(np.full(len(known.row), np.nan), known, 21, 12.0, NO_DRAWS) is None


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(5, 300))
def test_no_lower_threshold_keeps_to_the_budget_next_to_the_one_found(tables, seed, budget):
    wide = tables(seed)
    known = outcome(wide, horizon_h=24, lead_h=6)
    score = np.random.default_rng(seed).integers(0, 9, len(known.row)).astype(float)
    found = at_budget(score, known, budget, 12.0, draws(30, 20, seed))
    if found is None:
        return
    assert found.per_100_days <= budget
    assert math.isnan(found.ppv_interval[0]) or 0 <= found.ppv_interval[0] <= found.ppv_interval[1] <= 1
    if found.threshold > 0:
        assert alerts(score, known, found.threshold - 1, 12.0, NO_DRAWS[:, :1].repeat(30, 1)).per_100_days > budget
