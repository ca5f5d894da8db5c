"""Row: the server is killed outright, again and again, while alarms climb, and nobody who should be told is not.

A hub measures people who are getting worse, the server raises their alarms and climbs, and its messages go out over
HTTP and SMTP to two sinks that remember them. Each way out thinks for a moment, so that kills fall between sending and
writing down that it was sent. Somebody takes most alarms by the link in a message, some after one, some after several;
the first few nobody takes, and they climb and repeat to the end.

At the end the server is down for so long that every open ladder is due several times over, and comes back.

What is counted, from the database and the sinks, without asking the server:

- lost: a measured person without an alarm; an alarm whose telling is on its timeline and not in the outbox; a message
  that is marked as sent and in no sink; one that is due and not sent; a ladder that has stopped; a taken alarm that
  somebody else has, or nobody.
- doubled: the same telling of the same person by the same way under two keys. (The same key twice is what is promised:
  at least once; it is told in the figures, and must say the same.)
- strange: a message in a sink that no outbox knows, or one key with two texts.
"""

import asyncio
import contextlib
import json
import random
import re
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
import tomli_w
from aiosmtpd.controller import Controller

from gateway.clock.hub import HubClock
from gateway.config.model import UplinkConfig
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from gateway.tasks import ended
from gateway.uplink.sending import Uplink
from server.alarms.table import alarms
from server.alarms.timeline import timeline
from server.broker import accounts
from server.db import Database
from server.notify import ways
from server.notify.outbox import outbox
from tests.faults.ledger import Count
from tests.faults.report import SAY_S, Result, say
from tests.faults.town import Part, until
from tests.ports import free_ports
from tests.server.notify.sink import Sink, sink
from vitals.block import Block
from vitals.clock import NS, RunningClock
from vitals.wire import Health

WAIT_S, REPEAT_S = 2.0, 5.0
NOBODY_TAKES = 8
"""The first alarms, which climb to the end."""
MOST_WAIT = 40
"""So many at once wait for somebody to take them; then there are no kills until it is half as many. It is more than a
ward has, and more would only measure how many messages a minute the ways out can carry."""
TOGETHER = 4
"""So many text messages are on their way at once."""
CALM_S = 30.0
"""So long the others are given to take theirs after the last kill but one."""
DOWN_S = 12.0
GIVE_UP_S = 90.0
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
STAFF = {"kari": "nurse", "per": "nurse", "ingrid": "doctor", "odd": "administrator"}
_LINK = re.compile(r"http://\S+(/a/[\w-]{43})")


@dataclass
class Sinks:
    """What has gone out, in the order in which it came: the key and the text."""

    sms: Sink
    mails: list[tuple[str, str]] = field(default_factory=list)
    mail_port: int = 0

    def all(self) -> list[tuple[str, str]]:
        return [*self.texts(), *self.mails]

    def texts(self, after: int = 0) -> list[tuple[str, str]]:
        said = [json.loads(asked.body) for asked in self.sms.asked[after:]]
        return [(one["reference"], one["text"]) for one in said]


async def run(folder: Path, kills: int, seed: int) -> Result:
    """Kill so often in mid-escalation, then count."""
    draw = random.Random(seed)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    ports = free_ports(2)
    with _sinks(draw) as sinks:
        server = _server(folder, ports, sinks, kills)
        begun_s = time.monotonic()
        async with _hub(folder, ports[1]) as spool:
            try:
                taken, starting = await _killed(server, folder, spool, sinks, ports, kills, draw)
                back_ns = await _away(server)
                back_s = time.monotonic()
                await _drained(folder, spool, back_ns, kills)
                drained_s = time.monotonic() - back_s
                end_ns = time.time_ns()
            finally:
                await server.end(signal.SIGTERM)
        took_s = time.monotonic() - begun_s
    db = Database(folder / "data" / "hjemvakt.sqlite")
    try:
        return _counted(db, sinks, kills, taken, starting, (back_ns, end_ns), took_s, drained_s)
    finally:
        db.close()


