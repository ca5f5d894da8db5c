"""What a home is told of a finding while its server is away, how often, and that it was.

*How often.* A yellow or a red finding is said once (where several rules find something, the worst in the fewest words),
a red one again every REPEAT_S until somebody says on the page that it was seen, or it is calm.

*What is written down.* Each thing told is an urgent row, `local.alarm`, and that it was seen another. The server shows
them on the timeline; its own rules find the same in the readings themselves, so it is one alarm there.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gateway.clock.steady import steady_ns
from gateway.config.model import LocalConfig
from gateway.home import words
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from vitals.alarm import Level, Reason
from vitals.clock import NS, Clock
from vitals.errors import StoreError
from vitals.events import Event

if TYPE_CHECKING:
    from gateway.home.voice import Teller

REPEAT_S = 300.0

log = logging.getLogger(__name__)


class Told(NamedTuple):
    """A finding that the home is told of: the device it was measured with, and the programme by which it was found."""

    reason: Reason
    device: str | None
    programme: str
    digest: str


class Telling:
    """What the home was told since the server was heard last."""

    def __init__(self, config: LocalConfig, spool: Spool, clock: Clock, tellers: "Sequence[Teller]") -> None:
        self._config = config
        self._spool = spool
        self._clock = clock
        self._tellers = tellers
        self._told: dict[str, Told] = {}
        """By rule: what was told and is not calm."""
        self._said_ns = 0
        self._spoken = False
        self.unseen = False
        """Whether somebody in the home is still to say that it was seen."""

    async def tell(self, found: Iterable[Told], now_ns: int) -> None:
        """Write all of it down, then say what matters most: what was said must be known of."""
        self.unseen = True
        for told in found:
            self._told[told.reason.rule] = told
            await self._write("local.alarm", told, now_ns)
        chief = self.chief()
        if chief:
            await self._say(chief)

    async def repeat(self, now_ns: int) -> None:
        """Say a red finding again when it is time."""
        chief = self.chief()
        if chief is None or chief.reason.level != Level.HIGH or not self.unseen:
            return
        if now_ns - self._said_ns >= REPEAT_S * NS:
            await self._say(chief)

    def stands(self, rules: Collection[str]) -> None:
        """What these rules said stands; what the others said is calm."""
        self._told = {rule: told for rule, told in self._told.items() if rule in rules}

    def chief(self) -> Told | None:
        """One thing at a time: the worst of what was told, and of equally bad ones what takes the fewest words."""
        language = self._config.language
        return min(
            self._told.values(), key=lambda one: (-one.reason.level, len(one.reason.text[language])), default=None
        )

    def sentence(self, told: Told) -> str:
        """It in the home's words."""
        language = self._config.language
        return words.found(language, told.reason.level, told.reason.text[language], self._config.phone)

    async def seen(self) -> None:
        """Somebody in the home says that it was seen: a red finding is not said again."""
        if not self.unseen:
            return
        self.unseen = False
        for told in list(self._told.values()):
            await self._write("local.seen", told, self._clock.now_ns())

    async def over(self) -> None:
        """People watch again: nothing stands here any more, and a home that was told anything is told that."""
        spoken, self._spoken = self._spoken, False
        self._told, self.unseen = {}, False
        if spoken:
            await self._speak(words.back(self._config.language))

    async def _say(self, told: Told) -> None:
        self._said_ns = self._clock.now_ns()
        self._spoken = True
        log.warning("the home is told something, because the server is away")
        await self._speak(self.sentence(told))

    async def _speak(self, sentence: str) -> None:
        await asyncio.gather(*(teller.tell(sentence) for teller in self._tellers))

    async def _write(self, kind: str, told: Told, now_ns: int) -> None:
        if told.device is None:
            return
        data: dict[str, int | float | str] = {
            "rule": told.reason.rule, "version": told.reason.version, "level": int(told.reason.level),
            "programme": told.programme, "digest": told.digest, **told.reason.text,
        }  # fmt: skip
        try:
            await self._spool.put([Heard(told.device, now_ns, Event(kind, now_ns, data), steady_ns())])
        except StoreError as error:
            log.error("that the home was told is not written down: %s", error)
