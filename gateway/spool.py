"""Store and forward: what the devices told, on disk until the server has it.

One SQLite file, one writer, one thread. `put` hands rows over and returns when they are durable. Puts that come
within GATHER_S of each other share one transaction (group commit): the disk is asked to synchronise once for all of
them. `synchronous=FULL` in WAL mode means that a commit which has returned survives a power cut.

*The identity of a row* is (epoch, seq). The epoch is drawn when the file is created; seq counts up in it and is never
used twice, not even after every row was released and the gateway restarted (SQLite's AUTOINCREMENT keeps the highest
number ever given in a table of its own). A spool that was lost therefore comes back as another epoch, and nobody takes
a new row for an old one.

*A bookmark* says how far a device was read. It is written in the transaction of the rows before it, so it can never
point past a row that was lost. So is how far an order has come (`gateway.ledger`), and what
is forgotten of the bytes that the rows were made of (`gateway.raw`).

*A full spool* refuses, and so does one on a full disk: `put` raises StoreError and the device, not being released,
keeps its record. Before that, waves are shed, which leaves a durable gap (`gateway.shed`); nothing else that waits here
is ever thrown away to make room. What the server has is deleted all the same, for which room is kept
(`gateway.reserve`), and new rows take its place. What could fill the spool is a babbling device, so faults are capped:
FAULTS_PER_HOUR rows of a device, the rest only counted.

*A row has a rank*: what is urgent is taken by itself, ahead of the others. It carries the steady clock's time beside
the clock's (`gateway.boot`).

*A row is checked before it is kept*: encoded as the wire's JSON, read back as the server will read it, and no longer
than MAX_ROW_BYTES. One row that does not parse would block the batch it travels in for ever. Such a row is a bug of
ours and is kept as a fault that says so.

The file is locked: a second gateway on the same folder is refused.
"""

import asyncio
import contextlib
import logging
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from gateway import boot, ledger, raw, shed
from gateway.reserve import LOG_BYTES, PAGE_BYTES, Reserve
from vitals.block import Block
from vitals.errors import StoreError
from vitals.events import Event, Fault
from vitals.wire import Row

GATHER_S = 0.01
FAULTS_PER_HOUR = 60
MAX_ROW_BYTES = 30_000
SCHEMA_VERSION = 2

_HOUR_NS = 3_600_000_000_000

_SCHEMA = """
CREATE TABLE row (seq INTEGER PRIMARY KEY AUTOINCREMENT, received_ns INTEGER NOT NULL, json BLOB NOT NULL);
CREATE TABLE bookmark (device TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE spool (epoch TEXT NOT NULL);
"""
_RANKS = f"""
ALTER TABLE row ADD COLUMN rank INTEGER NOT NULL DEFAULT {shed.ORDINARY};
CREATE INDEX row_wave ON row (seq) WHERE rank = {shed.WAVE};
ALTER TABLE spool ADD COLUMN shed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX row_urgent ON row (seq) WHERE rank = {shed.URGENT};
"""
_TAKE = "SELECT seq, json FROM row WHERE seq > ? AND seq <= ? {} ORDER BY seq LIMIT ?"
_WHICH = {None: "", False: f"AND rank < {shed.URGENT}", True: f"AND rank = {shed.URGENT}"}


class Heard(NamedTuple):
    """One thing a device told, and the gateway's two clocks when it did; `mono_ns` is None where nobody can say."""

    device: str
    received_ns: int
    what: Block | Event | Fault
    mono_ns: int | None = None


class Stored(NamedTuple):
    """A row on disk: its number and the wire's Row as JSON."""

    seq: int
    json: bytes


class Status(NamedTuple):
    """`queued` rows wait, the oldest since `oldest_ns`; `last_seq` is the highest number ever given (0: none).

    `urgent_seq`: the highest number of an urgent row (0: none). `low`: the disk itself is nearly full. `shed`: how many
    rows of waves were shed since the spool began.
    """

    queued: int
    oldest_ns: int | None
    last_seq: int
    urgent_seq: int = 0
    low: bool = False
    shed: int = 0


