"""The lines on the terminal: what happens, when by the town's clock, and after how many seconds of the wall."""

import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from hjemvakt.demo.story import Step
from hjemvakt.demo.town import Town
from vitals.clock import NS

_COLOUR = {"high": "31;1", "medium": "33;1", "low": "36;1", "quiet": "2", "good": "32"}


class Teller:
    """Writes to one stream; colours and a status line only where a person looks at a terminal."""

    def __init__(self, town: Town, out: TextIO) -> None:
        self._town = town
        self._out = out
        self._live = out.isatty()
        self._status = ""

    def wall_s(self, t_ms: int) -> float:
        """Seconds of the wall from the story's start to a time of the town's clock."""
        clock = self._town.clock
        return (t_ms * 1_000_000 - clock.origin_ns) / NS / clock.speed

    def line(self, text: str, look: str = "") -> None:
        """One line with both times before it."""
        elapsed_s = max(0.0, time.time() - self._town.clock.start_ns / NS)
        shown = f"\x1b[{_COLOUR[look]}m{text}\x1b[0m" if look and self._live else text
        self._write(f"{elapsed_s:6.1f} s  {_hour(self._town.clock.now_ns())}  {shown}\n")

    def plain(self, text: str = "") -> None:
        self._write(text + "\n")

    def status(self, text: str) -> None:
        """A line that the next one replaces."""
        if self._live:
            self._status = text
            self._out.write(f"\r\x1b[K\x1b[2m{text}\x1b[0m")
            self._out.flush()

    def _write(self, text: str) -> None:
        if self._status:
            self._out.write("\r\x1b[K")
        self._out.write(text)
        if self._status:
            self._out.write(f"\x1b[2m{self._status}\x1b[0m")
        self._out.flush()

    def welcome(self) -> None:
        """Where to look, and whom to sign in as."""
        self.plain(
            f"\nHjemvakt: {len(self._town.parts)} homes in Salten, time runs {self._town.clock.speed:.0f} × faster"
        )
        self.plain(f"\n  look at   {self._town.url}")
        for account in self._town.staff.values():
            self.plain(
                f"  sign in   {account.username:<6} password {account.password}   ({account.name}, {account.role})"
            )
        self.plain(f"  phones    {self._town.url}/phone")
        self.plain(f"  files     {self._town.folder}")
        self.plain("\nSimulated people. Not a certified medical device. Ctrl-C ends it.\n")

    def timeline(self, told: Mapping[str, list[Step]]) -> None:
        """The whole story, patient by patient."""
        for patient, steps in told.items():
            part = self._town.parts[patient]
            self.plain(f"\n{part.name} {part.tells}")
            for step in steps:
                when = (
                    f"{self.wall_s(step.t_ms):7.1f} s  {_hour(step.t_ms * 1_000_000)}"
                    if step.t_ms
                    else "   did not happen  "
                )
                self.plain(f"  {when}  {step.what:<13} {step.text or step.who or ''}")


def _hour(t_ns: int) -> str:
    return datetime.fromtimestamp(t_ns / NS, UTC).strftime("%H:%M:%S")


def iso(t_ms: int) -> str:
    """A time of the town's clock for a program."""
    return datetime.fromtimestamp(t_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stream_for(as_json: bool) -> TextIO:
    """People read stdout, unless a program does."""
    return sys.stderr if as_json else sys.stdout


def summary(values: list[float]) -> dict[str, Any]:
    """p50 and p99 of some milliseconds."""
    ordered = sorted(values)
    if not ordered:
        return {"n": 0, "p50": None, "p99": None}
    return {
        "n": len(ordered),
        "p50": round(ordered[len(ordered) // 2], 1),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1),
    }
