"""Silence, which is a finding: a device that stopped, a patient who fell silent after a red reading, a dead gateway.

Source: home blood pressure arrives with gaps of 23.5 h (median), 42 h (90 %) and 171 h (99 %), so what is late must
follow from what was prescribed: half an interval of grace, and twice the interval for a device of high acuity (check).

The three are told apart. When the gateway is silent, its devices are bound to be, and one finding about the gateway
(`gateway_silent`, from its heartbeats) is worth more than ten about devices: the caller sets the limit
`gateway_silent` to 1 for that home and `device_silent` then says that it does not know. Not so for a patient whose
last SpO2 was red: whatever the cause of the silence, somebody has to look.

Any reading is a sign of life, also one that the device doubts.
"""

import numpy as np

from triage.contract import Finding, Floats, Levels, Times, Window, levels, plausible, rule
from triage.look import age_s, good, newest
from vitals.alarm import Kind, Level
from vitals.channels import CHANNELS

WATCHED = (
    "spo2", "pulse_rate", "resp_rate", "bp_sys", "body_temp", "weight", "glucose", "peak_flow", "oxygen_flow",
    "consciousness",
)  # fmt: skip
GRACE = 1.5  # So many intervals without a reading are LOW.
_INTERVAL_S = (60.0, 1_209_600.0)


def gateway_silent(now_ns: int, last_heard_ns: Times, limit_s: Floats) -> Levels:
    """MEDIUM for each gateway [G] not heard of for more than `limit_s` [G] seconds, UNKNOWN for NEVER or NaN.

    A gateway heard of later than `now_ns` has been heard of. Source: see the module.
    """
    silent_s = age_s(now_ns, last_heard_ns)
    level = levels(len(last_heard_ns))
    level[silent_s <= limit_s] = Level.CALM
    level[silent_s > limit_s] = Level.MEDIUM
    return level


def _clauses(words: str, language: str) -> str:
    return "".join(f"[ {getattr(CHANNELS[name], language)} {words.format(name=name)},]" for name in WATCHED)


@rule(
    version="1",
    kind=Kind.TECHNICAL,
    title={"nb": "Målinger uteblir", "en": "Readings fail to come"},
    reads=WATCHED,
    limits={
        **{f"{name}_expected_s": np.nan for name in WATCHED},
        "silence_times": 2.0,
        "gateway_silent": 0.0,
        "watched_since_ns": np.nan,
    },
    bounds={
        **{f"{name}_expected_s": _INTERVAL_S for name in WATCHED},
        "silence_times": (GRACE, 10.0),
        "gateway_silent": (0.0, 1.0),
        "watched_since_ns": (0.0, 2.0**63),
    },
    window_s=2_592_000,
    samples=1,
    text={
        "nb": "Ingen målinger i tide:"
        + _clauses("ingenting på {{{name}_silent_h:.0f}} t (ventet hver {{{name}_expected_h}} t)", "nb"),
        "en": "Readings overdue:"
        + _clauses("nothing for {{{name}_silent_h:.0f}} h (expected every {{{name}_expected_h}} h)", "en"),
    },
    unknown={
        "nb": "Om utstyret er stille, kan ikke vurderes"
        "[: gatewayen i hjemmet er selv stille{gateway_silent:?}][: ingen målinger er ventet{nothing_expected:?}]",
        "en": "Whether a device is silent cannot be judged"
        "[: the home's gateway is silent itself{gateway_silent:?}][: no readings are expected{nothing_expected:?}]",
    },
)
def device_silent(w: Window) -> Finding:
    """A channel unheard of for 1.5 times its expected interval LOW, for `silence_times` as long (2) MEDIUM.

    The silence is counted from the newest reading or from `watched_since_ns`, whichever is later, so a patient never
    heard of is found too. UNKNOWN where nothing is expected, where neither time is known, and under a silent gateway.
    `because`: for each overdue channel `…_silent_h` and `…_expected_h`. Source: see the module.
    """
    times = w.limit["silence_times"]
    since = w.limit["watched_since_ns"]
    watched_s = np.where(np.isnan(since), np.nan, (w.now_ns - since) / 1e9)
    because: dict[str, Floats] = {"gateway_silent": w.limit["gateway_silent"]}
    worst = levels(w.patients, Level.CALM)
    untold, expected_some = np.zeros(w.patients, np.bool_), np.zeros(w.patients, np.bool_)
    for name in WATCHED:
        expected_s = w.limit[f"{name}_expected_s"]
        silent_s = np.fmin(newest(w, w.channel[name]).age_s, watched_s)
        late = np.where(silent_s > GRACE * expected_s, np.int8(Level.LOW), np.int8(Level.CALM))
        late[silent_s > times * expected_s] = Level.MEDIUM
        worst = np.maximum(worst, late)
        expected = ~np.isnan(expected_s)
        expected_some |= expected
        untold |= expected & np.isnan(silent_s)
        because[f"{name}_silent_h"] = np.where(late > Level.CALM, silent_s / 3600, np.nan)
        because[f"{name}_expected_h"] = np.where(late > Level.CALM, expected_s / 3600, np.nan)
    because["nothing_expected"] = (~expected_some & (w.limit["gateway_silent"] == 0)).astype(np.float64)
    unknown = ~expected_some | (untold & (worst == Level.CALM)) | np.isnan(times) | (w.limit["gateway_silent"] != 0)
    return Finding(np.where(unknown, np.int8(Level.UNKNOWN), worst), because)


@rule(
    version="1",
    title={"nb": "Stille etter rød SpO₂", "en": "Silent after a red SpO₂"},
    reads=("spo2",),
    limits={"spo2_floor": 90.0, "spo2_expected_s": np.nan},
    bounds={"spo2_floor": plausible("spo2"), "spo2_expected_s": _INTERVAL_S},
    window_s=2_592_000,
    samples=8,
    text={
        "nb": "Stille etter rød måling: siste SpO₂ {last} % (grense {floor} %), så ingenting på {silent_h:.0f} t",
        "en": "Silent after a red reading: last SpO₂ {last} % (limit {floor} %), then nothing for {silent_h:.0f} h",
    },
)
def silent_after_red(w: Window) -> Finding:
    """HIGH where the last trusted SpO2 was below the floor and nothing has come for twice the expected interval.

    UNKNOWN without a trusted SpO2 in 30 days or without `spo2_expected_s`. Source: see the module.
    """
    floor, expected_s = w.limit["spo2_floor"], w.limit["spo2_expected_s"]
    last = newest(w, good(w, "spo2"))
    silent_s = newest(w, w.channel["spo2"]).age_s
    level = levels(w.patients)
    level[~np.isnan([last.value, floor, expected_s]).any(axis=0)] = Level.CALM
    level[(last.value < floor) & (silent_s > 2 * expected_s)] = Level.HIGH
    because = {"last": last.value, "floor": floor, "silent_h": silent_s / 3600, "expected_h": expected_s / 3600}
    return Finding(level, because)
