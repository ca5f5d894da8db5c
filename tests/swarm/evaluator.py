"""A second opinion: what the rules must say of a patient, worked out anew from what is stored.

Written from what the rules promise (the docstrings of `triage/rules`, the guidelines they name, `configs/programmes`),
in plain loops over plain lists, with nothing of `triage` or `server` in it. Where the two disagree, one is wrong.

Every rule of the three programmes is here, and what the server itself finds: a silent gateway and one whose clock is
off. Left out are orders to a dispenser (`tests.faults.doses` proves those).

A verdict is a set of permitted levels. Nearly always it has one. Two have more for a few minutes, because they lean on
what a server remembers only in its own head: whether a gateway that is back has been heard of for long enough.
"""

import math
import statistics
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.swarm.look import Sample

UNKNOWN, CALM, LOW, MEDIUM, HIGH = -1, 0, 1, 2, 3
S = 1_000_000_000
DAY = 86_400.0

CONFIGS = Path(__file__).parents[2] / "configs" / "programmes"
TECHNICAL = {"dispenser_trouble", "device_silent", "gateway_silent", "gateway_clock"}
WATCHED = (
    "spo2", "pulse_rate", "resp_rate", "bp_sys", "body_temp", "weight", "glucose", "peak_flow", "oxygen_flow",
    "consciousness",
)  # fmt: skip
SETTLE_S = 300.0
CLOCK_OFF_S = 300.0

_USUAL = {
    "spo2_floor": 90.0, "spo2_agree_s": 1_800.0, "spo2_stale_s": DAY, "pulse_ceiling": 120.0, "pulse_urgent": 131.0,
    "pulse_agree_s": 1_800.0, "pulse_stale_s": DAY, "weight_gain_kg": 2.0, "weight_stale_s": 2 * DAY,
    "dispenser_fresh_s": 2 * DAY, "spo2_scale": 1.0, "news2_fresh_s": DAY, "news2_low": 0.0, "silence_times": 2.0,
}  # fmt: skip

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
    return {**_USUAL, **expected, **programme["limits"], **patient.limits}


def verdicts(patient: Patient, filed: Filed, now_ns: int, offline_s: float) -> dict[str, Levels]:
    """What each rule of the patient's programme may say now."""
    limits = limits_of(patient)
    found = {}
    for name in _programme(patient.programme)["rules"]:
        if name == "device_silent":
            found[name] = _device_silent(patient, filed, limits, now_ns, offline_s)
        else:
            found[name] = frozenset({_RULES[name](filed, limits, now_ns)})
    if patient.gateway:
        found["gateway_silent"] = frozenset({MEDIUM if _silent_s(patient.gateway, now_ns) > offline_s else CALM})
        found["gateway_clock"] = _gateway_clock(patient.gateway, now_ns, offline_s)
    return found


def _seen(filed: Filed, name: str, now_ns: int, window_s: float, most: int) -> list[Sample]:
    """The newest `most` of that name, none older than the window, none of the future; oldest first."""
    after_ns = now_ns - round(window_s * S)
    return [one for one in filed.get(name, ()) if after_ns <= one.t_ns <= now_ns][-most:]


def _good(samples: Sequence[Sample]) -> list[Sample]:
    return [one for one in samples if one.good]


def _age_s(now_ns: int, t_ns: int) -> float:
    return (now_ns - t_ns) / S


def _agreeing(samples: Sequence[Sample], agree_s: float) -> list[float]:
    """The newest and those within `agree_s` before it."""
    last = samples[-1].t_ns
    return [one.value for one in samples if (last - one.t_ns) / S <= agree_s]


def _spo2_floor(filed: Filed, limits: Mapping[str, float], now_ns: int) -> int:
    good = _good(_seen(filed, "spo2", now_ns, 14 * DAY, 32))
    if not good or _age_s(now_ns, good[-1].t_ns) > limits["spo2_stale_s"]:
        return UNKNOWN
    floor = limits["spo2_floor"]
    low = [value for value in _agreeing(good, limits["spo2_agree_s"]) if value < floor]
    if len(low) >= 2 or any(value <= floor - 3 for value in low):
        return HIGH
    return MEDIUM if low else CALM


