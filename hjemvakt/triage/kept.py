"""What a server has kept, to be read by a command beside it: nothing is written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from server import revisions
from server.config import Config, load, zone_of
from server.db import Database
from server.patients import programmes
from server.patients.programmes import Programmes
from server.patients.store import PatientRecord, patient
from server.programmes.store import in_force
from vitals.errors import ConfigError, StoreError


class Kept(NamedTuple):
    """A server's configuration, its programmes as of today, where its patients live, and a view of what it has."""

    config: Config
    programmes: Programmes
    zone: ZoneInfo
    tx: sa.Connection


@contextmanager
def kept(config_file: Path) -> Iterator[Kept]:
    """What that server has kept, as of now; raises ConfigError or StoreError where it cannot be read."""
    config = load(config_file)
    zone = zone_of(config.time_zone, str(config_file))
    with opened(config.database.where(config.data)) as tx:
        yield Kept(config, in_force(tx, programmes.load(config.programmes)), zone, tx)


@contextmanager
def opened(where: Path | sa.URL) -> Iterator[sa.Connection]:
    """A view of a server's database, as of now; raises ConfigError or StoreError where it cannot be read."""
    if isinstance(where, Path) and not where.exists():
        raise ConfigError(
            f"there is no database {where}", "see `data` in server.toml; the server makes it when it runs"
        )
    db = Database(where)
    try:
        with db.read() as tx:
            if revisions.current(tx) != revisions.numbers()[-1]:
                raise StoreError(f"{db.name} is of another version", "start this version of the server on it first")
            yield tx
    except sa.exc.DatabaseError as error:
        raise StoreError(f"{db.name} cannot be read ({error.orig})", "restore it from a backup") from error
    finally:
        db.close()


def person(tx: sa.Connection, patient_id: str) -> PatientRecord:
    """The patient of that id; raises ConfigError for nobody."""
    found = patient(tx, patient_id)
    if found is None:
        raise ConfigError(f"there is no patient {patient_id!r}", "use the ids of municipality.toml")
    return found
