"""`hjemvakt readings`: hand readings out."""

import argparse
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from server import revisions
from server.audit import store as audit
from server.config import load, zone_of
from server.db import Database
from server.patients.store import ids
from server.readings.filed import Wanted, filed
from server.readings.moments import moment, moment_of
from vitals.channels import CHANNELS
from vitals.errors import ConfigError, HjemvaktError, StoreError

OK, FAILED, UNUSABLE = 0, 1, 2

_EXAMPLES = """\
examples
  hjemvakt readings export --from 2026-03-01 --to 2026-04-01 march.parquet
  hjemvakt readings export --from 2026-03-01T08:00Z --to 2026-03-01T20:00Z --patient p-001 --channel spo2 day.csv

A date is midnight where the patients live (time_zone in server.toml); a time needs a Z or a +02:00.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 for what went wrong on the way, 2 for what was asked wrongly."""
    said = _parser().parse_args(argv)
    try:
        return _export(said)
    except HjemvaktError as error:
        print(f"error: {error}", file=sys.stderr)
        return UNUSABLE if isinstance(error, ConfigError) else FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt readings", description="Hands readings out.", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    export = commands.add_parser(
        "export", help="write readings to a file", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Write the readings of a span of time to a Parquet or CSV file. The server may be running. What "
        "was withdrawn or is held is left out. The export is written to the audit log.",
    )  # fmt: skip
    export.add_argument("--from", dest="since", required=True, metavar="TIME", help="the first moment, inclusive")
    export.add_argument("--to", dest="until", required=True, metavar="TIME", help="the last moment, exclusive")
    export.add_argument("--patient", action="append", default=[], metavar="ID", help="only this one; may be repeated")
    export.add_argument("--channel", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    export.add_argument(
        "--config", type=Path, default=Path("server.toml"), metavar="FILE", help="server.toml (the default)"
    )
    export.add_argument("out", type=Path, metavar="OUT", help="a name that ends in .parquet or .csv")
    return parser


def _export(said: argparse.Namespace) -> int:
    from server.readings.export import FORMATS, export  # pyarrow is heavy

    if said.out.suffix not in FORMATS:
        raise ConfigError(f"{said.out} has no ending that says what to write", f"use {' or '.join(FORMATS)}")
    config = load(said.config)
    zone = zone_of(config.time_zone, str(said.config))
    wanted = Wanted(
        moment_of("--from", said.since, zone), moment_of("--to", said.until, zone), tuple(sorted(set(said.patient))),
        tuple(sorted(set(said.channel))),
    )  # fmt: skip
    if wanted.to_ns <= wanted.from_ns:
        raise ConfigError(f"--to {said.until} is not later than --from {said.since}", "exchange or correct them")
    for channel in wanted.channels:
        if channel not in CHANNELS:
            raise ConfigError(f"there is no channel {channel!r}", f"use one of {', '.join(CHANNELS)}")
    where = config.database.where(config.data)
    if isinstance(where, Path) and not where.exists():
        raise ConfigError(
            f"there is no database {where}", "see `data` in server.toml; the server makes it when it runs"
        )
    db = Database(where)
    try:
        _note(db, wanted, said.out, config.clock.now_ns())
        with db.read() as tx:
            count = export(said.out, wanted, filed(tx, wanted))
    except sa.exc.DatabaseError as error:
        raise StoreError(f"{db.name} cannot be read ({error.orig})", "restore it from a backup") from error
    finally:
        db.close()
    print(f"{said.out}: {count} readings")
    return OK


def _note(db: Database, wanted: Wanted, out: Path, now_ns: int) -> None:
    """Note in the audit log, before anything is shown, who takes what; raises ConfigError for somebody unknown."""
    with db.write() as tx:
        if revisions.current(tx) != revisions.numbers()[-1]:
            raise StoreError(f"{db.name} is of another version", "start this version of the server on it first")
        unknown = sorted(set(wanted.patients) - set(ids(tx)))
        if unknown:
            raise ConfigError(f"there is no patient {unknown[0]!r}", "use the ids of municipality.toml")
        channels = ", ".join(wanted.channels) or "all channels"
        whose = "" if wanted.patients else " of everybody"
        detail = f"{out.name}: {channels}{whose}, {moment(wanted.from_ns)} to {moment(wanted.to_ns)}"
        for patient in wanted.patients or (None,):
            audit.write(tx, now_ns, f"cli:{getpass.getuser()}", "export readings", patient, detail)


if __name__ == "__main__":
    sys.exit(main())
