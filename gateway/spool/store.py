"""Store and forward: what the devices told, on disk until the server has it.

One SQLite file, one writer, one thread. `put` hands rows over and returns when they are durable. Puts that come
within GATHER_S of each other share one transaction (group commit): the disk is asked to synchronise once for all of
them. `synchronous=FULL` in WAL mode means that a commit which has returned survives a power cut.

*The identity of a row* is (epoch, seq). The epoch is drawn when the file is created; seq counts up in it and is never
used twice, not even after every row was released and the gateway restarted (SQLite's AUTOINCREMENT keeps the highest
number ever given in a table of its own). A spool that was lost therefore comes back as another epoch, and nobody takes
a new row for an old one. One that lost only what it had said was written goes on under other numbers
(`gateway.spool.boots`).

*A bookmark* says how far a device was read. It is written in the transaction of the rows before it, so it can never
point past a row that was lost. So is how far an order has come (`gateway.spool.ledger`), and what
is forgotten of the bytes that the rows were made of (`gateway.spool.raw`).

*A full spool* refuses, and so does one on a full disk: `put` raises StoreError and the device, not being released,
keeps its record. Before that, waves are shed, which leaves a durable gap (`gateway.spool.shed`); nothing else that
waits here is ever thrown away to make room. What the server has is deleted all the same, for which room is kept
(`gateway.spool.reserve`), and new rows take its place. What could fill the spool is a babbling device, so faults are
capped: FAULTS_PER_HOUR rows of a device, the rest only counted.

*A row has a rank*: what is urgent is taken by itself, ahead of the others. It carries the steady clock's time beside
the clock's (`gateway.clock.steady`).

*A row is checked before it is kept*: encoded as the wire's JSON, read back as the server will read it, and no longer
than MAX_ROW_BYTES. One row that does not parse would block the batch it travels in for ever. Such a row is a bug of
ours and is kept as a fault that says so.

The file is locked: a second gateway on the same folder is refused.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.spool import ledger, raw
from gateway.spool.file import File, opened
from gateway.spool.rows import Heard, Put, Ranges, Room, Status, Stored
from vitals.events import Fault

SPOOL_FILE = "spool.sqlite"
"""In the data folder."""
GATHER_S = 0.01
FAULTS_PER_HOUR = 60

_HOUR_NS = 3_600_000_000_000

log = logging.getLogger(__name__)

T = TypeVar("T")


class Spool:
    """The asynchronous face of the file. Make it with `await Spool.open(...)`, end it with `await close()`.

    `on_stored` is called in the event loop after each commit that added rows, `on_kept` with what of it each put told.
    """

    def __init__(self, file: File, thread: ThreadPoolExecutor, status: Status) -> None:
        self._file = file
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._puts: list[Put] = []
        self._ranges: list[tuple[int, int]] = []
        self._committing: asyncio.Task[None] | None = None
        self._hourly: Counter[tuple[str, int]] = Counter()
        self.status = status
        self.before = status
        """How it was found."""
        self.epoch = file.epoch
        self.boots = file.boots
        self.full = False
        self.on_stored: Callable[[], None] = lambda: None
        self.on_kept: Callable[[Sequence[Heard]], None] = lambda heard: None

    @classmethod
    async def open(cls, path: Path, max_bytes: int = 256 << 20) -> "Spool":
        """Open or create the spool at `path`; raises StoreError."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        try:
            file, status = await asyncio.get_running_loop().run_in_executor(thread, opened, path, max_bytes)
        except BaseException:
            thread.shutdown()
            raise
        return cls(file, thread, status)

    async def put(
        self,
        heard: Sequence[Heard],
        bookmarks: Mapping[str, str] | None = None,
        orders: Sequence[ledger.Entry] = (),
        packets: raw.Change | None = None,
    ) -> None:
        """Keep these; returns when they are durable, in the order of the calls. Raises StoreError: nothing is kept."""
        kept = [one for one in heard if self._admitted(one)]
        if kept or bookmarks or orders or packets:
            await self._handed_over(Put(kept, bookmarks or {}, self._loop.create_future(), orders, packets))

    def put_soon(self, packets: raw.Change, refused: Callable[[], None] = lambda: None) -> None:
        """Write this with the next commit, for whoever cannot wait. Where that fails, it is said in the log."""

        def said(done: "asyncio.Future[None]") -> None:
            if not done.cancelled() and (error := done.exception()):
                log.error("%s", error)
                refused()

        self._handed_over(Put((), {}, self._loop.create_future(), (), packets)).add_done_callback(said)

    async def take(
        self, after_seq: int, limit: int, up_to: int | None = None, *, urgent: bool | None = None
    ) -> list[Stored]:
        """Up to `limit` rows with numbers above `after_seq` and at most `up_to`, in order. They stay.

        `urgent`: only what is urgent, or only what is not.
        """
        return await self._in_thread(self._file.take, after_seq, limit, up_to, urgent)

    def release(self, ranges: Ranges) -> None:
        """Delete the rows of these inclusive ranges, with the next commit. Lost in a crash, it only costs a resend."""
        self._ranges.extend(ranges)
        if ranges:
            self._commit_soon()

    async def bookmark(self, device: str) -> str:
        """The last bookmark kept for the device, or ""."""
        return await self._in_thread(self._file.bookmark, device)

    async def order(self, order: str) -> ledger.Entry | None:
        """The order of that id, if it has ever been kept."""
        return await self._in_thread(self._file.order, order)

    async def orders(self) -> list[ledger.Entry]:
        """The orders that still wait for something."""
        return await self._in_thread(self._file.orders)

    async def raw_left(self, device: str) -> tuple[list[raw.Kept], int]:
        """The device's packets that this version has not tried, and the highest number any packet of it has.

        All that was put before counts, also by whoever was cancelled and does not wait for it any more.
        """
        await self._handed_over(Put((), {}, self._loop.create_future()))
        return await self._in_thread(self._file.raw_left, device)

    async def room(self) -> Room:
        """How much of the file is taken, and by what."""
        return await self._in_thread(self._file.room)

    async def flushed(self) -> None:
        """Returns when nothing waits to be written."""
        while self._committing is not None:
            await asyncio.wait([self._committing])

    async def close(self) -> None:
        """Write what waits, then close the file."""
        await self.flushed()
        await self._in_thread(self._file.close)
        self._thread.shutdown()

    def _admitted(self, one: Heard) -> bool:
        """False for a fault beyond its device's share of this hour of the clock."""
        if not isinstance(one.what, Fault):
            return True
        hour = one.received_ns // _HOUR_NS
        if any(kept_hour < hour for _, kept_hour in self._hourly):
            self._hourly.clear()
        self._hourly[one.device, hour] += 1
        return self._hourly[one.device, hour] <= FAULTS_PER_HOUR

    def _handed_over(self, put: Put) -> "asyncio.Future[None]":
        self._puts.append(put)
        self._commit_soon()
        return put.done

    def _commit_soon(self) -> None:
        if self._committing is None:
            self._committing = self._loop.create_task(self._commit())

    async def _commit(self) -> None:
        while self._puts or self._ranges:
            await asyncio.sleep(GATHER_S)
            puts, self._puts = self._puts, []
            ranges, self._ranges = self._ranges, []
            try:
                errors, self.status = await self._in_thread(self._file.write, puts, ranges)
            except Exception as error:  # a bug of ours: whoever waits, or comes meanwhile, must not wait for ever
                log.exception("the spool cannot write")
                for put in puts:
                    _settle(put.done, error)
                continue
            for put, refusal in zip(puts, errors, strict=True):
                _settle(put.done, refusal)
                if put.heard and refusal is None:
                    self.on_kept(put.heard)
            if any(put.grows for put in puts):
                self.full = any(errors)
            if any(put.heard for put in puts):
                self.on_stored()
        self._committing = None

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        return await self._loop.run_in_executor(self._thread, work, *args)


def _settle(done: "asyncio.Future[None]", error: Exception | None) -> None:
    if done.done():  # whoever waited was cancelled; the rows are kept all the same
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
