"""`make fuzz`: conversations with every driver until each was fed a million packets, searched for by Hypothesis.

A case is one packet fed to a driver within a conversation (see `script.py`). No driver may raise, give a number that
is not finite, or make a value of a special. It goes on after a failure, and ends with 1 when there was one; the script
that shows it best is printed in hexadecimal, ready for a test.

    python -m tests.fuzz [--cases 1000000] [DRIVER ...]
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from drivers.catalogue import catalogue, find
from drivers.contract import Driver
from tests.fuzz.script import Seen, packets_of, talk

_SCRIPT_BYTES = 4000
_ROUND = 500
"""Conversations Hypothesis is asked for at a time."""


class Tally:
    """What one driver went through."""

    def __init__(self, driver: str) -> None:
        self.driver = driver
        self.packets = 0
        self.conversations = 0
        self.failure = ""

    def fuzz(self, cases: int) -> None:
        """Until `cases` packets were fed, or something was found."""
        driver, seen = find(self.driver), packets_of(self.driver)
        found = [b""]

        @settings(
            max_examples=_ROUND,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(script=st.binary(min_size=_SCRIPT_BYTES // 4, max_size=_SCRIPT_BYTES))
        def conversations(script: bytes) -> None:
            found[0] = script
            self.packets += talk(driver, seen, script)
            self.conversations += 1

        number = 0
        while self.packets < cases:
            number += 1
            try:
                seed(number)(conversations)()
            except Exception as error:  # noqa: BLE001 - whatever a driver raises is what is looked for
                shown = _shortest(found[0], lambda script: _fails(driver, seen, script))
                why = traceback.format_exception_only(error)[0].splitlines()[0]
                self.failure = f"{why}\n  script {shown.hex(' ')}"
                return


def _fails(driver: type[Driver], seen: Sequence[Seen], script: bytes) -> bool:
    try:
        talk(driver, seen, script)
    except Exception:  # noqa: BLE001 - as above
        return True
    return False


def _shortest(script: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """The script without all that can be left out: Hypothesis turns bytes to zeros but keeps its least length.

    In powers of two, so that the shortest packet's four bytes are among them.
    """
    size = 1 << _SCRIPT_BYTES.bit_length()
    while size:
        at = 0
        while at < len(script):
            shorter = script[:at] + script[at + size :]
            if fails(shorter):
                script = shorter
            else:
                at += size
        size //= 2
    return script


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description="Bytes no device would send, to every driver.")
    parser.add_argument("--cases", type=int, default=1_000_000, help="packets for each driver (1000000)")
    parser.add_argument("driver", nargs="*", help="only these (all)")
    arguments = parser.parse_args(argv)
    names = arguments.driver or sorted(catalogue())
    for name in names:
        if name not in catalogue():
            parser.error(f"no driver is called {name}: see hjemvakt devices")
    failed = 0
    for name in names:
        tally, begun_s = Tally(name), time.monotonic()
        tally.fuzz(arguments.cases)
        failed += bool(tally.failure)
        took_s = time.monotonic() - begun_s
        verdict = f"FAILED: {tally.failure}" if tally.failure else "nothing found"
        fed = f"{tally.packets:10,} packets in {tally.conversations:7,} conversations"
        print(f"{name:24} {fed} {took_s:6.0f} s  {verdict}", flush=True)
    print(
        f"{failed} of the drivers failed" if failed else "no exception, no number that is none, no value of a special"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
