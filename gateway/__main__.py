"""`python -m gateway run CONFIG`, `python -m gateway check CONFIG`. Errors: one line on stderr, exit 2."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.app import run
from gateway.config import load
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
            if config.local:
                from gateway.judge import made  # a running hub loads the rules when it needs them

                made(config.local.programme, config.local.limits)
            print(f"{arguments.config}: ok: {config.summary()}")
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
    return parser


if __name__ == "__main__":
    sys.exit(main())
