"""Every programme that this server has ever run, kept by its digest, so that an old decision can be explained.

The file says what applies now: whoever follows the programme follows its newest version from the next start on, and an
alarm says which one it arose under. A version that has been run here cannot be another under the same number: the words
"version 2" on an alarm must mean one thing. Such a file is refused at the start.
"""

import msgspec
import sqlalchemy as sa

from server.db import metadata
from server.patients.programmes import Programmes
from triage.programme import Programme
from vitals.errors import ConfigError

programme_versions = sa.Table(
    "programme_versions",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("programme", sa.LargeBinary, nullable=False, comment="the programme as JSON"),
    sa.Column("first_run_ns", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("name", "version"),
)


class Kept(msgspec.Struct, frozen=True):
    """A version, and when it was run here first."""

    digest: str
    programme: Programme
    first_run_ns: int


def remember(tx: sa.Connection, programmes: Programmes, now_ns: int) -> None:
    """Keep those that are new here; raises ConfigError for one that differs from what its version was before."""
    columns = programme_versions.c
    known = {
        (row.name, row.version): row.digest
        for row in tx.execute(sa.select(columns.name, columns.version, columns.digest))
    }
    for programme in map(programmes.of, programmes.names):
        digest = known.get((programme.name, programme.version))
        if digest is None:
            values = {
                "digest": programme.digest, "name": programme.name, "version": programme.version,
                "programme": msgspec.json.encode(programme), "first_run_ns": now_ns,
            }  # fmt: skip
            tx.execute(programme_versions.insert().values(values))
        elif digest != programme.digest:
            raise ConfigError(
                f"programme {programme.name!r}: version {programme.version} is not what it was when it was run here",
                "give the changed programme a new version: alarms name the one they arose under",
            )


def of_digest(tx: sa.Connection, digest: str) -> Programme | None:
    """The programme of that digest, as it was; its rules may have changed since, or be gone."""
    found = [kept.programme for kept in _kept(tx, programme_versions.c.digest == digest)]
    return found[0] if found else None


def versions_of(tx: sa.Connection, name: str) -> list[Kept]:
    """Every version of that programme that was run here, the oldest first."""
    return _kept(tx, programme_versions.c.name == name)


def _kept(tx: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Kept]:
    columns = programme_versions.c
    rows = tx.execute(sa.select(programme_versions).where(*where).order_by(columns.first_run_ns, columns.version))
    return [Kept(row.digest, msgspec.json.decode(row.programme, type=Programme), row.first_run_ns) for row in rows]