def _pulse_high(filed: Filed, limits: Mapping[str, float], now_ns: int) -> int:
    good = _good(_seen(filed, "pulse_rate", now_ns, 14 * DAY, 32))
    if not good or _age_s(now_ns, good[-1].t_ns) > limits["pulse_stale_s"]:
        return UNKNOWN
    high = [value for value in _agreeing(good, limits["pulse_agree_s"]) if value > limits["pulse_ceiling"]]
    urgent = [value for value in high if value >= limits["pulse_urgent"]]
    if len(urgent) >= 2:
        return HIGH
    if len(high) >= 2 or urgent:
        return MEDIUM
    return LOW if high else CALM


def _weight_gain(filed: Filed, limits: Mapping[str, float], now_ns: int) -> int:
    good = _good(_seen(filed, "weight", now_ns, 6 * DAY, 24))
    if not good or _age_s(now_ns, good[-1].t_ns) > limits["weight_stale_s"]:
        return UNKNOWN
    last = good[-1]
    recent = [one for one in good if (last.t_ns - one.t_ns) / S <= 3 * DAY]
    if len(recent) < 3 or (last.t_ns - recent[0].t_ns) / S < DAY:
        return UNKNOWN
    gain = round(last.value - statistics.median(one.value for one in recent[:-1]), 3)
    limit = limits["weight_gain_kg"]
    if gain > round(1.5 * limit, 3):
        return HIGH
    return MEDIUM if gain > limit else CALM


def _news2(filed: Filed, limits: Mapping[str, float], now_ns: int) -> int:
    values: dict[str, float | None] = {}
    for name in ("resp_rate", "spo2", "oxygen_flow", "bp_sys", "pulse_rate", "consciousness", "body_temp"):
        good = _good(_seen(filed, name, now_ns, 7 * DAY, 4))
        fresh = good and _age_s(now_ns, good[-1].t_ns) <= limits["news2_fresh_s"]
        values[name] = good[-1].value if fresh else None
    points = news2_points(values, limits["spo2_scale"])
    known = [one for one in points.values() if one is not None]
    total = sum(known)
    if total >= 7:
        return HIGH
    if total >= 5 or 3 in known:
        return MEDIUM
    if limits["news2_low"] == 1 and total >= 1:
        return LOW
    return CALM if len(known) == len(points) else UNKNOWN


def news2_points(values: Mapping[str, float | None], scale: float) -> dict[str, int | None]:
    """The points of each parameter, from the Royal College's chart of 2017; None where it cannot be scored."""
    oxygen = values["oxygen_flow"]
    return {
        "resp_rate": _band(values["resp_rate"], (8, 3), (11, 1), (20, 0), (24, 2), (math.inf, 3)),
        "spo2": _spo2_points(values["spo2"], oxygen, scale),
        "oxygen_flow": None if oxygen is None else 2 if oxygen > 0 else 0,
        "bp_sys": _band(values["bp_sys"], (90, 3), (100, 2), (110, 1), (219, 0), (math.inf, 3)),
        "pulse_rate": _band(values["pulse_rate"], (40, 3), (50, 1), (90, 0), (110, 1), (130, 2), (math.inf, 3)),
        "consciousness": _band(values["consciousness"], (0, 0), (math.inf, 3)),
        "body_temp": _band(
            None if values["body_temp"] is None else values["body_temp"] * 10,
            (350, 3), (360, 1), (380, 0), (390, 1), (math.inf, 2),
        ),
    }  # fmt: skip


def _spo2_points(value: float | None, oxygen: float | None, scale: float) -> int | None:
    if scale == 1:
        return _band(value, (91, 3), (93, 2), (95, 1), (math.inf, 0))
    on_air = _band(value, (83, 3), (85, 2), (87, 1), (math.inf, 0))
    on_oxygen = _band(value, (83, 3), (85, 2), (87, 1), (92, 0), (94, 1), (96, 2), (math.inf, 3))
    if oxygen is None:
        return on_air if on_air == on_oxygen else None
    return on_oxygen if oxygen > 0 else on_air


def _band(value: float | None, *bands: tuple[float, int]) -> int | None:
    """The points of the first band that reaches as far as the value, rounded half up."""
    if value is None:
        return None
    whole = math.floor(value + 0.5)
    return next(points for most, points in bands if whole <= most)


def _missed_dose(filed: Filed, limits: Mapping[str, float], now_ns: int) -> int:
    plain = _seen(filed, "dispenser.missed", now_ns, DAY, 16)
    critical = _seen(filed, "dispenser.missed_critical", now_ns, DAY, 16)
    retrieved = _seen(filed, "dispenser.retrieved", now_ns, DAY, 16)

    def stands(missed: Sample) -> bool:
        later = any(one.value == missed.value and one.t_ns > missed.t_ns for one in retrieved)
        return not later or missed.value == 0

    if any(stands(one) for one in critical):
        return HIGH
    if any(stands(one) for one in plain):
        return MEDIUM
    return CALM if plain or critical or retrieved else UNKNOWN


