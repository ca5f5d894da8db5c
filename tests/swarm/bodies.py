"""What there is to measure, and the devices that measure it: the truth that everything stored is held against.

A device keeps what it measured, as an oximeter or a dispenser does, and can be read any number of times and through any
gateway; or it says it once and forgets (`Naming.ROW`). It has a clock of its own, which may be wrong.

How a device names what it measured decides what can be told apart: by a record's number, by the device's own time, or
not at all. The last is therefore never read twice here, as a device that streams is not.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event

Key = tuple[str, str, str, float]
"""Device, channel or kind of event, what names it on the device, value: what makes a measurement one and no other."""

UNSET_NS = 86_400 * NS
"""What a device's clock says that was never set: always the same."""


class Naming(Enum):
    RECORD = "record"
    TIME = "time"
    ROW = "row"


@dataclass(frozen=True)
class Record:
    """One visit of the truth: what the device measured at `true_ns`, when its own clock said `device_ns`."""

    device: str
    number: int
    naming: Naming
    true_ns: int
    device_ns: int
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    event: tuple[str, dict[str, int | float | str]] | None = None
    status: tuple[str, ...] = ()

    def told(self, t_ns: int) -> list[Block | Event]:
        """As a driver would tell of it, if it reckons that it was at `t_ns`."""
        name = f"r{self.number}" if self.naming is Naming.RECORD else None
        device_t_ns = UNSET_NS if "clock_unset" in self.status else self.device_ns
        if self.event:
            kind, data = self.event
            return [Event(kind, t_ns, data, name, device_t_ns)]
        return [
            Block(channel, _one_a_second(t_ns, len(value)), value, 1, self.status, name, device_t_ns)
            for channel, value in self.values.items()
        ]


def _one_a_second(last_ns: int, count: int) -> tuple[int, ...]:
    return tuple(last_ns - ago * NS for ago in reversed(range(count)))


def keys(device: str, what: Block | Event) -> list[Key]:
    """What each value of it is known by."""
    if isinstance(what, Event):
        return [(device, what.kind, name_of(what.record, what.device_t_ns, (), what.t_ns), 0.0)]
    return [
        (device, what.channel, name_of(what.record, what.device_t_ns, what.status, t_ns), value)
        for t_ns, value in zip(what.t_ns, what.value, strict=True)
    ]


def name_of(record: str | None, device_t_ns: int | None, status: Sequence[str], t_ns: int) -> str:
    """What names a measurement: the device's record, its time if its clock was set, or else only the moment."""
    if record is not None:
        return record
    if device_t_ns is not None and "clock_unset" not in status:
        return f"t{device_t_ns}"
    return f"m{t_ns}"


class Body:
    """A person, in a state that changes now and then."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.ill = False
        self.weight = draw.uniform(60, 100)
        self.gain = 0.0

    def turn(self) -> None:
        """Better, or worse."""
        self.ill = self._draw.random() < 0.5
        self.gain = self._draw.uniform(1.5, 4.4) if self.ill else self._draw.uniform(0, 1)

    def oximeter(self) -> dict[str, tuple[float, ...]]:
        """A spot reading, or now and then a night's."""
        middle = self._draw.choice((84, 88, 91)) if self.ill else 96
        count = 1 if self._draw.random() < 0.8 else 4
        spo2 = self._draw.sample(range(middle - 3, middle + 4), count)
        pulse = self._draw.randint(95, 145) if self.ill else self._draw.randint(55, 95)
        return {"spo2": tuple(float(one) for one in spo2), "pulse_rate": (float(pulse),)}

    def scale(self) -> dict[str, tuple[float, ...]]:
        """Somebody's weight: seldom it is a visitor's."""
        visitor = self._draw.random() < 0.03
        kg = self.weight / 2 if visitor else self.weight + self.gain + self._draw.uniform(-0.4, 0.4)
        return {"weight": (round(kg, 2),)}

    def cuff(self) -> dict[str, tuple[float, ...]]:
        sys = self._draw.randint(85, 118) if self.ill else self._draw.randint(105, 160)
        pulse = self._draw.randint(60, 125)
        return {"bp_sys": (float(sys),), "pulse_rate": (float(pulse),)}

    def thermometer(self) -> dict[str, tuple[float, ...]]:
        """A temperature, with what a nurse asks beside it, so that a whole score may come about."""
        found = {"body_temp": (round(self._draw.uniform(34.8, 39.6), 1),)}
        if self._draw.random() < 0.5:
            found["resp_rate"] = (float(self._draw.randint(8, 26)),)
            found["oxygen_flow"] = (float(self._draw.choice((0, 0, 2))),)
            found["consciousness"] = (float(self._draw.choice((0, 0, 0, 1))),)
        return found


KINDS: Mapping[str, Naming] = {
    "oximeter": Naming.RECORD,
    "cuff": Naming.TIME,
    "scale": Naming.TIME,
    "thermometer": Naming.ROW,
    "dispenser": Naming.RECORD,
}
_DISPENSER = ("missed", "missed", "retrieved", "presented", "jam", "empty", "refill", "tamper", "dispense_fail")


@dataclass
class Device:
    """One device. `memory` has all that it ever measured; `air` what it says once, to whoever listens."""

    id: str
    kind: str
    place: int
    """In which home it lies."""
    memory: list[Record] = field(default_factory=list)
    air: list[Record] = field(default_factory=list)
    clock_ns: int = 0
    """By how much its clock is ahead."""
    _doses: int = 0

    @property
    def naming(self) -> Naming:
        return KINDS[self.kind]

    def measure(self, draw: random.Random, now_ns: int, body: Body) -> Record:
        """Measure once."""
        if self.kind == "dispenser":
            record = self._record(now_ns, event=self._happening(draw))
        else:
            values = getattr(body, self.kind)()
            if draw.random() < 0.01:
                channel = next(iter(values))
                values[channel] = (1_000.0,)  # what no instrument could truthfully report
            status = ("clock_unset",) if self.naming is Naming.ROW else ()
            status += ("motion",) if draw.random() < 0.1 else ()
            record = self._record(now_ns, values=values, status=status)
        (self.air if self.naming is Naming.ROW else self.memory).append(record)
        return record

    def _record(self, now_ns: int, **more: object) -> Record:
        number = len(self.memory) + 1
        return Record(self.id, number, self.naming, now_ns, now_ns + self.clock_ns, **more)  # type: ignore[arg-type]

    def _happening(self, draw: random.Random) -> tuple[str, dict[str, int | float | str]]:
        what = draw.choice(_DISPENSER)
        if what == "missed":
            self._doses += 1
            data: dict[str, int | float | str] = {"dose_id": self._doses}
            return "dispenser.missed", data | ({"time_critical": 1} if draw.random() < 0.2 else {})
        if what == "retrieved":
            return "dispenser.retrieved", {"dose_id": draw.randint(max(0, self._doses - 3), self._doses)}
        return f"dispenser.{what}", {}
