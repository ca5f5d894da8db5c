"""A home watched by its own hub while the server is away: the same rules, and a voice in the house.

The server is *away* when nothing was heard of it for `away_after_s`: it answers each heartbeat, so silence means that
it, the broker or the line is gone. Then the rules of the patient's programme run here, on what the devices told
(`gateway.home.recent`), at each new row and now and then.

*What is told* (`gateway.home.telling`). What the rules find and the server cannot have told anybody: what came within
KNOWN_S before it fell silent, and since. Low findings and technical ones are the service's business, and wait for it.

*What is asked for* (`gateway.home.sooner`), and a finding that is for the home itself (`vitals.alarm.Audience`), which
is told plainly, without anybody to call: `gateway.home.sheet` shows and says both.

*When the server is back*, it is said, if anything had been, and the telling stops: from then on people watch.

*By what is judged*: the programme that is in force at the server, as it came last (`gateway.afar.wishes`); before any
came, and where that cannot be used by this hub's rules, the one of `[local]`, and the heartbeat says so. Before the
limits of that go those that were set from afar. Each row says which it was.

A rule that cannot be run, or a programme that cannot be used, must not be taken for calm: the page then says that
nobody watches at all.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from gateway.clock.steady import BOOT, steady_ns
from gateway.config.model import LocalConfig
from gateway.home import words
from gateway.home.recent import Recent
from gateway.home.sooner import Sooner
from gateway.home.telling import Telling, Told
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from vitals.alarm import Audience, Kind, Level, Reason
from vitals.clock import NS, Clock
from vitals.errors import ConfigError
from vitals.wire import Followed, Request, Row

if TYPE_CHECKING:
    from gateway.home.judge import Judge
    from gateway.home.voice import Teller
    from triage.episode import Episode

LOOK_S = 15.0
"""How often the rules are run without anything new, in the clock's seconds: what is silent makes no sound."""
KNOWN_S = 600.0
TELL = (Level.MEDIUM, Level.HIGH)
_LEAST_LOOK_S = 0.2
_TAKE = 1_000

log = logging.getLogger(__name__)


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
        self._telling = Telling(config, spool, clock, tellers)
        self._sooner = Sooner(ZoneInfo(config.time_zone))
        self._recent = Recent()
        self._judge: Judge | None = None
        self._episode: Episode | None = None
        self._for_home: list[Reason] = []
        self._level = Level.UNKNOWN
        self._news = asyncio.Event()
        self._begun_s = asyncio.get_running_loop().time()
        self.followed: Callable[[], Followed | None] = lambda: None
        """The programme that the server has in force."""
        self.limits: Callable[[], Mapping[str, float]] = dict
        """Those that were set from afar, in place of the file's own (`gateway.afar.configuration`)."""
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
            began, self.away = not self.away, True  # whatever becomes of the rules
            if began:
                await self._begin(silent_s)
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
        programme, limits = self._config.programme, self.limits()
        try:
            if limits:
                return self._sees(made(programme, limits))
        except ConfigError as error:
            log.error("the limits from afar cannot be used here, those of [local] are: %s", error)
            self.outdated = f"the home was watched by the limits of its own file: {error}"
        try:
            return self._sees(made(programme, self._config.limits))
        except ConfigError as error:
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
            await self._telling.tell([self._told(reason) for reason in found], now_ns)
        await self._telling.repeat(now_ns)

    def _told(self, reason: Reason) -> Told:
        assert self._judge is not None
        device = self._recent.newest_device(self._judge.reads(reason.rule))
        return Told(reason, device, self._judge.title, self._judge.digest)

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
        from triage.telling import for_home

        assert self._judge is not None
        samples = self._recent.samples(now_ns, steady_ns(), self._clock.speed, until_ns)
        verdicts = self._judge.verdicts(samples, now_ns)
        if until_ns is None:
            self._for_home = for_home(verdicts.reasons(0, kind=Kind.CLINICAL))
            self._sooner.ask(self._judge, verdicts, self._recent.newest_ns(), now_ns)
        reasons = verdicts.reasons(0, kind=Kind.CLINICAL, tells=Audience.NURSE)
        unknown = verdicts.unknown(0, kind=Kind.CLINICAL)
        speaking = {reason.rule for reason in reasons}
        self._episode, changes = step(self._episode, reasons, unknown, now_ns)
        self._level = Level(int(verdicts.worst(Kind.CLINICAL)[0]))
        self._telling.stands(speaking | unknown)  # a rule that no longer knows has not become calm
        news = [one.reason for one in changes if isinstance(one, Opened | Raised | Repeated)]
        if any(isinstance(one, Opened) for one in changes):
            news = reasons  # it names the worst alone, and all of them are new
        return [reason for reason in news if reason.level in TELL]

    def for_home(self) -> list[Reason]:
        """What the hub's own rules find that is for the home itself."""
        return self._for_home

    def newest_ns(self) -> dict[str, int]:
        """When each channel was last measured, as far as is remembered here."""
        return self._recent.newest_ns()

    def requests(self) -> list[Request]:
        """What the patient is asked to measure by this hub itself: nothing while the server is there."""
        return self._sooner.requests()

    async def seen(self) -> None:
        """Somebody in the home says that it was seen: a red finding is not said again."""
        await self._telling.seen()

    async def _end(self) -> None:
        log.warning("the server is heard again")
        self.away = False
        self._judge = self._episode = None
        self._for_home, self._level = [], Level.UNKNOWN
        self._sooner.over()
        await self._telling.over()

    def view(self) -> View:
        """What there is to see now."""
        language, phone = self._config.language, self._config.phone
        if not self.away:
            return View(False, Level.UNKNOWN, (words.watched(language),), False)
        told = self._telling.chief()
        standing = words.blind(language, phone) if self.blind else words.alone(language, phone)
        level = Level.UNKNOWN if self.blind else max(self._level, told.reason.level if told else Level.UNKNOWN)
        said = (self._telling.sentence(told),) if told else ()
        return View(True, level, (*said, standing), self._telling.unseen)
