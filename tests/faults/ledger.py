"""Two lists that know nothing of each other: what was measured, and what is stored.

The source of the load writes a line into a file for each record, before anybody else has seen it. What is stored is
read from the server's database afterwards. A record is `<device> <log>:<number>`, so each is itself and no other, and
what is missing or there twice can be counted exactly.

Events are plain rows. Readings are packed, and are unpacked here from the layout as `docs/reference/storage.md` tells
it, not with the server's code: from the chunks and the journal after them, which is what anybody is shown, and from the
whole journal, which is what was promised. A fold that lost or doubled something would make the two differ.
"""

import contextlib
import sqlite3
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

_ROW = struct.Struct("<IIIHbBqdqqq8s8sq")
_NO_TIME = -(2**63)

_STORED = "SELECT device, record, stored_ns FROM events WHERE record LIKE '%:%' AND kind LIKE 'dispenser.%'"


@dataclass(frozen=True)
class Count:
    """How the two lists agree. `strange`: stored, and never measured."""

    measured: int
    lost: int
    doubled: int
    strange: int

    @property
    def whole(self) -> bool:
        """Whether each was stored exactly once, and nothing else."""
        return self.measured > 0 and not (self.lost or self.doubled or self.strange)


class Packed(NamedTuple):
    """A reading of the journal, as `docs/reference/storage.md` tells it."""

    patient: str
    channel: str
    device: str
    status: list[str]
    t_ns: int
    value: float
    received_ns: int
    device_t_ns: int | None
    stored_ns: int
    record: str | None
    identity: bytes
    shift_ns: int


def compare(measured: Iterable[str], stored: Iterable[str]) -> Count:
    """Count what of `measured` (each once) is missing from `stored`, is there more than once, or is there alone."""
    written, kept = set(measured), Counter(stored)
    return Count(
        len(written),
        len(written - kept.keys()),
        sum(times - 1 for times in kept.values()),
        len(kept.keys() - written),
    )


class Ledger:
    """The file of what was measured."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("w", encoding="utf-8")
        self.count = 0

    def note(self, record: str) -> None:
        self._file.write(f"{record}\n")
        self._file.flush()
        self.count += 1

    def records(self) -> list[str]:
        """Everything measured so far, as the file has it."""
        return self._path.read_text(encoding="utf-8").splitlines()

    def close(self) -> None:
        self._file.close()


@contextlib.contextmanager
def looking_into(database: Path) -> Iterator[sqlite3.Connection]:
    """The server's database, to read only."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as db:
        yield db


def stored_since(database: Path, after_ns: int) -> tuple[list[str], int]:
    """The records that the server stored after that moment of its clock, and the moment of the last.

    Nothing while the database is not made yet or is being mended after a crash.
    """
    try:
        with looking_into(database) as db:
            rows = db.execute(f"{_STORED} AND stored_ns > ?", (after_ns,)).fetchall()
    except sqlite3.OperationalError:
        return [], after_ns
    return [f"{device} {record}" for device, record, _ in rows], max((ns for *_, ns in rows), default=after_ns)


def stored(database: Path) -> list[str]:
    """Every record in the database, as often as it is there."""
    with looking_into(database) as db:
        return [f"{device} {record}" for device, record, _ in db.execute(_STORED)]


def shown_readings(database: Path) -> list[str]:
    """Every reading as `<device> <record>`, as often as it is there: from the chunks, and the journal after them."""
    with looking_into(database) as db:
        (position,) = db.execute("SELECT seq FROM positions WHERE store = 'chunks'").fetchone()
        gone = {name for _, _, withdrawn in _journal(db, position) for name in withdrawn}
        found: list[str] = []
        for names, rest in db.execute("SELECT identities, rest FROM chunks"):
            devices, _, device, _, _, _, _, records, _ = msgspec.msgpack.decode(zlib.decompress(rest))
            for place in range(len(names) // 16):
                if names[place * 16 : place * 16 + 16] not in gone:
                    number = int.from_bytes(device[place * 2 : place * 2 + 2], "little")
                    found.append(f"{devices[number]} {records[place] if records else None}")
        return found + list(_counting(db, position))


def promised_readings(database: Path) -> list[str]:
    """The same from the whole journal."""
    with looking_into(database) as db:
        return list(_counting(db, 0))


def values(database: Path) -> list[float]:
    """What every reading in the journal says, as often as it is there."""
    with looking_into(database) as db:
        blobs = [blob for (blob,) in db.execute("SELECT blob FROM journal")]
    return [reading.value for blob in blobs for reading in unpacked(blob)[0]]


def unpacked(blob: bytes) -> tuple[list[Packed], list[bytes]]:
    """The readings of a row of the journal, and the identities that it withdraws."""
    packed, _, withdrawn = msgspec.msgpack.decode(blob)
    data, words, statuses, records = msgspec.msgpack.decode(packed)
    count = len(data) // _ROW.size
    readings = [
        Packed(
            words[patient], words[channel], words[device], statuses[status].split(), t_ns, value, received_ns,
            None if device_t_ns == _NO_TIME else device_t_ns, stored_ns, record, high[::-1] + low[::-1], shift_ns,
        )
        for (
            patient, channel, device, status, _, _, t_ns, value, received_ns, device_t_ns, stored_ns, high, low,
            shift_ns,
        ), record in zip(_ROW.iter_unpack(data), records or [None] * count, strict=True)
    ]  # fmt: skip
    return readings, [bytes(one["identity"]) for one in withdrawn]


def _counting(db: sqlite3.Connection, after_seq: int) -> Iterator[str]:
    """What the journal has after that row, but what it takes back itself."""
    found: dict[bytes, list[str]] = {}
    for _, rows, withdrawn in _journal(db, after_seq):
        for name in withdrawn:
            found.pop(name, None)
        for name, text in rows:
            found.setdefault(name, []).append(text)
    return (text for texts in found.values() for text in texts)


def _journal(db: sqlite3.Connection, after_seq: int) -> Iterator[tuple[int, list[tuple[bytes, str]], list[bytes]]]:
    """Row by row: its number, its readings by identity, and the identities that it withdraws."""
    for seq, crc, blob in db.execute("SELECT seq, crc, blob FROM journal WHERE seq > ? ORDER BY seq", (after_seq,)):
        assert zlib.crc32(blob) == crc, f"row {seq} of the journal is damaged"
        readings, withdrawn = unpacked(blob)
        yield seq, [(one.identity, f"{one.device} {one.record}") for one in readings], withdrawn


def quarantined(database: Path) -> Counter[str]:
    """What was set aside, by reason."""
    with looking_into(database) as db:
        return Counter(dict(db.execute("SELECT reason, sum(times) FROM quarantine GROUP BY reason")))


def technical_alarms(database: Path) -> set[str]:
    """The rules for which there is a technical alarm, open or closed."""
    with looking_into(database) as db:
        found = db.execute("SELECT reasons FROM alarms WHERE kind = 'technical'").fetchall()
    return {reason["rule"] for (reasons,) in found for reason in msgspec.json.decode(reasons)}


def sound(database: Path) -> bool:
    """Whether SQLite itself finds nothing wrong with the file."""
    with looking_into(database) as db:
        return bool(db.execute("PRAGMA integrity_check").fetchone() == ("ok",))
