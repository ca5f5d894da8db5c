"""What patients answer: stroke, chemotherapy, side effects."""

from tests.triage.second_opinion.plain import (
    CALM,
    HIGH,
    LOW,
    MEDIUM,
    UNKNOWN,
    Limits,
    Patient,
    lately,
    missing,
    rounded,
    trusted,
)
from vitals.alarm import Level
from vitals.clock import NS


def stroke_fast(patient: Patient, limit: Limits) -> Level:
    if missing(limit["fast_fresh_s"]):
        return UNKNOWN
    answers = [
        lately(patient[sign], limit["fast_fresh_s"]) for sign in ("face_droop", "arm_weakness", "speech_trouble")
    ]
    if any(answer > 0 for given in answers for answer in given):
        return HIGH
    return CALM if all(answers) else UNKNOWN


def chemo_fever(patient: Patient, limit: Limits) -> Level:
    if missing(*limit.values()):
        return UNKNOWN
    temperatures = [rounded(value, "0.1") for value in lately(patient["body_temp"], limit["chemo_fresh_s"])]
    fever, low, raised = (rounded(limit[f"chemo_{name}"], "0.1") for name in ("fever", "low", "raised"))
    if not temperatures:
        return UNKNOWN
    if any(value >= fever or value < low for value in temperatures):
        return HIGH
    if temperatures[-1] < raised:
        return CALM
    return MEDIUM if any(lately(patient["concern"], limit["chemo_fresh_s"])) else LOW


def ukons(patient: Patient, limit: Limits) -> Level:
    if missing(*limit.values()):
        return UNKNOWN
    newest = [trusted(answers, limit["ukons_fresh_s"]) for answers in patient.values()]
    grades = [answers[-1].value for answers in newest if answers]
    amber = sum(2 <= grade < 3 for grade in grades)
    if amber >= 2 or any(grade >= 3 for grade in grades):
        return HIGH
    if amber:
        return MEDIUM
    return CALM if len(grades) >= limit["ukons_items"] else UNKNOWN


def pro_ctcae(patient: Patient, limit: Limits) -> Level:
    if missing(*limit.values()):
        return UNKNOWN
    answered = 0
    for answers in patient.values():
        told = trusted(answers, limit["pro_fresh_s"])
        if not told:
            continue
        answered += 1
        now = told[-1]
        earlier = [one.value for one in told if 0 < one.age_ns - now.age_ns <= 28 * 86_400 * NS]
        if now.value >= limit["pro_severe"] or (earlier and now.value - min(earlier) >= limit["pro_rise"]):
            return MEDIUM
    return CALM if answered >= limit["pro_items"] else UNKNOWN
