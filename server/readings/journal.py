"""The journal: what was filed, in the order in which it became durable.

A row is what one transaction filed: readings in columns, events, and what was withdrawn. It is written with the
commit that the acknowledgement waits for, and never changed. Whose a reading is, and what it is known by, was decided
before; so whatever is derived from readings is made anew from here without deciding it again.

What is withdrawn in a row speaks of earlier rows only.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from server.db import metadata
from server.quick import Quick
from server.readings.contract import Entry, Withdrawn
from server.readings.model import Occurrence
from server.readings.sheaf import Sheaf, join, unpack
from vitals.errors import StoreError

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("stored_ns", sa.BigInteger, nullable=False),
    sa.Column("crc", sa.BigInteger, nullable=False),
    sa.Column("blob", sa.LargeBinary, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False, comment="readings and events stored so far"),
)


class Filed(NamedTuple):
    """A row of the journal, its readings in columns."""

    seq: int
    stored_ns: int
    sheaf: Sheaf
    events: Sequence[Occurrence] = ()
    withdrawn: Sequence[Withdrawn] = ()


class _Blob(msgspec.Struct, array_like=True):
    sheaf: bytes
    events: Sequence[Occurrence]
    withdrawn: Sequence[Withdrawn]


def append(
    tx: sa.Connection,
    stored_ns: int,
    sheaf: Sheaf,
    events: Sequence[Occurrence] = (),
    withdrawn: Sequence[Withdrawn] = (),
    counted: int = 0,
) -> Filed:
    """Write a row. `counted`: how many more readings and events have been stored with it, filed or held."""
    last, total = _last(tx)
    blob = _encoder.encode(_Blob(sheaf.pack(), events, withdrawn))
    row = {"seq": last + 1, "stored_ns": stored_ns, "crc": zlib.crc32(blob), "blob": blob, "total": total + counted}
    _INSERT.many(tx, [row])
    return Filed(last + 1, stored_ns, sheaf, events, withdrawn)


def read(tx: sa.Connection, after_seq: int, limit: int) -> list[Entry]:
    """The rows after that one, oldest first, at most so many; raises StoreError for a damaged one."""
    return [
        Entry(one.seq, one.stored_ns, tuple(one.sheaf.readings()), tuple(one.events), tuple(one.withdrawn))
        for one in filed(tx, after_seq, limit)
    ]


def filed(tx: sa.Connection, after_seq: int, limit: int | None = None) -> Iterator[Filed]:
    """The same, in columns."""
    columns = journal.c
    query = sa.select(columns.seq, columns.stored_ns, columns.crc, columns.blob).where(columns.seq > after_seq)
    for seq, stored_ns, crc, data in tx.execute(query.order_by(columns.seq).limit(limit)):
        yield opened(seq, stored_ns, crc, data)


def opened(seq: int, stored_ns: int, crc: int, data: bytes) -> Filed:
    """What a row says; raises StoreError if it is damaged."""
    if zlib.crc32(data) != crc:
        raise StoreError(f"row {seq} of the journal is damaged", "restore the database from a backup")
    blob = _decoder.decode(data)
    return Filed(seq, stored_ns, unpack(blob.sheaf), blob.events, blob.withdrawn)


def last_seq(tx: sa.Connection) -> int:
    """The newest row; 0 for none."""
    return _last(tx)[0]


def stored(tx: sa.Connection) -> int:
    """How many readings and events have been stored since the beginning."""
    return _last(tx)[1]


def nothing() -> Sheaf:
    """No readings."""
    return join(())


def _last(tx: sa.Connection) -> tuple[int, int]:
    rows = _LAST.rows(tx)
    return (rows[0][0], rows[0][1]) if rows else (0, 0)


_INSERT = Quick(journal.insert())
_LAST = Quick(
    sa.select(journal.c.seq, journal.c.total).where(
        journal.c.seq == sa.select(sa.func.max(journal.alias().c.seq)).scalar_subquery()
    )
)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Blob)
