"""`hjemvakt triage COMMAND`: each command is a file beside this one, imported only when it is asked for."""

import argparse
import importlib
from collections.abc import Callable, Sequence
from typing import cast

_COMMANDS: dict[str, str] = {
    "explain": "why an alarm is as it is, and the same decision made once more from what was known then",
    "replay": "a patient's hours once more: what the rules said, and with another programme would have said",
    "whatif": "before a programme goes live: how many alarms it makes, which come and which go",
    "rules": "the rules there are, what each reads and what may be set",
    "score": "score a table: NEWS2, MEWS, qSOFA, shock index, CRB-65",
    "programmes": "list the programmes that patients can follow, show one in full, check a file",
    "evaluate": "how well scores foresee what a table says came to pass",
    "fit": "make the research score of a table",
}
"""What each command is for. Its module has the command's name and a `main(argv) -> exit code`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 well, 1 it failed, 2 what was asked makes no sense."""
    parser = argparse.ArgumentParser(prog="hjemvakt triage", description="The triage rules, put to use.")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name, meaning in _COMMANDS.items():
        commands.add_parser(name, help=meaning, add_help=False)
    chosen, rest = parser.parse_known_args(argv)
    return cast(Callable[[list[str]], int], importlib.import_module(f"hjemvakt.triage.{chosen.command}").main)(rest)
