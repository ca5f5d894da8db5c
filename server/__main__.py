"""`hjemvakt server`: run it, check what it would run with, make a password, print the web contract."""

import argparse
import asyncio
import getpass
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from vitals.errors import ConfigError, HjemvaktError

OK, FAILED, UNUSABLE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 for a start that failed, 2 for a configuration that cannot be used."""
    said = _parser().parse_args(argv)
    try:
        code: int = said.do(said)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return UNUSABLE
    except HjemvaktError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt server", description="Stores readings, watches over patients, and tells people.",
        epilog="The log goes to standard error and never names a patient.",
    )  # fmt: skip
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="serve until stopped", description="Serve until SIGTERM or Ctrl-C.")
    run.add_argument("config", type=Path, metavar="CONFIG", help="server.toml")
    run.set_defaults(do=_run)

    check = commands.add_parser(
        "check", help="say whether a configuration can be used",
        description="Read server.toml and all it names: municipality, ladders, programmes and patients' limits. "
        "Prints one line, and exits with 2 if something is wrong. Nothing is written.",
    )  # fmt: skip
    check.add_argument("config", type=Path, metavar="CONFIG", help="server.toml")
    check.set_defaults(do=_check)

    password = commands.add_parser(
        "password", help="make the hashes of a password",
        description="Asks twice on a terminal, or reads one line from standard input. Prints the hash for a member of "
        "the staff (argon2) and the one for a gateway ($7$), as municipality.toml wants them.",
    )  # fmt: skip
    password.set_defaults(do=_password)

    openapi = commands.add_parser(
        "openapi", help="print the web contract", description="Print the OpenAPI description of the HTTP API as JSON."
    )
    openapi.set_defaults(do=_openapi)
    return parser


def _run(said: argparse.Namespace) -> int:
    from server.app import run
    from server.config import load

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    asyncio.run(run(load(said.config)))
    return OK


def _check(said: argparse.Namespace) -> int:
    from server.app import check_limits, checked_municipality
    from server.config import load
    from server.escalation.model import load as load_ladders
    from server.patients.programmes import load as load_programmes

    config = load(said.config)
    municipality, programmes = checked_municipality(config), load_programmes(config.programmes)
    ladders = load_ladders(config.ladders)
    check_limits(programmes, municipality.patients)
    print(
        f"{said.config}: ok: {config.name}, {len(municipality.patients)} patients, "
        f"{len(municipality.gateways)} gateways, {len(municipality.staff)} staff, {len(programmes.names)} programmes, "
        f"{len(ladders)} ladders"
    )
    return OK


def _password(_said: argparse.Namespace) -> int:
    from server.access.passwords import hash_password as for_staff
    from server.broker.accounts import hash_password as for_gateway

    if sys.stdin.isatty():
        password = getpass.getpass("password: ")
        if password != getpass.getpass("once more: "):
            raise ConfigError("the two are not the same", "try again")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ConfigError("the password is empty", "give one of some length")
    print(f"staff:   {for_staff(password)}\ngateway: {for_gateway(password)}")
    return OK


def _openapi(_said: argparse.Namespace) -> int:
    from server.config import Config
    from server.db import Database
    from server.house import House
    from server.site import build

    empty = SimpleNamespace(db=Database(Path(":memory:")), config=Config(name="contract"))
    contract = build(cast(House, empty)).openapi()
    print(json.dumps(contract, indent=1, sort_keys=True))
    return OK


if __name__ == "__main__":
    sys.exit(main())
