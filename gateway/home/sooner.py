"""What this hub itself asks the patient to measure while the server is away: sooner than planned, by the server's plan.

What was asked for within the last day is remembered, so that nobody is asked for the same again and again
(`triage.plan`).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from vitals.alarm import Level
from vitals.clock import NS
from vitals.wire import Request

if TYPE_CHECKING:
    from gateway.home.judge import Judge
    from triage.plan import Past, Wish
    from triage.run import Verdicts


class Sooner:
    """`zone`: where the patient lives, for nobody is asked at night."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._wishes: list[Wish] = []
        self._past: list[Past] = []

    def ask(self, judge: "Judge", verdicts: "Verdicts", newest_ns: Mapping[str, int], now_ns: int) -> None:
        """What is asked for from now on. `newest_ns`: when each channel was last measured."""
        from triage.plan import DAY_S, Past

        self._past = [one for one in self._past if now_ns - one.asked_ns <= DAY_S * NS]
        changes = judge.plan(verdicts, newest_ns, self._wishes, self._past, now_ns, self._zone)
        moved = {old.channel: new for old, new in changes.moved}
        over = {wish.channel: end for wish, end in changes.ended}
        self._past += [
            Past(one.channel, one.why, one.level, one.asked_ns, now_ns, over[one.channel])
            for one in self._wishes
            if one.channel in over
        ]
        left = [moved.get(one.channel, one) for one in self._wishes if one.channel not in over]
        self._wishes = [*left, *changes.asked]

    def requests(self) -> list[Request]:
        """What is asked for now."""
        return [
            Request(one.channel, one.from_ns, one.by_ns, one.until_ns, one.why == "again", one.level == Level.HIGH)
            for one in self._wishes
        ]

    def over(self) -> None:
        """The server asks again by itself."""
        self._wishes = []
