"""Reasons over time become one episode: it opens, it rises, it settles, and it never goes away by itself.

There is one episode for each patient and kind (clinical, technical); the caller keeps them apart and keeps them. The
episode stacks the worst reason of each rule that spoke in it. `step` is called with what the rules say now:

    a rule speaks           opens the episode, or raises it, or is stacked in it
    a rule is calm          lets the episode settle, once all its rules have been calm for `Pace.settle_s`
    a rule does not know    does neither: what it said stands

unless a person has since said that what it saw was wrong (`doubt`). Then what it said no longer holds the episode up,
and what it says next is news.

Settling is a mark, not an end. An episode is never lowered and never closed here; a named person closes it, and the
caller then forgets it, so that what still stands opens the next one.

Persistence: a level counts once it has been held for `Pace.hold_s`, during which the episode exists but has not opened
(`opened_ns` is None). By default there is no such wait, because the rules themselves ask for agreeing readings.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from vitals.alarm import Level, Reason
from vitals.clock import NS

ALARMING = (Level.LOW, Level.MEDIUM, Level.HIGH)


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a level must last to count, by level (LOW, MEDIUM, HIGH), and how long calm must last, in seconds."""

    hold_s: tuple[float, float, float] = (0.0, 0.0, 0.0)
    settle_s: float = 600.0


PACE = Pace()


class Episode(msgspec.Struct, frozen=True):
    """One episode. `reasons` has the worst that each rule said, worst rule first.

    `level` is the worst level that has counted; `since_ns` says since when each of LOW, MEDIUM and HIGH (or worse) has
    been held (None: it is not). `calm_ns` is since when all its rules have been calm, `settled_ns` when that had
    lasted long enough; both None while something speaks. `doubted` names the rules that saw what was wrong, and have
    not spoken since.
    """

    level: Level
    opened_ns: int | None
    reasons: tuple[Reason, ...]
    since_ns: tuple[int | None, int | None, int | None]
    calm_ns: int | None = None
    settled_ns: int | None = None
    doubted: dict[str, int] = {}


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """The episode opened at `level`. `reason` is the worst of those that opened it."""

    level: Level
    reason: Reason


class Raised(msgspec.Struct, frozen=True, tag="raised"):
    """The episode rose from `before` to `level`."""

    level: Level
    before: Level
    reason: Reason


class Repeated(msgspec.Struct, frozen=True, tag="repeated"):
    """A reason that is news without raising the episode: of a rule that had not spoken in it, that now says worse than
    it had, that speaks again after the episode had settled, or after what it had seen was found to be wrong."""

    reason: Reason


class Settled(msgspec.Struct, frozen=True, tag="settled"):
    """All rules of the episode have been calm since `calm_ns`. It stays open."""

    calm_ns: int


Change = Opened | Raised | Repeated | Settled


def step(
    episode: Episode | None,
    reasons: Sequence[Reason],
    unknown: Collection[str],
    now_ns: int,
    pace: Pace = PACE,
) -> tuple[Episode | None, list[Change]]:
    """The episode after hearing `reasons` at `now_ns`, and what changed.

    `unknown` names the rules that do not know. Only reasons above CALM speak; one of level UNKNOWN counts its rule as
    unknown. An episode that was open stays open. None comes back only where there was no open one and nothing speaks.
    """
    speaking = sorted((reason for reason in reasons if reason.level > Level.CALM), key=_worst_first)
    said = {reason.rule for reason in speaking}
    unsure = (set(unknown) | {reason.rule for reason in reasons if reason.level == Level.UNKNOWN}) - said
    before = episode or Episode(Level.CALM, None, (), (None, None, None))
    held = [reason for reason in before.reasons if reason.rule in unsure and reason.rule not in before.doubted]
    since_ns = _since(before, speaking, held, now_ns)
    level = max(before.level, _counting(since_ns, speaking, now_ns, pace))

    if before.opened_ns is None and not speaking and not held:
        return None, []
    after = msgspec.structs.replace(
        before,
        level=level,
        opened_ns=now_ns if before.opened_ns is None and level > Level.CALM else before.opened_ns,
        reasons=_stacked(before.reasons, speaking),
        since_ns=since_ns,
        doubted={rule: ns for rule, ns in before.doubted.items() if rule not in said},
    )
    if after.opened_ns is None:
        return after, []
    after = _settling(after, bool(speaking), bool(held), now_ns, pace)
    return after, _changes(before, after, speaking, now_ns)


