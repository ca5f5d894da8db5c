"""`python -m firmware_sim run CONFIG [--json]` and `check CONFIG`.

With `--json` each thing that happens is one JSON object on a line of its own, the first of them `{"what":"ready"}`.
Exit codes: 0 done or interrupted, 1 a radio or port does not open, 2 the configuration cannot be used.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from firmware_sim.app import SimConfig, Tell, load, run
from vitals.errors import ConfigError, HjemvaktError


def main(argv: list[str]) -> int:
    """The command line without its first word; returns the exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    try:
        config = load(arguments.config)
        if arguments.command == "run":
            asyncio.run(_until_stopped(config, _tell_json if arguments.json else _tell_text))
        else:
            homes = ", ".join(home.name for home in config.homes)
            print(f"{arguments.config}: ok: {homes}, at speed {config.clock.speed:g}")
    except HjemvaktError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except BrokenPipeError:
        # Whoever listened is gone, and with them the reason to run. What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="firmware_sim", description="Homes that do not exist, and their devices.")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="run the homes until interrupted")
    running.add_argument("config")
    running.add_argument("--json", action="store_true", help="one JSON object a line")
    commands.add_parser("check", help="check a configuration and its scenarios").add_argument("config")
    return parser


async def _until_stopped(config: SimConfig, tell: Tell) -> None:
    """Run until SIGINT or SIGTERM, then shut down cleanly."""
    running = asyncio.ensure_future(run(config, tell))
    stop: Callable[[], Any] = running.cancel
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await asyncio.wait((running,))
    if not running.cancelled():
        _raise_ours(running.exception())


def _raise_ours(error: BaseException | None) -> None:
    """A group with one error of ours in it is that error."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if error:
        raise error


def _tell_json(happening: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(happening).decode() + "\n")
    sys.stdout.flush()


def _tell_text(happening: dict[str, Any]) -> None:
    where = " ".join(str(happening[key]) for key in ("home", "device") if key in happening)
    rest = {key: value for key, value in happening.items() if key not in ("t_ns", "wall_ns", "home", "device", "what")}
    numbers = "  ".join(f"{key} {value}" for key, value in rest.items())
    print("  ".join(word for word in (where, happening["what"], numbers) if word), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
