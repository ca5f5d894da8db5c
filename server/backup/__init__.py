"""`hjemvakt backup` and `hjemvakt restore`: the server's own files in one, and back where they were.

A backup is a zip with the database, the folder of the gateways' authority where there is one, and a manifest that says
of which program and revision it is, when it was taken, and each file's SHA-256. The database is copied by SQLite's own
backup, in one step: one moment of it, while the server goes on writing. The copy is checked before it is called a
backup, and checked again before it is put to use.

A restore never mixes two databases. The new one is unpacked and checked beside the old; then the old is moved aside,
with its write-ahead log, and the new one takes its name. If the power fails just between the two, the server finds no
database but a half-done restore, and refuses to begin with an empty one.

It holds health records and keys: only its owner may read it.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from server import trouble
from server.backup.archive import FORMAT, Manifest, checked, described, manifest_of, opened, pack_up, unpack
from server.config import Config
from server.keeping import AUTHORITY, DATABASE, LOCK, RESTORING, UNFINISHED, Taken, kept
from server.version import program_version
from vitals.errors import ConfigError, StoreError

_OURS = (DATABASE, *(f"{DATABASE}-{log}" for log in ("wal", "shm", "journal")), AUTHORITY)


def backup(config: Config, to: Path) -> Manifest:
    """Copy the server's files into the new file `to`, whether or not it runs; raises ConfigError or StoreError."""
    _refuse_postgresql(config, "pg_dump --format=custom --file=FILE", "back it up")
    source = config.data / DATABASE
    if not source.is_file():
        raise StoreError(f"there is no database {source}", "see `data` in server.toml")
    if to.exists():
        raise ConfigError(f"{to} is there already", "name another file: a backup is never written over")
    with _in_words(f"{to} cannot be written"), _beside(to) as scratch:
        folder, part = scratch / "data", scratch / "zip"
        folder.mkdir(mode=0o700)
        _copy_database(source, folder / DATABASE)
        _copy_authority(config.data, folder)
        revision = checked(folder / DATABASE, source, "restore the last backup that was sound")
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        taken = datetime.now(UTC).isoformat(timespec="seconds")
        told = {name: described(path) for name, path in files.items()}
        manifest = Manifest(FORMAT, program_version(), revision, taken, told)
        pack_up(part, manifest, files)
        os.replace(part, to)
        _settle(to.parent)
    return manifest


def restore(config: Config, source: Path, *, replace: bool = False) -> tuple[Manifest, Path | None]:
    """Put a backup's files in place; returns what it was, and where that is now which was there before.

    Raises ConfigError or StoreError, and has then changed nothing: for a backup that is damaged or of a newer program,
    while a server runs, and for data that is there unless `replace`.
    """
    _refuse_postgresql(config, "pg_restore --clean --if-exists --dbname=… FILE", "restore it")
    data, fresh = config.data, config.data / RESTORING
    with _in_words(f"{data} cannot be written"):
        data.mkdir(parents=True, exist_ok=True)
        with kept(data), opened(source) as pack:
            manifest = manifest_of(pack, source)
            before = [data / name for name in _OURS if (data / name).exists()]
            if before and not replace:
                raise StoreError(f"{data} has data already", "give --replace, and the old is kept aside")
            cut_off = fresh.exists() and not (data / DATABASE).exists()
            try:
                unpack(pack, manifest, fresh, source)
                _give_to_owner(fresh)
                aside = _set_aside(before, data) if before else None
                for one in sorted(fresh.iterdir(), key=lambda path: path.name == DATABASE):
                    os.replace(one, data / one.name)  # the database last: where it is, the rest is
                _settle(data)
            finally:
                if (data / DATABASE).exists() or not (before or cut_off):
                    shutil.rmtree(fresh, ignore_errors=True)
    return manifest, aside


def _refuse_postgresql(config: Config, tool: str, what: str) -> None:
    if config.database.url:
        raise ConfigError(
            f"the data is in PostgreSQL, which has its own tool to {what}",
            f"use `{tool}`, and copy the folder {config.data / AUTHORITY} yourself where there is one",
        )


@contextmanager
def _in_words(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{what} ({error.strerror})", "see that there is room and leave to write, and try again"
        ) from error
    except sqlite3.Error as error:
        if mend := trouble.known(error):
            raise StoreError(f"{what} ({error})", mend) from error
        raise StoreError(f"the database cannot be copied ({error})", "see that it is whole, and try again") from error


@contextmanager
def _beside(to: Path) -> Iterator[Path]:
    """An empty folder beside the file, for as long as it is written; what one that was killed left there is gone."""
    scratch = to.with_name(to.name + ".part")
    scratch.mkdir(mode=0o700, exist_ok=True)
    try:
        with kept(scratch):
            try:
                _empty(scratch)
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    except Taken as error:
        raise StoreError(f"another backup to {to} is on its way", "wait for it, or name another file") from error


def _empty(scratch: Path) -> None:
    for old in scratch.iterdir():
        if old.name != LOCK:
            shutil.rmtree(old) if old.is_dir() else old.unlink()


def _copy_database(source: Path, copy: Path) -> None:
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    there = f"file:{source}?mode=rw"
    with closing(sqlite3.connect(there, uri=True, timeout=30)) as whole, closing(sqlite3.connect(copy)) as into:
        whole.backup(into)  # in one step: a reader's view of one moment, that no writer waits for


def _copy_authority(data: Path, into: Path) -> None:
    """Each file as it is now: the server writes its list of revoked certificates anew while a backup is packed."""
    for path in sorted((data / AUTHORITY).rglob("*")):
        if path.is_file() and path.suffix != UNFINISHED:
            copy = into / path.relative_to(data)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)


def _give_to_owner(fresh: Path) -> None:
    """An administrator restores, but the server runs as the user that the data folder belongs to."""
    if os.geteuid() == 0:
        owner = fresh.parent.stat()
        for path in (fresh, *fresh.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)


def _set_aside(before: Sequence[Path], data: Path) -> Path:
    """Move them, the database first, so that it is never seen without its log; returns where to."""
    aside = data / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    aside.mkdir(mode=0o700)
    for one in before:
        os.replace(one, aside / one.name)
    _settle(data)
    return aside


def _settle(folder: Path) -> None:
    """What was renamed in it stays renamed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
