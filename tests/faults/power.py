"""Row 6: the power fails, and what was written and not yet synchronised is there in part, or not at all.

The gateway's real spool and the server's real database are written to at full speed by a process of their own, opened
and closed and opened again, while every change that they ask the system to make is recorded (`tests.faults.disk`). Then
the power is cut at moments drawn from all of these, from the first byte of a new file on. Each time a disk is made as
it may be found, and the real code opens it:

    gateway   every row that `put` had promised is there, unless it was to be released; no device's bookmark is ahead of
              its rows or behind them; the epoch is the same, and no number is given a second time
    server    every reading whose batch was to be acknowledged is there, and the journal's checksums are right; when the
              gateway sends everything again, it is answered, and each reading is there once

That this would find a broken promise is proved in the same run: the same load, with SQLite told not to synchronise, or
only now and then, must lose readings.
"""

import asyncio
import random
import shutil
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import msgspec

from gateway.spool.store import Spool
from tests.faults.disk import Change, Disk, record
from tests.faults.ledger import Count, compare, looking_into, promised_readings, shown_readings, sound
from tests.faults.power_load import (
    BATCH_ROWS,
    DATABASE,
    DEVICES,
    SPOOL,
    made_server,
    messages,
    number_of,
    readings,
)  # fmt: skip
from tests.faults.report import Result
from tests.faults.town import ROOT, Plan, Town
from vitals.block import Block
from vitals.wire import Ack, Row, decode

CUTS = {"spool": 120, "server": 80}
CARELESS = ("OFF", "NORMAL")
CARELESS_CUTS = 15
_ON_THE_WAY = 2
"""Batches that were not acknowledged by then, and come after the cut all the same."""

Said = Sequence[Sequence[str]]
"""What was promised by then, in words: see `tests.faults.power_load`."""


@dataclass
class Tally:
    """What some cuts came to together. `damage`: of each file that could not be used, why."""

    counts: list[Count] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    def sum(self) -> Count:
        each = [(one.measured, one.lost, one.doubled, one.strange) for one in self.counts]
        return Count(*map(sum, zip((0, 0, 0, 0), *each, strict=True)))

    @property
    def bites(self) -> bool:
        """Whether the cuts took anything."""
        return bool(self.sum().lost or self.damage)


async def run(folder: Path, seed: int) -> Result:
    """Cut so often, then count."""
    draw = random.Random(seed)
    tally, careless = Tally(), {word: {part: Tally() for part in CUTS} for word in CARELESS}
    changes = {}
    for part, cuts in CUTS.items():
        changes[part] = await _cut(folder / part, part, "FULL", cuts, draw, tally)
        for word, found in careless.items():
            await _cut(folder / f"{part}-{word}", part, word, CARELESS_CUTS, draw, found[part])
    bites = all(one.bites for found in careless.values() for one in found.values())
    cuts = sum(CUTS.values())
    where = " and ".join(f"{CUTS[part]} among the {count:,} changes of the {part}" for part, count in changes.items())
    return Result(
        "power cut",
        tally.sum().whole and not tally.damage and bites,
        tally.sum(),
        (
            f"{cuts} cuts, {where}: {len(tally.counts)} of {cuts} sound",
            *tally.damage[:3],
            *(_said_of(word, found) for word, found in careless.items()),
        ),
    )


def _said_of(word: str, found: Mapping[str, Tally]) -> str:
    each = "; ".join(f"{part} {one.sum().lost:,} lost, {len(one.damage)} files damaged" for part, one in found.items())
    verdict = "as it must be" if all(one.bites for one in found.values()) else "so the row proves nothing"
    return f"with synchronous = {word}, {CARELESS_CUTS} cuts each: {each}; {verdict}"


async def _cut(folder: Path, part: str, synchronous: str, cuts: int, draw: random.Random, tally: Tally) -> int:
    """Record the load once, and cut it so often; returns how many changes it made."""
    Town(Plan(folder, "auto", ("home-1", "home-2")))
    config = folder / "server" / "server.toml"
    data = config.parent / "data"
    data.mkdir()
    command = [sys.executable, "-m", "tests.faults.power_load", part, str(config), synchronous]
    log = folder / "strace"
    changes = await record(command, data, ROOT, log)
    log.unlink()
    opened = partial(_server_after, config) if part == "server" else _spool_after
    await asyncio.to_thread(_cut_all, changes, cuts, draw, data, folder / "found", opened, tally)
    return len(changes)


