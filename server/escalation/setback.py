"""Whether our own clock was set back, also while the server was away.

Ladders are due at moments of the wall. Of a clock that is set back, what is due by the older one would come late by as
much, and nobody would know. While the server runs it remembers what the clock showed at its last turn. So that a start
knows it too, a row says it, and beside it what the machine's steady clock showed, which counts from the boot and which
nobody sets.

- *In the same boot* the two say what the clock ought to show by now: it was set back by whatever it shows less, also
  while the server was away for longer than that.
- *After another boot, or on another machine,* nobody knows how long the server was away, so of a clock that shows less
  than it did nobody knows by how much it was set back either. Then all that waits is due at once: rather one told too
  early than an alarm that stands still. Two machines differ a little, so not for the sake of a minute.

Until the clock shows again what it has shown, this is a problem in `/api/health`: somebody ought to look at it.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import sqlalchemy as sa

from server.db import metadata
from vitals.clock import NS, Clock

log = logging.getLogger(__name__)

EVERYTHING_NS = 2**62
"""Set back by so much, all that waits is due at once."""

LEAST_NS = NS
"""A clock that shows less by so little was slowed down by its time service, or read a moment later."""

APART_NS = 60 * NS
"""The clocks of two machines may differ by so much."""

KEPT_NS = 10 * NS
"""The row is written so often."""

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BOOT = Path("/proc/sys/kernel/random/boot_id")

clock_shown = sa.Table(
    "clock_shown",
    metadata,
    sa.Column("now_ns", sa.BigInteger, nullable=False, comment="what the clock showed at the last turn"),
    sa.Column("boot", sa.String, nullable=False, comment="of the machine, or empty"),
    sa.Column("steady_ns", sa.BigInteger, nullable=False, comment="since that boot"),
    sa.Column("most_ns", sa.BigInteger, nullable=False, comment="the most that it ever showed, or ought to have"),
)


class Shown(msgspec.Struct, frozen=True):
    """What both clocks show. `boot`: which boot of which machine `steady_ns` counts from, empty where it does not."""

    now_ns: int
    boot: str = ""
    steady_ns: int = 0


Machine = Callable[[int], Shown]
"""Reads both clocks at once; is told what the clock showed when the turn began."""


def machine_of(clock: Clock) -> Machine:
    """The machine that this runs on."""
    try:
        boot = _BOOT.read_text("ascii").strip()
    except OSError:  # not Linux
        return Shown
    return lambda _: Shown(clock.now_ns(), boot, time.clock_gettime_ns(_STEADY))


def behind_ns(before: Shown, now: Shown, speed: float) -> int:
    """By how much the clock was set back between the two; 0 where it was not."""
    if before.boot == now.boot and before.steady_ns <= now.steady_ns:
        by_ns = _ought_ns(before, now, speed) - now.now_ns
        return by_ns if by_ns > LEAST_NS * max(1.0, speed) else 0
    by_ns = max(0, before.now_ns - now.now_ns)
    return by_ns if by_ns <= APART_NS else EVERYTHING_NS


def _ought_ns(before: Shown, now: Shown, speed: float) -> int:
    return before.now_ns + round((now.steady_ns - before.steady_ns) * speed)


class Setback:
    """Looks at the clock with each turn. `begin` first."""

    def __init__(self, machine: Machine, speed: float) -> None:
        self._machine = machine
        self._speed = speed
        self._before: Shown | None = None
        self._most_ns = 0
        self._kept_ns = 0

    def begin(self, tx: sa.Connection) -> None:
        """Recall what the clock showed before the last stop."""
        row = tx.execute(sa.select(clock_shown)).first()
        if row is not None:
            self._before, self._most_ns = Shown(row.now_ns, row.boot, row.steady_ns), row.most_ns

    def look(self, tx: sa.Connection, now_ns: int) -> tuple[int, Callable[[], None]]:
        """By how much what waits must be brought forward, and what to call once that is committed; until then it is
        as if nobody had looked."""
        now = self._machine(now_ns)
        by_ns = 0 if self._before is None else behind_ns(self._before, now, self._speed)
        most_ns = max(self._most_ns, now.now_ns)
        if by_ns and self._before is not None:
            most_ns = max(most_ns, self._before.now_ns if by_ns == EVERYTHING_NS else now.now_ns + by_ns)
        keep = bool(by_ns) or not self._kept_ns or now.now_ns - self._kept_ns >= KEPT_NS * self._speed
        if keep:
            _keep(tx, now, most_ns)

        def seen() -> None:
            if by_ns:
                how = "nobody knows how far" if by_ns == EVERYTHING_NS else f"by {by_ns / NS:.0f} s"
                log.warning("our clock was set back, %s: what waits for it is brought forward as much", how)
            self._before, self._most_ns = now, most_ns
            self._kept_ns = now.now_ns if keep else self._kept_ns

        return by_ns, seen

    def problem(self) -> str | None:
        """What is wrong with the clock now, or None."""
        if self._before is None or self._most_ns - self._before.now_ns <= LEAST_NS:
            return None
        return "the clock was set back, and alarms that waited for it were brought forward: see to this machine's time"


def _keep(tx: sa.Connection, now: Shown, most_ns: int) -> None:
    tx.execute(clock_shown.delete())
    tx.execute(clock_shown.insert().values(**msgspec.structs.asdict(now), most_ns=most_ns))
