"""A home watched by its own hub while the server is away: the same rules, and a voice in the house.

The server is *away* when nothing was heard of it for `away_after_s`: it answers each heartbeat, so silence means that
it, the broker or the line is gone. Then the rules of the patient's programme run here, on what the devices told
(`gateway.home.recent`), at each new row and now and then.

*What is told.* What the rules find and the server cannot have told anybody: what came within KNOWN_S before it fell
silent, and since. A yellow or a red finding is said once (where several rules find something, the worst in the fewest
words), a red one again every REPEAT_S until somebody says on the page that it was seen, or it is calm. Low findings and
technical ones are the service's business, and wait for it.

*What is written down.* Each thing told is an urgent row, `local.alarm`, and that it was seen another. The server
shows them on the timeline; its own rules find the same in the readings themselves, so it is one alarm there.

*What is asked for.* While the server is away the hub asks for measurements sooner than planned, by the same plan
(`triage.plan`); a finding that is for the home itself (`vitals.alarm.Audience`) is told plainly, without anybody to
call. `gateway.home` shows and says both.

*When the server is back*, it is said, if anything had been, and the telling stops: from then on people watch.

*By what is judged*: the programme that is in force at the server, as it came last (`gateway.afar.wishes`); before any
came, and where that cannot be used by this hub's rules, the one of `[local]`, and the heartbeat says so. Each row says
which it was.

A rule that cannot be run, or a programme that cannot be used, must not be taken for calm: the page then says that
nobody watches at all.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from gateway.clock.steady import BOOT, steady_ns
from gateway.config.model import LocalConfig
from gateway.home import words
from gateway.home.recent import Recent
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from vitals.alarm import Audience, Kind, Level, Reason
from vitals.clock import NS, Clock
from vitals.errors import ConfigError, StoreError
from vitals.events import Event
from vitals.wire import Followed, Request, Row

if TYPE_CHECKING:
    from gateway.home.judge import Judge
    from gateway.home.tell import Teller
    from triage.episode import Episode
    from triage.plan import Past, Wish
    from triage.run import Verdicts

LOOK_S = 15.0
"""How often the rules are run without anything new, in the clock's seconds: what is silent makes no sound."""
KNOWN_S = 600.0
REPEAT_S = 300.0
TELL = (Level.MEDIUM, Level.HIGH)
_LEAST_LOOK_S = 0.2
_TAKE = 1_000

log = logging.getLogger(__name__)


class Told(NamedTuple):
    """A finding that the home was told of."""

    reason: Reason
    device: str | None


class View(NamedTuple):
    """What the home's page shows. `level`: the worst that is found now, UNKNOWN where nobody can say."""

    away: bool
    level: Level
    sentences: tuple[str, ...]
    to_be_seen: bool


