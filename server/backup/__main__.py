"""`hjemvakt backup FILE` and `hjemvakt restore FILE`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from server.backup import backup, restore
from server.backup.archive import Manifest
from server.config import load
from vitals.errors import ConfigError, HjemvaktError

_OF_ANOTHER_TIME = (
    "InfluxDB's bucket {!r} may have readings that came after the backup, and lack some that were withdrawn after it: "
    "name another bucket in [influx], and it is fed from the beginning"
)


def backup_main(argv: Sequence[str]) -> int:
    """`hjemvakt backup`; returns the exit code."""
    parser = _parser("backup", "Copy the server's data into one file. The server may run meanwhile.", "to write")
    said = parser.parse_args(argv)

    def run() -> None:
        made = backup(load(said.config), said.file)
        print(f"{said.file}: {_words(made)}")

    return _told(run)


def restore_main(argv: Sequence[str]) -> int:
    """`hjemvakt restore`; returns the exit code."""
    parser = _parser("restore", "Put a backup's data in place. The server must not run.", "that was written")
    parser.add_argument("--replace", action="store_true", help="also where there is data; the old is kept aside")
    said = parser.parse_args(argv)

    def run() -> None:
        config = load(said.config)
        made, aside = restore(config, said.file, replace=said.replace)
        print(f"{said.file}: restored: {_words(made)}")
        if aside:
            print(f"what was there before is in {aside}", file=sys.stderr)
        if config.influx:
            print(_OF_ANOTHER_TIME.format(config.influx.bucket), file=sys.stderr)

    return _told(run)


def _parser(name: str, does: str, file: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"hjemvakt {name}", description=does)
    parser.add_argument("file", type=Path, metavar="FILE", help=f"the backup {file}")
    parser.add_argument("--config", type=Path, default=Path("server.toml"), help="server.toml (the default)")
    return parser


def _told(run: Callable[[], None]) -> int:
    try:
        run()
    except HjemvaktError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    return 0


def _words(manifest: Manifest) -> str:
    size = sum(one.bytes for one in manifest.files.values()) / 1e6
    files = len(manifest.files)
    return f"taken {manifest.taken}, revision {manifest.revision}, {files} file{'s' * (files > 1)}, {size:.1f} MB"
