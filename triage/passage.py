"""Many patients through time: when alarms would open, rise and end, if these rules watched over them.

What people do in between is not known, so it is assumed, the same for everything that is compared: an alarm is over
when it has settled, or ATTENDED_S after it opened or rose, because somebody has attended to it; what still stands then
opens the next one. Without that a finding that lasts for weeks would count as one alarm.

The rules look at each patient when something of them has become known, to the end of a short step, and at everybody
once in a long one, because silence makes no sound. A patient is watched from the first moment anything is known of them
to the last: what was never recorded is not silence.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from triage.contract import Bools, Floats, Rule, Times
from triage.episode import Episode, Opened, Raised, Settled, step
from triage.grid import Need, Samples, needs, window
from triage.run import Verdicts, run
from vitals.alarm import Audience, Kind, Level, Reason
from vitals.clock import NS

ATTENDED_S = 12 * 3600.0
"""So long after an alarm opened or rose it is taken to have been attended to (published figures count so, too)."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Record:
    """What became known of patients, in columns [N]: `patient` and `name` are places in `patients` and `names`."""

    patients: Sequence[str]
    names: Sequence[str]
    patient: Rows
    name: Rows
    t_ns: Times
    known_ns: Times
    value: Floats
    good: Bools

    def span(self) -> tuple[Times, Times]:
        """When something was known of each patient [P] first, and when last."""
        first = np.full(len(self.patients), np.iinfo(np.int64).max)
        last = np.full(len(self.patients), np.iinfo(np.int64).min)
        np.minimum.at(first, self.patient, self.known_ns)
        np.maximum.at(last, self.patient, self.known_ns)
        return first, last


@dataclass(frozen=True)
class Alarm:
    """An alarm that would have been. `level`: the worst it came to; `rule`: what opened it. `ended_ns`: see above."""

    patient: str
    kind: Kind
    opened_ns: int
    ended_ns: int
    level: Level
    rule: str
    raised: int = 0


@dataclass
class _Standing:
    episode: Episode
    alarm: Alarm
    since_ns: int


def alarms(
    record: Record,
    rules: Sequence[Rule],
    limits: Mapping[str, Mapping[str, float]],
    *,
    short_s: float,
    long_s: float,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Alarm]:
    """The alarms that `rules` would raise over the record, in the order they open; `limits` by patient.

    `short_s`: what becomes known is looked at to the end of such a step; `long_s`: how often everybody is looked at.
    """
    found: list[Alarm] = []
    standing: dict[tuple[int, Kind], _Standing] = {}
    cut = _Cut(record, needs(rules))
    moments = list(_moments(record, round(short_s * NS), round(long_s * NS)))
    for done, (now_ns, who) in enumerate(moments):
        cut.to(now_ns)
        people = [record.patients[row] for row in who.tolist()]
        verdicts = run(window(now_ns, people, cut.samples(who), rules, limits), rules)
        found += _heard(verdicts, who, record.patients, standing)
        progress(done + 1, len(moments))
    _, last = record.span()
    for (row, _), one in standing.items():  # the look that opened it may have been the one after the last news
        found.append(replace(one.alarm, ended_ns=max(int(last[row]), one.alarm.opened_ns)))
    return sorted(found, key=lambda one: (one.opened_ns, one.patient, one.kind))


