"""The newest values and the score, as the page sees them.

A value is stale when it is older than the plan allows (`STALE_S` where the plan says nothing), and is then shown as
such: the last thing known, not how things are. NEWS2 takes only what is fresh by the patient's own limit and what the
device itself does not doubt, as the rule does, and names what it lacks.
"""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from server.api import Text
from server.patients.programmes import Programmes
from server.patients.store import PatientRecord
from server.readings.api import Band, News2, Value
from server.readings.model import Latest, is_late
from triage.scores import news2 as chart
from triage.scores.news2 import PARAMETERS, points
from vitals.block import DOUBTED
from vitals.channels import CHANNELS
from vitals.clock import MS, NS

STALE_S = 36 * 3600.0

LOW = {"spo2": "spo2_floor"}
HIGH = {"pulse_rate": "pulse_ceiling"}
"""Which of the rules' limits bounds which channel."""

_FRESH = "news2_fresh_s"


def unit(channel: str) -> str:
    """The unit as people write it; empty for a score."""
    known = CHANNELS[channel]
    return known.shown_unit or ("" if known.unit.startswith("{") else known.unit)


def shown_decimals(channel: str, reported: int) -> int:
    """As many decimals as the device reported, but no more than a person reads: 82.4 kg of a scale that says 82.405."""
    return min(reported, CHANNELS[channel].decimals)


@cache
def label(channel: str) -> Text:
    """The channel's name, the same object each time."""
    return Text(nb=CHANNELS[channel].nb, en=CHANNELS[channel].en)


def values(
    record: PatientRecord,
    newest: Mapping[str, Latest],
    limits: Mapping[str, float],
    programmes: Programmes,
    now_ns: int,
) -> list[Value]:
    """The newest reading of each channel, in the order of the table of channels."""
    return [
        _value(newest[name], limits, programmes.expected_s(record.programme, name) or STALE_S, now_ns)
        for name in CHANNELS
        if name in newest and name != "battery"
    ]


def news2(
    newest: Sequence[Mapping[str, Latest]], limits: Sequence[Mapping[str, float]], now_ns: int
) -> list[News2 | None]:
    """The score of each patient; None for those whose programme does not score, or of whom nothing fresh is known."""
    fresh_s = [one.get(_FRESH, float("nan")) for one in limits]
    columns = {
        name: np.array([_fresh(one.get(name), s, now_ns) for one, s in zip(newest, fresh_s, strict=True)])
        for name in PARAMETERS
    }
    scale = np.array([one.get("spo2_scale", 1.0) for one in limits])
    given = points(columns, scale)
    return [_score({name: float(given[name][row]) for name in PARAMETERS}) for row in range(len(newest))]


def bands(channel: str, limits: Mapping[str, float]) -> list[Band]:
    """NEWS2's bands of the channel, for a patient with these limits whose programme scores."""
    if _FRESH not in limits:
        return []
    known = chart.bands(channel, limits.get("spo2_scale", 1.0))
    return [Band(start=start, points=given) for start, given in known]


def _score(given: Mapping[str, float]) -> News2 | None:
    known = {name: value for name, value in given.items() if value == value}
    if not known:
        return None
    return News2(
        total=int(sum(known.values())),
        lacks=[name for name in PARAMETERS if name not in known],
        single_red=3.0 in known.values(),
    )


def _fresh(one: Latest | None, fresh_s: float, now_ns: int) -> float:
    """The value, or NaN when there is none, or it is too old or doubted."""
    usable = one is not None and (now_ns - one.t_ns) / NS <= fresh_s and DOUBTED.isdisjoint(one.status)
    return one.value if one is not None and usable else float("nan")


def _value(one: Latest, limits: Mapping[str, float], stale_s: float, now_ns: int) -> Value:
    return Value(
        channel=one.channel,
        label=label(one.channel),
        value=one.value,
        decimals=shown_decimals(one.channel, one.decimals),
        unit=unit(one.channel),
        t_ms=one.t_ns // MS,
        arrived_ms=one.stored_ns // MS,
        late=is_late(one.t_ns, one.stored_ns),
        stale=(now_ns - one.t_ns) / NS > stale_s,
        status=list(one.status),
        low=limits.get(LOW.get(one.channel, "")),
        high=limits.get(HIGH.get(one.channel, "")),
        trend=None if one.before_value is None else round(one.value - one.before_value, 6),
    )
