"""The spool's rows in their file: written in one transaction, taken in order, released, and shed where room is short.

Everything here runs in the spool's one thread, and knows nothing of who waits (`gateway.spool`).
"""

import contextlib
import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.spool import boots, ledger, raw, shed
from gateway.spool.reserve import PAGE_BYTES, Reserve
from gateway.spool.rows import Heard, Put, Ranges, Room, Status, Stored
from gateway.spool.schema import connected, number, store_error
from vitals.errors import StoreError
from vitals.events import Fault
from vitals.wire import Row

MAX_ROW_BYTES = 30_000

_TAKE = "SELECT seq, json FROM row WHERE seq > ? AND seq <= ? {} ORDER BY seq LIMIT ?"
_WHICH = {None: "", False: f"AND rank < {shed.URGENT}", True: f"AND rank = {shed.URGENT}"}

log = logging.getLogger(__name__)


class File:
    """The rows on disk. `opened` makes it."""

    def __init__(self, db: sqlite3.Connection, path: Path, reserve: Reserve) -> None:
        self._db = db
        self._path = path
        self._reserve = reserve
        self._unreleased: Ranges = []
        self._low = False
        """Whether the disk gives no more."""
        self._shed_rows = number(db, "SELECT shed FROM spool")
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Row)
        self.epoch = str(db.execute("SELECT epoch FROM spool").fetchone()[0])
        self._last_seq = number(db, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'row'")
        self._queued = number(db, "SELECT count(*) FROM row")
        self._urgent_seq = number(db, f"SELECT coalesce(max(seq), 0) FROM row WHERE rank = {shed.URGENT}")
        self.boots, self._last_seq = boots.prepare(db, self._last_seq)

    def write(self, puts: Sequence[Put], ranges: Ranges) -> tuple[list[StoreError | None], Status]:
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

    def _written(self, puts: Sequence[Put], ranges: Ranges) -> StoreError | None:
        """Try, and where the room is not enough, take more and try again; where there is none, make do with it."""
        while error := self._tried(puts, ranges):
            full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
            if full and self._reserve.grow():
                continue
            if full and not self._low and not self._reserve.exhausted():
                self._low = True  # what we have is all there is: waves are shed by that
                continue
            return store_error(error, self._path, low=self._low)
        return None

    def _tried(self, puts: Sequence[Put], ranges: Ranges) -> Exception | None:
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
        except Exception as error:  # noqa: BLE001 - what no file can hold is one driver's bug, and not its neighbours'
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

    def _insert(self, put: Put) -> None:
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
        return number(self._db, "PRAGMA page_count") - number(self._db, "PRAGMA freelist_count")

    def _most_pages(self) -> int:
        """As many as the file may have; what it has, where the disk gives no more."""
        return number(self._db, "PRAGMA page_count") if self._low else self._reserve.most_pages

    def close(self) -> None:
        self._db.close()
        self._reserve.close()


def opened(path: Path, max_bytes: int) -> tuple[File, Status]:
    """The file at `path`, which may grow to `max_bytes`; raises StoreError where it cannot be opened."""
    db, reserve = connected(path), None
    try:
        reserve = Reserve(db, path, max(16, max_bytes // PAGE_BYTES))
        file = File(db, path, reserve)
        return file, file.status()
    except BaseException as error:
        db.close()
        if reserve is not None:
            reserve.close()
        if isinstance(error, sqlite3.Error):
            raise store_error(error, path) from error
        raise
