"""`hjemvakt demo`: everything at work on this machine."""

import argparse
import asyncio
import json
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hjemvakt.demo.play import Play
from hjemvakt.demo.telling import Teller, stream_for
from hjemvakt.demo.town import CAST, Town, Wishes, build
from vitals.errors import ConfigError, HjemvaktError

_STORY = sum(bool(part.tells) for part in CAST)
_MOST_PATIENTS = 40
"""Each home is a process of its own; more than this is a test of the machine."""


def main(argv: list[str]) -> int:
    """Returns 0 when every step of the story happened (or a person stopped it), 1 when not, 2 for bad arguments."""
    wishes, once, as_json, keep = _asked(argv)
    folder = Path(tempfile.mkdtemp(prefix="hjemvakt-")) if keep is None else _empty(keep)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a demo that is ended ends its parts
    try:
        return _perform(build(folder, wishes, time.time_ns()), once, as_json)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 1 if once else 0
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _perform(town: Town, once: bool, as_json: bool) -> int:
    code = 1
    try:
        code = _play(town, once, as_json)
    except* HjemvaktError as errors:
        for line in _lines(errors):
            print(f"hjemvakt demo: {line}", file=sys.stderr)
    return code


def _lines(errors: BaseExceptionGroup[HjemvaktError]) -> Iterator[str]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _lines(error)
        else:
            yield str(error)


def _play(town: Town, once: bool, as_json: bool) -> int:
    teller = Teller(town, stream_for(as_json))
    play = Play(town, teller, once)
    well = asyncio.run(play.run())
    teller.timeline(play.told)
    report = play.report()
    if as_json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
    latency = report["reading_to_page_ms"]
    teller.plain(
        f"\nfirst alarm on the page after {report['first_alarm_s']} s; reading to page p50 {latency['p50']} ms, "
        f"p99 {latency['p99']} ms ({latency['n']} readings)"
    )
    for patient, lacks in report["missing"].items():
        teller.plain(f"did not happen: {town.parts[patient].name}: {', '.join(lacks)}")
    return 0 if well or not once else 1


def _asked(argv: list[str]) -> tuple[Wishes, bool, bool, Path | None]:
    parser = argparse.ArgumentParser(prog="hjemvakt demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="play the story alone; exit 0 only if all of it happened")
    parser.add_argument("--json", action="store_true", help="the timeline for a program on stdout, the rest on stderr")
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="port of the staff page (%(default)s)")
    parser.add_argument("--speed", type=float, default=240, metavar="X", help="how much faster time runs (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which bodies and which noise (%(default)s)")
    parser.add_argument("--patients", type=int, default=len(CAST), metavar="N",
                        help=f"how many homes, {_STORY} to {_MOST_PATIENTS} (%(default)s)")  # fmt: skip
    parser.add_argument("--broker", choices=("auto", "mosquitto", "embedded"), default="auto",
                        help="auto: mosquitto where it is installed, else the embedded one")  # fmt: skip
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave configurations, data and logs in DIR")
    asked = parser.parse_args(argv)
    if not _STORY <= asked.patients <= _MOST_PATIENTS:
        parser.error(f"--patients {asked.patients}: the story needs {_STORY} to {_MOST_PATIENTS} homes")
    if not 1 <= asked.speed <= 1000:
        parser.error(f"--speed {asked.speed:g}: choose 1 to 1000")
    if not 0 < asked.port < 65_536 or not _is_free(asked.port):
        parser.error(f"--port {asked.port} is taken or not a port: choose another, such as --port {free_port()}")
    wishes = Wishes(asked.patients, asked.speed, asked.seed, asked.port, asked.broker, free_port())
    return wishes, asked.once, asked.json, asked.keep


def _empty(folder: Path) -> Path:
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"--keep {folder} is not empty", "name a new folder, so that nothing old is mistaken for new")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
