"""The solver and the cross-validation of the research score, and its file."""

import dataclasses
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.study.features import NAMES
from triage.study.fit import Rowset, folds, linear, logistic, nested, out_of_fold
from triage.study.model import Model, dumps, loads
from triage.study.outcome import outcome
from triage.study.scores import table_of_features
from triage.study.shipped import FILE, SHIPPED
from vitals.errors import ConfigError


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), penalty=st.sampled_from([0.1, 1.0, 30.0]))
def test_the_solution_cannot_be_made_better_by_any_small_step(seed, penalty):
    """The conditions of Karush, Kuhn and Tucker: no slope where a coefficient is free, none upwards where it is 0."""
    random = np.random.default_rng(seed)
    x = random.normal(0, 1, (200, 4))
    y = (random.random(200) < 1 / (1 + np.exp(-(x @ [1, -1, 0.2, 0] - 1)))).astype(float)
    offset, weight = random.normal(0, 0.3, 200), random.choice([1.0, 4.0], 200)
    beta, intercept = logistic(x, y, offset, weight, penalty)
    p = 1 / (1 + np.exp(-(x @ beta + intercept + offset)))
    slope = x.T @ (weight * (y - p)) - penalty * beta
    assert (beta >= 0).all()
    assert np.abs(slope[beta > 0]).max(initial=0) < 1e-5
    assert slope[beta == 0].max(initial=0) < 1e-5
    assert abs((weight * (y - p)).sum()) < 1e-5
    again = logistic(x, y, offset, weight, penalty)
    assert np.array_equal(again[0], beta)


def rowset(wide) -> Rowset:
    table = table_of_features(wide)
    known = outcome(wide, horizon_h=24, lead_h=6)
    return Rowset(np.column_stack([np.nan_to_num(table[name][known.row]) for name in NAMES]), known)


def test_every_patient_is_judged_by_a_model_made_without_them(tables):
    """Whatever is done to a patient's own rows, the coefficients that judge them stay."""
    data = rowset(tables(4, patients=60))
    everybody = np.ones(60, np.bool_)
    before = out_of_fold(data, 10.0, everybody, 5, seed=1)
    assert np.isfinite(before).all()
    rows = data.known.patient == 7
    changed = dataclasses.replace(data, x=np.where(rows[:, None], data.x + 1, data.x))
    after = out_of_fold(changed, 10.0, everybody, 5, seed=1)
    fold = folds(data.known, 5, 1)
    others = (fold == fold[7])[data.known.patient] & ~rows
    assert np.array_equal(before[others], after[others])
    assert not np.array_equal(before[rows], after[rows])
    elsewhere = (fold != fold[7])[data.known.patient]
    assert not np.array_equal(before[elsewhere], after[elsewhere])


def test_folds_share_those_with_an_onset(tables):
    known = outcome(tables(5, patients=83), horizon_h=24, lead_h=6)
    fold = folds(known, 5, seed=2)
    for group in (np.isfinite(known.onset), ~np.isfinite(known.onset)):
        counts = np.bincount(fold[group], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.array_equal(fold, folds(known, 5, seed=2))


def test_the_cross_validation_is_the_same_for_the_same_seed(tables):
    data = rowset(tables(6, patients=60))
    one, other = nested(data, 3, iter), nested(data, 3, iter)
    assert np.array_equal(one[0], other[0])
    assert one[1] == other[1]
    assert len(one[1]) == 5


def test_the_file_says_what_the_model_is():
    made = {"data_sha256": "ab", "seed": 1, "auroc": 0.5, "credit": 'a "quoted" \\ word'}
    again = loads(dumps(SHIPPED, made), "here")
    assert again == dataclasses.replace(SHIPPED, data_sha256="ab")


def test_linear_is_the_score_of_the_model(tables):
    wide = tables(8)
    data = rowset(wide)
    table = table_of_features(wide)
    score = SHIPPED.score({name: value[data.known.row] for name, value in table.items()})
    there = ~np.isnan(score)
    assert there.any()
    assert linear(SHIPPED, data.x)[there] == pytest.approx(score[there], rel=1e-12)


def test_a_wrong_file_is_named():
    good = dumps(SHIPPED, {"data_sha256": "ab"})
    for wrong, says in (
        ("intercept = ", "here is no score of ours"),
        (good.replace("spo2_low", "spo2_slow"), "here is no score of ours"),
        (good + "pulse_rate_wobble = {coefficient = 1, mean = 0, scale = 1}\n", "no feature 'pulse_rate_wobble'"),
        (good.replace("spo2_low = { coefficient = ", "spo2_low = { coefficient = -"), "below 0"),
        (good.replace("[thresholds]", "[limits]"), "here is no score of ours"),
        (good.replace(f"intercept = {SHIPPED.intercept:.6g}", "intercept = nan"), "not finite"),
    ):
        with pytest.raises(ConfigError, match=says):
            loads(wrong, "here")


def test_the_shipped_score_is_whole_and_says_how_it_was_made():
    text = resources.files("triage.study").joinpath(FILE).read_text("utf-8")
    for word in ("command", "data_sha256", "CC BY 4.0", "seed", "auroc_time_matched", "ppv_at_21", "sensitivity_at_5"):
        assert word in text
    assert isinstance(SHIPPED, Model)
    assert SHIPPED.thresholds["21"] < SHIPPED.thresholds["5"]