def _dispenser_trouble(filed: Filed, limits: Mapping[str, float], now_ns: int) -> int:
    moved = ("dispenser.presented", "dispenser.retrieved")
    ended_by = {
        "dispenser.jam": moved, "dispenser.dispense_fail": moved, "dispenser.empty": ("dispenser.refill",),
        "dispenser.tamper": (),
    }  # fmt: skip
    names = (*ended_by, *moved, "dispenser.refill")
    last = {name: found[-1].t_ns for name in names if (found := _seen(filed, name, now_ns, 7 * DAY, 1))}
    for trouble, ends in ended_by.items():
        if trouble not in last or any(last.get(end, 0) > last[trouble] for end in ends):
            continue
        if trouble != "dispenser.tamper" or _age_s(now_ns, last[trouble]) <= DAY:
            return MEDIUM
    if last and _age_s(now_ns, max(last.values())) <= limits["dispenser_fresh_s"]:
        return CALM
    return UNKNOWN


def _silent_after_red(filed: Filed, limits: Mapping[str, float], now_ns: int) -> int:
    seen = _seen(filed, "spo2", now_ns, 30 * DAY, 8)
    good = _good(seen)
    if not good or "spo2_expected_s" not in limits:
        return UNKNOWN
    silent_s = _age_s(now_ns, seen[-1].t_ns)
    return HIGH if good[-1].value < limits["spo2_floor"] and silent_s > 2 * limits["spo2_expected_s"] else CALM


def _device_silent(
    patient: Patient, filed: Filed, limits: Mapping[str, float], now_ns: int, offline_s: float
) -> Levels:
    level = _overdue(patient, filed, limits, now_ns)
    if patient.gateway is None:
        return frozenset({level})
    heard = _surely_heard(patient.gateway, now_ns, offline_s)
    return frozenset({level, UNKNOWN} if heard is None else {level} if heard else {UNKNOWN})


def _overdue(patient: Patient, filed: Filed, limits: Mapping[str, float], now_ns: int) -> int:
    worst, untold, expected_any = CALM, False, False
    for name in WATCHED:
        expected_s = limits.get(f"{name}_expected_s")
        if expected_s is None:
            continue
        expected_any = True
        newest = _seen(filed, name, now_ns, 30 * DAY, 1)
        since = [one.t_ns for one in newest] + ([] if patient.watched_ns is None else [patient.watched_ns])
        if not since:
            untold = True
            continue
        silent_s = _age_s(now_ns, max(since))
        if silent_s > limits["silence_times"] * expected_s:
            worst = MEDIUM
        elif silent_s > 1.5 * expected_s:
            worst = max(worst, LOW)
    if not expected_any or (untold and worst == CALM):
        return UNKNOWN
    return worst


def _gateway_clock(gateway: Gateway, now_ns: int, offline_s: float) -> Levels:
    off = gateway.ahead_ns is not None and abs(gateway.ahead_ns) > CLOCK_OFF_S * S
    heard = _surely_heard(gateway, now_ns, offline_s)
    if not off or heard is False:
        return frozenset({CALM})
    return frozenset({MEDIUM} if heard else {CALM, MEDIUM})


def _silent_s(gateway: Gateway, now_ns: int) -> float:
    return _age_s(now_ns, gateway.since_ns)


def _surely_heard(gateway: Gateway, now_ns: int, offline_s: float) -> bool | None:
    """Whether it is heard, and has been for so long that what it had waiting has come; None: nobody can say yet."""
    if _silent_s(gateway, now_ns) > offline_s or gateway.early_ns is None:
        return False
    if _age_s(now_ns, gateway.early_ns) < SETTLE_S:
        return False
    return True if gateway.late_ns is not None and _age_s(now_ns, gateway.late_ns) >= SETTLE_S else None


_RULES = {
    "spo2_floor": _spo2_floor, "pulse_high": _pulse_high, "weight_gain": _weight_gain, "news2": _news2,
    "missed_dose": _missed_dose, "dispenser_trouble": _dispenser_trouble, "silent_after_red": _silent_after_red,
}  # fmt: skip


@cache
def _programme(name: str) -> dict[str, Any]:
    return tomllib.loads((CONFIGS / f"{name}.toml").read_text(encoding="utf-8"))