class Room(NamedTuple):
    """Bytes of the file: `used`, `most` that it may grow to, and `raw` of packets that are not understood yet."""

    used: int
    most: int
    raw: int


class _Put(NamedTuple):
    heard: Sequence[Heard]
    bookmarks: Mapping[str, str]
    done: "asyncio.Future[None]"
    orders: Sequence[ledger.Entry] = ()
    packets: raw.Change | None = None


log = logging.getLogger(__name__)

Ranges = Sequence[tuple[int, int]]
T = TypeVar("T")


class Spool:
    """The asynchronous face of the file. Make it with `await Spool.open(...)`, end it with `await close()`.

    `on_stored` is called in the event loop after each commit that added rows, `on_kept` with what of it each put told.
    """

    def __init__(self, file: "_File", thread: ThreadPoolExecutor, status: Status) -> None:
        self._file = file
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._puts: list[_Put] = []
        self._ranges: list[tuple[int, int]] = []
        self._committing: asyncio.Task[None] | None = None
        self._hourly: Counter[tuple[str, int]] = Counter()
        self.status = status
        self.shed_before = status.shed
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
            file, status = await asyncio.get_running_loop().run_in_executor(thread, _open, path, max_bytes)
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
            await self._handed_over(_Put(kept, bookmarks or {}, self._loop.create_future(), orders, packets))

    def put_soon(self, packets: raw.Change) -> "asyncio.Future[None]":
        """Write this with the next commit, for whoever cannot wait. Where that fails, it is said in the log."""
        done = self._handed_over(_Put((), {}, self._loop.create_future(), (), packets))
        done.add_done_callback(_said)
        return done

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
        """The device's packets that this version has not tried, and the highest number any packet of it has."""
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

    def _handed_over(self, put: _Put) -> "asyncio.Future[None]":
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
            except Exception as error:  # a bug of ours: whoever waits must not wait for ever
                for put in puts:
                    _settle(put.done, error)
                self._committing = None
                raise
            for put, refusal in zip(puts, errors, strict=True):
                _settle(put.done, refusal)
                if put.heard and refusal is None:
                    self.on_kept(put.heard)
            if puts:
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


def _said(done: "asyncio.Future[None]") -> None:
    if not done.cancelled() and (error := done.exception()):
        log.error("%s", error)