def doubt(episode: Episode, rules: Iterable[str], now_ns: int) -> Episode:
    """The episode once it is known that what these rules saw was wrong.

    What they say at the same moment is of what is left, and no more news than it would have been.
    """
    spoke = {reason.rule for reason in episode.reasons}
    return msgspec.structs.replace(episode, doubted=episode.doubted | dict.fromkeys(spoke.intersection(rules), now_ns))


def trust(episode: Episode, rules: Collection[str]) -> Episode:
    """The episode once it is known that what these rules saw was right after all."""
    still = {rule: ns for rule, ns in episode.doubted.items() if rule not in rules}
    return msgspec.structs.replace(episode, doubted=still)


def _worst_first(reason: Reason) -> tuple[int, str]:
    return -reason.level, reason.rule


def _since(
    before: Episode, speaking: Iterable[Reason], held: Iterable[Reason], now_ns: int
) -> tuple[int | None, int | None, int | None]:
    """Since when each level is held. A rule that does not know keeps a wait going that it was part of."""
    top = max((reason.level for reason in speaking), default=Level.CALM)
    kept = max((reason.level for reason in held), default=Level.CALM)

    def one(level: Level, since: int | None) -> int | None:
        if top >= level:
            return now_ns if since is None else since
        return since if kept >= level else None

    low, medium, high = (one(level, since) for level, since in zip(ALARMING, before.since_ns, strict=True))
    return low, medium, high


def _counting(
    since_ns: tuple[int | None, int | None, int | None], speaking: Sequence[Reason], now_ns: int, pace: Pace
) -> Level:
    """The worst level that somebody says now and that has been held for long enough."""
    top = speaking[0].level if speaking else Level.CALM
    counting = [
        level
        for level, since, hold_s in zip(ALARMING, since_ns, pace.hold_s, strict=True)
        if level <= top and since is not None and now_ns - since >= hold_s * NS
    ]
    return max(counting, default=Level.CALM)


def _stacked(old: Iterable[Reason], speaking: Iterable[Reason]) -> tuple[Reason, ...]:
    """The worst each rule said; of equally bad ones the one with the newest numbers."""
    stack = {reason.rule: reason for reason in old}
    for reason in speaking:
        known = stack.get(reason.rule)
        if known is None or reason.level > known.level or (reason.level == known.level and _differs(reason, known)):
            stack[reason.rule] = reason
    return tuple(sorted(stack.values(), key=_worst_first))


def _differs(one: Reason, other: Reason) -> bool:
    return (one.version, one.because) != (other.version, other.because)


def _settling(episode: Episode, speaking: bool, held: bool, now_ns: int, pace: Pace) -> Episode:
    if speaking:
        return msgspec.structs.replace(episode, calm_ns=None, settled_ns=None)
    if episode.settled_ns is not None:
        return episode
    if held:  # Not known to be calm: the calm that was has to begin anew.
        return msgspec.structs.replace(episode, calm_ns=None)
    calm_ns = now_ns if episode.calm_ns is None else episode.calm_ns
    settled_ns = now_ns if now_ns - calm_ns >= pace.settle_s * NS else None
    return msgspec.structs.replace(episode, calm_ns=calm_ns, settled_ns=settled_ns)


def _changes(before: Episode, after: Episode, speaking: Sequence[Reason], now_ns: int) -> list[Change]:
    if before.opened_ns is None:
        return [Opened(after.level, speaking[0])]
    changes: list[Change] = []
    if after.level > before.level:
        changes.append(Raised(after.level, before.level, speaking[0]))
    said = {reason.rule: reason.level for reason in before.reasons}
    fresh = [reason for reason in speaking if _is_news(reason, said, before, now_ns)]
    changes += [Repeated(reason) for reason in fresh if not (changes and reason == speaking[0])]
    if after.settled_ns is not None and before.settled_ns is None and after.calm_ns is not None:
        changes.append(Settled(after.calm_ns))
    return changes


def _is_news(reason: Reason, said: Mapping[str, Level], before: Episode, now_ns: int) -> bool:
    anew = before.settled_ns is not None or before.doubted.get(reason.rule, now_ns) < now_ns
    return anew or reason.level > said.get(reason.rule, Level.CALM)
