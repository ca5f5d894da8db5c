"""How many text messages a second go out by a provider that answers after 25 ms: one after another, and side by side.

The provider is an HTTP server of its own process; the database is a file, and each message is claimed and marked in
transactions of its own. The rate at which they would go if nothing but the provider took time stands beside it. Run
with `python benchmarks/bench_post.py`.
"""

import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import sqlalchemy as sa

from benchmarks.asked import asked
from server import revisions
from server.db import Database
from server.notify import outbox
from server.notify.config import Gateway
from server.notify.delivery import Post, deliver_due
from server.notify.lane import Lane
from server.notify.senders.sms import SmsSender
from server.oncall.model import Person
from tests.server.notify.sink import sink
from vitals.clock import RunningClock

ANSWER_S = 0.025
WAIT_S = 60.0


def provider(told: Connection) -> None:
    """Answer until told to stop."""
    with sink() as made:
        made.slow_s = lambda: ANSWER_S
        told.send(made.url)
        told.recv()


def _database(folder: str, messages: int) -> Database:
    db = Database(Path(folder) / "post.sqlite")
    revisions.upgrade(db)
    with db.write() as tx:
        for number in range(messages):
            outbox.queue_answer(
                tx, key=str(number), person=Person(f"n-{number}", "Kari", "nurse"), address="+4790000101",
                text="Hjemvakt: RED alarm 12 for S.N. Log in to see it.", now_ns=time.time_ns(),
            )  # fmt: skip
    return db


def _left(db: Database) -> int:
    with db.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).where(outbox.outbox.c.state != "sent")) or 0


def rate(url: str, messages: int, together: int | None) -> tuple[float, float]:
    """So many messages: how many go out in a second, and milliseconds of a processor for each; `together` None: one
    after another."""
    with tempfile.TemporaryDirectory() as folder:
        db = _database(folder, messages)
        post = Post(db, {"sms": SmsSender(Gateway(url))})
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        if together is None:
            while _left(db):
                deliver_due(post, time.time_ns())
        else:
            lane = Lane("sms", together, post, RunningClock(), lambda patient: None)
            while _left(db):
                lane.turn()
                assert lane.rest(WAIT_S)
        took_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
        assert _left(db) == 0
        db.close()
    return messages / took_s, cpu_s / messages * 1e3


def main() -> None:
    given = asked(messages=(200, 8), together=("1,4,8,16", "4"))
    messages = given.messages
    here, there = multiprocessing.Pipe()
    running = multiprocessing.get_context("fork").Process(target=provider, args=(there,), daemon=True)
    running.start()
    url = here.recv()
    alone, cpu_ms = rate(url, messages, None)
    print(f"one after another: {alone:6.0f} messages/s of {1 / ANSWER_S:.0f}, {cpu_ms:.1f} ms of a processor each")
    for together in map(int, given.together.split(",")):
        found, cpu_ms = rate(url, messages, together)
        print(
            f"{together:2} side by side:   {found:6.0f} messages/s of {together / ANSWER_S:.0f}, × {found / alone:.1f},"
            f" {cpu_ms:.1f} ms of a processor each"
        )
    here.send(None)
    running.join()


if __name__ == "__main__":
    main()
