"""`python -m firmware_sim run HOMES`, `check HOMES`, `gateway HOMES` and `list`.

With `--json` each thing that happens is one JSON object on a line of its own, the first of them `{"what":"ready"}`.
`gateway` prints what the gateway of a home needs to read its devices. With `--speed` it holds a clock that runs faster
and begins now; `run --clock` takes the clock of that file, so that both live in one time.

Exit codes: 0 done or interrupted, 1 a radio or port does not open, 2 what was asked cannot be used.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from firmware_sim import scenario as stories
from firmware_sim.app import SimConfig, Tell, load, run
from firmware_sim.config import OWN_SCENARIOS
from firmware_sim.gateway import gateway_config
from firmware_sim.kinds import kinds
from vitals.clock import MOST_SPEED, RunningClock
from vitals.errors import ConfigError, HjemvaktError, reason
from vitals.settings import convert

_LINKS = {"air": "Bluetooth", "advert": "Bluetooth, adverts only", "serial": "serial line"}


def main(argv: list[str]) -> int:
    """The command line without its first word; returns the exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    try:
        arguments.do(arguments)
    except HjemvaktError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except BrokenPipeError:
        # Whoever listened is gone, and with them the reason to run. What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hjemvakt sim", description="Homes that do not exist, and their devices.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, do: Callable[[argparse.Namespace], None], meaning: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=meaning, description=meaning)
        made.set_defaults(do=do)
        return made

    running = command("run", _run, "run the homes until interrupted")
    running.add_argument("config", metavar="HOMES.toml")
    running.add_argument("--json", action="store_true", help="one JSON object a line")
    running.add_argument("--clock", metavar="FILE.toml", help="take the [clock] of that file, such as the gateway's")
    command("check", _check, "check a configuration and its scenarios").add_argument("config", metavar="HOMES.toml")
    gateway = command("gateway", _gateway, "print a configuration for the gateway of a home")
    gateway.add_argument("config", metavar="HOMES.toml")
    gateway.add_argument("home", metavar="HOME", nargs="?", help="which home, where there are several")
    gateway.add_argument("--speed", type=float, help="a clock that runs so much faster, beginning now")
    command("list", _list, "the devices and the scenarios there are").add_argument(
        "--json", action="store_true", help="one JSON object"
    )
    return parser


def _run(asked: argparse.Namespace) -> None:
    config = load(asked.config)
    if asked.clock:
        config = replace(config, clock=_clock_of(Path(asked.clock)))
    if not asked.json:
        print("\n".join(_places(config)), flush=True)
    asyncio.run(_until_stopped(config, _tell_json if asked.json else _tell_text))


def _places(config: SimConfig) -> Iterator[str]:
    """Where each home's radio is, and each device."""
    rows = []
    for home in config.homes:
        rows += [(home.name, "", "radio", home.radio)] if home.radio else []
        rows += [(home.name, device.id, device.kind, device.port or device.address) for device in home.furnished]
    return _columns(rows)


def _check(asked: argparse.Namespace) -> None:
    config = load(asked.config)
    homes = ", ".join(home.name for home in config.homes)
    print(f"{asked.config}: ok: {homes}, at speed {config.clock.speed:g}")


def _gateway(asked: argparse.Namespace) -> None:
    config = load(asked.config)
    if asked.speed is not None:
        if not 0 < asked.speed <= MOST_SPEED:
            raise ConfigError(f"clock speed {asked.speed:g}", f"time goes forward: above 0, at most {MOST_SPEED:g}")
        now_ns = time.time_ns()
        config = replace(config, clock=RunningClock(asked.speed, now_ns, now_ns))
    print(gateway_config(config, asked.home, Path(asked.config).name), end="")


def _list(asked: argparse.Namespace) -> None:
    known = [(kind.name, kind.title, kind.driver, _LINKS[kind.link]) for kind in kinds().values()]
    told = [(path.stem, stories.load(path).title) for path in sorted(OWN_SCENARIOS.glob("*.toml"))]
    if asked.json:
        devices = [dict(zip(("name", "title", "driver", "link"), row, strict=True)) for row in known]
        scenarios = [{"name": name, "title": title} for name, title in told]
        print(msgspec.json.encode({"devices": devices, "scenarios": scenarios}).decode())
        return
    for row in _columns([("DEVICE", "WHAT IT IS", "DRIVER", "LINK"), *known]):
        print(row)
    print()
    for row in _columns([("SCENARIO", "WHAT IT TELLS"), *told]):
        print(row)


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _clock_of(path: Path) -> RunningClock:
    """The [clock] of any configuration; raises ConfigError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({reason(error)})", "name a configuration with a [clock]") from error
    if "clock" not in table:
        raise ConfigError(f"{path} has no [clock]", "it runs by the wall clock: leave --clock out")
    return convert(table["clock"], RunningClock, path.name)


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
