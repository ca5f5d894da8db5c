"""When a patient should measure again, sooner than usual: from what was found to what is asked for, purely.

Measuring more often while something is a little wrong is worth more than a cleverer score: going from hourly to
12-hourly observations halves the sensitivity of NEWS at 5 points, from 67 to 32 % (docs/decisions/0025).

    a finding at          asks for the next measurement within     source
    HIGH   NEWS2 7        `high_s`    30 min                       RCP 2017: continuous; this at home (check)
    MEDIUM NEWS2 5, a 3   `medium_s`  1 h                          RCP 2017: at least hourly
    LOW    NEWS2 3 or 4   `low_s`     6 h                          RCP 2017: every 4 to 6 h (check: from 3 points, since
                                                                   many live with less)
    one that wishes it    `again_s`   15 min, at once              a single red reading, or one of poor quality (check)

It is asked for of channels that the finding's rule reads and the patient measures (or answers), each once for all that
one instrument tells. A measurement has a *window*, from half of its interval to the end of it: the next reading of the
same minute is no answer, and none is asked for twice. A request that is never answered is given up.

*Never more often than sensible*: a channel has a shortest interval (weight: a day, so it is never asked for sooner),
and `most_a_day` requests a day; what the ordinary plan brings in time anyway is not asked for, but what it should have
brought by now is.

*Not at night*, unless HIGH: a window that would reach into the quiet hours ends with the day, or waits for the morning.
"At once" follows a reading of the last quarter of an hour: whoever took it is awake.

*Hysteresis.* A request is only ever brought forward while it stands. It is withdrawn when what asked for it has been
gone for `settle_s`. A rule that cannot tell has not become calm, unless something that it reads was measured since: a
NEWS2 at home lacks a value nearly always. After that, or after it was given up, the same is not asked for before as
long again as it would have waited, unless it is worse. What a person asked for is not withdrawn, only brought forward.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from vitals.alarm import Kind, Level, Reason
from vitals.answers import QUESTIONS
from vitals.clock import NS
from vitals.day import Day

if TYPE_CHECKING:
    from triage.contract import Bools
    from triage.run import Verdicts

HOUR_S = 3600.0
DAY_S = 86_400.0

LEAST_S: Mapping[str, float] = {
    "spo2": 900, "bp_sys": 900, "glucose": 900, "ketone": 3600, "resp_rate": 900, "body_temp": 3600,
    "peak_flow": 4 * 3600, "fev1": 4 * 3600, "weight": 86_400,
}  # fmt: skip
"""What a patient can be asked to measure, and never more often than so (check)."""
_QUESTION_LEAST_S = 3600.0

MEASURED_WITH: Mapping[str, str] = {
    "pulse_rate": "spo2", "perfusion_index": "spo2", "heart_rate": "spo2", "bp_dia": "bp_sys", "bp_map": "bp_sys",
    "fvc": "fev1",
}  # fmt: skip
"""What comes from the same instrument in one go is asked for by one name."""

FRESH_S = 900.0
"""A reading so new was taken by somebody who is still there to measure again."""
MOST_AGAIN = 2
AGAIN_REST_S = 7200.0
"""So many times in so long is the same asked for at once: of three readings two agree, and after that it is the rules'
and a person's concern."""
RECENT_S = 14 * DAY_S
"""Whoever measured something within this has the instrument."""

_NEWS2 = "news2"

Why = Literal["sooner", "again", "tell", "asked"]
"""`asked`: a person did."""
End = Literal["answered", "withdrawn", "expired"]


