"""COVID oximetry at home: a saturation that falls before the patient feels it.

Source: NHS England, COVID Oximetry @home: SpO2 95 % and more stays at home; 93 and 94 is measured again within an hour,
then the patient calls; 92 and less is measured again at once, then it is an emergency. Pulse 100 to 110 is amber and
111 and more red, temperature above 38 and above 39 °C, 22 to 24 breaths and 25 and more (check). Personal limits for
who is used to less (check).

A single low saturation is a level lower until another within `covid_agree_s` says the same, and asks for that one.
What is missing alarms nobody, and makes nobody calm. Values are rounded to what the table is written in, halves up.
"""

import numpy as np

from triage.contract import Finding, Window, levels, rule
from triage.look import fresh, good, limited, newest, within
from triage.scores.bands import lookup, rounded, table
from triage.scores.words import unmeasured
from vitals.alarm import Level

_OTHERS = {
    "pulse_rate": (table(112, (0, 0), (100, 1), (111, 2)), 1),
    "body_temp": (table(392, (0, 0), (381, 1), (391, 2)), 10),
    "resp_rate": (table(26, (0, 0), (22, 1), (25, 2)), 1),
}
"""0 green, 1 amber, 2 red by rounded value, and how many steps of rounding are in a whole."""


@rule(
    version="1",
    title={"nb": "Covid: oksygenmetning hjemme", "en": "COVID: oximetry at home"},
    reads=("spo2", *_OTHERS),
    limits={"covid_home": 95.0, "covid_red": 92.0, "covid_agree_s": 3_600.0, "covid_fresh_s": 43_200.0},
    bounds={
        "covid_home": (85.0, 98.0),
        "covid_red": (80.0, 96.0),
        "covid_agree_s": (60.0, 14_400.0),
        "covid_fresh_s": (3_600.0, 172_800.0),
    },
    order=(("covid_red", "covid_home"),),
    window_s=172_800 + 14_400,
    samples=8,
    text={
        "nb": "Covid:[ SpO₂ {low_min:.0f} %,][ én enkelt måling, mål på nytt{again:?},]"
        "[ puls {pulse_rate_off:.0f}/min,][ temperatur {body_temp_off:.1f} °C,][ {resp_rate_off:.0f} åndedrag/min,]",
        "en": "COVID:[ SpO₂ {low_min:.0f} %,][ a single reading, measure again{again:?},]"
        "[ pulse {pulse_rate_off:.0f}/min,][ temperature {body_temp_off:.1f} °C,][ {resp_rate_off:.0f} breaths/min,]",
    },
    unknown={
        "nb": "Covid kan ikke vurderes; ikke målt:" + unmeasured(("spo2", *_OTHERS), "nb"),
        "en": "COVID cannot be judged; not measured:" + unmeasured(("spo2", *_OTHERS), "en"),
    },
)
def covid_oximetry(w: Window) -> Finding:
    """Two saturations at `covid_red` or less HIGH, two below `covid_home` MEDIUM, a single one a level lower.

    A red pulse, temperature or breathing HIGH, an amber one MEDIUM; CALM takes all four within `covid_fresh_s`.
    `because`: each fresh value; `low_min` the lowest saturation below `covid_home`, how many are `low` and `red`,
    whether to measure `again`, and `…_off` what else is amber or red (else NaN). Source: see the module.
    """
    fresh_s = w.limit["covid_fresh_s"]
    values = {name: fresh(w, name, fresh_s) for name in covid_oximetry.reads}
    saturations = good(w, "spo2")
    last = newest(w, saturations)
    close = within(saturations, last.t_ns, w.limit["covid_agree_s"]).value
    close = np.where((last.age_s <= fresh_s)[:, None], close, np.nan)
    is_low = rounded(close) < rounded(w.limit["covid_home"])[:, None]
    is_red = is_low & (rounded(close) <= rounded(w.limit["covid_red"])[:, None])
    low, red = is_low.sum(axis=1), is_red.sum(axis=1)
    colour = {name: lookup(points, values[name], steps) for name, (points, steps) in _OTHERS.items()}
    worst = np.fmax.reduce(list(colour.values()))

    known = limited(w, covid_oximetry.limits)
    level = levels(w.patients)
    level[~np.isnan(list(values.values())).any(axis=0)] = Level.CALM
    level[low == 1] = Level.LOW
    level[(low >= 2) | (red == 1) | (worst == 1)] = Level.MEDIUM
    level[(red >= 2) | (worst == 2)] = Level.HIGH
    level[~known] = Level.UNKNOWN
    again = known & ((low == 1) | (red == 1)) & (rounded(values["spo2"]) < rounded(w.limit["covid_home"]))
    because = {
        "low_min": np.fmin.reduce(np.where(is_low, close, np.nan), axis=1),
        "low": low.astype(np.float64),
        "red": red.astype(np.float64),
        "again": again.astype(np.float64),
        **{f"{name}_off": np.where(given > 0, values[name], np.nan) for name, given in colour.items()},
    }
    return Finding(level, because | values, asks={"spo2": again})
