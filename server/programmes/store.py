"""Which version of each programme is in force: a row for each time that it became another.

The files are the base. A file that has changed since it was last looked at is in force from the start at which that is
seen, unless the page has put a higher version there; one that has not changed leaves alone what the page says. So an
earlier version that was put back on purpose stays through a restart, and a corrected file that comes with a newer
Hjemvakt takes its place without anybody's doing.

What the page puts in force is checked as a file is, and with everybody who follows it: whose own limits it does not
take is named, and nothing is changed. Whoever follows it is looked at by it with their next look; the questions of
their homes are composed anew in the same transaction.
"""

import re
from typing import Any

import msgspec
import sqlalchemy as sa

from server.audit.store import write
from server.db import Database, Number, after_commit, metadata
from server.first import Overtaken
from server.patients import versions
from server.patients.programmes import Programmes, check_limits
from server.patients.store import PatientRecord, all_patients, patients
from server.startup import tick as startup
from server.wishes import answers, document
from triage.programme import Programme, checked, parse
from vitals.errors import ConfigError

programmes_in_force = sa.Table(
    "programmes_in_force",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, sa.ForeignKey("programme_versions.digest"), nullable=False),
    sa.Column("since_ns", sa.BigInteger, nullable=False),
    sa.Column("put_by", sa.Text, nullable=False, comment="a name; empty: the file"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("file_digest", sa.Text, nullable=False, comment="what the file said when it was looked at last"),
    sa.Index("programmes_in_force_by_name", "name", "id"),
)


class InForce(msgspec.Struct, frozen=True):
    """What became in force, when, by whom (a name; empty for the file) and why."""

    id: int
    name: str
    digest: str
    since_ns: int
    put_by: str
    reason: str
    file_digest: str


def apply(tx: sa.Connection, files: Programmes, now_ns: int) -> None:
    """Keep what the files say, and put in force what of it is new; raises ConfigError (`versions.remember`)."""
    versions.remember(tx, files, now_ns)
    for file in map(files.of, files.names):
        newest = newest_of(tx, file.name)
        if newest is not None and newest.file_digest == file.digest:
            continue
        if newest is None or newest.put_by == "" or _higher(file.version, _version(tx, newest)):
            _insert(tx, file, now_ns, "", "", file.digest)
        else:
            its = programmes_in_force.c.id == newest.id
            tx.execute(programmes_in_force.update().where(its).values(file_digest=file.digest))


def in_force(tx: sa.Connection, files: Programmes) -> Programmes:
    """Those in force under the names of the files; raises ConfigError for one that can no longer be used."""
    found = Programmes({name: files.of(name) for name in files.names}, files.texts)
    for name in files.names:
        newest = newest_of(tx, name)
        kept = versions.of_digest(tx, newest.digest) if newest else None
        if kept is not None and kept.digest != files.of(name).digest:
            found.put(_usable(kept))
    return found


def history(tx: sa.Connection, name: str, most: int = 100) -> list[InForce]:
    """What was in force under that name, the newest first."""
    columns = programmes_in_force.c
    query = sa.select(programmes_in_force).where(columns.name == name).order_by(columns.id.desc()).limit(most)
    return [InForce(*row) for row in tx.execute(query)]


def newest_of(tx: sa.Connection, name: str) -> InForce | None:
    """What is in force under that name; None before the first start with it."""
    return next(iter(history(tx, name, 1)), None)


def read(tx: sa.Connection, programmes: Programmes, name: str, text: str) -> Programme:
    """The programme of that name in `text`, if it could be put in force; raises ConfigError that names the place."""
    programme = parse(text, f"{name}.toml")
    if programme.name != name:
        raise ConfigError(
            f'{name}.toml: name = "{programme.name}" is another programme',
            f'write name = "{name}" (a programme of a new name begins as a file of the programmes folder)',
        )
    usable(tx, programmes, programme)
    for kept in versions.versions_of(tx, name):
        if kept.programme.version == programme.version and kept.digest != programme.digest:
            raise ConfigError(
                f"{name}.toml: version {programme.version} has been in force here and said something else",
                "give this one a version that has not been used: alarms name the one they arose under",
            )
    return programme


def usable(tx: sa.Connection, programmes: Programmes, programme: Programme) -> Programme:
    """The same, if it can be used today by everybody who follows it; raises ConfigError."""
    checked(programme, f"{programme.name} {programme.version}")
    _check_own(tx, programmes.but(programme), programme.name)
    return programme