class Sooner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a programme asks for earlier measurements; see the module. `quiet_from_h` to `quiet_to_h` is the night.

    `news2_from`: a NEWS2 of so many points is at least LOW here, whatever its rule says. `most_a_day` 0: never asked.
    """

    low_s: float = 6 * HOUR_S
    medium_s: float = HOUR_S
    high_s: float = HOUR_S / 2
    again_s: float = HOUR_S / 4
    settle_s: float = HOUR_S / 2
    most_a_day: int = 6
    news2_from: int = 3
    quiet_from_h: int = 21
    quiet_to_h: int = 8

    def __post_init__(self) -> None:
        if not 60 <= self.again_s <= self.high_s <= self.medium_s <= self.low_s <= 7 * DAY_S:
            raise ValueError(
                "the intervals do not grow from again_s to low_s", "keep 60 <= again_s <= high_s <= medium_s <= low_s"
            )
        if not 0 <= self.settle_s <= DAY_S:
            raise ValueError(f"settle_s = {self.settle_s:g} cannot be meant", "keep it within 0 to 86400")
        if not 0 <= self.quiet_to_h < self.quiet_from_h <= 24:
            raise ValueError(
                f"a night from {self.quiet_from_h} to {self.quiet_to_h}", "give it whole hours over midnight: 21 and 8"
            )
        if self.most_a_day < 0 or self.news2_from < 1:
            raise ValueError("a count that cannot be", "most_a_day is 0 or more, news2_from 1 or more")

    def day(self, zone: tzinfo) -> Day:
        """The waking hours where the patient lives."""
        return Day(zone, self.quiet_to_h, self.quiet_from_h)

    def interval_s(self, level: Level) -> float:
        """How soon a finding of that level wants the next measurement."""
        return {Level.LOW: self.low_s, Level.MEDIUM: self.medium_s, Level.HIGH: self.high_s}[level]


class Found(NamedTuple):
    """What a rule finds: `reads` its channels; `again`: those of which it wants another measurement at once."""

    rule: str
    level: Level
    reads: tuple[str, ...]
    text: Mapping[str, str]
    again: tuple[str, ...] = ()


class Findings(NamedTuple):
    """All that clinical rules say of one patient; `unsure`: the rules that cannot tell, with what they read."""

    found: Sequence[Found]
    unsure: Mapping[str, tuple[str, ...]] = {}


class Wish(msgspec.Struct, frozen=True):
    """A request for a measurement of `channel`: wanted before `by_ns`, answered by a reading at or after `from_ns`.

    At `until_ns` it is given up. `calm_ns`: since when what asked for it is gone.
    """

    channel: str
    why: Why
    level: Level
    rule: str
    text: dict[str, str]
    asked_ns: int
    from_ns: int
    by_ns: int
    until_ns: int
    calm_ns: int | None = None


class Past(NamedTuple):
    """A request that has ended, of the last day."""

    channel: str
    why: Why
    level: Level
    asked_ns: int
    ended_ns: int
    end: End


class Habits(NamedTuple):
    """What a patient measures: `every_s` by channel as the programme expects or asks it, and when each was last."""

    every_s: Mapping[str, float]
    newest_ns: Mapping[str, int]


class Changes(NamedTuple):
    """What follows: requests that are new, that became others (old, new), and that ended."""

    asked: list[Wish]
    moved: list[tuple[Wish, Wish]]
    ended: list[tuple[Wish, End]]


def concerned(verdicts: "Verdicts", sooner: Sooner) -> "Bools":
    """Of which patients [P] some clinical rule says anything that may ask for a measurement."""
    any_of: Bools = verdicts.worst(Kind.CLINICAL) > Level.CALM
    for rule, because, asks in zip(verdicts.rules, verdicts.because, verdicts.asks, strict=True):
        if rule.name == _NEWS2:
            any_of = any_of | (because["total"] >= sooner.news2_from)
        for asked in asks.values():
            any_of = any_of | asked
    return any_of


def findings(verdicts: "Verdicts", row: int, sooner: Sooner) -> Findings:
    """What the clinical rules say of the patient in `row`, with NEWS2's band and what they wish for at once."""
    said = {one.rule: one for one in verdicts.reasons(row, kind=Kind.CLINICAL, unknown=True)}
    found, unsure = [], {}
    for rule, asks in zip(verdicts.rules, verdicts.asks, strict=True):
        if rule.kind is not Kind.CLINICAL:
            continue
        again = tuple(name for name, asked in asks.items() if asked[row])
        one = said.get(rule.name)
        level = Level.CALM if one is None else one.level
        if one is not None and level <= Level.CALM and _banded(one, sooner):
            level = Level.LOW
        if level > Level.CALM or again:
            found.append(Found(rule.name, level, rule.reads, one.text if one else rule.title, again))
        elif level is Level.UNKNOWN:
            unsure[rule.name] = rule.reads
    return Findings(found, unsure)


