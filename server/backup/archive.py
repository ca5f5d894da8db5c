"""The file that a backup is: a zip with a manifest, and whether what is in it is what was put there."""

import errno
import hashlib
import os
import shutil
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath

import msgspec

from server import trouble
from server.keeping import AUTHORITY, DATABASE
from server.revisions import numbers
from vitals.errors import ConfigError, StoreError

FORMAT = 1
ANOTHER = "take another backup"
"""What to do about one that is damaged."""

_MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_UNREADABLE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, KeyError, OverflowError, RuntimeError,
    ValueError,
)  # fmt: skip
"""All that Python's zipfile is known to raise over damaged bytes."""


class File(msgspec.Struct, frozen=True):
    """One file of a backup. `sha256` in hexadecimal, `mode` as in the file system."""

    bytes: int
    sha256: str
    mode: int


class Manifest(msgspec.Struct, frozen=True):
    """What a backup is. `revision`: the schema's. `taken`: ISO 8601, UTC. `files`: by their path in the data folder."""

    format: int
    program: str
    revision: str
    taken: str
    files: dict[str, File]


def checked(database: Path, named: Path, mend: str) -> str:
    """The schema's revision of a sound database; raises StoreError for one that is damaged.

    Where the machine kept it from being looked at, as a full disk does, that is no damage, and SQLite's own error.
    """
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=rw", uri=True)) as db:
            (sound,) = db.execute("PRAGMA integrity_check(1)").fetchone()
            (revision,) = db.execute("SELECT version_num FROM alembic_version").fetchone()
            db.execute("PRAGMA journal_mode=DELETE")  # one file, with no log beside it
    except (sqlite3.DatabaseError, TypeError) as error:
        if trouble.known(error):
            raise
        raise StoreError(f"the database of {named} is damaged ({error})", mend) from error
    if sound != "ok":
        raise StoreError(f"the database of {named} is damaged ({sound})", mend)
    return str(revision)


def pack_up(part: Path, manifest: Manifest, files: dict[str, Path]) -> None:
    """Write `files` under their names into `part`, on disk when this returns."""
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w+b") as raw:
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as pack:
            pack.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
            for name, path in files.items():
                pack.write(path, name)
        raw.flush()
        os.fsync(raw.fileno())


@contextmanager
def opened(source: Path) -> Iterator[zipfile.ZipFile]:
    """The backup, to read; raises ConfigError where there is none, StoreError where it is no zip."""
    if not source.is_file():
        raise ConfigError(f"there is no file {source}", "name a backup")
    with _reading(source):
        pack = zipfile.ZipFile(source)
    with pack:
        yield pack


def manifest_of(pack: zipfile.ZipFile, source: Path) -> Manifest:
    """What the backup says of itself, where this program can use it."""
    with _reading(source):
        told = pack.read(_MANIFEST)
    try:
        manifest = msgspec.json.decode(told, type=Manifest)
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"{source} is no backup of Hjemvakt's ({error})", "name one that `hjemvakt backup` wrote"
        ) from error
    if manifest.format > FORMAT or manifest.revision not in numbers():
        raise StoreError(
            f"{source} is of Hjemvakt {manifest.program}, at revision {manifest.revision}; this program knows only up "
            f"to {numbers()[-1]}", "restore it with the version that wrote it, or a later one",
        )  # fmt: skip
    if DATABASE not in manifest.files or not all(map(_well_placed, manifest.files)):
        raise StoreError(f"{source} holds other files than a backup does", ANOTHER)
    return manifest


def unpack(pack: zipfile.ZipFile, manifest: Manifest, fresh: Path, source: Path) -> None:
    """The files into the folder `fresh`, on disk, and as the manifest says they are; raises StoreError if they are not.

    The folder itself stays while it is emptied: it may be the sign that an earlier restore was cut off.
    """
    fresh.mkdir(mode=0o700, exist_ok=True)
    for old in fresh.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    for name, told in manifest.files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as whole, _reading(source), pack.open(name) as packed:
            os.fchmod(handle, told.mode & 0o777)
            shutil.copyfileobj(packed, whole, _CHUNK)
            whole.flush()
            os.fsync(whole.fileno())
        if described(path) != told:
            raise StoreError(f"{name} in {source} is not as it was written", ANOTHER)
    if checked(fresh / DATABASE, source, ANOTHER) != manifest.revision:
        raise StoreError(f"the database in {source} is of another revision than it says", ANOTHER)


def described(path: Path) -> File:
    """What the manifest says of a file."""
    with path.open("rb") as whole:
        digest = hashlib.file_digest(whole, "sha256").hexdigest()
    return File(path.stat().st_size, digest, path.stat().st_mode & 0o777)


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    try:
        yield
    except (*_UNREADABLE, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # of a place that no file has
            raise
        raise StoreError(f"{source} is damaged, or is no backup of Hjemvakt's ({error})", ANOTHER) from error


def _well_placed(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return name == DATABASE or (len(parts) > 1 and parts[0] == AUTHORITY and ".." not in parts)
