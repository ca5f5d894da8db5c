"""Silence, which is a finding, and of three kinds: a device stopped, a patient measures nothing, a gateway is dead.

Source: home blood pressure arrives with gaps of 23.5 h (median), 42 h (90 %) and 171 h (99 %), so what is late must
follow from what was prescribed: half an interval of grace, and twice the interval for a device of high acuity (check).

    a daily measurement     is told to                                                 (check)
    36 h, 1.5 intervals     the patient
    48 h, 2 intervals       the next of kin
    `silence_times`         a nurse: 72 h where it is 3; 2 for high acuity

The three are told apart, and one silence is one finding:

    the gateway is silent   `gateway_silent`, from its heartbeats. Its devices are bound to be silent: the caller sets
                            the limit `gateway_silent` to 1 for that home, and the other two say that they do not know.
    nothing comes at all    `patient_silent`, a clinical finding: the gateway lives and nothing comes of two instruments
                            or more, which do not die on one day. `device_silent` leaves it to that where the programme
                            has both (the limit `silence_shared`, which `triage.programme` sets).
    something comes         `device_silent`, a technical finding, names what does not. Where only one instrument is
                            expected the patient cannot be told from it, and it speaks for both.

Not so for a patient whose last SpO2 was red: whatever the cause of the silence, somebody has to look
(`silent_after_red`). Nor do the seconds that the device doubts, while a finger slips out of the clip, hide that it was.

Any reading is a sign of life, also one that the device doubts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triage.contract import Bools, Finding, Floats, Levels, Times, Window, levels, plausible, rule
from triage.look import age_s, good_or_last, limited, newest, perfused
from vitals.alarm import Audience, Kind, Level
from vitals.channels import CHANNELS

WATCHED = (
    "spo2", "pulse_rate", "resp_rate", "bp_sys", "body_temp", "weight", "glucose", "peak_flow", "oxygen_flow",
    "consciousness", "fev1",
)  # fmt: skip
SAME_INSTRUMENT: Mapping[str, str] = {"pulse_rate": "spo2", "fev1": "peak_flow", "consciousness": "oxygen_flow"}
"""What comes with another channel, from the same device or in the same answers, and falls silent with it."""
GRACE = 1.5  # So many intervals without a reading are LOW.
KIN = 2.0  # And so many are no longer the patient's alone.
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


_LIMITS = {
    **{f"{name}_expected_s": np.nan for name in WATCHED},
    "silence_times": 2.0,
    "gateway_silent": 0.0,
    "watched_since_ns": np.nan,
}
_BOUNDS = {
    **{f"{name}_expected_s": _INTERVAL_S for name in WATCHED},
    "silence_times": (GRACE, 10.0),
    "gateway_silent": (0.0, 1.0),
    "watched_since_ns": (0.0, 2.0**63),
}


@dataclass(frozen=True)
class Silence:
    """How long each of `WATCHED` has been silent and how often it is expected, in seconds: both [WATCHED, P].

    Silent since the newest reading or since `watched_since_ns`, whichever is later; NaN where neither is known.
    """

    silent_s: Floats
    expected_s: Floats

    def longer(self, times: Floats | float) -> Bools:
        """Which have been silent for more than so many intervals."""
        return np.asarray(self.silent_s > times * self.expected_s)

    @property
    def expected(self) -> Bools:
        return np.asarray(~np.isnan(self.expected_s))

    @property
    def untold(self) -> Bools:
        """For whom [P] something is expected of which nothing is known, not even since when."""
        return np.asarray((self.expected & np.isnan(self.silent_s)).any(axis=0))

    @property
    def instruments(self) -> NDArray[np.int64]:
        """Of how many instruments something is expected [P]."""
        of = [SAME_INSTRUMENT.get(name, name) for name in WATCHED]
        each = [self.expected[[mine == one for mine in of]].any(axis=0) for one in sorted(set(of))]
        return np.asarray(np.sum(each, axis=0, dtype=np.int64))

    @property
    def of_all(self) -> Bools:
        """Who [P] is silent altogether: all that is expected is late, and it is of two instruments or more."""
        return np.asarray((self.longer(GRACE) | ~self.expected).all(axis=0) & (self.instruments >= 2))


def silence(w: Window) -> Silence:
    """How long each of `WATCHED` has been silent."""
    watched_s = np.where(np.isnan(w.limit["watched_since_ns"]), np.nan, (w.now_ns - w.limit["watched_since_ns"]) / 1e9)
    silent_s = np.stack([np.fmin(newest(w, w.channel[name]).age_s, watched_s) for name in WATCHED])
    return Silence(silent_s, np.stack([w.limit[f"{name}_expected_s"] for name in WATCHED]))


def _told(heard: Silence, times: Floats, speaks: Bools) -> tuple[Levels, Levels]:
    """Level and audience [P] of a silence, of whom it `speaks` [P] at all (else CALM)."""
    level, tells = levels(len(speaks), Level.CALM), np.full(len(speaks), Audience.PATIENT, np.int8)
    level[speaks & heard.longer(GRACE).any(axis=0)] = Level.LOW
    tells[heard.longer(KIN).any(axis=0)] = Audience.KIN
    nurse = speaks & heard.longer(times).any(axis=0)
    level[nurse], tells[nurse] = Level.MEDIUM, Audience.NURSE
    return level, tells


def _numbers(w: Window, heard: Silence, shown: Bools) -> dict[str, Floats]:
    """The hours of each channel that is late [P], of whom they are `shown` [P]."""
    late = heard.longer(GRACE) & shown
    because: dict[str, Floats] = {}
    for index, name in enumerate(WATCHED):
        because[f"{name}_silent_h"] = np.where(late[index], heard.silent_s[index] / 3600, np.nan)
        because[f"{name}_expected_h"] = np.where(late[index], heard.expected_s[index] / 3600, np.nan)
    return because


def _clauses(words: str, language: str) -> str:
    return "".join(f"[ {getattr(CHANNELS[name], language)} {words.format(name=name)},]" for name in WATCHED)


_OVERDUE = {
    "nb": _clauses("ingenting på {{{name}_silent_h:.0f}} t (ventet hver {{{name}_expected_h}} t)", "nb"),
    "en": _clauses("nothing for {{{name}_silent_h:.0f}} h (expected every {{{name}_expected_h}} h)", "en"),
}


@rule(
    version="2",
    kind=Kind.TECHNICAL,
    title={"nb": "Målinger uteblir", "en": "Readings fail to come"},
    reads=WATCHED,
    limits={**_LIMITS, "silence_shared": 0.0},
    bounds={**_BOUNDS, "silence_shared": (0.0, 1.0)},
    window_s=2_592_000,
    samples=1,
    text={"nb": "Ingen målinger i tide:" + _OVERDUE["nb"], "en": "Readings overdue:" + _OVERDUE["en"]},
    unknown={
        "nb": "Om utstyret er stille, kan ikke vurderes[: gatewayen i hjemmet er selv stille{gateway_silent:?}]"
        "[: det kommer ingen målinger i det hele tatt{all_silent:?}][: ingen målinger er ventet{nothing_expected:?}]",
        "en": "Whether a device is silent cannot be judged[: the home's gateway is silent itself{gateway_silent:?}]"
        "[: no readings come at all{all_silent:?}][: no readings are expected{nothing_expected:?}]",
    },
)
def device_silent(w: Window) -> Finding:
    """A channel unheard of for 1.5 times its expected interval LOW, for `silence_times` as long (2) MEDIUM.

    MEDIUM is a nurse's, LOW the patient's, and after 2 intervals the next of kin's. UNKNOWN where nothing is expected,
    where it is not known since when to count, under a silent gateway, and where `patient_silent` has it. `because`: for
    each overdue channel `…_silent_h` and `…_expected_h`. Source: see the module.
    """
    times, gateway = w.limit["silence_times"], w.limit["gateway_silent"]
    heard = silence(w)
    level, tells = _told(heard, times, np.ones(w.patients, np.bool_))
    nothing = ~heard.expected.any(axis=0)
    theirs = (w.limit["silence_shared"] != 0) & heard.of_all
    unknown = nothing | (heard.untold & (level == Level.CALM)) | np.isnan(times) | (gateway != 0) | theirs
    level[unknown] = Level.UNKNOWN
    because = _numbers(w, heard, np.ones(w.patients, np.bool_)) | {
        "gateway_silent": gateway,
        "all_silent": (theirs & (gateway == 0)).astype(np.float64),
        "nothing_expected": (nothing & (gateway == 0)).astype(np.float64),
    }
    return Finding(level, because, tells)


@rule(
    version="1",
    title={"nb": "Det kommer ingen målinger", "en": "No readings come at all"},
    reads=WATCHED,
    limits=_LIMITS,
    bounds=_BOUNDS,
    window_s=2_592_000,
    samples=1,
    text={
        "nb": "Ingenting kommer, fra noe apparat, og gatewayen er i orden:" + _OVERDUE["nb"],
        "en": "Nothing comes from any device, and the gateway is well:" + _OVERDUE["en"],
    },
    unknown={
        "nb": "Om pasienten er stille, kan ikke vurderes[: gatewayen i hjemmet er selv stille{gateway_silent:?}]"
        "[: færre enn to apparater er ventet{too_few:?}]",
        "en": "Whether the patient is silent cannot be judged[: the home's gateway is silent itself{gateway_silent:?}]"
        "[: fewer than two devices are expected{too_few:?}]",
    },
)
def patient_silent(w: Window) -> Finding:
    """All that is expected of two instruments or more late, though the gateway lives: levels as of `device_silent`.

    UNKNOWN with fewer instruments, where it is not known since when to count, and under a silent gateway. `because`:
    for each channel `…_silent_h` and `…_expected_h`. Source: see the module.
    """
    times, gateway = w.limit["silence_times"], w.limit["gateway_silent"]
    heard = silence(w)
    level, tells = _told(heard, times, heard.of_all)
    few = heard.instruments < 2
    level[few | heard.untold | np.isnan(times) | (gateway != 0)] = Level.UNKNOWN
    because = _numbers(w, heard, heard.of_all) | {
        "gateway_silent": gateway,
        "too_few": (few & (gateway == 0)).astype(np.float64),
    }
    return Finding(level, because, tells)


@rule(
    version="3",
    title={"nb": "Stille etter rød SpO₂", "en": "Silent after a red SpO₂"},
    reads=("spo2", "perfusion_index"),
    tracks=("spo2",),
    limits={"spo2_floor": 90.0, "spo2_expected_s": np.nan, "perfusion_least": 0.3},
    bounds={"spo2_floor": plausible("spo2"), "spo2_expected_s": _INTERVAL_S, "perfusion_least": (0.0, 2.0)},
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
    last = newest(w, perfused(w, good_or_last(w, "spo2"), w.limit["perfusion_least"]))
    silent_s = newest(w, w.channel["spo2"]).age_s
    level = levels(w.patients)
    level[~np.isnan(last.value) & limited(w, silent_after_red.limits)] = Level.CALM
    level[(level == Level.CALM) & (last.value < floor) & (silent_s > 2 * expected_s)] = Level.HIGH
    because = {"last": last.value, "floor": floor, "silent_h": silent_s / 3600, "expected_h": expected_s / 3600}
    return Finding(level, because)