def _banded(one: Reason, sooner: Sooner) -> bool:
    return one.rule == _NEWS2 and (one.because.get("total") or 0) >= sooner.news2_from


def plan(
    found: Findings,
    habits: Habits,
    standing: Sequence[Wish],
    past: Iterable[Past],
    now_ns: int,
    sooner: Sooner,
    day: Day,
) -> Changes:
    """What to ask for, to change and to end of one patient at `now_ns`. `past`: what has ended in the last day."""
    changes = Changes([], [], [])
    wanted = _wanted(found.found, habits, now_ns)
    before = [one for one in past if now_ns - one.asked_ns <= DAY_S * NS]
    left: dict[str, Wish] = {}
    for wish in standing:
        newest_ns = habits.newest_ns.get(wish.channel)
        if newest_ns is not None and wish.from_ns <= newest_ns < wish.until_ns:
            _end(changes, before, wish, "answered", now_ns)
        elif now_ns >= wish.until_ns:
            _end(changes, before, wish, "expired", now_ns)
        else:
            left[wish.channel] = wish
    for channel, wish in left.items():
        if channel in wanted:
            fresh = _made(channel, *wanted[channel], habits, now_ns, sooner, day)
            _keep(changes, wish, _brought_forward(wish, fresh))
        elif wish.why == "asked":  # no rule takes back what a person asked for
            continue
        elif _cannot_tell(wish, found, habits):
            _keep(changes, wish, msgspec.structs.replace(wish, calm_ns=None))
        elif wish.calm_ns is None:
            _keep(changes, wish, msgspec.structs.replace(wish, calm_ns=now_ns))
        elif now_ns - wish.calm_ns >= sooner.settle_s * NS:
            _end(changes, before, wish, "withdrawn", now_ns)
    for channel in sorted(wanted.keys() - left.keys()):
        one, again = wanted[channel]
        fresh = _made(channel, one, again, habits, now_ns, sooner, day)
        if fresh is not None and _may_ask(fresh, [past for past in before if past.channel == channel], sooner):
            changes.asked.append(fresh)
    return changes


def _cannot_tell(wish: Wish, found: Findings, habits: Habits) -> bool:
    """Whether the rule that asked for it has lost sight rather than become calm."""
    reads = found.unsure.get(wish.rule, ())
    return bool(reads) and all(habits.newest_ns.get(name, 0) <= wish.asked_ns for name in reads)


def _end(changes: Changes, before: list[Past], wish: Wish, end: End, now_ns: int) -> None:
    changes.ended.append((wish, end))
    before.append(Past(wish.channel, wish.why, wish.level, wish.asked_ns, now_ns, end))


def _keep(changes: Changes, wish: Wish, now: Wish) -> None:
    if now != wish:
        changes.moved.append((wish, now))


def _wanted(found: Iterable[Found], habits: Habits, now_ns: int) -> dict[str, tuple[Found, bool]]:
    """By channel the worst finding that wants it measured, and whether at once."""
    wanted: dict[str, tuple[Found, bool]] = {}
    for one in found:
        again = {MEASURED_WITH.get(name, name) for name in one.again}
        for name in dict.fromkeys(MEASURED_WITH.get(name, name) for name in (*one.reads, *again)):
            if not _measures(name, habits, now_ns):
                continue
            at_once = name in again and _fresh(one, habits, now_ns)
            if one.level <= Level.CALM and not at_once:
                continue
            key = at_once, one.level
            if name not in wanted or key > (wanted[name][1], wanted[name][0].level):
                wanted[name] = one, at_once
    return wanted


def _fresh(one: Found, habits: Habits, now_ns: int) -> bool:
    """Whether something that the finding is from was measured a moment ago."""
    return now_ns - max((habits.newest_ns.get(name, 0) for name in one.reads), default=0) <= FRESH_S * NS