def _cut_all(
    changes: Sequence[Change],
    cuts: int,
    draw: random.Random,
    data: Path,
    found: Path,
    after: Callable[[Path, Said], Count],
    tally: Tally,
) -> None:
    disk, said, done = Disk(data), list[list[str]](), 0
    for moment in sorted(draw.randint(1, len(changes)) for _ in range(cuts)):
        for change in changes[done:moment]:
            disk.do(change)
            if change.kind == "say":
                said.append(change.data.decode().split())
        done = moment
        _lay_out(found, data, disk.after_cut(draw))
        try:
            tally.counts.append(after(found, said))
        except Exception as error:  # noqa: BLE001 - a damaged file may hold anything, and fail in any way
            tally.damage.append(f"{type(error).__name__}: {error}")


def _lay_out(found: Path, data: Path, files: Mapping[str, bytes]) -> None:
    shutil.rmtree(found, ignore_errors=True)
    found.mkdir()
    for path, content in files.items():
        if Path(path).parent == data:  # keys in a folder of their own are made anew: no record hangs on them
            (found / Path(path).name).write_bytes(content)


def _check(database: Path) -> None:
    """Raises ValueError where SQLite finds something wrong."""
    if not sound(database):
        raise ValueError("the integrity check fails")


# The gateway


def _spool_after(found: Path, said: Said) -> Count:
    """How what is in the spool agrees with what was promised. Raises when the file is damaged."""
    put, released = dict.fromkeys(DEVICES, 0), dict.fromkeys(DEVICES, 0)
    epoch, released_seq = "", 0
    for words in said:
        match words:
            case ["epoch", name]:
                epoch = name
            case ["put", device, number]:
                put[device] = int(number)
            case ["released", device, number, seq]:
                released[device], released_seq = int(number), int(seq)
    promised = sum(put[device] - released[device] for device in DEVICES)
    spool = asyncio.run(_spool_in(found / SPOOL))
    _check(found / SPOOL)
    read_up_to = {device: max(put[device], spool.bookmarks[device]) for device in DEVICES}
    due = [(device, n) for device in DEVICES for n in range(released[device] + 1, read_up_to[device] + 1)]
    again = spool.next_seq <= released_seq or (promised > 0 and spool.epoch != epoch)
    return Count(
        promised,
        lost=sum(one not in spool.rows for one in due),
        doubled=spool.rows.total() - len(spool.rows) + again,
        strange=sum(n > spool.bookmarks[device] for device, n in spool.rows),
    )


@dataclass(frozen=True)
class _InSpool:
    """What a spool holds: its rows by device and number, and the number that the next row is given."""

    epoch: str
    rows: Counter[tuple[str, int]]
    bookmarks: Mapping[str, int]
    next_seq: int


async def _spool_in(path: Path) -> _InSpool:
    spool = await Spool.open(path)
    try:
        rows = [msgspec.json.decode(one.json, type=Row) for one in await spool.take(0, 1_000_000)]
        bookmarks = {device: int(await spool.bookmark(device) or 0) for device in DEVICES}
        await spool.put(readings(DEVICES[0], 1, 1))
        known = Counter((row.device, number_of(row.what.record)) for row in rows if isinstance(row.what, Block))
        return _InSpool(spool.epoch, known, bookmarks, spool.status.last_seq)
    finally:
        await spool.close()


# The server


def _server_after(config: Path, found: Path, said: Said) -> Count:
    """What is in the database of what was promised, and once all is sent again. Raises when the file is damaged."""
    sent = messages()
    promised = [int(words[1]) for words in said]
    again = range(min(len(sent), len(promised) + _ON_THE_WAY))
    house = made_server(config, found)
    try:
        kept = _stored(found / DATABASE)
        answers = house.receive_many([sent[number] for number in again])
    finally:
        house.close()
    _check(found / DATABASE)
    _check_journal(found / DATABASE)
    lost = compare(_records(promised), kept).lost
    unanswered = len(again) * BATCH_ROWS - sum(_numbers(payload) for _, payload in answers)
    count = compare(_records(again), _stored(found / DATABASE))
    return replace(count, lost=count.lost + lost + unanswered)


def _records(numbers: Sequence[int]) -> list[str]:
    """The records of these batches."""
    return [f"r:{n}" for number in numbers for n in range(number * BATCH_ROWS + 1, (number + 1) * BATCH_ROWS + 1)]


def _stored(database: Path) -> list[str]:
    """The records that are shown, which must be those that the journal promises."""
    shown = sorted(shown_readings(database))
    if shown != sorted(promised_readings(database)):
        raise ValueError("what is shown is not what the journal promises")
    return [one.split()[1] for one in shown]


def _check_journal(database: Path) -> None:
    with looking_into(database) as db:
        for seq, blob, crc in db.execute("SELECT seq, blob, crc FROM journal"):
            if zlib.crc32(blob) != crc:
                raise ValueError(f"the checksum of {seq} in the journal is wrong")


def _numbers(payload: bytes) -> int:
    return sum(last - first + 1 for first, last in decode(payload, Ack).ranges)
