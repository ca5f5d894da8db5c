"""NEWS2, the National Early Warning Score, with partial scores called partial.

Source: Royal College of Physicians, National Early Warning Score (NEWS) 2, London 2017; used with acknowledgement.
Not for anyone under 16 or pregnant. SpO2 scale 2 only where it has been prescribed (limit `spo2_scale` 2).

A parameter that was not measured is missing, never 0 points: the sum of the others is then a lower bound, "at least".
Such a partial score alarms by the points it has; if they alarm nobody the rule does not know (UNKNOWN), because the
missing parameter might have. On scale 2 an SpO2 of 93 or more means nothing until it is known whether the patient
breathes oxygen, so without that it is not scored.

Points come from lookup tables over rounded values (`triage.scores.news2`), so there can be no gap between two bands.
A home questionnaire seldom gives all seven values at once: `news2_fresh_s` says how old one may be (check). The
interval and the response are the RCP's for a hospital ward; what stands for them at home is the programme's (check).
"""

import numpy as np

from triage.contract import Finding, Floats, Window, levels, rule
from triage.look import fresh, limited
from triage.scores.contract import Sum, summed
from triage.scores.news2 import PARAMETERS, points
from triage.scores.words import unmeasured
from vitals.alarm import Level

VERSION = "2"

_TEXT = {
    "nb": "NEWS2[ minst{at_least:?}][ {total:.0f}][, 3 poeng for én enkelt verdi{single:?}]"
    "[; mål minst hver {interval_h:.0f}. time][; mål hver time{hourly:?}][; overvåk uavbrutt{continuous:?}]"
    "[, sykepleier vurderer{nurse:?}][, sykepleier varsler teamet{team:?}]"
    "[, lege vurderer innen 60 min{urgent:?}][, akutt vurdering innen 30 min{emergency:?}]"
    "[; SpO₂ kan ikke skåres før oksygen og skala er kjent{spo2_unscored:?}][; ikke målt:{unmeasured:?}]"
    + unmeasured(PARAMETERS, "nb"),
    "en": "NEWS2[ at least{at_least:?}][ {total:.0f}][, 3 points for one parameter{single:?}]"
    "[; measure at least every {interval_h:.0f} hours][; measure hourly{hourly:?}][; monitor continuously"
    "{continuous:?}][, a nurse assesses{nurse:?}][, the nurse informs the team{team:?}]"
    "[, urgent review within 60 min{urgent:?}][, emergency assessment within 30 min{emergency:?}]"
    "[; SpO₂ cannot be scored before oxygen and scale are known{spo2_unscored:?}][; not measured:{unmeasured:?}]"
    + unmeasured(PARAMETERS, "en"),
}


@rule(
    version=VERSION,
    title={"nb": "NEWS2", "en": "NEWS2"},
    reads=PARAMETERS,
    limits={"spo2_scale": 1.0, "news2_fresh_s": 86_400.0, "news2_low": 0.0},
    bounds={"spo2_scale": (1.0, 2.0), "news2_fresh_s": (300.0, 604_800.0), "news2_low": (0.0, 1.0)},
    window_s=604_800,
    samples=4,
    text=_TEXT,
    unknown=_TEXT,
)
def news2(w: Window) -> Finding:
    """At least 7 points HIGH, 5 or 6 or a single 3 MEDIUM; 1 to 4 LOW where the limit `news2_low` is 1.

    `because` has each parameter's value and `…_points` (NaN: missing), their sum `total` (NaN: nothing measured),
    `lacks`, how many parameters are not in it, and the response. Source: RCP 2017, clinical response to the NEWS
    trigger thresholds.
    """
    values = {name: fresh(w, name, w.limit["news2_fresh_s"]) for name in PARAMETERS}
    given = points(values, w.limit["spo2_scale"])
    sums = summed(given)

    level = levels(w.patients)
    level[sums.lacks == 0] = Level.CALM
    level[(w.limit["news2_low"] == 1) & (sums.total >= 1)] = Level.LOW
    level[sums.single | (sums.total >= 5)] = Level.MEDIUM
    level[sums.total >= 7] = Level.HIGH
    level[~limited(w, news2.limits)] = Level.UNKNOWN
    flags = {
        "unmeasured": np.isnan(list(values.values())).sum(axis=0),
        "at_least": sums.partial,
        "single": sums.single,
        "spo2_unscored": np.isnan(given["spo2"]) & ~np.isnan(values["spo2"]),
    }
    because = {
        "total": sums.total, "lacks": sums.lacks,
        **{name: flag.astype(np.float64) for name, flag in flags.items()},
        **_response(sums),
    }  # fmt: skip
    return Finding(level, because | values | {f"{name}_points": column for name, column in given.items()})


def _response(sums: Sum) -> dict[str, Floats]:
    """What the RCP asks for at this total: how soon to measure again, and who answers. Of a partial total, at least.

    `interval_h` is 12 at 0 points and 4 from 1 to 4 (4 to 6 in the source); the flags say the rest.
    """
    total, single = sums.total, sums.single
    certain = ~np.isnan(total) & ~(sums.partial & (total == 0))
    emergency, urgent = total >= 7, (total >= 5) & (total < 7)
    team = single & (total < 5)
    few = certain & (total < 5) & ~single
    flags = {
        "hourly": urgent | team, "continuous": emergency, "nurse": few & (total >= 1), "team": team, "urgent": urgent,
        "emergency": emergency,
    }  # fmt: skip
    interval_h = np.where(few, np.where(total >= 1, 4.0, 12.0), np.nan)
    return {"interval_h": interval_h, **{name: flag.astype(np.float64) for name, flag in flags.items()}}