class Local:
    """`run()` for ever. `silent_s`: seconds of the wall since the server was heard, or None (`gateway.uplink`)."""

    def __init__(
        self,
        config: LocalConfig,
        spool: Spool,
        clock: Clock,
        silent_s: Callable[[], float | None],
        tellers: "Sequence[Teller]",
    ) -> None:
        self._config = config
        self._spool = spool
        self._clock = clock
        self._silent_s = silent_s
        self._tellers = tellers
        self._recent = Recent()
        self._judge: Judge | None = None
        self._episode: Episode | None = None
        self._wishes: list[Wish] = []
        self._past: list[Past] = []
        self._for_home: list[Reason] = []
        self._told: dict[str, Told] = {}
        """By rule: what was told and is not calm."""
        self._seen = True
        self._said_ns = 0
        self._level = Level.UNKNOWN
        self._news = asyncio.Event()
        self._begun_s = asyncio.get_running_loop().time()
        self._spoken = False
        """Whether the home was told anything since the server was heard last."""
        self.followed: Callable[[], Followed | None] = lambda: None
        """The programme that the server has in force."""
        self.outdated = ""
        """Why the home was watched by another programme than that, when it was watched last."""
        self.away = False
        self.blind = False
        """Whether the rules could not be run when they were wanted last: a note for the heartbeat."""

    async def open(self) -> None:
        """Remember what still waits in the spool; from then on, what is put there."""
        after_seq = 0
        while rows := await self._spool.take(after_seq, _TAKE):
            after_seq = rows[-1].seq
            read = (msgspec.json.decode(row.json, type=Row) for row in rows)
            self._recent.hear(self._as_heard(row) for row in read)
        self._spool.on_kept = self._hear

    def _as_heard(self, row: Row) -> Heard:
        """What another boot's steady clock said is nothing to this one's."""
        boots = [boot for from_seq, boot in self._spool.boots if from_seq <= row.seq]
        return Heard(row.device, row.received_ns, row.what, row.mono_ns if boots[-1:] == [BOOT] else None)

    def _hear(self, heard: Sequence[Heard]) -> None:
        """In the spool's commit, which must not fail for us."""
        try:
            if self._recent.hear(heard):
                self._news.set()
        except Exception:
            log.exception("a row is not looked at here")

    async def run(self) -> None:
        """Look at each new row and every LOOK_S, and often enough not to miss that the server is there, for ever."""
        rest_s = max(_LEAST_LOOK_S, min(LOOK_S, self._config.away_after_s / 4) / self._clock.speed)
        while True:
            try:
                await self.turn()
            except Exception:  # a bug of ours must not end the hub
                log.exception("the home cannot be watched here")
                self.blind = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest_s):
                    await self._news.wait()
            self._news.clear()

    async def turn(self) -> None:
        """What `run` does each time."""
        silent_s = self._silent_s()
        if silent_s is None:
            silent_s = asyncio.get_running_loop().time() - self._begun_s
        away = silent_s * self._clock.speed > self._config.away_after_s
        if away:
            if not self.away:
                await self._begin(silent_s)
            self.away = True
            await self._look()
        elif self.away:
            await self._end()

    async def _begin(self, silent_s: float) -> None:
        """Find out what the server must have told of already."""
        log.warning("the server was not heard for %.0f s: the home is watched here", silent_s)
        self._judge = await asyncio.to_thread(self._made_judge)  # numpy takes a while
        if self._judge is None or self._silent_s() is None:  # since the start nobody was told of anything
            return
        now_ns = self._clock.now_ns()
        until_ns = now_ns - round((silent_s * self._clock.speed + KNOWN_S) * NS)
        with self._sighted():
            self._step(until_ns, now_ns)

    def _made_judge(self) -> "Judge | None":
        from gateway.home.judge import Judge, made

        followed, self.outdated = self.followed(), ""
        try:
            if followed is not None:
                return self._sees(Judge(followed.programme, followed.limits, "the programme in force", followed.digest))
        except ConfigError as error:
            log.error("the programme in force cannot be used here, the one of [local] is: %s", error)
            self.outdated = f"the home was watched by the programme of its own file: {error}"
        try:
            return self._sees(made(self._config.programme, self._config.limits))
        except (ConfigError, OSError) as error:
            log.error("the home cannot be watched here: %s", error)
            self.blind = True
            return None

    def _sees(self, judge: "Judge") -> "Judge":
        log.info("the home is watched by the programme %s (%s)", judge.title, judge.digest)
        self.blind = False
        return judge

    async def _look(self) -> None:
        if self._judge is None:
            return
        now_ns = self._clock.now_ns()
        found: list[Reason] = []
        with self._sighted():
            found = self._step(None, now_ns)
        if found:
            await self._tell_of(found, now_ns)
        chief = self._chief()
        red = chief is not None and chief.reason.level == Level.HIGH
        if chief and red and not self._seen and now_ns - self._said_ns >= REPEAT_S * NS:
            await self._say(chief)

    @contextlib.contextmanager
    def _sighted(self) -> Iterator[None]:
        """A rule that fails is a bug of ours; the hub goes on, and says that it cannot see."""
        try:
            yield
            self.blind = False
        except Exception:
            log.exception("the rules cannot be run")
            self.blind, self._level = True, Level.UNKNOWN

    def _step(self, until_ns: int | None, now_ns: int) -> list[Reason]:
        """Run the rules on what had come by `until_ns` (None: now); what is new and to be told."""
        from triage.episode import Opened, Raised, Repeated, step

        assert self._judge is not None
        samples = self._recent.samples(now_ns, steady_ns(), self._clock.speed, until_ns)
        verdicts = self._judge.verdicts(samples, now_ns)
        if until_ns is None:
            self._ask(verdicts, now_ns)
        reasons = verdicts.reasons(0, kind=Kind.CLINICAL, tells=Audience.NURSE)
        unknown = verdicts.unknown(0, kind=Kind.CLINICAL)
        speaking = {reason.rule for reason in reasons}
        self._episode, changes = step(self._episode, reasons, unknown, now_ns)
        self._level = Level(int(verdicts.worst(Kind.CLINICAL)[0]))
        # A rule that no longer knows has not become calm: what it said stands.
        self._told = {rule: told for rule, told in self._told.items() if rule in speaking | unknown}
        news = [one.reason for one in changes if isinstance(one, Opened | Raised | Repeated)]
        if any(isinstance(one, Opened) for one in changes):
            news = reasons  # it names the worst alone, and all of them are new
        return [reason for reason in news if reason.level in TELL]

    def _ask(self, verdicts: "Verdicts", now_ns: int) -> None:
        """What the home is asked for and told of itself, from now on."""
        from triage.plan import DAY_S, Past
        from triage.telling import for_home

        assert self._judge is not None
        self._for_home = for_home(verdicts.reasons(0, kind=Kind.CLINICAL))
        self._past = [one for one in self._past if now_ns - one.asked_ns <= DAY_S * NS]
        changes = self._judge.plan(
            verdicts, self._recent.newest_ns(), self._wishes, self._past, now_ns, ZoneInfo(self._config.time_zone)
        )
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
        """What the patient is asked to measure by this hub itself: nothing while the server is there."""
        return [
            Request(one.channel, one.from_ns, one.by_ns, one.until_ns, one.why == "again", one.level == Level.HIGH)
            for one in self._wishes
        ]

    def for_home(self) -> list[Reason]:
        """What the hub's own rules find that is for the home itself."""
        return self._for_home

    def newest_ns(self) -> dict[str, int]:
        """When each channel was last measured, as far as is remembered here."""
        return self._recent.newest_ns()

    async def _tell_of(self, found: Sequence[Reason], now_ns: int) -> None:
        """Write all of it down, then say what matters most: what was said must be known of."""
        assert self._judge is not None
        self._seen = False
        for reason in found:
            told = Told(reason, self._recent.newest_device(self._judge.reads(reason.rule)))
            self._told[reason.rule] = told
            await self._write("local.alarm", told, now_ns)
        chief = self._chief()
        if chief:
            await self._say(chief)

    def _chief(self) -> Told | None:
        """One thing at a time: the worst of what was told, and of equally bad ones what takes the fewest words."""
        language = self._config.language
        return min(
            self._told.values(), key=lambda one: (-one.reason.level, len(one.reason.text[language])), default=None
        )

    def _sentence(self, told: Told) -> str:
        language = self._config.language
        return words.found(language, told.reason.level, told.reason.text[language], self._config.phone)

    async def _say(self, told: Told) -> None:
        self._said_ns = self._clock.now_ns()
        self._spoken = True
        log.warning("the home is told something, because the server is away")
        await asyncio.gather(*(teller.tell(self._sentence(told)) for teller in self._tellers))

    async def _write(self, kind: str, told: Told, now_ns: int) -> None:
        if told.device is None or self._judge is None:
            return
        data: dict[str, int | float | str] = {
            "rule": told.reason.rule, "version": told.reason.version, "level": int(told.reason.level),
            "programme": self._judge.title, "digest": self._judge.digest, **told.reason.text,
        }  # fmt: skip
        try:
            await self._spool.put([Heard(told.device, now_ns, Event(kind, now_ns, data), steady_ns())])
        except StoreError as error:
            log.error("that the home was told is not written down: %s", error)

    async def seen(self) -> None:
        """Somebody in the home says that it was seen: a red finding is not said again."""
        if self._seen:
            return
        self._seen = True
        for told in list(self._told.values()):
            await self._write("local.seen", told, self._clock.now_ns())

    async def _end(self) -> None:
        log.warning("the server is heard again")
        spoken = self._spoken
        self.away = self._spoken = False
        self._judge = self._episode = None
        self._wishes, self._for_home = [], []
        self._told, self._seen, self._level = {}, True, Level.UNKNOWN
        if spoken:
            sentence = words.back(self._config.language)
            await asyncio.gather(*(teller.tell(sentence) for teller in self._tellers))

    def view(self) -> View:
        """What there is to see now."""
        language, phone = self._config.language, self._config.phone
        if not self.away:
            return View(False, Level.UNKNOWN, (words.watched(language),), False)
        chief = self._chief()
        standing = words.blind(language, phone) if self.blind else words.alone(language, phone)
        level = Level.UNKNOWN if self.blind else max(self._level, chief.reason.level if chief else Level.UNKNOWN)
        return View(True, level, (*([self._sentence(chief)] if chief else []), standing), not self._seen)
