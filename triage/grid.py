"""From readings as they came to the arrays the rules look at.

Readings arrive late, out of order and as many as they please; a window is the same for every order of arrival. It
holds, for each channel and event that some rule reads, the newest K samples of each patient, newest last, where K
and the reach backwards are the most that any of the rules asks for; of a channel that some rule tracks also its course
(`triage.course`).

A sample from the future is left out until its time comes: clocks are mended at ingest, not here. A value outside its
channel's plausible range is kept but marked as doubted, so that it is no finding about the patient and yet a sign
that the device is alive. Two samples of one moment are ordered by value. Dropping exact duplicates is the caller's
concern.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from triage import course
from triage.catalogue import defaults
from triage.contract import NEVER, Bools, Floats, Rule, Series, Times, Track, Window
from vitals.channels import CHANNELS
from vitals.clock import NS

S = TypeVar("S", bound=np.generic)


class Sample(NamedTuple):
    """One value of one channel (or one event, see `triage.samples`) of one patient. `good`: the device trusts it."""

    patient: str
    channel: str
    t_ns: int
    value: float
    good: bool = True


class Need(NamedTuple):
    """What to fetch of a channel: the newest `samples` no older than `window_s` seconds (0: of any age).

    `course`: also the readings that the channel's course is made of (`triage.course.kept`), whose newest is no older
    than `triage.course.REACH_NS`. A sample is given once, also where it is both.
    """

    window_s: float
    samples: int
    course: bool = False


def needs(rules: Iterable[Rule]) -> dict[str, Need]:
    """What these rules together must see, by channel and event name, in the order of the names."""
    merged: dict[str, Need] = {}
    for rule in rules:
        for name in (*rule.reads, *rule.events):
            window_s, samples, tracked = merged.get(name, Need(rule.window_s, rule.samples))
            endless = window_s == 0 or rule.window_s == 0
            merged[name] = Need(
                0 if endless else max(window_s, rule.window_s), max(samples, rule.samples),
                tracked or name in rule.tracks,
            )  # fmt: skip
    return dict(sorted(merged.items()))


def window(
    now_ns: int,
    patients: Sequence[str],
    samples: "Iterable[Sample] | Samples",
    rules: Iterable[Rule],
    limits: Mapping[str, Mapping[str, float]],
) -> Window:
    """The window of `rules` on `patients` (row i of every array is `patients[i]`) at `now_ns`.

    `samples`: one by one, or as columns. `limits` has, by patient, the limits that differ from the rules' defaults
    (`triage.programme.limits_for`).
    Samples of other patients and of channels that no rule reads are passed over. All arrays are read-only.
    Raises ValueError if a patient is named twice.
    """
    rules = list(rules)
    row = {patient: index for index, patient in enumerate(patients)}
    if len(row) != len(patients):
        raise ValueError("a patient is named twice: give each patient one row")
    wanted = needs(rules)
    columns = _ordered(samples if isinstance(samples, Samples) else _columns(samples, row, list(wanted)))
    events = {name for rule in rules for name in rule.events}
    channel, event, quality, track = {}, {}, {}, {}
    for index, (name, need) in enumerate(wanted.items()):
        series, trusted = _newest(columns, index, name, need, now_ns, len(row))
        if name in events:
            event[name] = series
        else:
            channel[name], quality[name] = series, trusted
        if need.course:
            track[name] = _track(columns, index, name, now_ns, len(row))
    return Window(now_ns, len(row), channel, event, _limits(rules, patients, limits), quality, track)


@dataclass(frozen=True)
class Samples:
    """Samples as columns [N], in any order. `name` counts in the order of `needs`, `patient` in the window's."""

    name: NDArray[np.int64]
    patient: NDArray[np.int64]
    t_ns: Times
    value: Floats
    good: Bools


def _columns(samples: Iterable[Sample], row: Mapping[str, int], names: Sequence[str]) -> Samples:
    number = {name: index for index, name in enumerate(names)}
    kept = [sample for sample in samples if sample[0] in row and sample[1] in number]
    name = np.array([number[sample[1]] for sample in kept], dtype=np.int64)
    patient = np.array([row[sample[0]] for sample in kept], dtype=np.int64)
    t_ns = np.array([sample[2] for sample in kept], dtype=np.int64)
    value = np.array([sample[3] for sample in kept], dtype=np.float64)
    good = np.array([sample[4] for sample in kept], dtype=np.bool_)
    return Samples(name, patient, t_ns, value, good)