def _moments(record: Record, short_ns: int, long_ns: int) -> Iterator[tuple[int, Rows]]:
    """When the rules look, and at whom [places of patients, ascending]."""
    if not len(record.patient):
        return
    first, last = record.span()
    ends = -(-record.known_ns // short_ns) * short_ns
    pairs = np.unique(np.stack([ends, record.patient]), axis=1)
    at, starts = np.unique(pairs[0], return_index=True)
    news = dict(zip(at.tolist(), np.split(pairs[1], starts[1:]), strict=True))
    begin, end = int(-(-first.min() // long_ns)) * long_ns, int(last.max())
    for now_ns in sorted({*news, *range(begin, end + 1, long_ns)}):
        if now_ns % long_ns:
            yield now_ns, news[now_ns]
            continue
        watched = (first <= now_ns) & (now_ns <= last)
        if now_ns in news:
            watched[news[now_ns]] = True
        if watched.any():
            yield now_ns, np.flatnonzero(watched)


class _Cut:
    """What is known up to a moment that moves on, by name and patient, the newest last."""

    def __init__(self, record: Record, wanted: Mapping[str, Need]) -> None:
        number = {name: place for place, name in enumerate(wanted)}
        name = np.array([number.get(one, -1) for one in record.names], np.int64)[record.name]
        asked = np.flatnonzero((name >= 0) & np.isfinite(record.value))
        series = name[asked] * len(record.patients) + record.patient[asked]
        order = np.lexsort((record.value[asked], record.t_ns[asked], record.known_ns[asked], series))
        rows = asked[order]
        self._series, self._t_ns, self._known_ns = series[order], record.t_ns[rows], record.known_ns[rows]
        self._value, self._good = record.value[rows], record.good[rows]
        self._people, self._needs = len(record.patients), list(wanted.values())
        count = len(wanted) * self._people
        self._first = np.searchsorted(self._series, np.arange(count))
        self._stop = self._first.copy()
        self._by_known = np.argsort(self._known_ns, kind="stable")
        self._arrivals = self._known_ns[self._by_known]
        self._arrived = 0
        late = (self._series[1:] == self._series[:-1]) & (self._t_ns[1:] < self._t_ns[:-1])
        self._most = np.repeat([need.samples for need in self._needs], self._people)
        self._all = np.repeat([need.course for need in self._needs], self._people)
        self._all[self._series[1:][late]] = True
        """Of which series the newest are not simply the last to come, or more is asked for than the newest."""

    def to(self, now_ns: int) -> None:
        """Move on: what is known by then is."""
        stop = int(np.searchsorted(self._arrivals, now_ns, "right"))
        np.add.at(self._stop, self._series[self._by_known[self._arrived : stop]], 1)
        self._arrived = stop

    def samples(self, who: Rows) -> Samples:
        """As many of the newest as the rules ask for, of these patients; `patient` counts in `who`."""
        series = (np.arange(len(self._needs))[:, None] * self._people + who[None, :]).ravel()
        stop = self._stop[series]
        first = self._first[series]
        start = np.where(self._all[series], first, np.maximum(first, stop - self._most[series]))
        count = stop - start
        rows = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(start, count)
        name, patient = np.divmod(np.arange(len(series)), len(who))
        return Samples(
            np.repeat(name, count), np.repeat(patient, count), self._t_ns[rows], self._value[rows], self._good[rows]
        )


def _heard(
    verdicts: Verdicts, who: Rows, patients: Sequence[str], standing: dict[tuple[int, Kind], _Standing]
) -> Iterator[Alarm]:
    """Hear the verdicts, one look of some patients; the alarms that are over by it."""
    for kind in Kind:
        mine = np.array([rule.kind is kind for rule in verdicts.rules])
        speaks = (verdicts.level > Level.CALM) & (verdicts.tells == Audience.NURSE) & mine[:, None]
        told = speaks.any(axis=0)
        told |= np.array([(row, kind) in standing for row in who.tolist()], np.bool_)
        for place in np.flatnonzero(told).tolist():
            row = int(who[place])
            reasons = [_bare(verdicts, rule, place) for rule in np.flatnonzero(speaks[:, place]).tolist()]
            over = _step(verdicts, place, (row, kind), patients[row], reasons, standing)
            if over is not None:
                yield over


def _step(
    verdicts: Verdicts, place: int, key: tuple[int, Kind], patient: str, reasons: Sequence[Reason],
    standing: dict[tuple[int, Kind], _Standing],
) -> Alarm | None:  # fmt: skip
    """One patient's episode goes on; the alarm that is over by it, if one is."""
    now_ns, kind, over = verdicts.now_ns, key[1], None
    one = standing.get(key)
    if one is not None and now_ns - one.since_ns >= ATTENDED_S * NS:
        over = replace(standing.pop(key).alarm, ended_ns=now_ns)
        one = None
    before = one.episode if one else None
    episode, changes = step(before, reasons, verdicts.unknown(place, kind=kind), now_ns)
    if episode is None or episode.opened_ns is None:
        return over
    for change in changes:
        if isinstance(change, Opened):
            alarm = Alarm(patient, kind, now_ns, now_ns, change.level, change.reason.rule)
            standing[key] = _Standing(episode, alarm, now_ns)
        elif isinstance(change, Raised) and one is not None:
            one.alarm = replace(one.alarm, level=change.level, raised=one.alarm.raised + 1)
            one.since_ns = now_ns
        elif isinstance(change, Settled):
            return replace(standing.pop(key).alarm, ended_ns=now_ns)
    standing[key].episode = episode
    return over


def _bare(verdicts: Verdicts, rule: int, place: int) -> Reason:
    """A reason without numbers and words: nobody reads it."""
    of = verdicts.rules[rule]
    return Reason(of.name, of.version, Level(int(verdicts.level[rule, place])), {}, {}, verdicts.now_ns)


@dataclass(frozen=True)
class Difference:
    """Two programmes over one record. An alarm of one that overlaps one of the other, of the same patient and kind, is
    the same; `higher` and `lower`: of those that stay, how many come to another level."""

    come: list[Alarm]
    go: list[Alarm]
    stay: int
    higher: int
    lower: int


def difference(before: Sequence[Alarm], after: Sequence[Alarm]) -> Difference:
    """Which alarms come and go."""
    old, new = _by_patient(before), _by_patient(after)
    come = [one for one in after if not _overlapping(one, old)]
    go = [one for one in before if not _overlapping(one, new)]
    stays = [(one, max(other.level for other in found)) for one in after if (found := _overlapping(one, old))]
    return Difference(
        come, go, len(stays), sum(one.level > level for one, level in stays),
        sum(one.level < level for one, level in stays),
    )  # fmt: skip


def _by_patient(found: Sequence[Alarm]) -> dict[tuple[str, Kind], list[Alarm]]:
    mine: dict[tuple[str, Kind], list[Alarm]] = {}
    for one in found:
        mine.setdefault((one.patient, one.kind), []).append(one)
    return mine


def _overlapping(one: Alarm, others: Mapping[tuple[str, Kind], Sequence[Alarm]]) -> list[Alarm]:
    mine = others.get((one.patient, one.kind), ())
    return [other for other in mine if other.opened_ns <= one.ended_ns and one.opened_ns <= other.ended_ns]
