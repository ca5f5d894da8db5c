"""Questions asked in the home, and their answers, which are readings like any other.

A question is ready some hours before it is a whole interval old (a daily one may be answered at eight today and at
seven tomorrow), never at night, and earlier where the server wishes it. One is shown at a time, and it may be set aside
for an hour.

An answer is a row of the spool, under the device id that the server gave for this patient, and on disk before anybody
is thanked. When each was last answered is a bookmark in the same transaction. So a button that is pressed twice, a
form that is sent again and a hub that loses its power do not make two answers of one.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from gateway.clock.steady import steady_ns
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from vitals.answers import QUESTIONS, Question
from vitals.block import Block
from vitals.channels import CHANNELS
from vitals.clock import NS, Clock
from vitals.day import Day
from vitals.errors import StoreError
from vitals.wire import Asking, Request

EARLY = 0.25
MOST_EARLY_S = 6 * 3600.0
"""So much of an interval, at most, may an answer come early."""
ASIDE_S = 3600.0

Said = Literal["kept", "known", "unfit", "lost"]
"""What became of an answer: on disk; the question was answered already; no answer to it; it could not be stored."""

log = logging.getLogger(__name__)


class Ready(NamedTuple):
    """A question to be shown, the `place`-th of `of`. `id` is of this asking and goes back with the answer."""

    id: str
    question: Question
    place: int
    of: int


class Questions:
    """The questions of one home. `open()` before anything else."""

    def __init__(self, spool: Spool, clock: Clock, day: Day) -> None:
        self._spool = spool
        self._clock = clock
        self._day = day
        self._device = ""
        self._asking: Sequence[Asking] = ()
        self._answered_ns: dict[str, int] = {}
        """By channel when it was answered last."""
        self._aside_ns: dict[str, int] = {}
        """By channel until when it is set aside."""
        self._answering = asyncio.Lock()

    async def ask(self, device: str, asking: Iterable[Asking]) -> None:
        """From now on these, whose answers are readings of `device`. What this version cannot word is passed over."""
        if device != self._device:
            text = await self._spool.bookmark(device) if device else ""
            self._answered_ns = msgspec.json.decode(text, type=dict[str, int]) if text else {}
            self._aside_ns = {}
        self._device = device
        self._asking = [one for one in asking if one.channel in QUESTIONS] if device else []

    def ready(self, hurried: Iterable[Request] = ()) -> Ready | None:
        """The question to show now, if any. `hurried`: what the server wishes to know earlier."""
        now_ns = self._clock.now_ns()
        early = _early(hurried)
        due = [one.channel for one in self._asking if self._ready_ns(one, early) <= now_ns]
        shown = [channel for channel in due if self._aside_ns.get(channel, 0) <= now_ns]
        if not shown:
            return None
        place = due.index(shown[0]) + 1
        return Ready(self._id(shown[0]), QUESTIONS[shown[0]], place, len(due))

    def next_ns(self, hurried: Iterable[Request] = ()) -> int | None:
        """When the next question is ready that is not ready now; None where nothing is asked."""
        early, now_ns = _early(hurried), self._clock.now_ns()
        times = [max(self._ready_ns(one, early), self._aside_ns.get(one.channel, 0)) for one in self._asking]
        return min((t_ns for t_ns in times if t_ns > now_ns), default=None)

    async def answer(self, ask: str, text: str) -> Said:
        """`text` answers the question that was shown under the id `ask`. Returns when it is on disk.

        Who does not wait so long has answered all the same, and once: what is on its way to the disk cannot be called
        back.
        """
        return await asyncio.shield(self._answered(ask, text))

    async def _answered(self, ask: str, text: str) -> Said:
        async with self._answering:
            channel = ask.partition("@")[0]
            if ask != self._id(channel) or not any(one.channel == channel for one in self._asking):
                return "known"
            value = _value(QUESTIONS[channel], text)
            if value is None:
                return "unfit"
            now_ns = self._clock.now_ns()
            answered_ns = {**self._answered_ns, channel: now_ns}
            block = Block(channel, (now_ns,), (value,), CHANNELS[channel].decimals, record=f"{channel}@{now_ns}")
            bookmark = {self._device: msgspec.json.encode(answered_ns).decode()}
            try:
                await self._spool.put([Heard(self._device, now_ns, block, steady_ns())], bookmark)
            except StoreError as error:
                log.error("an answer is not stored: %s", error)
                return "lost"
            self._answered_ns = answered_ns
            return "kept"

    def later(self, ask: str) -> None:
        """The question is set aside for an hour."""
        channel = ask.partition("@")[0]
        if ask == self._id(channel):
            self._aside_ns[channel] = self._clock.now_ns() + round(ASIDE_S * NS)

    def _id(self, channel: str) -> str:
        return f"{channel}@{self._answered_ns.get(channel, 0)}"

    def _ready_ns(self, one: Asking, early: Mapping[str, int]) -> int:
        answered_ns = self._answered_ns.get(one.channel)
        if answered_ns is None:
            return self._day.begins_ns(self._clock.now_ns())
        ready_ns = answered_ns + round((one.every_s - min(one.every_s * EARLY, MOST_EARLY_S)) * NS)
        hurried_ns = early.get(one.channel)
        if hurried_ns is not None and answered_ns < hurried_ns:
            ready_ns = min(ready_ns, hurried_ns)
        return self._day.begins_ns(ready_ns)


def _early(hurried: Iterable[Request]) -> dict[str, int]:
    return {one.channel: one.from_ns for one in hurried}


def _value(question: Question, text: str) -> float | None:
    """The number that `text` is as an answer; None where it is none."""
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    if question.choices:
        return value if any(value == choice.value for choice in question.choices) else None
    channel = CHANNELS[question.channel]
    return round(value, channel.decimals) if channel.plausible(value) else None