def _measures(channel: str, habits: Habits, now_ns: int) -> bool:
    if channel not in LEAST_S:
        return channel in QUESTIONS and channel in habits.every_s
    newest_ns = habits.newest_ns.get(channel)
    return channel in habits.every_s or (newest_ns is not None and now_ns - newest_ns <= RECENT_S * NS)


def _made(channel: str, one: Found, again: bool, habits: Habits, now_ns: int, sooner: Sooner, day: Day) -> Wish | None:
    """The request that this finding asks for now; None where the ordinary plan, or the night, is before it."""
    newest_ns = habits.newest_ns.get(channel, now_ns)
    if again:
        from_ns = habits.newest_ns[channel] + 1 if channel in habits.newest_ns else now_ns
        interval_ns = round(sooner.again_s * NS)
        by_ns, level = now_ns + interval_ns, max(one.level, Level.LOW)
        return Wish(channel, "again", level, one.rule, dict(one.text), now_ns, from_ns, by_ns, by_ns + interval_ns)
    interval_ns = round(max(sooner.interval_s(one.level), LEAST_S.get(channel, _QUESTION_LEAST_S)) * NS)
    from_ns, by_ns = newest_ns + interval_ns // 2, newest_ns + interval_ns
    least_ns = now_ns + round(sooner.again_s * NS)
    by_day = one.level < Level.HIGH
    if by_day:
        from_ns, by_ns = _by_day(from_ns, by_ns, day)
    if by_ns < least_ns:  # it should have been measured long ago
        from_ns, by_ns = _by_day(now_ns, least_ns, day) if by_day else (now_ns, least_ns)
    if channel in habits.newest_ns and now_ns < newest_ns + habits.every_s.get(channel, math.inf) * NS <= by_ns:
        return None
    return Wish(channel, "sooner", one.level, one.rule, dict(one.text), now_ns, from_ns, by_ns, by_ns + interval_ns)


def _by_day(from_ns: int, by_ns: int, day: Day) -> tuple[int, int]:
    """The window without the night: cut off by it, or as long in the morning (at most two hours)."""
    if day.awake(from_ns):
        end_ns = day.ends_ns(from_ns)
        if by_ns <= end_ns or end_ns - from_ns >= FRESH_S * NS:
            return from_ns, min(by_ns, end_ns)
        from_ns = end_ns
    morning_ns = day.begins_ns(from_ns)
    return morning_ns, max(min(by_ns, morning_ns + round(2 * HOUR_S * NS)), morning_ns + round(HOUR_S * NS))


def _brought_forward(wish: Wish, fresh: Wish | None) -> Wish:
    """It stands, for what asked for it is there; where that is worse now, it is wanted earlier."""
    if wish.why == "asked" and fresh is not None:
        sooner = {"by_ns": min(fresh.by_ns, wish.by_ns), "level": max(fresh.level, wish.level)}
        return msgspec.structs.replace(wish, **sooner)
    if fresh is not None and fresh.why == "again" and wish.why != "again":
        return msgspec.structs.replace(fresh, asked_ns=wish.asked_ns)
    if fresh is not None and fresh.level > wish.level:
        return msgspec.structs.replace(
            fresh, asked_ns=wish.asked_ns, by_ns=min(fresh.by_ns, wish.by_ns), from_ns=min(fresh.from_ns, wish.from_ns),
            why=wish.why,
        )  # fmt: skip
    return msgspec.structs.replace(wish, calm_ns=None)


def _may_ask(wish: Wish, before: Sequence[Past], sooner: Sooner) -> bool:
    """Whether it has not been asked for too often, or given up a moment ago. HIGH is asked for however often it was."""
    if sooner.most_a_day == 0:
        return False
    if wish.why == "again":
        lately = [one for one in before if one.why == "again" and wish.asked_ns - one.asked_ns <= AGAIN_REST_S * NS]
        return len(lately) < MOST_AGAIN
    rest_ns = round(max(sooner.settle_s, sooner.interval_s(wish.level)) * NS)
    for one in before:
        if one.end != "answered" and one.level >= wish.level and wish.asked_ns - one.ended_ns < rest_ns:
            return False
    return wish.level == Level.HIGH or len(before) < sooner.most_a_day
