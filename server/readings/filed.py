"""The filed readings as they stand, for whoever takes them out of here: in order, and never all at once.

This is the one place that says where they lie. What is held or withdrawn is not among them.
"""

from collections.abc import Iterator, Sequence

import msgspec
import sqlalchemy as sa

from server.readings.store import readings

AT_ONCE = 20_000
"""Rows in the memory at one time."""


class Wanted(msgspec.Struct, frozen=True):
    """Which ones: from (inclusive) to (exclusive); of these people and channels, or of all for none named."""

    from_ns: int
    to_ns: int
    patients: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


class Filed(msgspec.Struct, frozen=True):
    """So many readings, in columns of equal length. `status`: words, parted by a space."""

    patient_id: Sequence[str]
    channel: Sequence[str]
    t_ns: Sequence[int]
    value: Sequence[float]
    decimals: Sequence[int]
    status: Sequence[str]
    device: Sequence[str]
    device_t_ns: Sequence[int | None]
    received_ns: Sequence[int]
    stored_ns: Sequence[int]


def filed(tx: sa.Connection, wanted: Wanted) -> Iterator[Filed]:
    """Them, by patient, time and channel."""
    columns = readings.c
    query = sa.select(*(columns[name] for name in Filed.__struct_fields__)).where(
        columns.t_ns >= wanted.from_ns, columns.t_ns < wanted.to_ns
    )
    if wanted.patients:
        query = query.where(columns.patient_id.in_(wanted.patients))
    if wanted.channels:
        query = query.where(columns.channel.in_(wanted.channels))
    query = query.order_by(columns.patient_id, columns.t_ns, columns.channel, columns.identity)
    for rows in tx.execution_options(yield_per=AT_ONCE).execute(query).partitions():
        yield Filed(*zip(*rows, strict=True))
