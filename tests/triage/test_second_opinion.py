"""Each rule, and the second opinion on it (`second_opinion`): both must say the same."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.triage.second_opinion import OPINIONS
from tests.triage.second_opinion.plain import Seen, verdict
from tests.triage.state.reference import Course, Reference
from triage.catalogue import catalogue
from triage.run import run
from vitals.alarm import Audience, Level
from vitals.channels import CHANNELS
from vitals.clock import NS


@pytest.mark.parametrize("name", sorted(OPINIONS))
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_both_say_the_same(name, data, homes):
    rule = catalogue()[name]
    told = data.draw(homes(rule))
    verdicts = run(told.window(rule), [rule])
    for row, patient in enumerate(told.patients):
        limit = {**rule.limits, **told.limits[patient]}
        for channel in rule.tracks:
            limit |= {f"{channel}_cusum": cusum(told, patient, channel)}
            limit |= {f"{channel}_median": course(told, patient, channel).median}
        if "watched_since_ns" in limit:
            limit["watched_s"] = (told.now_ns - limit["watched_since_ns"]) / NS
        seen = {channel: plainly(told, patient, channel, rule) for channel in (*rule.reads, *rule.events)}
        level, audience = verdict(OPINIONS[name](seen, limit))
        assert Level(int(verdicts.level[0, row])) == level, (seen, limit)
        if level > Level.CALM:
            assert Audience(int(verdicts.tells[0, row])) == audience, (seen, limit)


def cusum(told, patient: str, channel: str) -> float:
    """How far the channel has gone in a direction that does harm; NaN where nobody can say."""
    its = course(told, patient, channel)
    return max((way for way in (its.rise, its.fall) if not math.isnan(way)), default=math.nan)


def course(told, patient: str, channel: str) -> Course:
    known = Reference()
    known.samples[patient] = [sample for sample in told.samples if sample.patient == patient]
    return known.course(patient, channel, told.now_ns)


def plainly(told, patient: str, channel: str, rule) -> list[Seen]:
    """What the rule may see of one channel of one patient, oldest first; all of it where it sees the course."""
    most, window_ns = (0, told.now_ns) if channel in rule.tracks else (rule.samples, round(rule.window_s * NS))
    readings = sorted(
        (sample.t_ns, sample.value, sample.good)
        for sample in told.samples
        if (sample.patient, sample.channel) == (patient, channel) and 0 <= told.now_ns - sample.t_ns <= window_ns
    )
    believable = CHANNELS[channel].plausible if channel in CHANNELS else lambda value: True
    return [Seen(told.now_ns - t_ns, value, good and believable(value)) for t_ns, value, good in readings[-most:]]
