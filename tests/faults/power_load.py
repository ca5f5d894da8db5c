"""The load of the power cut's row, a process of its own: the gateway's real spool or the server's real database.

    python -m tests.faults.power_load spool|server CONFIG SYNCHRONOUS

CONFIG is a server's; both parts write to the folder `data` beside it. There is a file SAID, in which it says what it
has been promised, each line as soon as it has been: what is said there
must be found after a power cut. What it releases it says beforehand: from then on it may be gone.

SYNCHRONOUS is SQLite's word. FULL is what the parts set themselves; any other breaks them, and their promises with it.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import msgspec

import server.db
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from server.app import Server
from server.config import load
from tests.faults.disk import SAID
from vitals.block import Block
from vitals.clock import NS, ManualClock
from vitals.wire import Batch, Row, encode, up

START_NS = 1_795_248_000 * NS
LIVES = 3
"""The file is opened, written and closed so often."""
SPOOL, DATABASE = "spool.sqlite", "hjemvakt.sqlite"
GATEWAY, EPOCH = "home-1", "e"
DEVICES = ("home-1-box-1", "home-1-box-2", "home-2-box-1", "home-2-box-2")
PUTS, PUT_ROWS, KEPT_ROWS = 120, 3, 60
BATCHES, BATCH_ROWS = 60, 20

Say = Callable[[str], None]


def readings(device: str, first: int, count: int) -> list[Heard]:
    """So many readings of the device, numbered from `first`; some of them are such that somebody is called."""
    t_ns = [START_NS + number * NS for number in range(first, first + count)]
    values = [80.0 if number % 40 == 0 else 95.0 for number in range(first, first + count)]
    return [
        Heard(device, t, Block("spo2", (t,), (value,), record=f"r:{number}"))
        for number, t, value in zip(range(first, first + count), t_ns, values, strict=True)
    ]


def number_of(record: str | None) -> int:
    """The number of the reading of that record."""
    assert record is not None
    return int(record.removeprefix("r:"))


def messages() -> list[tuple[str, bytes]]:
    """All that the server's load is sent, in order."""
    made = []
    for number in range(LIVES * BATCHES):
        first = number * BATCH_ROWS + 1
        heard = readings(DEVICES[number % len(DEVICES)], first, BATCH_ROWS)
        rows = tuple(Row(seq, one.device, one.received_ns, one.what) for seq, one in enumerate(heard, first))
        made.append((up(GATEWAY, "obs"), encode(Batch(GATEWAY, EPOCH, START_NS, rows))))
    return made


def made_server(config: Path, folder: Path | None = None) -> Server:
    """The server of this configuration, on the files of `folder` where that is another than its own."""
    loaded = load(config)
    whole = loaded if folder is None else msgspec.structs.replace(loaded, data=folder)
    return Server(whole, ManualClock(START_NS + LIVES * BATCHES * BATCH_ROWS * NS))


async def load_spool(folder: Path, say: Say, synchronous: str) -> None:
    """Every device puts its readings; what the server would acknowledge is released, all but the newest."""
    for life in range(LIVES):
        spool = await Spool.open(folder / SPOOL)
        await spool._in_thread(spool._file._db.execute, f"PRAGMA synchronous = {synchronous}")
        say(f"epoch {spool.epoch}")
        putting = [_put(spool, device, life * PUTS * PUT_ROWS, say) for device in DEVICES]
        done = asyncio.gather(*putting)
        while not done.done():
            await asyncio.wait([done], timeout=0.05)
            for stored in (await spool.take(0, 10_000))[:-KEPT_ROWS]:
                row = msgspec.json.decode(stored.json, type=Row)
                assert isinstance(row.what, Block)
                say(f"released {row.device} {number_of(row.what.record)} {stored.seq}")
                spool.release([(stored.seq, stored.seq)])
        await done
        await spool.close()


async def _put(spool: Spool, device: str, made: int, say: Say) -> None:
    for first in range(made + 1, made + PUTS * PUT_ROWS + 1, PUT_ROWS):
        last = first + PUT_ROWS - 1
        await spool.put(readings(device, first, PUT_ROWS), {device: str(last)})
        say(f"put {device} {last}")


def load_server(config: Path, say: Say, synchronous: str) -> None:
    """Batch after batch is received, and now and then the engine has its turn."""
    prepare = server.db._prepare

    def careless(connection: object, record: object) -> None:
        prepare(connection, record)
        connection.execute(f"PRAGMA synchronous = {synchronous}")  # type: ignore[attr-defined]

    sent = messages()
    for life in range(LIVES):
        with mock.patch("server.db._prepare", careless):
            house = made_server(config)
        for number in range(life * BATCHES, (life + 1) * BATCHES):
            house.receive_many([sent[number]])
            say(f"stored {number}")
            if number % 10 == 0:
                house.tick(house.clock.now_ns())
        house.close()


def main(part: str, config: Path, synchronous: str) -> None:
    """Load that part; returns when the load is over."""
    folder = config.parent / "data"
    with (folder / SAID).open("wb", buffering=0) as file:

        def say(text: str) -> None:
            file.write(f"{text}\n".encode())

        if part == "spool":
            asyncio.run(load_spool(folder, say, synchronous))
        else:
            load_server(config, say, synchronous)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
