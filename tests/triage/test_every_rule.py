"""What every rule has to live up to; a new rule is tested here without a line of new test code."""

import inspect
import math
import re
import sys
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage import sentence
from triage.catalogue import catalogue
from triage.contract import Rule
from triage.course import USUAL
from triage.grid import Sample, window
from triage.run import Verdicts, run
from vitals.alarm import Audience, Level
from vitals.channels import CHANNELS
from vitals.clock import NS

RULES = tuple(catalogue().values())
SOME = settings(max_examples=40, deadline=None)

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


def same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


def alike(one: Verdicts, other: Verdicts) -> bool:
    plain = np.array_equal(one.level, other.level) and np.array_equal(one.tells, other.tells)
    return plain and all(map(same, one.because, other.because)) and all(map(same_wishes, one.asks, other.asks))


def same_wishes(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def of_patient(verdicts: Verdicts, row: int) -> tuple[list[int], list[int], list[dict[str, str]], set[str]]:
    numbers = [{name: repr(column[row]) for name, column in because.items()} for because in verdicts.because]
    return verdicts.level[:, row].tolist(), verdicts.tells[:, row].tolist(), numbers, verdicts.wishes(row)


@every_rule
@SOME
@given(data=st.data())
def test_each_patient_alone_is_judged_as_among_others(rule, data, homes):
    told = data.draw(homes(rule))
    together = run(told.window(rule), [rule])
    for row, patient in enumerate(told.patients):
        alone = run(told._replace(patients=(patient,)).window(rule), [rule])
        assert of_patient(alone, 0) == of_patient(together, row)


@every_rule
@SOME
@given(data=st.data())
def test_the_order_of_patients_and_of_arrival_changes_nothing(rule, data, homes):
    told = data.draw(homes(rule))
    turned = told._replace(patients=told.patients[::-1], samples=told.samples[::-1])
    first, second = run(told.window(rule), [rule]), run(turned.window(rule), [rule])
    for row in range(len(told.patients)):
        assert of_patient(first, row) == of_patient(second, len(told.patients) - 1 - row)


@every_rule
@SOME
@given(data=st.data())
def test_a_rule_sees_the_same_whichever_other_rules_are_installed(rule, data, homes):
    told = data.draw(homes(rule))
    alone = run(told.window(rule), [rule])
    among = run(told.window(*RULES), [rule])
    assert alike(alone, among)


@every_rule
@SOME
@given(data=st.data())
def test_the_input_is_only_read_and_the_answer_has_its_shape(rule, data, homes):
    told = data.draw(homes(rule))
    seen = told.window(rule)
    arrays = [
        array for series in (*seen.channel.values(), *seen.event.values()) for array in (series.t_ns, series.value)
    ]
    arrays += [*seen.quality.values(), *seen.limit.values()]
    arrays += [array for track in seen.track.values() for array in vars(track).values()]
    before = [array.tobytes() for array in arrays]
    finding = rule.judge(seen)
    assert [array.tobytes() for array in arrays] == before
    assert not any(array.flags.writeable for array in arrays)
    assert finding.level.shape == (len(told.patients),)
    assert finding.level.dtype == np.int8
    assert set(finding.level.tolist()) <= set(Level)
    assert finding.tells is None or set(finding.tells.tolist()) <= set(Audience)
    assert all(asked.dtype == np.bool_ and asked.shape == finding.level.shape for asked in finding.asks.values())
    for column in finding.because.values():
        assert column.shape == (len(told.patients),)
        assert column.dtype == np.float64


@every_rule
def test_nobody_at_all_is_no_trouble(rule, now_ns):
    assert run(window(now_ns, (), (), [rule], {}), [rule]).level.shape == (1, 0)


@every_rule
def test_silence_is_unknown(rule, now_ns):
    """For a patient of whom nothing is known, not even since when they are watched."""
    limits = {"anna": {name: _set(rule, name) for name in rule.limits if name != "watched_since_ns"}}
    verdicts = run(window(now_ns, ("anna",), (), [rule], limits), [rule])
    assert verdicts.level.tolist() == [[Level.UNKNOWN]]
    assert verdicts.worst().tolist() == [Level.UNKNOWN]
    assert verdicts.wishes(0) == set(), "what was never measured is the programme's to ask for, not a rule's"


@every_rule
def test_a_limit_that_is_not_there_is_unknown_not_calm(rule, home, now_ns):
    limits = {"anna": dict.fromkeys(rule.limits, math.nan)}
    samples = tuple(Sample("anna", name, now_ns - NS, CHANNELS[name].low) for name in rule.reads)
    if rule.limits:
        assert run(home(("anna",), samples, limits).window(rule), [rule]).level.tolist() == [[Level.UNKNOWN]]


@every_rule
@SOME
@given(data=st.data())
def test_every_sentence_can_be_read(rule, data, homes):
    told = data.draw(homes(rule))
    verdicts = run(told.window(rule), [rule])
    for row in range(len(told.patients)):
        for reason in verdicts.reasons(row, unknown=True):
            assert set(reason.text) >= set(sentence.LANGUAGES)
            assert all(value is None or math.isfinite(value) for value in reason.because.values())
            for text in reason.text.values():
                assert text
                assert not re.search(r"nan|inf\b|None|[{}\[\]]|  |unknown|ukjent|-0\b", text), text
                assert text[-1] not in " ,;:", text
            assert not re.search(r"\d\.\d", reason.text["nb"]), "Norwegian has a decimal comma"


@every_rule
def test_templates_speak_only_of_numbers_the_rule_gives(rule, now_ns):
    given_names = run(window(now_ns, ("anna",), (), [rule], {}), [rule]).because[0].keys()
    for template in (*rule.text.values(), *rule.unknown.values()):
        assert sentence.fields(template) <= given_names


@every_rule
def test_the_rule_says_who_it_is_and_where_it_comes_from(rule):
    assert rule.version
    assert set(rule.text) >= set(sentence.LANGUAGES)
    assert set(rule.title) >= set(sentence.LANGUAGES)
    assert rule.reads or rule.events
    assert set(rule.reads) <= set(CHANNELS)
    assert set(rule.tracks) <= set(USUAL), "triage.course.USUAL says what is usual of a channel"
    assert rule.samples >= 1
    assert all(set(row) <= set(rule.limits) for row in rule.order)
    assert "Source:" in (inspect.getdoc(rule.judge) or "")
    assert "Source:" in (sys.modules[rule.judge.__module__].__doc__ or "")


@every_rule
def test_every_limit_has_bounds_and_a_default_within_them(rule):
    assert set(rule.bounds) == set(rule.limits)
    for name, default in rule.limits.items():
        low, high = rule.bounds[name]
        assert low < high
        assert math.isnan(default) or low <= default <= high


@every_rule
def test_between_two_bands_there_is_no_gap(rule, home, now_ns):
    """A sweep through each channel in half steps of its resolution: the level falls, then rises, and never leaps.

    The newest reading is the one swept; it has company from the days before, so that a trend has something to stand on.
    """
    for name in rule.reads:
        about = CHANNELS[name]
        steps = 2 * round((about.high - about.low) / about.resolution)
        values = np.round(np.linspace(about.low, about.high, steps + 1), about.decimals + 1)
        middle = round((about.low + about.high) / 2, about.decimals)
        samples = [
            Sample(str(row), name, now_ns - hours * 3600 * NS, value)
            for row, swept in enumerate(values.tolist())
            for hours, value in ((1, swept), (20, middle), (40, middle), (60, middle))
        ]
        patients = tuple(str(row) for row in range(len(values)))
        limits = {patient: {limit: _set(rule, limit) for limit in rule.limits} for patient in patients}
        level = run(home(patients, tuple(samples), limits).window(rule), [rule]).level[0]
        if rule.reads == (name,) and not rule.events:
            assert (level != Level.UNKNOWN).all(), f"{name}: a value without a verdict"
        steps_taken = np.diff(np.maximum(level, Level.CALM).astype(int))
        signs = np.sign(steps_taken[steps_taken != 0])
        assert (np.diff(signs) >= 0).all(), f"{name}: the level rises and falls again between two bands"


def _set(rule: Rule, name: str) -> float:
    """A limit's default, or where it has none something in the middle of what it may be."""
    default = rule.limits[name]
    low, high = rule.bounds[name]
    return math.sqrt(max(low, 1) * high) if math.isnan(default) else default
