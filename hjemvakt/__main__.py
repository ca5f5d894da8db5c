"""The command line. Each part is imported only when it is asked for: a home hub never loads the server."""

import argparse
import os
import select
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

from vitals.errors import HjemvaktError

_STORY = """\
Hjemvakt watches over people at home.

A gateway in the home reads medical devices and keeps what they measure until the server has it; the server finds who
is getting worse and makes sure that a nurse, and then a doctor, knows and acts.
"""

_EXAMPLES = """\
examples
  hjemvakt demo                          a small municipality on this machine, with a page to look at
  hjemvakt demo --once --json            play its story without a person, print the timeline for a program
  hjemvakt gateway check gateway.toml    is this configuration right? one line says what to mend
  hjemvakt gateway run gateway.toml      the hub in a home
  hjemvakt gateway claim CODE --config gateway.toml          make it one of the server's own, with the code it gave
  hjemvakt server run server.toml        broker, triage, escalation and the staff page
  hjemvakt readings export --from 2026-03-01 --to 2026-04-01 march.parquet
  hjemvakt triage score --rule news2 ward.csv            a table, scored, and what is missing named
  hjemvakt triage explain 17             why an alarm is as it is, decided once more from what was known
  hjemvakt audit verify --config server.toml             was anything of who saw what altered or cut off?
  hjemvakt backup FILE                   the server's data in one file, while it runs
  hjemvakt sim list                      which devices and which stories can be simulated
  hjemvakt sim run kari.toml             simulated homes: bodies, devices, a virtual radio
  hjemvakt sim gateway kari.toml         what the gateway of that home needs to read them

  hjemvakt devices                       which devices can be read
  hjemvakt decode gls-1808 07 01 00 e3 07 08 15 06 1f 0d b4 00 3b c0 f1
  hjemvakt scan                          who advertises here, and which driver would take it
  hjemvakt pair meter-0001 --config gateway.toml             for a device that shows digits
  hjemvakt capture oxi-0001 oxi.cap --config gateway.toml    record a device, for a test of its driver

Hjemvakt is not a certified medical device.
"""

Command = Callable[[list[str]], int]

_OURS = ("hjemvakt", "gateway", "server", "firmware_sim", "drivers", "triage", "vitals")
"""Our own packages: one of these that cannot be imported is a damaged installation, and its traceback is needed."""


def _gateway() -> Command:
    from gateway.__main__ import main

    return main


def _server() -> Command:
    from server.__main__ import main

    return main


def _readings() -> Command:
    from server.readings.__main__ import main

    return main


def _audit() -> Command:
    from server.audit.__main__ import main

    return main


def _backup() -> Command:
    from server.backup.__main__ import backup_main

    return backup_main


def _restore() -> Command:
    from server.backup.__main__ import restore_main

    return restore_main


def _triage() -> Command:
    from hjemvakt.triage.__main__ import main

    return main


def _sim() -> Command:
    from firmware_sim.__main__ import main

    return main


def _demo() -> Command:
    from hjemvakt.demo.__main__ import main

    return main


def _devices() -> Command:
    from hjemvakt.devices import devices

    return devices


def _decode() -> Command:
    from hjemvakt.devices import decode

    return decode


def _scan() -> Command:
    from gateway.commands.scan import main

    return main


def _pair() -> Command:
    from gateway.commands.pair import main

    return main


def _capture() -> Command:
    from gateway.commands.capture import main

    return main


_COMMANDS: dict[str, tuple[str, str, Callable[[], Command]]] = {
    "demo": ("show everything at work on this machine", "demo", _demo),
    "gateway": ("the hub in a home: run, check, claim", "gateway", _gateway),
    "server": ("the server: run, check, password, claim-code, revoke, notify-test, watch", "server", _server),
    "readings": ("readings, handed out as a file: export", "server", _readings),
    "audit": ("who saw and did what: verify that nothing of it was altered", "server", _audit),
    "backup": ("copy the server's data into one file", "server", _backup),
    "restore": ("put a backup's data in place", "server", _restore),
    "triage": ("the triage rules on tables, and on what a server has kept", "server,study", _triage),
    "sim": ("simulated homes: run, check, gateway, list", "sim", _sim),
    "devices": ("the devices that can be read", "gateway", _devices),
    "decode": ("what bytes of a device mean", "gateway", _decode),
    "scan": ("which Bluetooth devices advertise here", "gateway", _scan),
    "pair": ("pair a Bluetooth device with this hub, once", "gateway", _pair),
    "capture": ("record a live session of a device", "gateway", _capture),
}
"""What a command is for, the extra with the packages it needs, and where it is."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 well, 1 it failed, 2 what was asked makes no sense."""
    parser = argparse.ArgumentParser(
        prog="hjemvakt", description=_STORY, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"hjemvakt {version('hjemvakt')}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name, (meaning, _, _) in _COMMANDS.items():
        commands.add_parser(name, help=meaning, add_help=False)
    chosen, rest = parser.parse_known_args(argv)
    _, extra, command = _COMMANDS[chosen.command]
    try:
        code = command()(rest)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        return 1
    except HjemvaktError as error:
        print(f"hjemvakt: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        if not error.name or error.name.split(".")[0] in _OURS:
            raise
        print(
            f"hjemvakt: the package {error.name!r} is not installed: pip install 'hjemvakt[{extra}]'",
            file=sys.stderr,
        )
        return 2


def _nobody_reads() -> bool:
    """Whether whoever read our output is gone (`| head`). Then what is still buffered has nowhere to go."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    if not output.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


if __name__ == "__main__":
    sys.exit(main())