async def _killed(
    server: Part, folder: Path, spool: Spool, sinks: Sinks, ports: list[int], kills: int, draw: random.Random
) -> tuple[dict[int, str], int]:
    """Kill so often, each time with one more person getting worse; returns who took which alarm, and how many kills
    fell while the server was starting."""
    await server.start()
    await server.until_ready()
    _mail_for_the_doctor(folder)
    taken: dict[int, str] = {}
    taking = asyncio.create_task(_take(sinks, ports[0], taken))
    starting, say_s = 0, time.monotonic() + SAY_S
    try:
        for number in range(1, kills + 1):
            await _worse(spool, number)
            if draw.random() < 0.7:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(server.ready.wait(), 20)
            starting += not server.ready.is_set()
            await asyncio.sleep(draw.uniform(0.0, 2.0))
            await server.end(signal.SIGKILL)
            await server.start()
            if number - len(taken) > NOBODY_TAKES + MOST_WAIT:
                await server.until_ready()
                enough = number - NOBODY_TAKES - MOST_WAIT // 2
                await until(partial(_have, taken, enough), CALM_S)
            if time.monotonic() > say_s:
                say(f"{number:,} of {kills:,} kills, {len(sinks.all()):,} messages")
                say_s = time.monotonic() + SAY_S
        await server.until_ready()
        await until(partial(_have, taken, kills - NOBODY_TAKES), CALM_S)
    finally:
        await ended([taking])
    return taken, starting


def _have(taken: dict[int, str], so_many: int) -> bool:
    return len(taken) >= so_many


async def _away(server: Part) -> int:
    """The server dies and is away while every ladder is due several times; returns when it was back, in wall ns."""
    await asyncio.sleep(WAIT_S)
    await server.end(signal.SIGKILL)
    await asyncio.sleep(DOWN_S)
    back_ns = time.time_ns()
    await server.start()
    await server.until_ready()
    return back_ns


async def _drained(folder: Path, spool: Spool, back_ns: int, people: int) -> None:
    """Wait until the hub has nothing more, everybody has an alarm, what the first tick on return told is out, and
    nothing that is due waits."""
    db = Database(folder / "data" / "hjemvakt.sqlite")

    def all_out() -> bool:
        with db.read() as tx:
            raised = tx.scalar(sa.select(sa.func.count(sa.distinct(alarms.c.patient_id))))
            first_ns = tx.scalar(sa.select(sa.func.min(outbox.c.queued_ns)).where(outbox.c.queued_ns >= back_ns))
            if first_ns is None:
                return False
            old = (outbox.c.next_try_ns < time.time_ns() - NS) | (outbox.c.queued_ns <= first_ns)
            due = (outbox.c.state == "queued") & old
            return raised == people and tx.scalar(sa.select(outbox.c.id).where(due).limit(1)) is None

    try:
        await until(lambda: spool.status.queued == 0, GIVE_UP_S)
        await until(all_out, GIVE_UP_S)
    finally:
        db.close()


async def _worse(spool: Spool, number: int) -> None:
    """One more person: three readings, of which the last is now. Some are worse than others."""
    now_ns, value = time.time_ns(), 80.0 if number % 3 else 88.0
    blocks = [Block("spo2", (now_ns - back * 60 * NS,), (value,), record=f"{number}.{back}") for back in (2, 1, 0)]
    await spool.put([Heard(f"oxi-{number}", now_ns, block) for block in blocks])


async def _take(sinks: Sinks, port: int, taken: dict[int, str]) -> None:
    """Take alarms by the link in their messages, each after so many as its number says."""
    seen, times = 0, Counter[int]()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as browser:
        origin = {"origin": f"http://127.0.0.1:{port}"}
        while True:
            for key, text in sinks.texts(seen):
                seen += 1
                number = int(key.split("/")[0])
                times[number] += 1
                link = _LINK.search(text)
                if link is None or number <= NOBODY_TAKES or number in taken or times[number] <= number % 3:
                    continue
                with contextlib.suppress(httpx.HTTPError):
                    answer = await browser.post(link[1], headers=origin)
                    if answer.status_code == 303:
                        taken[number] = key.split("/")[2]
            await asyncio.sleep(0.05)


