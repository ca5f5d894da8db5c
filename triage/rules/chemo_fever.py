"""Fever in a patient whose defences chemotherapy has taken: once is enough.

Source: CCLG guidance on febrile neutropenia (paediatric; for adults as practised) (check): 38.0 °C once is an
emergency, below 36.0 °C too, and 37.5 to 37.9 °C with a concern is a reason to call. That a raised temperature without
a concern is LOW is our choice (check).

A fever that has been brought down by a tablet was a fever: any reading of the last day counts for red, also where the
temperature is taken by the hour from then on. For what is only raised the newest reading counts. Temperatures are
rounded to 0.1 °C, halves up, so no gap is between two bands.
"""

import numpy as np

from triage.contract import Finding, Window, levels, rule
from triage.look import fresh, limited, recent
from triage.scores.bands import rounded
from vitals.alarm import Level


@rule(
    version="2",
    title={"nb": "Feber under cellegiftbehandling", "en": "Fever during chemotherapy"},
    reads=("body_temp", "concern"),
    limits={"chemo_low": 36.0, "chemo_raised": 37.5, "chemo_fever": 38.0, "chemo_fresh_s": 86_400.0},
    bounds={
        "chemo_low": (34.0, 36.5),
        "chemo_raised": (37.0, 38.0),
        "chemo_fever": (37.5, 38.5),
        "chemo_fresh_s": (3_600.0, 172_800.0),
    },
    order=(("chemo_low", "chemo_raised", "chemo_fever"),),
    window_s=172_800,
    samples=32,
    text={
        "nb": "Temperatur under cellegiftbehandling:[ feber {highest:.1f} °C (grense {fever:.1f}), akutt,]"
        "[ for lav {lowest:.1f} °C (grense {low:.1f}), akutt,][ forhøyet {raised:.1f} °C,]"
        "[ og bekymret eller uvel: ring{worried:?},][ spør om pasienten er bekymret eller uvel{unasked:?},]",
        "en": "Temperature during chemotherapy:[ fever {highest:.1f} °C (limit {fever:.1f}), an emergency,]"
        "[ too low {lowest:.1f} °C (limit {low:.1f}), an emergency,][ raised {raised:.1f} °C,]"
        "[ and worried or unwell: call{worried:?},][ ask whether the patient is worried or unwell{unasked:?},]",
    },
)
def chemo_fever(w: Window) -> Finding:
    """`chemo_fever` and more, or less than `chemo_low`, once in `chemo_fresh_s`: HIGH. Raised MEDIUM or LOW.

    Raised, `chemo_raised` and more, is MEDIUM with a concern and LOW without; where nobody has answered, it asks.
    `because`: `highest` and `lowest` where they are red, `raised` where the newest is that (else NaN), whether
    `worried` or `unasked`, the limits `fever` and `low`. Source: see the module.
    """
    span_s = w.limit["chemo_fresh_s"]
    readings = recent(w, "body_temp", span_s)
    highest, lowest = np.fmax.reduce(readings, axis=1), np.fmin.reduce(readings, axis=1)
    last, concern = fresh(w, "body_temp", span_s), np.fmax.reduce(recent(w, "concern", span_s), axis=1)
    fever = rounded(highest, 10) >= rounded(w.limit["chemo_fever"], 10)
    low = rounded(lowest, 10) < rounded(w.limit["chemo_low"], 10)
    raised = ~fever & ~low & (rounded(last, 10) >= rounded(w.limit["chemo_raised"], 10))

    known = limited(w, chemo_fever.limits)
    level = levels(w.patients)
    level[known & ~np.isnan(last)] = Level.CALM
    level[known & raised] = Level.LOW
    level[known & raised & (concern > 0)] = Level.MEDIUM
    level[known & (fever | low)] = Level.HIGH
    unasked = known & raised & np.isnan(concern)
    because = {
        "highest": np.where(fever, highest, np.nan),
        "lowest": np.where(low, lowest, np.nan),
        "raised": np.where(raised, last, np.nan),
        "worried": (raised & (concern > 0)).astype(np.float64),
        "unasked": unasked.astype(np.float64),
        "fever": w.limit["chemo_fever"],
        "low": w.limit["chemo_low"],
    }
    return Finding(level, because, asks={"concern": unasked})
