"""What is known of many patients, for `whatif`: from a server's database, an export of it, or a wide table."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import sqlalchemy as sa

from hjemvakt.triage import table
from hjemvakt.triage.kept import kept, opened
from server.patients import programmes
from server.patients.programmes import Programmes
from server.patients.store import all_patients
from server.programmes.record import Gathered, gather
from server.programmes.store import in_force
from server.readings.filed import Wanted
from server.readings.model import EVER_NS
from triage.passage import Record
from vitals.block import DOUBTED
from vitals.channels import CHANNELS
from vitals.clock import NS
from vitals.errors import ConfigError

_LONG = ("patient_id", "channel", "t", "value", "status", "stored")
_BEGINNING_NS = 1_577_836_800 * NS
"""Where the hours of a wide table are counted from: 2020-01-01. Nothing depends on it."""
_HOUR_NS = 3600 * NS


class Follower(msgspec.Struct, frozen=True):
    """Which programme a patient follows, and the personal limits. `programme`: None where the data does not say."""

    programme: str | None = None
    limits: dict[str, float] = {}


@dataclass(frozen=True)
class Known:
    """A record, who follows what by patient, the programmes as of today, and what must be said of the data."""

    record: Record
    followers: Mapping[str, Follower]
    programmes: Programmes
    hourly: bool
    remarks: tuple[str, ...] = ()

    @cached_property
    def began_ns(self) -> dict[str, int]:
        """When something was known of each patient first."""
        first, _ = self.record.span()
        return dict(zip(self.record.patients, first.tolist(), strict=True))


def known(where: Path) -> Known:
    """What `where` has; raises ConfigError or StoreError where it has nothing, or cannot be read."""
    if not where.exists():
        raise ConfigError(f"there is no {where}", "name a server.toml, a server's database, or a .parquet or .csv file")
    if where.suffix == ".toml":
        with kept(where) as server:
            return _of_server(server.tx, server.programmes)
    if where.suffix not in table.FORMATS:
        with opened(where) as tx:
            return _of_server(tx, in_force(tx, programmes.load(None)))
    if where.suffix == ".parquet" and "patient_id" in _columns(where):
        return _of_export(where)
    return _of_table(where)


def _of_server(tx: sa.Connection, today: Programmes) -> Known:
    people = all_patients(tx)
    gathered = Gathered()
    gather(tx, Wanted(*EVER_NS), gathered)
    followers = {one.id: Follower(one.programme, one.limits) for one in people}
    return Known(gathered.record("the journal"), followers, today, hourly=False)


def _of_export(path: Path) -> Known:
    found = _loaded(path)
    missing = [name for name in _LONG if name not in found.column_names]
    if missing:
        raise ConfigError(f"{path} has no column {missing[0]!r}", "make it with `hjemvakt readings export`")
    gathered = Gathered()
    for batch in found.select(_LONG).to_batches():
        patient, channel, t, value, status, stored = (batch.column(number) for number in range(len(_LONG)))
        if any(column.null_count for column in (patient, channel, t, value, stored)):
            raise ConfigError(f"{path} has rows that are not whole", "make it with `hjemvakt readings export`")
        words = {one: DOUBTED.isdisjoint((one or "").split()) for one in set(status.to_pylist())}
        gathered.add(
            patient.to_pylist(), channel.to_pylist(), t.cast(pa.int64()).to_numpy(), stored.cast(pa.int64()).to_numpy(),
            value.to_numpy(), [words[one] for one in status.to_pylist()],
        )  # fmt: skip
    record = gathered.record(str(path))
    unknown = sorted(set(record.names) - set(CHANNELS))
    if unknown:
        raise ConfigError(f"{path}: there is no channel {unknown[0]!r}", f"use {', '.join(CHANNELS)}")
    remark = "an export has readings only: what rests on events, such as missed doses, is not in these figures"
    followers = {one: Follower() for one in record.patients}
    return Known(record, followers, programmes.load(None), hourly=False, remarks=(remark,))


def _of_table(path: Path) -> Known:
    wide = table.read(path)
    gathered = Gathered()
    t_ns = _BEGINNING_NS + np.rint(wide.hour * _HOUR_NS).astype(np.int64)
    who = np.array(wide.patients, dtype=object)[wide.patient]
    for name, value in wide.column.items():
        there = np.flatnonzero(~np.isnan(value))
        if name in CHANNELS:
            moments = t_ns[there]
            gathered.add(who[there].tolist(), [name] * len(there), moments, moments, value[there], [True] * len(there))
    remarks = [f"{count} values of {name} cannot be true and are left out" for name, count in wide.left_out.items()]
    if wide.ignored:
        remarks.append(f"columns that are nothing here: {', '.join(wide.ignored)}")
    followers = {one: Follower() for one in wide.patients}
    return Known(gathered.record(str(path)), followers, programmes.load(None), hourly=True, remarks=tuple(remarks))


def _columns(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error


def _loaded(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"{path} cannot be read ({' '.join(str(error).split())[:200]})", "give a whole Parquet file")