class _File:
    """The SQLite file; everything here runs in the spool's one thread."""

    def __init__(self, db: sqlite3.Connection, path: Path, epoch: str, reserve: Reserve) -> None:
        self._db = db
        self._path = path
        self._reserve = reserve
        self._unreleased: Ranges = []
        self._low = False
        """Whether the disk gives no more."""
        self._shed_rows = _one(db, "SELECT shed FROM spool")
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Row)
        self.epoch = epoch
        self._last_seq = _one(db, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'row'")
        self._queued = _one(db, "SELECT count(*) FROM row")
        self._urgent_seq = _one(db, f"SELECT coalesce(max(seq), 0) FROM row WHERE rank = {shed.URGENT}")
        self.boots = boot.prepare(db, self._last_seq + 1)

    def write(self, puts: Sequence[_Put], ranges: Ranges) -> tuple[list[StoreError | None], Status]:
        """All in one transaction; where that fails, each put in its own, so that each learns its own fate.

        Releases go first: they make room. Those that fail are tried again with the next.
        """
        ranges, self._unreleased = [*self._unreleased, *ranges], []
        errors: list[StoreError | None] = [None] * len(puts)
        if self._low:
            self._low = not self._reserve.grow()
        if self._written(puts, ranges) is not None:
            if self._written((), ranges) is not None:
                self._unreleased = ranges
            errors = [self._written([put], ()) for put in puts]
        return errors, self.status()

    def _written(self, puts: Sequence[_Put], ranges: Ranges) -> StoreError | None:
        """Try, and where the room is not enough, take more and try again; where there is none, make do with it."""
        while error := self._tried(puts, ranges):
            full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
            if full and self._reserve.grow():
                continue
            if full and not self._low and not self._reserve.exhausted():
                self._low = True  # what we have is all there is: waves are shed by that
                continue
            return _store_error(error, self._path, low=self._low)
        return None

    def _tried(self, puts: Sequence[_Put], ranges: Ranges) -> sqlite3.Error | None:
        before = self._last_seq, self._queued, self._urgent_seq, self._shed_rows
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for low, high in ranges:
                self._queued -= self._db.execute("DELETE FROM row WHERE seq BETWEEN ? AND ?", (low, high)).rowcount
            if any(put.heard for put in puts):
                self._shed([one for put in puts for one in put.heard])
            for put in puts:
                self._insert(put)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._last_seq, self._queued, self._urgent_seq, self._shed_rows = before
            with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back by itself
                self._db.execute("ROLLBACK")
            return error
        return None

    def _shed(self, coming: Sequence[Heard]) -> None:
        """Make room for what comes, where it is getting tight and there are waves; their gap is told in their place."""
        most = self._most_pages() * PAGE_BYTES
        if self._used_pages() * PAGE_BYTES < shed.FROM * most:
            return
        gaps, rows = shed.make_room(self._db, round(shed.SHARE * most))
        if not rows:
            return
        log.warning("the spool is nearly full: %d rows of waves were shed", rows)
        self._queued -= rows
        self._shed_rows += rows
        self._db.execute("UPDATE spool SET shed = ?", (self._shed_rows,))
        now = coming[-1]
        self._insert_rows([Heard(device, now.received_ns, event, now.mono_ns) for device, event in gaps])

    def _insert(self, put: _Put) -> None:
        self._insert_rows(put.heard)
        self._db.executemany("REPLACE INTO bookmark VALUES (?, ?)", put.bookmarks.items())
        ledger.write(self._db, put.orders)
        if put.packets:
            raw.write(self._db, put.packets)

    def _insert_rows(self, heard: Sequence[Heard]) -> None:
        rows = []
        for one in heard:
            self._last_seq += 1
            rank = shed.rank(one.what)
            if rank == shed.URGENT:
                self._urgent_seq = self._last_seq
            rows.append((self._last_seq, one.received_ns, self._encoded(one, self._last_seq), rank))
        self._queued += len(rows)
        self._db.executemany("INSERT INTO row (seq, received_ns, json, rank) VALUES (?, ?, ?, ?)", rows)

    def _encoded(self, one: Heard, seq: int) -> bytes:
        try:
            json = self._encoder.encode(Row(seq, one.device, one.received_ns, one.what, one.mono_ns))
            self._decoder.decode(json)
            if len(json) <= MAX_ROW_BYTES:
                return json
            reason = f"a row of {len(json)} bytes; at most {MAX_ROW_BYTES} fit a message"
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
            reason = f"a row that the server could not read ({error})"
        fault = Fault("driver bug", reason, one.received_ns)
        return self._encoder.encode(Row(seq, one.device, one.received_ns, fault))

    def take(self, after_seq: int, limit: int, up_to: int | None, urgent: bool | None) -> list[Stored]:
        highest = self._last_seq if up_to is None else up_to
        found = self._db.execute(_TAKE.format(_WHICH[urgent]), (after_seq, highest, limit))
        return [Stored(seq, json) for seq, json in found]

    def bookmark(self, device: str) -> str:
        found = self._db.execute("SELECT text FROM bookmark WHERE device = ?", (device,)).fetchone()
        return found[0] if found else ""

    def order(self, order: str) -> ledger.Entry | None:
        return ledger.find(self._db, order)

    def orders(self) -> list[ledger.Entry]:
        return ledger.waiting(self._db)

    def raw_left(self, device: str) -> tuple[list[raw.Kept], int]:
        return raw.left(self._db, device), raw.last(self._db, device)

    def status(self) -> Status:
        oldest = self._db.execute("SELECT received_ns FROM row ORDER BY seq LIMIT 1").fetchone()
        return Status(
            self._queued, oldest[0] if oldest else None, self._last_seq, self._urgent_seq, self._low, self._shed_rows
        )

    def room(self) -> Room:
        return Room(self._used_pages() * PAGE_BYTES, self._most_pages() * PAGE_BYTES, raw.size(self._db))

    def _used_pages(self) -> int:
        return _one(self._db, "PRAGMA page_count") - _one(self._db, "PRAGMA freelist_count")

    def _most_pages(self) -> int:
        """As many as the file may have; what it has, where the disk gives no more."""
        return _one(self._db, "PRAGMA page_count") if self._low else self._reserve.most_pages

    def close(self) -> None:
        self._db.close()
        self._reserve.close()


def _open(path: Path, max_bytes: int) -> tuple[_File, Status]:
    db = reserve = None
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=0)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -512")
        db.execute("PRAGMA temp_store = MEMORY")  # a full disk has no room for that either
        db.execute("PRAGMA wal_autocheckpoint = 256")
        db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        epoch = _schema(db, path)
        ledger.prepare(db)
        raw.prepare(db)
        reserve = Reserve(db, path, max(16, max_bytes // PAGE_BYTES))
        file = _File(db, path, epoch, reserve)
        return file, file.status()
    except BaseException as error:
        if db is not None:
            db.close()
        if reserve is not None:
            reserve.close()
        if isinstance(error, sqlite3.Error):
            raise _store_error(error, path) from error
        raise


def wipe(path: Path) -> None:
    """Throw away, for good, everything that waits in a spool that nobody has open; raises StoreError.

    The ids of orders stay: a hub that forgot one could act on it twice. None of them waits for anything any more.
    """
    db = None
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=0)
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        for table in ("row", "bookmark", "raw"):
            db.execute(f"DELETE FROM {table}")
        ledger.give_up(db)
        db.execute("UPDATE spool SET epoch = ?", (secrets.token_hex(8),))
        db.execute("COMMIT")
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise _store_error(error, path) from error
    finally:
        if db is not None:
            db.close()


def _schema(db: sqlite3.Connection, path: Path) -> str:
    """The spool's epoch; makes the tables in a new file."""
    version = _one(db, "PRAGMA user_version")
    if version not in range(SCHEMA_VERSION + 1):
        raise StoreError(
            f"{path} is a spool of version {version}, this gateway writes {SCHEMA_VERSION}",
            "run the gateway that wrote it until it is empty, then move the file away",
        )
    if version < SCHEMA_VERSION:
        db.execute("BEGIN IMMEDIATE")
        if version == 0:
            _execute(db, _SCHEMA)
            db.execute("INSERT INTO spool VALUES (?)", (secrets.token_hex(8),))
        _execute(db, _RANKS)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    return str(db.execute("SELECT epoch FROM spool").fetchone()[0])


def _execute(db: sqlite3.Connection, script: str) -> None:
    for statement in script.strip().splitlines():
        db.execute(statement)


def _one(db: sqlite3.Connection, query: str) -> int:
    return int(db.execute(query).fetchone()[0])


def _store_error(error: sqlite3.Error, path: Path, *, low: bool = False) -> StoreError:
    match getattr(error, "sqlite_errorname", ""):
        case "SQLITE_FULL" if low:
            return StoreError(f"the disk of the spool {path} is full", "make room on it, or bring the server back")
        case "SQLITE_FULL":
            return StoreError(f"the spool {path} is full", "bring the server back, or give it more with spool_mb")
        case "SQLITE_BUSY" | "SQLITE_LOCKED":
            return StoreError(f"another process has the spool {path}", "stop the other gateway")
        case "SQLITE_NOTADB" | "SQLITE_CORRUPT":
            return StoreError(f"the spool {path} is damaged ({error})", "keep a copy, move it away and start again")
        case "SQLITE_CANTOPEN" | "SQLITE_READONLY":
            return StoreError(f"the spool {path} cannot be written ({error})", "see to the folder's rights")
    return StoreError(f"the spool {path} failed ({error})", "see to the disk")
