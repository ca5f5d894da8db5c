"""A finding that is for the home itself, and rings no nurse: when the home is told, and for how long, purely.

It is told once, and again only when it is worse, or back after it had been gone for `settle_s`: a value that goes to
and fro across its limit is one thing to tell. A rule that cannot tell has not become calm. What stands for a day is
told anew. What is for the next of kin is told in the home too: there is nobody else we could reach for it.
"""

from collections.abc import Iterable, Sequence

import msgspec

from triage.plan import DAY_S, Changes, Wish
from vitals.alarm import Audience, Reason
from vitals.clock import NS


def for_home(reasons: Iterable[Reason]) -> list[Reason]:
    """Those that are for the home."""
    return [one for one in reasons if one.tells < Audience.NURSE]


def tell(
    found: Iterable[Reason], unknown: Iterable[str], standing: Sequence[Wish], now_ns: int, settle_s: float
) -> Changes:
    """What the home is told anew, and what is over. `unknown`: the rules that cannot tell."""
    changes = Changes([], [], [])
    by_rule, unknown = {one.rule: one for one in for_home(found)}, set(unknown)
    told = {one.rule: one for one in standing}
    for rule, wish in told.items():
        now = by_rule.get(rule)
        if now_ns >= wish.until_ns:
            changes.ended.append((wish, "expired"))
        elif now is not None and now.level > wish.level:
            changes.ended.append((wish, "withdrawn"))
        elif now is not None or rule in unknown:
            _mark(changes, wish, None)
            by_rule.pop(rule, None)
        elif wish.calm_ns is None:
            _mark(changes, wish, now_ns)
        elif now_ns - wish.calm_ns >= settle_s * NS:
            changes.ended.append((wish, "withdrawn"))
    for rule, one in by_rule.items():
        until_ns = now_ns + round(DAY_S * NS)
        changes.asked.append(Wish("", "tell", one.level, rule, dict(one.text), now_ns, now_ns, until_ns, until_ns))
    return changes


def _mark(changes: Changes, wish: Wish, calm_ns: int | None) -> None:
    if wish.calm_ns != calm_ns:
        changes.moved.append((wish, msgspec.structs.replace(wish, calm_ns=calm_ns)))