def _counted(
    db: Database, sinks: Sinks, kills: int, taken: dict[int, str], starting: int, last: tuple[int, int], took_s: float,
    drained_s: float,
) -> Result:  # fmt: skip
    """`last`: from when until when, in wall ns, the last server ran; nothing later is due."""
    back_ns, now_ns = last
    with db.read() as tx:
        rows = tx.execute(sa.select(outbox).where(outbox.c.alarm_id.is_not(None)).order_by(outbox.c.id)).all()
        raised = tx.execute(sa.select(alarms)).mappings().all()
        told = Counter(tx.scalars(sa.select(timeline.c.alarm_id).where(timeline.c.what == "told")))
    sent = sinks.all()
    keys, texts = Counter(key for key, _ in sent), defaultdict(set)
    for key, text in sent:
        texts[key].add(text)
    names = {row["id"]: row["acknowledged_by"] for row in raised}
    lost = {
        "people without an alarm": kills - len({row["patient_id"] for row in raised}),
        "tellings without a message": sum(
            count > len({(row.dedupe.split("/")[1], row.person) for row in rows if row.alarm_id == number})
            for number, count in told.items()
        ),
        "marked as sent and not sent": sum(row.state in ("sent", "delivered") and not keys[row.dedupe] for row in rows),
        "given up": sum(row.state == "failed" for row in rows),
        "due and not sent": sum(row.state == "queued" and row.next_try_ns < now_ns - 5 * NS for row in rows),
        "ladders that stopped": sum(
            row["state"] != "closed" and (row["due_ns"] is None or row["due_ns"] < now_ns - 5 * NS) for row in raised
        ),
        "taken and not theirs": sum(names.get(number) != who for number, who in taken.items()),
    }
    ways_used = [(row.alarm_id, row.dedupe.split("/")[1], row.person, row.channel) for row in rows]
    known = {row.dedupe for row in rows}
    count = Count(
        measured=len(rows), lost=sum(lost.values()), doubled=len(ways_used) - len(set(ways_used)),
        strange=sum(key not in known for key in keys) + sum(len(one) > 1 for one in texts.values()),
    )  # fmt: skip
    ordered, at_once = _returned(rows, sinks, back_ns)
    again = sum(times - 1 for times in keys.values())
    missing = ", ".join(f"{what} {number}" for what, number in lost.items() if number) or "nothing"
    order = "worst and oldest first" if ordered else "IN NO ORDER"
    return Result(
        "kill -9 in mid-escalation",
        count.whole and ordered and at_once > 0 and len(taken) > 0,
        count,
        (
            f"{kills} kills in {took_s:.0f} s, {starting} while it was starting; lost: {missing}",
            f"{len(raised)} alarms, {len(sent)} messages, {again} of them again; {len(taken)} alarms taken",
            f"away for {DOWN_S:.0f} s: {at_once} alarms told once on return, {order}; all out in {drained_s:.1f} s",
        ),
    )


def _returned(rows: Any, sinks: Sinks, back_ns: int) -> tuple[bool, int]:
    """Whether what the first tick after the return told went out worst first, then oldest, as far as messages that are
    on their way side by side have an order, each alarm once; and of how many alarms it told."""
    fresh = [row for row in rows if row.queued_ns >= back_ns]
    if not fresh:
        return False, 0
    first = [row for row in fresh if row.queued_ns == fresh[0].queued_ns]
    tellings = {(row.alarm_id, row.dedupe.split("/")[1]) for row in first}
    alarms_told = {row.alarm_id for row in first}
    texts = [row for row in first if row.channel == "sms" and not row.dedupe.endswith(".2")]  # a second way waits first
    wanted = [row.dedupe for row in sorted(texts, key=lambda row: (-row.severity, row.id))]
    place = {key: number for number, key in enumerate(wanted)}
    came = list(dict.fromkeys(place[key] for key, _ in sinks.texts() if key in place))
    overtook = (sum(later < one for later in came[n:]) for n, one in enumerate(came))
    return len(tellings) == len(alarms_told) and max(overtook, default=0) < TOGETHER, len(alarms_told)


