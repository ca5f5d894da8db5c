"""Every programme that this server has ever run, kept by its digest, so that an old decision can be explained.

Which of them applies now, `server.programmes.store` says; an alarm says which one it arose under. A version that has
been run here cannot be another under the same number: the words "version 2" on an alarm must mean one thing. Such a
file is refused at the start, and such a text on the page.
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
    sa.Column("text", sa.Text, comment="the TOML as it was written; none where it was kept before texts were"),
    sa.UniqueConstraint("name", "version"),
)


class Kept(msgspec.Struct, frozen=True):
    """A version, when it was run here first, and its text where that is known."""

    digest: str
    programme: Programme
    first_run_ns: int
    text: str | None = None


def remember(tx: sa.Connection, programmes: Programmes, now_ns: int) -> None:
    """Keep those of the files that are new here; raises ConfigError for one that differs from what its version was."""
    for name in programmes.names:
        keep(tx, programmes.of(name), programmes.texts.get(name), now_ns)


def keep(tx: sa.Connection, programme: Programme, text: str | None, now_ns: int) -> None:
    """Keep it if it is new here, and its text if that is; raises ConfigError where its version was another before."""
    columns = programme_versions.c
    its = (columns.name == programme.name) & (columns.version == programme.version)
    digest = tx.scalar(sa.select(columns.digest).where(its))
    if digest is None:
        values = {
            "digest": programme.digest, "name": programme.name, "version": programme.version,
            "programme": msgspec.json.encode(programme), "first_run_ns": now_ns, "text": text,
        }  # fmt: skip
        tx.execute(programme_versions.insert().values(values))
    elif digest != programme.digest:
        raise ConfigError(
            f"programme {programme.name!r}: version {programme.version} is not what it was when it was run here",
            "give the changed programme a new version: alarms name the one they arose under",
        )
    elif text is not None:
        tx.execute(programme_versions.update().where(its, columns.text.is_(None)).values(text=text))


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
    return [
        Kept(row.digest, msgspec.json.decode(row.programme, type=Programme), row.first_run_ns, row.text) for row in rows
    ]