def dropped(tx: sa.Connection, programmes: Programmes, programme: Programme) -> int:
    """Of how many patients a confirmed limit would be taken off, because that programme does not take it."""
    trial, count = programmes.but(programme), 0
    for own, learned in tx.execute(_limits_of(programme.name, patients.c.learned)):
        try:
            trial.limits(programme.name, {**learned, **own})
        except ConfigError:
            count += 1
    return count


def limits_under(tx: sa.Connection, programme: Programme) -> dict[str, dict[str, float]]:
    """The own limits of everybody who follows it, as they would be if it were in force."""
    rows = tx.execute(_limits_of(programme.name, patients.c.learned, patients.c.id))
    return {patient_id: {**startup.taken(programme, own, learned), **own} for own, learned, patient_id in rows}


def followers(tx: sa.Connection, name: str) -> list[PatientRecord]:
    """Everybody who follows that programme."""
    return [one for one in all_patients(tx) if one.programme == name]


def put(
    db: Database, programmes: Programmes, programme: Programme, text: str | None, *, seen: int, username: str,
    name: str, reason: str, now_ns: int,
) -> list[str]:  # fmt: skip
    """Put it in force for whoever follows it, from their next look on; returns who they are.

    `seen`: the row of what was in force when it was decided. Raises Overtaken if that is no longer so, ConfigError for
    one that cannot be.
    """
    with db.write() as tx:
        newest = newest_of(tx, programme.name)
        if newest is None or newest.id != seen:
            raise Overtaken(
                f"the programme {programme.name} was changed meanwhile",
                "look at it as it is now, and decide again", newest.put_by or None if newest else None,
            )  # fmt: skip
        if newest.digest == programme.digest:
            raise ConfigError(f"version {programme.version} is in force already", "choose another version")
        before = programmes.of(programme.name)
        versions.keep(tx, programme, text, now_ns)
        _insert(tx, programme, now_ns, name, reason, newest.file_digest)
        detail = f"{programme.name} {before.version} to {programme.version} ({programme.digest}): {reason}"
        write(tx, now_ns, username, "put programme in force", detail=detail)
        people = _follow(tx, programmes.but(programme), programme.name, now_ns)
        # On disk, and still our turn to write: nobody is looked at between the two, and no colleague comes in between.
        after_commit(tx, lambda: programmes.put(programme))
    return people


def _follow(tx: sa.Connection, programmes: Programmes, name: str, now_ns: int) -> list[str]:
    """What a start would do for the programme's patients and their homes; returns who they are."""
    startup.apply(tx, programmes, now_ns)
    people = followers(tx, name)
    check_limits(programmes, people)
    answers.assign(tx, programmes, now_ns)
    document.compose(tx, programmes, [one.id for one in people], now_ns)
    return [one.id for one in people]


def _check_own(tx: sa.Connection, programmes: Programmes, name: str) -> None:
    """That it takes what the municipality's file sets for everybody; raises ConfigError that names the patient."""
    for own, patient_id in tx.execute(_limits_of(name, patients.c.id)):
        try:
            programmes.limits(name, own)
        except ConfigError as error:
            mend = f"{error.mend}; the patient's own limits stand in municipality.toml"
            raise ConfigError(f"patient {patient_id}: {error.text}", mend) from error


def _limits_of(name: str, *more: sa.Column[Any]) -> sa.Select[Any]:
    return sa.select(patients.c.limits, *more).where(patients.c.programme == name).order_by(patients.c.id)


def _usable(programme: Programme) -> Programme:
    try:
        return checked(programme, f"programme {programme.name} {programme.version} (put in force on the page)")
    except ConfigError as error:
        mend = "put a file of that name with a higher version into the programmes folder: it is in force then"
        raise ConfigError(error.text, f"{error.mend}; {mend}") from error


def _insert(tx: sa.Connection, programme: Programme, now_ns: int, name: str, reason: str, file_digest: str) -> None:
    values = {
        "name": programme.name, "digest": programme.digest, "since_ns": now_ns, "put_by": name, "reason": reason,
        "file_digest": file_digest,
    }  # fmt: skip
    tx.execute(programmes_in_force.insert().values(values))


def _version(tx: sa.Connection, one: InForce) -> str:
    kept = versions.of_digest(tx, one.digest)
    return kept.version if kept else ""


def _higher(one: str, other: str) -> bool:
    """Whether a version is above another: number by number, so that 10 is above 9 and 2.10 above 2.9."""
    return _parts(one) > _parts(other)


def _parts(version: str) -> list[tuple[int, int, str]]:
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.findall(r"\d+|[^\d.]+", version)]
