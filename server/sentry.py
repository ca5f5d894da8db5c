"""`hjemvakt server watch`: a small program of its own that asks the server how it is, and itself calls somebody when
it is silent or late, and again when it is back.

It shares nothing with the server but the senders' code: no database, no broker, another process, best another machine
with a way out of its own. It reads one file, and keeps nothing: after its own restart it tells once more of what it
still finds.

What it finds wrong: no answer for `silent_after_s`; an engine whose last round is older than `late_s`, or rules or
ladders that have not got through for so long; a message about an alarm that should have been sent longer ago than that;
a database that does not answer. Whoever is told is told once, reminded each `repeat_s` while it lasts, and told when it
is over. A message that cannot be sent is tried again with each look.
"""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from server.notify.config import Notify, Seconds, beside, check, check_url
from server.notify.sender import Channel, Language, Message, Sender, SendError
from server.notify.senders import senders
from server.notify.senders.http import ask
from vitals.clock import NS
from vitals.errors import ConfigError, reason
from vitals.settings import parse

log = logging.getLogger(__name__)

ASK_S = 10.0

Trouble = Literal["silent", "away", "stuck", "late"]

SAYS: dict[Trouble | Literal["back"], dict[Language, str]] = {
    "silent": {
        "nb": "Hjemvakt-serveren ({name}) svarer ikke. Ingen alarm kommer fram. Se til den, og følg med på annen måte.",
        "en": "The Hjemvakt server ({name}) does not answer. No alarm gets out. See to it, and watch by other means.",
    },
    "away": {
        "nb": "Hjemvakt-serveren ({name}) når ikke databasen sin. Ingen alarm blir til. Se til den.",
        "en": "The Hjemvakt server ({name}) does not reach its database. No alarm is raised. See to it.",
    },
    "stuck": {
        "nb": "Hjemvakt-serveren ({name}) står stille. Alarmer varsles ikke. Start den på nytt.",
        "en": "The Hjemvakt server ({name}) is stuck. Alarms are not told. Start it anew.",
    },
    "late": {
        "nb": "Hjemvakt-serveren ({name}) får ikke sendt varsler om alarmer. Ring dem som er på vakt, og se til den.",
        "en": "The Hjemvakt server ({name}) cannot send messages about alarms. Call who is on duty, and see to it.",
    },
    "back": {"nb": "Hjemvakt-serveren ({name}) er i orden igjen.", "en": "The Hjemvakt server ({name}) is well again."},
}


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told, by which channel."""

    channel: Channel
    address: str
    name: str = ""


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`watch.toml`. Durations are seconds of the wall. `server`: its address, such as https://hjemvakt.example.no."""

    name: str
    server: str
    tell: Annotated[tuple[Told, ...], Meta(min_length=1)]
    notify: Notify
    every_s: Seconds = 15.0
    silent_after_s: Seconds = 60.0
    late_s: Seconds = 120.0
    repeat_s: Seconds = 900.0
    language: Language = "nb"

    def __post_init__(self) -> None:
        check_url(self.server)


def load(path: Path) -> Watch:
    """Read and check `watch.toml`; raises ConfigError."""
    try:
        watch = parse(path.read_text(encoding="utf-8"), Watch, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({reason(error)})", "name a readable UTF-8 file") from error
    watch = msgspec.structs.replace(watch, notify=beside(watch.notify, path.resolve().parent))
    check(watch.notify)
    made = senders(watch.notify, path.resolve().parent)
    for one in watch.tell:
        if one.channel not in made:
            raise ConfigError(f"{path}: nothing sends {one.channel}", f"write [notify.{one.channel}]")
    return watch


def trouble(health: Mapping[str, object] | None, late_s: float) -> Trouble | None:
    """What is wrong with a server that says this of itself; None as `health`: it did not answer."""
    if health is None:
        return "silent"
    if health.get("stored") is None:
        return "away"
    if _number(health.get("tick_age_s")) > late_s:
        return "stuck"
    return "late" if _number(health.get("outbox_late_s")) > late_s else None


class Sentry:
    """Looks, remembers since when what is wrong, and tells. `wall` and `steady` are clocks, in seconds."""

    def __init__(
        self,
        watch: Watch,
        ways: Mapping[str, Sender],
        *,
        steady: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._watch = watch
        self._ways = ways
        self._steady = steady
        self._wall = wall
        self._since_s: float | None = None
        self._told: dict[Told, tuple[Trouble, float, int]] = {}
        """Who knows of what, since when, and how often they were told."""
        self._incident = 0

    def look(self) -> Trouble | None:
        """Ask once and tell whoever is to be told; returns what is wrong now."""
        found = trouble(self.asked(), self._watch.late_s)
        now_s = self._steady()
        if found is None:
            self._since_s = None
        elif self._since_s is None:
            self._since_s, self._incident = now_s, int(self._wall())
        for one in self._watch.tell:
            self._turn(one, found, now_s)
        return found

    def run(self, stopping: threading.Event) -> None:
        """Look again and again until `stopping` is set."""
        before: Trouble | None = None
        while True:
            found = self.look()
            if found != before:
                log.log(logging.WARNING if found else logging.INFO, "the server is %s", found or "well")
            before = found
            if stopping.wait(self._watch.every_s):
                return

    def _turn(self, one: Told, found: Trouble | None, now_s: float) -> None:
        known = self._told.get(one)
        if found is None:
            if known and self._sent(one, "back", known[2]):
                del self._told[one]
            return
        assert self._since_s is not None, "what is wrong has begun"
        if found == "silent" and now_s - self._since_s < self._watch.silent_after_s:
            return
        if known and known[0] == found and now_s - known[1] < self._watch.repeat_s:
            return
        count = known[2] + 1 if known else 1
        if self._sent(one, found, count):
            self._told[one] = (found, now_s, count)

    def _sent(self, one: Told, what: Trouble | Literal["back"], count: int) -> bool:
        language = self._watch.language
        who = hashlib.sha256(one.address.encode()).hexdigest()[:12]
        message = Message(
            f"watch/{self._incident}/{what}/{count}/{who}", None, one.channel, one.name or one.address,
            "administrator", one.address, SAYS[what][language].format(name=self._watch.name),
            int(self._wall()) * NS, language=language,
        )  # fmt: skip
        try:
            self._ways[one.channel].send(message)
        except SendError as error:
            log.warning("%s cannot be told by %s: %s", one.name or "somebody", one.channel, error.text)
            return False
        return True

    def asked(self) -> Mapping[str, object] | None:
        """What the server says of itself; None: nothing."""
        try:
            answer = ask("GET", f"{self._watch.server.rstrip('/')}/api/health", ASK_S)
            found = json.loads(answer.body)
        except (SendError, ValueError):
            return None
        return found if answer.status == 200 and isinstance(found, dict) else None


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
