"""What the columnar state should know, in dictionaries and loops: it keeps every sample and looks everything up anew.

Written from the words of `triage.course`, `triage.state` and the RCP's chart, with nothing of their code in it.
"""

import math
import statistics
from collections.abc import Iterable
from typing import NamedTuple

from tests.triage.second_opinion.scores import rcp, rcp_spo2
from triage.course import USUAL
from triage.grid import Sample
from vitals.channels import CHANNELS
from vitals.clock import NS

STEP_NS = 6 * 3600 * NS
REACH_NS = 30 * 86_400 * NS
COURSE = 16
DAY_NS = 86_400 * NS
PARAMETERS = ("resp_rate", "spo2", "oxygen_flow", "bp_sys", "pulse_rate", "consciousness", "body_temp")


class Seen(NamedTuple):
    t_ns: int
    value: float
    good: bool


class Course(NamedTuple):
    count: int = 0
    value: float = math.nan
    mean: float = math.nan
    sd: float = math.nan
    median: float = math.nan
    rise: float = math.nan
    fall: float = math.nan
    slope: float = math.nan


class Score(NamedTuple):
    total: int
    missing: int
    three: bool


class Reference:
    """Every sample of every patient."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Sample]] = {}
        self.scale: dict[str, int] = {}
        self.fresh_s: dict[str, float] = {}

    def series(self, patient: str, channel: str) -> list[Seen]:
        """In order; a value that is no number is none, and one that no instrument can report is doubted."""
        plausible = CHANNELS[channel].plausible if channel in CHANNELS else lambda value: True
        found = [
            Seen(one.t_ns, one.value, one.good and plausible(one.value))
            for one in self.samples.get(patient, [])
            if one.channel == channel and math.isfinite(one.value)
        ]
        return sorted(found)

    def ring(self, patient: str, channel: str, size: int) -> list[Seen]:
        return self.series(patient, channel)[-size:]

    def course(self, patient: str, channel: str, now_ns: int) -> Course:
        return course(self.series(patient, channel), channel, now_ns)

    def newest(self, patient: str, channel: str, now_ns: int) -> float:
        """What NEWS2 counts of a parameter: the newest good one of the newest 4, unless it is too old."""
        for seen in reversed([seen for seen in self.series(patient, channel) if seen.t_ns <= now_ns][-4:]):
            if seen.good:
                fresh_s = self.fresh_s.get(patient, 86_400.0)
                return seen.value if (now_ns - seen.t_ns) / NS <= fresh_s else math.nan
        return math.nan

    def score(self, patient: str, now_ns: int) -> Score:
        value = {name: self.newest(patient, name, now_ns) for name in PARAMETERS}
        given: list[int | None] = []
        for name, number in value.items():
            if math.isnan(number):
                given.append(None)
            elif name == "spo2":
                given.append(rcp_spo2(number, value["oxygen_flow"], self.scale.get(patient, 1)))
            elif name == "oxygen_flow":
                given.append(2 if number > 0 else 0)
            else:
                given.append(rcp(name, number))
        there = [points for points in given if points is not None]
        return Score(sum(there), given.count(None), 3 in there)


def course(series: Iterable[Seen], channel: str, now_ns: int) -> Course:
    """The course of one series, one reading at a time."""
    usual = USUAL[channel]
    last_of_step: dict[int, Seen] = {}
    for one in sorted(series):
        if one.good and one.t_ns <= now_ns:
            last_of_step[one.t_ns // STEP_NS] = one
    readings = [(one.t_ns, one.value) for _, one in sorted(last_of_step.items())]
    readings = [(t, v) for t, v in readings if t >= readings[-1][0] - REACH_NS][-COURSE:]
    if not readings or readings[-1][0] < now_ns - REACH_NS:
        return Course()
    mean = sd = math.nan
    rise = fall = 0.0
    for index, (t_ns, value) in enumerate(readings):
        before = [(math.exp(-(t_ns - t) / DAY_NS / usual.tau_days), v) for t, v in readings[:index]]
        total = sum(weight for weight, _ in before)
        if usual.worth + total == 0:
            continue
        mean = (usual.worth * usual.mean + sum(weight * v for weight, v in before)) / (usual.worth + total)
        spread = 4 * usual.sd**2 + sum(weight * (v - mean) ** 2 for weight, v in before)
        sd = max(math.sqrt(spread / (4 + total)), usual.sd_least)
        if index >= 4:
            z = max(-4.0, min(4.0, (value - mean) / sd))
            rise, fall = max(0.0, rise + z - 0.5), max(0.0, fall - z - 0.5)
    slopes = [(v - u) / ((t - s) / DAY_NS) for n, (t, v) in enumerate(readings) for s, u in readings[:n]]
    learned = len(readings) > 4
    earlier = [v for t, v in readings if readings[-1][0] - t >= DAY_NS]
    return Course(
        len(readings), readings[-1][1], mean, sd,
        statistics.median(earlier) if len(earlier) >= 4 and channel == "spo2" else math.nan,
        rise if learned and usual.rise else math.nan,
        fall if learned and usual.fall else math.nan,
        statistics.median(slopes) if len(readings) >= 3 else math.nan,
    )  # fmt: skip