def _ordered(given: Samples) -> Samples:
    """Those of one name together, each patient's in the order of time; a value that is no number is none."""
    order = np.lexsort((given.good, given.value, given.t_ns, given.patient, given.name))
    order = order[np.isfinite(given.value[order])]
    return Samples(given.name[order], given.patient[order], given.t_ns[order], given.value[order], given.good[order])


def _newest(columns: Samples, index: int, name: str, need: Need, now_ns: int, patients: int) -> tuple[Series, Bools]:
    """The newest samples of one name as arrays [patients, need.samples], and which of them are trusted."""
    start, stop = np.searchsorted(columns.name, [index, index + 1])
    t_ns = columns.t_ns[start:stop]
    seen = t_ns <= now_ns
    if need.window_s:
        seen &= t_ns >= now_ns - round(need.window_s * NS)
    t_ns, patient = t_ns[seen], columns.patient[start:stop][seen]
    value, good = columns.value[start:stop][seen], columns.good[start:stop][seen]

    place = np.searchsorted(patient, patient, side="right") - np.arange(len(patient))  # 1 is the newest
    kept = place <= need.samples
    where = patient[kept], need.samples - place[kept]
    series = Series(
        _filled(NEVER, (patients, need.samples), where, t_ns[kept]),
        _filled(np.float64(np.nan), (patients, need.samples), where, value[kept]),
    )
    trusted = _filled(np.bool_(False), (patients, need.samples), where, (good & plausible(name, value))[kept])
    return series, trusted


def _track(columns: Samples, index: int, name: str, now_ns: int, patients: int) -> Track:
    """The courses of one channel [patients]: those of its samples that they are made of, patient by patient."""
    start, stop = np.searchsorted(columns.name, [index, index + 1])
    t_ns, value = columns.t_ns[start:stop], columns.value[start:stop]
    usable = (t_ns <= now_ns) & columns.good[start:stop] & plausible(name, value)
    borders = np.searchsorted(columns.patient[start:stop], np.arange(patients + 1))
    of_t_ns = np.full((patients, course.SAMPLES), NEVER)
    of_value = np.full((patients, course.SAMPLES), np.nan)
    for patient in np.flatnonzero(np.diff(borders)).tolist():
        mine = slice(borders[patient], borders[patient + 1])
        places = course.kept(t_ns[mine], usable[mine]) + borders[patient]
        if len(places):
            of_t_ns[patient, -len(places) :], of_value[patient, -len(places) :] = t_ns[places], value[places]
    usual = course.Usuals.of((name,)).take(np.zeros(patients, np.intp))
    seen = course.current(now_ns, course.track(of_t_ns, of_value, usual))
    for array in vars(seen).values():
        _frozen(array)
    return seen


def plausible(name: str, value: Floats) -> Bools:
    """Which values [N] an instrument could truthfully report of a living person; of an event, any."""
    known = CHANNELS.get(name)
    return np.ones(len(value), np.bool_) if known is None else (value >= known.low) & (value <= known.high)


def _limits(
    rules: Iterable[Rule], patients: Sequence[str], limits: Mapping[str, Mapping[str, float]]
) -> dict[str, Floats]:
    """Each limit [patients]: the patient's own, or the rules' default."""
    nobody: Mapping[str, float] = {}
    own = [limits.get(patient, nobody) for patient in patients]
    return {
        name: _frozen(np.array([mine.get(name, default) for mine in own], dtype=np.float64))
        for name, default in defaults(rules).items()
    }


def _filled(
    blank: S, shape: tuple[int, int], where: tuple[NDArray[np.int64], NDArray[np.int64]], values: NDArray[S]
) -> NDArray[S]:
    array = np.full(shape, blank)
    array[where] = values
    return _frozen(array)


def _frozen(array: NDArray[S]) -> NDArray[S]:
    array.flags.writeable = False
    return array
