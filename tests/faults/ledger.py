"""Two lists that know nothing of each other: what was measured, and what is stored.

The source of the load writes a line into a file for each record, before anybody else has seen it. What is stored is
read from the server's database afterwards. A record is `<device> <log>:<number>`, so each is itself and no other, and
what is missing or there twice can be counted exactly.
"""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

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
