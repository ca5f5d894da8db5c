"""What the people of a home are asked and told, put together: for the page, and for the voice.

Measurements are asked for by the server (`gateway.afar.wishes`), and by the hub's own rules while the server is away
(`gateway.home.local`); of one channel the earlier counts. Questions come from the server (`gateway.home.asking`). A
finding that is for the home itself is told as the rule words it.

The voice says each once: a measurement when its window begins, a question when it is ready, a finding when it comes. At
night it says only what cannot wait; what came in the night is said in the morning, if it still stands.
"""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.afar.wishes import Wished
from gateway.clock.hub import is_set
from gateway.config.model import LocalConfig
from gateway.home import words
from gateway.home.asking import Questions, Ready, Said
from gateway.home.local import Local
from gateway.identity.seals import Seals
from gateway.spool.store import Spool
from vitals.alarm import Level
from vitals.answers import QUESTIONS
from vitals.channels import CHANNELS
from vitals.clock import NS, Clock
from vitals.wire import Request

if TYPE_CHECKING:
    from gateway.home.voice import Teller

LOOK_S = 5.0
"""How often it is looked whether something has become due, in the clock's seconds."""
_LEAST_LOOK_S = 0.2
THANKS_S = 30.0

log = logging.getLogger(__name__)


class Sheet(NamedTuple):
    """What the page shows of it. `note`: what became of the answer before; `error`: why `typed` was none."""

    told: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    question: Ready | None = None
    whose: str = ""
    not_you: str = ""
    note: str = ""
    error: str = ""
    typed: str = ""


class Home:
    """`run()` for ever, after `open()`."""

    def __init__(
        self, name: str, data: Path, config: LocalConfig, spool: Spool, clock: Clock, seals: Seals, local: Local,
        tellers: "Sequence[Teller]",
    ) -> None:  # fmt: skip
        self.wished = Wished(name, data, seals, clock)
        local.followed = lambda: self.wished.now.followed
        self.day = config.day()
        self._config = config
        self._clock = clock
        self.local = local
        self._tellers = tellers
        self._questions = Questions(spool, clock, self.day)
        self._said: set[str] = set()
        """What the voice has said, of what still stands."""
        self._thanked_ns: int | None = None
        self._refused = ("", "", "")
        """To which asking what answer was none, and why."""

    async def open(self) -> None:
        """Begin with what the server wished last."""
        await self._take()

    @property
    def version(self) -> int:
        """Of the wishes that the home is shown."""
        return self.wished.now.version

    async def run(self) -> None:
        """Take what the server wishes, and say what has become due, for ever."""
        rest_s = max(_LEAST_LOOK_S, LOOK_S / self._clock.speed)
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self.wished.run(), name="wishes")
            while True:
                try:
                    await self.turn()
                except Exception:  # a bug of ours must not end the hub
                    log.exception("the home cannot be asked")
                await asyncio.sleep(rest_s)

    async def turn(self) -> None:
        """What `run` does each time."""
        await self._take()
        for key, sentence in self._due():
            self._said.add(key)
            await asyncio.gather(*(teller.tell(sentence) for teller in self._tellers))

    async def _take(self) -> None:
        await self._questions.ask(self.wished.now.answers, self.wished.now.asking)

    # What there is to say

    def _requests(self) -> list[Request]:
        """What is to be measured or answered, one of each channel, the earliest first."""
        now_ns = self._clock.now_ns()
        mine = [*self.wished.requests(now_ns, self.local.newest_ns()), *self.local.requests()]
        first: dict[str, Request] = {}
        for one in sorted(mine, key=lambda one: (not one.at_once, one.by_ns)):
            first.setdefault(one.channel, one)
        return sorted(first.values(), key=lambda one: (not one.at_once, one.by_ns))

    def _measurements(self) -> list[Request]:
        return [one for one in self._requests() if one.channel not in QUESTIONS]

    def _ready(self) -> Ready | None:
        """By a clock that was never set an answer would be of 1970."""
        return self._questions.ready(self._requests()) if is_set(self._clock) else None

    def _due(self) -> list[tuple[str, str]]:
        """What the voice says now, each by what it is known by."""
        now_ns, language = self._clock.now_ns(), self._config.language
        awake = self.day.awake(now_ns)
        telling = self._told()
        standing = {
            f"{one.channel} {one.from_ns}": words.request(language, one, now_ns, self.day)
            for one in self._measurements()
            if (one.at_once or one.from_ns <= now_ns) and (awake or one.urgent)
        }
        loud = {key: text for key, (level, text) in telling.items() if awake or level >= Level.MEDIUM}
        ready = self._ready()
        asked = {ready.id: words.question_waits(language)} if ready and awake else {}
        everything = {**loud, **standing, **asked}
        kept = {f"{one.channel} {one.from_ns}" for one in self._requests()} | telling.keys()
        self._said &= kept | ({ready.id} if ready else set())
        return [(key, text) for key, text in everything.items() if key not in self._said]

    def _told(self) -> dict[str, tuple[Level, str]]:
        """What the home is told of itself, by what each is known by."""
        language = self._config.language
        found = {
            f"told {one.id}": (Level(one.level), one.text.get(language, ""))
            for one in self.wished.telling(self._clock.now_ns())
        }
        return found | {f"told {one.rule}": (one.level, one.text[language]) for one in self.local.for_home()}

    def sheet(self) -> Sheet:
        """What there is to see now."""
        now_ns, language = self._clock.now_ns(), self._config.language
        ready, name = self._ready(), self._config.name
        asked, typed, error = self._refused
        mine = ready is not None and ready.id == asked
        return Sheet(
            told=tuple(text for _, text in self._told().values()),
            requests=tuple(words.request(language, one, now_ns, self.day) for one in self._measurements()),
            question=ready,
            whose=words.question_of(language, ready.place, ready.of, name) if ready else "",
            not_you=words.not_you(language, name) if ready else "",
            note=self._note(now_ns, ready),
            error=error if mine else "",
            typed=typed if mine else "",
        )

    def _note(self, now_ns: int, ready: Ready | None) -> str:
        """Thanks for a while, and when the next question comes."""
        language, notes = self._config.language, []
        if self._thanked_ns is not None and now_ns - self._thanked_ns < THANKS_S * self._clock.speed * NS:
            notes.append(words.THANKS[language])
        next_ns = None if ready else self._questions.next_ns(self._requests())
        if next_ns is not None and is_set(self._clock):
            notes.append(words.next_question(language, next_ns, now_ns, self.day))
        return " ".join(notes)

    # What the people do

    async def answer(self, ask: str, text: str) -> Said:
        """Somebody answers the question that was shown under this id; returns when it is on disk, or why it is not."""
        said = await self._questions.answer(ask, text)
        language, channel = self._config.language, CHANNELS.get(ask.partition("@")[0])
        self._refused = ("", "", "")
        if said == "kept":
            self._thanked_ns = self._clock.now_ns()
        elif said == "lost":
            self._refused = (ask, text, words.LOST[language])
        elif said == "unfit" and channel is not None:
            between = {"low": f"{channel.low:g}", "high": f"{channel.high:g}"}
            self._refused = (ask, text[:40], words.UNFIT[language].format(**between))
        return said

    def later(self, ask: str) -> None:
        """Somebody wants to be asked later."""
        self._questions.later(ask)
