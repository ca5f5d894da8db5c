"""`hjemvakt server`: run it, check what it would run with, passwords, codes and revocation, the web contract."""

import argparse
import asyncio
import contextlib
import getpass
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from vitals.errors import ConfigError, HjemvaktError

if TYPE_CHECKING:
    from server.config import Config
    from server.db import Database

OK, FAILED, UNUSABLE = 0, 1, 2

MOST_HOURS = 168


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
    run.add_argument(
        "--standby", action="store_true", help="where another server acts on the same database, wait until it is gone"
    )
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

    code = commands.add_parser(
        "claim-code", help="make the code that makes a hub this gateway",
        description="Prints a code that is good once and for a while. A technician types it on the hub: "
        "hjemvakt gateway claim CODE --config gateway.toml. An older code of that gateway is good no more.",
    )  # fmt: skip
    code.add_argument("gateway", metavar="GATEWAY", help="its id in municipality.toml")
    code.add_argument("--config", type=Path, required=True, metavar="CONFIG", help="server.toml")
    code.add_argument("--hours", type=float, default=24.0, help="how long it is good (24; at most 168)")
    code.set_defaults(do=_claim_code)

    revoke = commands.add_parser(
        "revoke", help="believe a gateway no more",
        description="Its certificates end, a running server sends it away within seconds and sets aside what it "
        "still says. It comes back only with a new code.",
    )  # fmt: skip
    revoke.add_argument("gateway", metavar="GATEWAY", help="its id in municipality.toml")
    revoke.add_argument("--config", type=Path, required=True, metavar="CONFIG", help="server.toml")
    revoke.add_argument("--reason", required=True, help="for the audit log")
    revoke.set_defaults(do=_revoke)

    test = commands.add_parser(
        "notify-test", help="send one test message by a channel",
        description="Really sends it, as the server would, and prints what the other side calls it. A modem is the "
        "running server's own: stop that first.",
    )  # fmt: skip
    test.add_argument(
        "channel", metavar="CHANNEL", choices=("sms", "email", "push", "voice", "webhook"),
        help="sms, email, push, voice or webhook",
    )  # fmt: skip
    test.add_argument("--to", required=True, metavar="ADDRESS", help="a number, a mail address, a subscription")
    test.add_argument("--config", type=Path, required=True, metavar="CONFIG", help="server.toml")
    test.add_argument("--language", choices=("nb", "en"), default="nb")
    test.set_defaults(do=_notify_test)

    watch = commands.add_parser(
        "watch", help="call somebody when a server is silent",
        description="A program of its own, best on another machine: it asks a server how it is, and calls somebody "
        "by its own way out when there is no answer, or alarms do not get out, and when it is well again.",
    )  # fmt: skip
    watch.add_argument("config", type=Path, metavar="CONFIG", help="watch.toml")
    watch.add_argument("--once", action="store_true", help="look once and say what is wrong; exits with 1 then")
    watch.set_defaults(do=_watch)

    openapi = commands.add_parser(
        "openapi", help="print the web contract", description="Print the OpenAPI description of the HTTP API as JSON."
    )
    openapi.set_defaults(do=_openapi)
    return parser


def _run(said: argparse.Namespace) -> int:
    from server.config import load
    from server.serving import run

    _log_to_stderr()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    asyncio.run(run(load(said.config), standby=said.standby))
    return OK


def _log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would write each address that is asked


def _check(said: argparse.Namespace) -> int:
    from server.app import checked_municipality
    from server.config import load
    from server.escalation.model import load as load_ladders
    from server.patients.programmes import check_limits
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


def _notify_test(said: argparse.Namespace) -> int:
    import secrets
    import time

    from server.config import load
    from server.keeping import AUTHORITY
    from server.notify.me import TEST
    from server.notify.sender import Message
    from server.notify.senders import senders

    config = load(said.config)
    ways = senders(config.notify, config.data / AUTHORITY)
    if said.channel not in ways:
        have = ", ".join(sorted(ways)) or "none"
        table = "[notify.sms] or [notify.modem]" if said.channel == "sms" else f"[notify.{said.channel}]"
        raise ConfigError(f"{said.config} has no way out by {said.channel}", f"write {table} (there is {have})")
    key, text = f"test/{secrets.token_hex(8)}", TEST[said.language]
    message = Message(
        key, None, said.channel, _person(), "administrator", said.to, text, time.time_ns(), language=said.language
    )
    receipt = ways[said.channel].send(message)
    print(f"{said.channel}: taken, reference {receipt.reference or 'none'}, key {key}")
    return OK


def _watch(said: argparse.Namespace) -> int:
    import signal
    import threading

    from server import sentry
    from server.notify.senders import senders

    _log_to_stderr()
    watch = sentry.load(said.config)
    ways = senders(watch.notify, said.config.resolve().parent)
    if said.once:
        health = sentry.Sentry(watch, ways).asked()
        found = sentry.trouble(health, watch.late_s)
        print(f"{watch.server}: {sentry.SAYS[found]['en'].format(name=watch.name) if found else 'well'}")
        return FAILED if found else OK
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    logging.getLogger(__name__).info("watching %s", watch.server)
    sentry.Sentry(watch, ways).run(stopping)
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


def _claim_code(said: argparse.Namespace) -> int:
    from server.config import load
    from server.identity.authority import Authority
    from server.identity.desk import Desk

    config = load(said.config)
    if config.broker.tls is None:
        raise ConfigError(f"{said.config} has no [broker.tls]", "hubs come in by password there; add it")
    if not 0 < said.hours <= MOST_HOURS:
        raise ConfigError(f"--hours {said.hours:g}", f"a code is good for up to {MOST_HOURS} hours")
    with _database(config) as db:
        desk = Desk(db, Authority.open(config.data / "authority"), config.broker.tls)
        code = desk.make_code(said.gateway, _person(), said.hours)
    print(code)
    print(f"good once, for {said.hours:g} hours, for {said.gateway}", file=sys.stderr)
    return OK


def _revoke(said: argparse.Namespace) -> int:
    import time

    from server.config import load
    from server.identity.desk import revoke

    with _database(load(said.config)) as db, db.write() as tx:
        ended = revoke(tx, said.gateway, said.reason, _person(), time.time_ns())
    many = "" if ended == 1 else "s"
    print(f"{said.gateway} is revoked, {ended} certificate{many} ended; a running server sends it away now")
    return OK


@contextlib.contextmanager
def _database(config: "Config") -> Iterator["Database"]:
    """The server's database, beside the running server or without it; raises ConfigError where there is none."""
    from server import revisions
    from server.db import Database

    where = config.database.where(config.data)
    if isinstance(where, Path) and not where.exists():
        raise ConfigError(f"there is no database {where}", "start the server once: it learns its gateways then")
    db = Database(where)
    try:
        db.reach()
        revisions.upgrade(db)
        yield db
    finally:
        db.close()


def _person() -> str:
    """Who types, for the audit log."""
    return f"{getpass.getuser()} (command line)"


def _openapi(_said: argparse.Namespace) -> int:
    from server.config import Config
    from server.db import Database
    from server.house import House
    from server.site import build

    config = Config(name="contract")
    empty = SimpleNamespace(db=Database(Path(":memory:")), config=config, clock=config.clock)
    contract = build(cast(House, empty)).openapi()
    print(json.dumps(contract, indent=1, sort_keys=True))
    return OK


if __name__ == "__main__":
    sys.exit(main())
