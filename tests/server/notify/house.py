"""A server with three people on its staff, ways out that are watched, and a browser for whoever signs in."""

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from argon2 import PasswordHasher

from server.alarms import store as alarms
from server.alarms import table, timeline
from server.config import Web
from server.notify.outbox import outbox
from server.notify.sender import Message, Receipt, SendError
from server.site import build
from tests.server.conftest import TOWN, Town
from vitals.alarm import Kind, Level, Reason

PASSWORD = "a long enough secret"  # noqa: S105
ADDRESS = "http://hjemvakt.test"
KEPT = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def staff(id_: str, name: str, role: str, phone: str) -> str:
    return f'\n[[staff]]\nid = "{id_}"\nname = "{name}"\nrole = "{role}"\nphone = "{phone}"\npassword_hash = "{KEPT}"\n'


MUNICIPALITY = (
    TOWN.partition("[[staff]]")[0]
    + staff("kari", "Kari Berg", "nurse", "+47 900 00 101")
    + staff("per", "Per Dahl", "nurse", "+47 900 00 102")
    + staff("ingrid", "Ingrid Moe", "doctor", "+47 900 00 103")
    + staff("odd", "Odd Vik", "administrator", "+47 900 00 104")
)


class Line:
    """A way out that keeps what it was given. `error`: what happens instead."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.error: SendError | None = None

    def send(self, message: Message) -> Receipt:
        if self.error:
            raise self.error
        self.sent.append(message)
        return Receipt(f"r{len(self.sent)}")

    def to(self, name: str) -> list[Message]:
        return [one for one in self.sent if one.to == name]


class Staffed(Town):
    """A Town whose alarms are raised by hand."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder, MUNICIPALITY, web=Web(address=ADDRESS), **more)
        self.lines = {channel: Line() for channel in ("sms", "email", "push", "voice", "webhook")}
        self.server.senders |= self.lines

    def begin_again(self) -> None:
        super().begin_again()
        self.server.senders |= self.lines

    def red(self, patient: str = "eva", level: Level = Level.HIGH) -> None:
        """The rules find something."""
        now_ns = self.clock.now_ns()
        reason = Reason("spo2_floor", "1", level, {"low": 84.0}, {"nb": "SpO₂ 84 %", "en": "SpO₂ 84 %"}, now_ns)
        with self.server.db.write() as tx:
            alarms.judge(tx, patient, Kind.CLINICAL, [reason], frozenset(), now_ns)
        self.deliver()

    def deliver(self) -> None:
        self.server.deliver(self.clock.now_ns())

    def later(self, **step: float) -> None:
        """Time passes; ladders climb, and what is due goes out."""
        now_ns = self.clock.advance(**step)
        self.server._part("escalation", lambda: self.server._climb(now_ns))
        self.server.deliver(now_ns)

    def alarm(self, number: int = 1):
        with self.server.db.read() as tx:
            found = table.get(tx, number)
        assert found is not None
        return found

    def acts(self, deed, *args, number: int = 1):
        with self.server.db.write() as tx:
            return deed(tx, self.alarm(number), *args)

    def timeline(self, what: str, number: int = 1) -> list[str]:
        with self.server.db.read() as tx:
            return [row.en for row in timeline.entries(tx, [number])[number] if row.what == what]

    def states(self) -> dict[str, str]:
        with self.server.db.read() as tx:
            return {row.dedupe: row.state for row in tx.execute(sa.select(outbox).order_by(outbox.c.id))}

    def way(self, who: str, channel: str, address: str, after_s: float = 0) -> None:
        """A way that counts."""
        from server.notify import ways

        with self.server.db.write() as tx:
            ways.add(tx, who, channel, address, "", after_s, self.clock.now_ns(), confirmed=True)

    @asynccontextmanager
    async def browser(self, who: str | None = None, *, origin: bool = True):
        headers = {"Origin": ADDRESS} if origin else {}
        transport = httpx.ASGITransport(build(self.server))
        async with httpx.AsyncClient(transport=transport, base_url=ADDRESS, headers=headers) as client:
            if who:
                said = {"username": who, "password": PASSWORD}
                answer = await client.post("/api/session", json=said)
                assert answer.status_code == 200, answer.text
            yield client
