"""`python -m gateway run CONFIG`, `… check CONFIG`, `… claim CODE --config CONFIG`. Errors: one line, exit 2."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.app import run
from gateway.config.file import load
from gateway.identity.claim import claim
from gateway.identity.held import summary
from gateway.identity.seals import Seals
from vitals.errors import HjemvaktError


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.WARNING if arguments.quiet else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("bumble").setLevel(logging.ERROR)
    try:
        config = load(arguments.config)
        if arguments.command == "check":
            Seals(Path(config.data))
            if config.local:
                from gateway.home.judge import made  # a running hub loads the rules when it needs them

                made(config.local.programme, config.local.limits)
            print(f"{arguments.config}: ok: {config.summary()}{summary(config)}")
        elif arguments.command == "claim":
            print(claim(config, arguments.code, discard=arguments.discard, sure=_sure(arguments.yes)))
        else:
            asyncio.run(run(config))
    except HjemvaktError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hjemvakt gateway", description="Reads the devices of one home.")
    parser.add_argument("--quiet", action="store_true", help="say only what is wrong")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("run", "run until SIGTERM"), ("check", "check a configuration and do nothing")):
        command = commands.add_parser(name, help=text)
        command.add_argument("config", type=Path, metavar="CONFIG", help="the gateway's configuration file")
        command.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    claiming = commands.add_parser(
        "claim", help="make this hub one of the server's gateways",
        description="Makes a key, and redeems the code that the municipality gave for a certificate. Stop the gateway "
        "first. What a hub measured as another gateway is never sent on: it is thrown away, if you say how much it is.",
    )  # fmt: skip
    claiming.add_argument("code", metavar="CODE", help="as it stands on the paper")
    claiming.add_argument(
        "--config", type=Path, required=True, metavar="CONFIG", help="the gateway's configuration file"
    )
    claiming.add_argument("--discard", type=int, metavar="N", help="throw away the N readings that wait in this hub")
    claiming.add_argument("--yes", action="store_true", help="ask nothing")
    return parser


def _sure(yes: bool) -> Callable[[str], bool]:
    """Ask whoever sits there; nobody does where there is no terminal."""
    return lambda question: yes or (sys.stdin.isatty() and input(f"{question} [y/N] ").strip().lower() in ("y", "j"))


if __name__ == "__main__":
    sys.exit(main())
