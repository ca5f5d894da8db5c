"""A second opinion: what the rules must say of a patient, worked out anew from what is stored.

What a rule says of what it sees is `tests.triage.second_opinion`, plain loops written from the rules' words. Here it is
worked out what each rule sees, under which limits, and what the server itself must find: with nothing of `triage` or
`server`, from `configs/programmes` and the documents. Where the two disagree, one is wrong.

Every rule of the three programmes is here, and what the server itself finds: a silent gateway and one whose clock is
off. Left out are orders to a dispenser (`tests.faults.doses` proves those).

A verdict is a set of permitted levels. Nearly always it has one. Two have more for a few minutes, because they lean on
what a server remembers only in its own head: whether a gateway that is back has been heard of for long enough.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.swarm.look import Sample
from tests.triage.second_opinion import OPINIONS
from tests.triage.second_opinion.breath import usually
from tests.triage.second_opinion.plain import NURSE, Seen, verdict

UNKNOWN, CALM, MEDIUM = -1, 0, 2
S = 1_000_000_000
DAY = 86_400.0

CONFIGS = Path(__file__).parents[2] / "configs" / "programmes"
TECHNICAL = {"dispenser_trouble", "device_silent", "gateway_silent", "gateway_clock"}
WATCHED = (
    "spo2", "pulse_rate", "resp_rate", "bp_sys", "body_temp", "weight", "glucose", "peak_flow", "oxygen_flow",
    "consciousness", "fev1",
)  # fmt: skip
SETTLE_S = 300.0
CLOCK_OFF_S = 300.0

_USUAL = {
    "spo2_floor": 90.0, "spo2_agree_s": 1_800.0, "spo2_stale_s": DAY, "spo2_alone": 3.0, "perfusion_least": 0.3,
    "pulse_ceiling": 120.0, "pulse_urgent": 131.0,
    "pulse_agree_s": 1_800.0, "pulse_stale_s": DAY, "weight_gain_kg": 2.0, "weight_stale_s": 2 * DAY,
    "dispenser_fresh_s": 2 * DAY, "spo2_scale": 1.0, "news2_fresh_s": DAY, "news2_low": 0.0, "silence_times": 2.0,
    "symptom_from": 2.0, "symptom_stale_s": DAY, "dose_kin_s": 1_800.0, "dose_nurse_s": 7_200.0, "spo2_drop": 4.0,
    "spo2_usual": math.nan, "spirometry_sds": 1.645, "spirometry_stale_s": 2 * DAY, "cat_rise": 2.0,
    "cat_usual": math.nan, "cat_stale_s": 7 * DAY, "exact_two_days": 12.0, "exact_three_days": 9.0,
    "exact_usual": math.nan, "exact_stale_s": 1.5 * DAY,
}  # fmt: skip

_SCORED = ("resp_rate", "spo2", "oxygen_flow", "bp_sys", "pulse_rate", "consciousness", "body_temp")
_DOSES = ("dispenser.missed", "dispenser.missed_critical", "dispenser.retrieved")
_TROUBLES = (
    "dispenser.jam", "dispenser.dispense_fail", "dispenser.empty", "dispenser.tamper", "dispenser.presented",
    "dispenser.retrieved", "dispenser.refill",
)  # fmt: skip
_SEES: Mapping[str, tuple[Sequence[str], float, int]] = {
    "spo2_floor": (("spo2", "perfusion_index"), 14 * DAY, 32),
    "pulse_high": (("pulse_rate",), 14 * DAY, 32),
    "spo2_drop": (("spo2", "perfusion_index"), 14 * DAY, 32),
    "spirometry": (("fev1", "fvc"), 14 * DAY, 24),
    "cat_rise": (("cat_score",), 122 * DAY, 24),
    "exact_rise": (("exact_score",), 17 * DAY, 32),
    "weight_gain": (("weight", "breathlessness", "swelling"), 6 * DAY, 24),
    "news2": (_SCORED, 7 * DAY, 4),
    "missed_dose": (_DOSES, DAY, 16),
    "dispenser_trouble": (_TROUBLES, 7 * DAY, 1),
    "device_silent": (WATCHED, 30 * DAY, 1),
    "patient_silent": (WATCHED, 30 * DAY, 1),
    "silent_after_red": (("spo2", "perfusion_index"), 30 * DAY, 8),
}
"""What each rule is shown: of these names, no older than so many seconds, the newest so many."""

_LOOKS_BACK = ("spo2_drop", "silent_after_red")
"""Where the device doubted all that they are shown, these know the last good saturation before."""

Levels = frozenset[int]
Filed = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True)
class Gateway:
    """A patient's gateway as far as silence goes. `since_ns`: from when its silence counts; `ahead_ns`: its clock at
    the last heartbeat. The server has known it to be heard since `early_ns` at the earliest and `late_ns` at the
    latest, without a long silence between (None: it does not know that, or not surely)."""

    since_ns: int
    early_ns: int | None
    late_ns: int | None
    ahead_ns: int | None


@dataclass(frozen=True)
class Patient:
    """`watched_ns`: since when the patient has had a device, None: has none now."""

    id: str
    programme: str
    limits: Mapping[str, float]
    watched_ns: int | None = None
    gateway: Gateway | None = None


def limits_of(patient: Patient) -> dict[str, float]:
    """The rules' usual limits, the programme's, the patient's own."""
    programme = _programme(patient.programme)
    expected = {f"{one['channel']}_expected_s": one["every_s"] for one in programme.get("expect", [])}
    nothing = {f"{name}_expected_s": math.nan for name in WATCHED}
    shared = {"silence_shared": float("patient_silent" in programme["rules"])}
    return {**nothing, **_USUAL, **shared, **expected, **programme["limits"], **patient.limits}


