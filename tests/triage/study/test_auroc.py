"""The AUROC against the slow count of all pairs, and what a bootstrap by patient is."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.study.auroc import draws, interval, pairs


def slowly(score, case, stratum, times) -> float:
    """Every case with every control of its stratum; a tie is half a pair won."""
    won, all_pairs = Fraction(0), 0
    for i, j in ((i, j) for i in range(len(score)) for j in range(len(score))):
        if case[i] and not case[j] and stratum[i] == stratum[j] and score[i] == score[i] and score[j] == score[j]:
            weight = times[i] * times[j]
            all_pairs += weight
            won += weight * (1 if score[i] > score[j] else Fraction(1, 2) if score[i] == score[j] else 0)
    return float(won / all_pairs) if all_pairs else math.nan


rows = st.lists(
    st.tuples(
        st.sampled_from([-1.5, 0.0, 1.0, 2.0, 2.0000001, math.inf, math.nan]),
        st.booleans(),
        st.integers(0, 4),
        st.integers(-1, 2),
    ),
    max_size=25,
)


@given(rows, st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_it_is_the_count_of_all_pairs_and_so_is_every_draw(told, weight):
    score, case, patient, stratum = (
        (np.array(column) for column in zip(*told, strict=True)) if told else [np.empty(0)] * 4
    )
    case, patient, stratum = case.astype(bool), patient.astype(np.int64), stratum.astype(np.int64)
    times = np.array(weight)
    for groups in (None, stratum):
        found = pairs(score.astype(float), case, patient, groups)
        same = np.zeros_like(stratum) if groups is None else groups
        assert found.auroc() == pytest.approx(slowly(score, case, same, np.ones_like(patient)), nan_ok=True, abs=1e-15)
        drawn = slowly(score, case, same, times[patient] if len(patient) else patient)
        assert found.auroc(times) == pytest.approx(drawn, nan_ok=True, abs=1e-15)


def test_by_hand():
    """Three cases, three controls: of the nine pairs six are won and one is a tie; of those of one hour all, or ¼."""
    score = np.array([3.0, 1.0, 2.0, 2.0, 1.5, 0.0])
    case = np.array([True, True, True, False, False, False])
    hour = np.array([1, 2, 3, 1, 1, 4])
    patient = np.arange(6)
    assert pairs(score, case, patient).auroc() == (3 + 1 + 2.5) / 9
    assert pairs(score, case, patient, hour).auroc() == 1.0
    assert pairs(score, case, patient, np.array([1, 2, 3, 3, 2, 4])).auroc() == 0.25


def test_the_hour_alone_foresees_nothing_among_controls_of_the_same_hour():
    hour = np.repeat(np.arange(20), 50)
    case = np.random.default_rng(3).random(1000) < hour / 40
    assert pairs(hour.astype(float), case, np.arange(1000)).auroc() > 0.7
    assert pairs(hour.astype(float), case, np.arange(1000), hour).auroc() == 0.5


def test_without_a_pair_there_is_no_number():
    nobody = np.empty(0)
    assert math.isnan(pairs(nobody, nobody.astype(bool), nobody.astype(np.int64)).auroc())
    ones = np.ones(3)
    assert math.isnan(pairs(ones, ones.astype(bool), np.arange(3)).auroc())


def test_a_draw_has_as_many_patients_as_there_are_and_a_seed_gives_the_same():
    drawn = draws(40, 25, seed=7)
    assert drawn.shape == (25, 40)
    assert (drawn.sum(axis=1) == 40).all()
    assert np.array_equal(drawn, draws(40, 25, seed=7))
    assert not np.array_equal(drawn, draws(40, 25, seed=8))
    assert draws(40, 0, seed=7).shape == (0, 40)


def test_the_interval_is_that_of_the_draws_that_have_a_number():
    assert interval(np.append(np.arange(101.0), np.nan)) == (2.5, 97.5)
    assert all(map(math.isnan, interval(np.array([np.nan]))))


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Scores of cases a standard deviation higher: the AUROC is Φ(1/√2) = 0.7602, whatever is drawn."""
    covered = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        patient = np.repeat(np.arange(80), 5)
        case = patient < 25
        own = random.normal(0, 1, 80)  # rows of one patient are alike
        score = own[patient] + case
        low, high = interval(np.array([pairs(score, case, patient).auroc(w) for w in draws(80, 200, seed)]))
        covered += low <= 0.7602 <= high
    assert 50 <= covered <= 60