def _mail_for_the_doctor(folder: Path) -> None:
    """The doctor is reached by mail, then by telephone."""
    db = Database(folder / "data" / "hjemvakt.sqlite")
    with db.write() as tx:
        ways.add(tx, "ingrid", "email", "ingrid@example.no", "", 0, 0, confirmed=True)
        ways.add(tx, "ingrid", "sms", "+4790000103", "", 1, 0, confirmed=True)
    db.close()


@contextlib.contextmanager
def _sinks(draw: random.Random) -> Iterator[Sinks]:
    slow = random.Random(draw.random())

    class Mailbox:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
            mail = message_from_bytes(envelope.content, policy=default)
            made.mails.append((str(mail["X-Hjemvakt-Key"]), str(mail.get_content())))
            await asyncio.sleep(slow.uniform(0, 0.05))
            return "250 taken"

    with sink() as sms:
        sms.slow_s = lambda: slow.uniform(0, 0.05)
        made = Sinks(sms)
        controller = Controller(Mailbox(), hostname="127.0.0.1", port=free_ports(1)[0])
        controller.start()
        made.mail_port = controller.port
        try:
            yield made
        finally:
            controller.stop()


@contextlib.asynccontextmanager
async def _hub(folder: Path, port: int) -> AsyncIterator[Spool]:
    """The gateway's own spool and uplink, in this process, which lives."""
    secret = folder / "hub-password"
    secret.touch(mode=0o600)
    secret.write_text("hub-secret")
    spool = await Spool.open(folder / "spool.sqlite")
    config = UplinkConfig(port=port, password_file=str(secret), reconnect_max_s=0.2)
    hub = Uplink(
        "gw-1",
        config,
        spool,
        HubClock(RunningClock()),
        60.0,
        lambda: Health("gw-1", spool.epoch, time.time_ns(), "test", 0),
    )
    talking = asyncio.create_task(hub.run())
    try:
        yield spool
    finally:
        await ended([talking])
        await spool.close()


def _server(folder: Path, ports: list[int], sinks: Sinks, people: int) -> Part:
    step = [{"tell": "nurse", "wait_s": WAIT_S}, {"tell": "doctor", "wait_s": WAIT_S}, {"tell": "administrator"}]
    files: dict[str, dict[str, Any]] = {
        "ladders.toml": {
            "ladders": [
                {"name": f"{kind} {priority}", "kind": kind, "priority": priority, "repeat_s": REPEAT_S, "steps": step}
                for kind in ("clinical", "technical")
                for priority in ("high", "medium", "low")
            ]
        },
        "server.toml": {
            "name": "Prøveby",
            "tick_s": 0.2,
            "web": {"port": ports[0], "address": f"http://127.0.0.1:{ports[0]}"},
            "broker": {"kind": "embedded", "port": ports[1]},
            "notify": {
                "sms": {"url": f"{sinks.sms.url}/send", "together": TOGETHER},
                "email": {
                    "host": "127.0.0.1", "port": sinks.mail_port, "tls": "none", "sender": "hjemvakt@example.no",
                },
            },
        },
        "municipality.toml": {
            "name": "Prøveby",
            "patients": [
                {"id": f"p-{n}", "name": f"P {n}", "birth_year": 1950, "place": "Gata 1", "programme": "copd"}
                for n in range(1, people + 1)
            ],
            "gateways": [
                {"id": "gw-1", "place": "Gata 1", "password_hash": accounts.hash_password("hub-secret", iterations=10)}
            ],
            "assignments": [
                {"device": f"oxi-{n}", "patient": f"p-{n}", "from": SINCE} for n in range(1, people + 1)
            ],
            "staff": [
                {"id": id_, "name": id_, "role": role, "phone": f"+479000010{n}", "password_hash": "$argon2id$none"}
                for n, (id_, role) in enumerate(STAFF.items(), 1)
            ],
        },
    }  # fmt: skip
    for name, table in files.items():
        (folder / name).write_text(tomli_w.dumps(table), encoding="utf-8")
    return Part("server", ("server", "run", str(folder / "server.toml")), b"ready http://", folder / "server.log")