def verdicts(patient: Patient, filed: Filed, now_ns: int, offline_s: float) -> dict[str, Levels]:
    """What each rule of the patient's programme may say now."""
    limits = limits_of(patient)
    found = {}
    for name in _programme(patient.programme)["rules"]:
        if name in ("device_silent", "patient_silent"):
            found[name] = _silent(name, patient, filed, limits, now_ns, offline_s)
        else:
            found[name] = frozenset({_opinion(name, filed, limits, now_ns)})
    if patient.gateway:
        found["gateway_silent"] = frozenset({MEDIUM if _silent_s(patient.gateway, now_ns) > offline_s else CALM})
        found["gateway_clock"] = _gateway_clock(patient.gateway, now_ns, offline_s)
    return found


def _opinion(rule: str, filed: Filed, limits: Mapping[str, float], now_ns: int) -> int:
    names, window_s, most = _SEES[rule]
    after_ns = now_ns - round(window_s * S)
    seen = {
        name: [
            Seen(now_ns - one.t_ns, one.value, one.good)
            for one in filed.get(name, ())
            if after_ns <= one.t_ns <= now_ns
        ][-most:]
        for name in names
    }
    if rule in _LOOKS_BACK and not any(one.good for one in seen["spo2"]):
        good = [one for one in filed.get("spo2", ()) if one.good and now_ns - 30 * DAY * S <= one.t_ns <= now_ns]
        seen["spo2"][:0] = [Seen(now_ns - one.t_ns, one.value, True) for one in good[-1:]]
    if rule == "spo2_drop":
        limits = {**limits, "spo2_median": usually((one.t_ns, one.value) for one in filed.get("spo2", ())
                                                   if one.good and one.t_ns <= now_ns)}  # fmt: skip
    level, audience = verdict(OPINIONS[rule](seen, limits))
    return CALM if level > CALM and audience != NURSE else int(level)


def _silent(
    rule: str, patient: Patient, filed: Filed, limits: dict[str, float], now_ns: int, offline_s: float
) -> Levels:
    watched_s = math.nan if patient.watched_ns is None else _age_s(now_ns, patient.watched_ns)
    level = _opinion(rule, filed, {**limits, "gateway_silent": 0.0, "watched_s": watched_s}, now_ns)
    heard = True if patient.gateway is None else _surely_heard(patient.gateway, now_ns, offline_s)
    return frozenset({level, UNKNOWN} if heard is None else {level} if heard else {UNKNOWN})


def _gateway_clock(gateway: Gateway, now_ns: int, offline_s: float) -> Levels:
    off = gateway.ahead_ns is not None and abs(gateway.ahead_ns) > CLOCK_OFF_S * S
    heard = _surely_heard(gateway, now_ns, offline_s)
    if not off or heard is False:
        return frozenset({CALM})
    return frozenset({MEDIUM} if heard else {CALM, MEDIUM})


def _age_s(now_ns: int, t_ns: int) -> float:
    return (now_ns - t_ns) / S


def _silent_s(gateway: Gateway, now_ns: int) -> float:
    return _age_s(now_ns, gateway.since_ns)


def _surely_heard(gateway: Gateway, now_ns: int, offline_s: float) -> bool | None:
    """Whether it is heard, and has been for so long that what it had waiting has come; None: nobody can say yet."""
    if _silent_s(gateway, now_ns) > offline_s or gateway.early_ns is None:
        return False
    if _age_s(now_ns, gateway.early_ns) < SETTLE_S:
        return False
    return True if gateway.late_ns is not None and _age_s(now_ns, gateway.late_ns) >= SETTLE_S else None


@cache
def _programme(name: str) -> dict[str, Any]:
    return tomllib.loads((CONFIGS / f"{name}.toml").read_text(encoding="utf-8"))
