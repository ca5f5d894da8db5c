"""Each rule once more, in slow plain Python on one patient, written from its words and with nothing of `triage` in it.

`tests.triage.test_second_opinion` asks both about invented patients, `tests.swarm` about what a server has stored.
"""

from collections.abc import Callable, Mapping

from tests.triage.second_opinion import answers, body, breath, dispenser, scores, silence, trends
from tests.triage.second_opinion.plain import Limits, Patient, Told
from vitals.alarm import Level

OPINIONS: Mapping[str, Callable[[Patient, Limits], Level | Told]] = {
    opinion.__name__: opinion
    for opinion in (
        breath.spo2_floor, breath.spo2_drop, breath.spirometry, breath.cat_rise, breath.exact_rise,
        breath.covid_oximetry,
        body.pulse_high, body.weight_gain, body.glucose, body.blood_pressure,
        dispenser.missed_dose, dispenser.dispenser_trouble,
        silence.device_silent, silence.silent_after_red, silence.patient_silent,
        scores.news2, scores.mews, scores.qsofa, scores.shock_index, scores.crb65,
        trends.personal_baseline, trends.deterioration,
        answers.stroke_fast, answers.chemo_fever, answers.ukons, answers.pro_ctcae,
    )
}  # fmt: skip
"""By the name of the rule."""
