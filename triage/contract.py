"""What a rule is: a pure function from a window on all patients to a verdict on each.

A rule never loops over patients, never looks at a clock and never writes to what it reads. It declares what it reads,
which limits it needs and how long a memory it wants; the caller (the server with everybody, the gateway with one home)
gathers exactly that (`triage.grid`). The shape is always [patient] or [patient, sample]:

    w.channel["spo2"].value   [P, K] float64, newest last, padded in front with NaN
    w.channel["spo2"].t_ns    [P, K] int64, padded in front with NEVER
    w.event["dispenser.missed"]   the same shape; the value tells doses apart (`triage.samples`)
    w.limit["spo2_floor"]     [P] float64, NaN where the patient has none (the rule is then UNKNOWN for that patient)
    w.quality["spo2"]         [P, K] bool: False where the device doubted the sample
    w.track["spo2"].mean      [P] float64: the recent course of a channel (`Track`), for a rule that declares
                              `tracks=("spo2",)`; it reaches further back than the rule's window

Missing is NaN, and a rule that lacks what it needs says UNKNOWN. UNKNOWN is not CALM.

A finding is for a nurse unless it says otherwise (`tells`), and it may wish for something to be measured, or a question
to be answered, now (`asks`): a single red reading again, the ketones of somebody whose glucose is high. Both are data.
Who tells the home, and how, is the caller's concern; a wish stands as long as the rule wishes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from triage import sentence
from vitals.alarm import Kind, Level
from vitals.channels import CHANNELS

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Bools = NDArray[np.bool_]
Levels = NDArray[np.int8]

NEVER = np.int64(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class Series:
    """Samples of one channel for P patients, newest last. All arrays [P, K]."""

    t_ns: Times
    value: Floats


@dataclass(frozen=True)
class Track:
    """The recent course of one channel for P patients (`triage.course` says how it is made). All arrays [P].

    Of good readings only, one for each few hours. NaN where there is too little to tell.
    """

    count: Floats
    """How many readings it is made of, the newest with them; 0 where there are none."""
    t_ns: Times
    """When the newest good reading was taken, NEVER where there is none."""
    value: Floats
    """The newest good reading."""
    mean: Floats
    """What was usual before the newest: newer readings weigh more, and a population's mean stands in at the start."""
    sd: Floats
    """How far readings lay from it, in the channel's unit; never less than the device's noise."""
    median: Floats
    """Of the readings a day and more before the newest: what is usual, whatever today is like. NaN below four, and of
    channels of which `triage.course` does not tell it."""
    rise: Floats
    """CUSUM upwards in standard deviations, the newest with it; NaN where a rise does no harm, or it is too early."""
    fall: Floats
    """CUSUM downwards."""
    slope: Floats
    """The Theil-Sen slope a day of the newest readings; NaN below three."""


@dataclass(frozen=True)
class Window:
    """What the rules may see. `now_ns` is the moment of the verdict."""

    now_ns: int
    patients: int
    channel: Mapping[str, Series]
    event: Mapping[str, Series] = field(default_factory=dict)
    limit: Mapping[str, Floats] = field(default_factory=dict)
    quality: Mapping[str, Bools] = field(default_factory=dict)
    track: Mapping[str, Track] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """A verdict on each patient: `level` [P] of `vitals.alarm.Level`, and the numbers behind it, each [P] float64.

    `tells` [P] int8 of `vitals.alarm.Audience`: whom it is for (None: for a nurse, of everybody). `asks`: by channel
    that the rule reads, of which patients [P] it should be measured (or answered) now; also where the level is UNKNOWN.
    """

    level: Levels
    because: Mapping[str, Floats]
    tells: Levels | None = None
    asks: Mapping[str, Bools] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """A rule as found by import (`triage.catalogue`).

    `text` has one template a language (`triage.sentence` has their grammar); its fields are the keys of `because`.
    """

    name: str
    version: str
    kind: Kind
    judge: Callable[[Window], Finding]
    text: Mapping[str, str]
    reads: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    """The names of the limits with their defaults; NaN where there is no safe default."""
    window_s: float = 0.0
    """How far back the rule wants to see, in seconds; 0 is without end. It sees nothing older."""
    samples: int = 1
    """How many samples of each channel and event it wants to see, the newest ones."""
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """What a person may set a limit to, both ends inclusive; see `plausible`."""
    title: Mapping[str, str] = field(default_factory=dict)
    """The rule's name in each language, for a person."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Templates for UNKNOWN, where `text` would mislead; without them the title and a plain "cannot be judged"."""
    order: tuple[tuple[str, ...], ...] = ()
    """Limits that bound bands, in rows that must not fall: ("pulse_ceiling", "pulse_urgent"). What is set otherwise
    contradicts itself, and is refused (`triage.programme`)."""
    tracks: tuple[str, ...] = ()
    """Of these among the channels it reads it also sees the recent course."""


def rule(
    *,
    version: str,
    text: Mapping[str, str],
    kind: Kind = Kind.CLINICAL,
    reads: tuple[str, ...] = (),
    events: tuple[str, ...] = (),
    limits: Mapping[str, float] | None = None,
    window_s: float = 0.0,
    samples: int = 1,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    title: Mapping[str, str] | None = None,
    unknown: Mapping[str, str] | None = None,
    order: tuple[tuple[str, ...], ...] = (),
    tracks: tuple[str, ...] = (),
) -> Callable[[Callable[[Window], Finding]], Rule]:
    """Make a rule of a function; its name is the function's.

    Raises ValueError for a template that cannot be read, and for the course of a channel that the rule does not read.
    """
    if not set(tracks) <= set(reads):
        raise ValueError(f"tracks={tracks!r}: name these channels in reads, too")
    for template in (*text.values(), *(unknown or {}).values()):
        sentence.parse(template)

    def make(judge: Callable[[Window], Finding]) -> Rule:
        return Rule(
            name=judge.__name__, version=version, kind=kind, judge=judge, text=text, reads=reads, events=events,
            limits=limits or {}, window_s=window_s, samples=samples, bounds=bounds or {}, title=title or {},
            unknown=unknown or {}, order=order, tracks=tracks,
        )  # fmt: skip

    return make


def plausible(channel: str) -> tuple[float, float]:
    """The bounds of a limit that is a value of `channel`: its plausible range."""
    return CHANNELS[channel].low, CHANNELS[channel].high


def levels(patients: int, level: Level = Level.UNKNOWN) -> Levels:
    """A fresh array [patients] of one level."""
    return np.full(patients, level, dtype=np.int8)
