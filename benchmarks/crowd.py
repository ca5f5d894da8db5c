"""A server's database with as many patients as one likes, and what their gateways send: for the benchmarks."""

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from server import revisions
from server.db import Database
from server.fleet.store import gateway_table
from server.patients.store import assignments, patients
from vitals.block import Block
from vitals.clock import NS
from vitals.wire import MAX_ROWS, Batch, Row, encode, up

AT_ONCE = 50_000


def settle(folder: Path, people: int, now_ns: int) -> Path:
    """Make a database of `people`, each with a gateway and an oximeter; returns the server's configuration."""
    (folder / "data").mkdir(parents=True)
    (folder / "municipality.toml").write_text('name = "Benchmark"\n', encoding="utf-8")
    config = folder / "server.toml"
    ladders = Path(__file__).parents[1] / "configs" / "ladders.toml"
    config.write_text(f'name = "Benchmark"\nladders = "{ladders}"\ndata = "data"\n', encoding="utf-8")
    db = Database(folder / "data" / "hjemvakt.sqlite")
    revisions.upgrade(db)
    with db.write() as tx:
        for start in range(0, people, AT_ONCE):
            numbers = range(start, min(people, start + AT_ONCE))
            _insert(tx, patients, [_patient(n) for n in numbers])
            _insert(tx, gateway_table, [_gateway(n, now_ns) for n in numbers])
            _insert(tx, assignments, [_assignment(n, now_ns) for n in numbers])
    db.close()
    return config


def batches(people: int, count: int, now_ns: int, rows: int = MAX_ROWS) -> Iterator[tuple[str, bytes]]:
    """So many messages of `rows` readings each, one gateway after the other, saturation and pulse by turns."""
    sent = dict.fromkeys(range(people), 0) if people < count else {}
    for number in range(count):
        person = number * 7919 % people
        first = sent.get(person, 0)
        sent[person] = first + rows
        yield batch(person, first, now_ns - 600 * NS + first * NS // 10, rows)


def batch(person: int, first: int, start_ns: int, rows: int = 1) -> tuple[str, bytes]:
    """What one home's gateway sends: so many rows from number `first`, ten a second."""
    gateway = f"gw-{person:07}"
    what = (_row(first + n, f"ox-{person:07}", start_ns + n * NS // 10) for n in range(rows))
    return up(gateway, "obs"), encode(Batch(gateway, "e", start_ns, tuple(what)))


def _row(seq: int, device: str, t_ns: int) -> Row:
    channel, value = ("spo2", 96.0) if seq % 2 else ("pulse_rate", 70.0 + seq % 9)
    return Row(seq, device, t_ns + 5_000_000, Block(channel, (t_ns,), (value,), device_t_ns=t_ns))


def _patient(number: int) -> dict[str, object]:
    return {
        "id": f"p{number:07}", "name": f"Patient {number}", "birth_year": 1940, "place": "", "programme": "copd",
        "phone": "", "conditions": [], "limits": {}, "changed_ns": 0,
    }  # fmt: skip


def _gateway(number: int, now_ns: int) -> dict[str, object]:
    return {
        "id": f"gw-{number:07}", "place": "", "patient_id": f"p{number:07}", "known_since_ns": now_ns, "online": True,
        "strangers": [], "notes": [], "last_heard_ns": now_ns,
    }  # fmt: skip


def _assignment(number: int, now_ns: int) -> dict[str, object]:
    """Known since now: nobody has been waited for in vain yet."""
    return {"device": f"ox-{number:07}", "from_ns": 0, "patient_id": f"p{number:07}", "changed_ns": now_ns}


def _insert(tx: sa.Connection, table: sa.Table, rows: list[dict[str, object]]) -> None:
    tx.execute(table.insert(), rows)
