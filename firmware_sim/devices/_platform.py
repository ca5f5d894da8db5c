"""A scale on a serial line and the person who steps on it: on for a quarter of a minute, and off again.

    empty      nothing, and stable
    moving     the first seconds: the load climbs and is not stable
    standing   stable: what the display shows is what was weighed
    leaving    the load falls, not stable
    overload   in some weighings someone leans on the person, who is too heavy for a moment

The scale says its load many times a second; the line belongs to the wire, so what nobody listened to is gone, and a
weighing of before it was switched on never was.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

import msgspec

from firmware_sim.device import Happening, TruthAt
from firmware_sim.kinds import Making
from firmware_sim.noise import share, swing
from vitals.clock import NS

MOVES_NS = 3 * NS
OVERLOAD_NS = 1 * NS
STAYS_NS = 15 * NS
LEAVES_NS = 2 * NS
_OVERLOAD_IN = 0.1
"""In this share of weighings the scale is overloaded first."""
_STEP_KG = 0.05

Unit = Literal["kg", "g", "lb"]
PER_KG = {"kg": 1.0, "g": 1000.0, "lb": 1 / 0.453_592_37}
DECIMALS = {"kg": 2, "g": 0, "lb": 1}


class LineOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`unit`: what the scale is set to."""

    unit: Unit = "kg"


class Load(msgspec.Struct, frozen=True):
    """What the scale shows, in its own unit, as text with the decimals it has (never signed, for it never is below 0).
    None: overload."""

    digits: str | None
    stable: bool


class LineScale:
    """An Instrument; a kind of scale adds `_line` and, where it is asked, `_asked`."""

    pace_s: ClassVar[float | None] = 0.2
    asks_end: ClassVar[bytes] = b"\n"
    """What ends a request."""

    def __init__(self, making: Making) -> None:
        options = making.options or LineOptions()
        assert isinstance(options, LineOptions), "load() checks a kind's options"
        self.unit = options.unit
        self.talks = False
        """Whether it says its load again and again."""
        self._seed = making.seed
        self._routine = making.routine
        self._on_ns = making.routine.next_ns(making.on_ns - 1)
        ends = (making.battery.empty_ns, making.routine.until_ns)
        self._silent_ns = min(t_ns for t_ns in ends if t_ns is not None)
        self._silent = False
        self._kg: float | None = None
        self._open = b""

    # Time

    @property
    def wake_ns(self) -> int | None:
        if self._silent:
            return None
        if self._on_ns is None:
            return self._silent_ns
        return min(self._silent_ns, self._on_ns + (MOVES_NS if self._kg is None else STAYS_NS + LEAVES_NS))

    def update(self, t_ns: int, truth_at: TruthAt) -> list[Happening]:
        happenings: list[Happening] = []
        while (moment := self.wake_ns) is not None and moment <= t_ns:
            if moment >= self._silent_ns:
                self._silent = True
                happenings.append(Happening(moment, "fell silent"))
            elif self._kg is None:
                self._kg = self._weighed(moment, truth_at)
                happenings.append(Happening(moment, "weighed", {"weight": self._shown_kg(self._kg)}))
            else:
                self._kg = None
                self._on_ns = self._routine.next_ns(moment)
        return happenings

    def _weighed(self, t_ns: int, truth_at: TruthAt) -> float:
        steps = round((truth_at(t_ns).weight + 0.04 * swing(self._seed, "weight", t_ns)) / _STEP_KG)
        return round(steps * _STEP_KG, 2)

    def _shown_kg(self, kg: float) -> float:
        """What stands on the display, in kg: with a decimal more where it shows pounds."""
        if self.unit != "lb":
            return kg
        return round(float(self._digits(kg)) / PER_KG["lb"], 2)

    # The line

    def receive(self, data: bytes, t_ns: int) -> Iterator[bytes]:
        *asked, self._open = (self._open + data).split(self.asks_end)
        for request in asked:
            if not self._silent:
                yield from self._asked(request.strip(), self.load(t_ns))

    def unasked(self) -> Iterator[bytes]:
        yield from ()

    def tick(self, t_ns: int, truth_at: TruthAt) -> Iterator[bytes]:
        if self.talks and not self._silent:
            yield self._line(self.load(t_ns))

    def load(self, t_ns: int) -> Load:
        """What is on it at `t_ns`, the time it was brought to."""
        since_ns = -1 if self._on_ns is None else t_ns - self._on_ns
        if since_ns < 0:
            return Load(self._digits(0), stable=True)
        if since_ns < OVERLOAD_NS and share(self._seed, "overload", self._on_ns or 0) < _OVERLOAD_IN:
            return Load(None, stable=False)
        if self._kg is None:
            return Load(self._digits(80 * since_ns / MOVES_NS), stable=False)
        if since_ns < STAYS_NS:
            return Load(self._digits(self._kg), stable=True)
        left = max(0.0, 1 - (since_ns - STAYS_NS) / LEAVES_NS)
        return Load(self._digits(self._kg * left), stable=False)

    def _digits(self, kg: float) -> str:
        return f"{kg * PER_KG[self.unit]:.{DECIMALS[self.unit]}f}"

    def _asked(self, request: bytes, load: Load) -> Iterator[bytes]:
        """The answers to a request, without its end."""
        yield from ()

    def _line(self, load: Load) -> bytes:
        """One line with its end."""
        raise NotImplementedError
