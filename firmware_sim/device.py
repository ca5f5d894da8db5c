"""What a port asks of a firmware: a state machine that is told the time and the truth, and never sees a socket.

A firmware looks at no clock. `update(t, truth_at)` brings it to the time `t`; whatever fell due before `t` happens at
its own time, in order, so a simulator that was asleep for a minute ends in the same state as one that was awake.
`wake_ns` says when something will next happen of itself.
"""

from collections.abc import Callable, Iterator
from enum import Flag, auto
from typing import ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from firmware_sim.body import DAY_NS, Truth

TruthAt = Callable[[int], Truth]


class Happening(msgspec.Struct, frozen=True):
    """Something a bystander in the home would have seen."""

    t_ns: int
    what: str
    data: dict[str, int | float | str] = {}


class Can(Flag):
    """What a client may do with a characteristic."""

    READ = auto()
    WRITE = auto()
    NOTIFY = auto()
    INDICATE = auto()


class Pipe(msgspec.Struct, frozen=True):
    """A characteristic: its service, its UUID (4 hex digits where it has such, else in full, lower case) and what it
    allows. `bonded`: only over an encrypted link."""

    service: str
    uuid: str
    can: Can
    bonded: bool = False


class Send(msgspec.Struct, frozen=True):
    """An indication or notification to be made, as the pipe allows. `record` is the firmware's own number of the record
    it carries, if any."""

    pipe: str
    data: bytes
    record: int | None = None


class Refused(Exception):
    """A request the firmware answers with this ATT error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Battery:
    """A charge that falls evenly: `percent` at `t_ns`, empty `life_days` after it was full."""

    def __init__(self, t_ns: int, percent: float = 90, life_days: float = 180) -> None:
        self._percent = percent
        self._t_ns = t_ns
        self._per_day = 100 / life_days

    def level(self, t_ns: int) -> int:
        """Whole percent at `t_ns`, 0 to 100."""
        left = self._percent - (t_ns - self._t_ns) / DAY_NS * self._per_day
        return max(0, min(100, round(left)))

    @property
    def empty_ns(self) -> int:
        """When the last of it is gone."""
        return self._t_ns + round(self._percent / self._per_day * DAY_NS)


class Firmware(Protocol):
    """Any simulated device."""

    @property
    def wake_ns(self) -> int | None:
        """When something next happens of itself; None for never."""

    def update(self, t_ns: int, truth_at: TruthAt) -> list[Happening]:
        """Bring the device to `t_ns`; what happened on the way, oldest first."""


class Instrument(Firmware, Protocol):
    """A device on a serial line. `pace_s`: seconds of the wall between ticks, for what it says again and again: a
    stream and a heartbeat belong to the wire and not to the story, whose time may run faster. None: it never does."""

    pace_s: ClassVar[float | None]

    def receive(self, data: bytes, t_ns: int) -> Iterator[bytes]:
        """Bytes from the line; what it answers. `update` was called to `t_ns` first."""

    def unasked(self) -> Iterator[bytes]:
        """What it has to say of itself since it was last asked; called after each `update`."""

    def tick(self, t_ns: int, truth_at: TruthAt) -> Iterator[bytes]:
        """What it says every `pace_s`."""


@runtime_checkable
class Lasting(Protocol):
    """A device with something that a power cut leaves, which may be kept in a file of the simulator."""

    memory: msgspec.Struct


class Broadcaster(Firmware, Protocol):
    """A Bluetooth device that is only listened to: what it measured stands in its adverts."""

    name: ClassVar[str]

    def advert(self) -> tuple[str, bytes] | None:
        """The service's UUID and its data, as advertised now; None while it is off the air."""


class Peripheral(Firmware, Protocol):
    """A Bluetooth device. The port calls; the firmware answers and never waits.

    `bonds`: what it asks of a central before it tells what is `bonded`: nothing, a bond (just works), or the six
    digits it shows. `hangs_up`: it ends the connection itself when it has told all it had. `deaf_s`: seconds of the
    wall after connecting in which a subscription is lost on it.
    """

    bonds: ClassVar[Literal[False, True, "passkey"]]
    hangs_up: ClassVar[bool]
    deaf_s: ClassVar[float]
    name: ClassVar[str]
    advertised: ClassVar[tuple[str, ...]]
    pipes: ClassVar[tuple[Pipe, ...]]

    @property
    def has_news(self) -> bool:
        """Whether it has reason to advertise."""

    def connected(self) -> None:
        """A central is there."""

    def disconnected(self) -> None:
        """It is gone; what it did not confirm will be told again."""

    def subscribed(self, pipe: str, on: bool) -> None:
        """The central wrote the characteristic's configuration."""

    def read(self, pipe: str, t_ns: int) -> bytes:
        """The value of a characteristic."""

    def write(self, pipe: str, data: bytes, t_ns: int) -> None:
        """The central wrote a value; raises Refused."""

    def next_send(self) -> Send | None:
        """What to indicate next; None when there is nothing to say."""

    def confirmed(self, send: Send) -> None:
        """The central confirmed `send`."""


@runtime_checkable
class Streaming(Protocol):
    """A Peripheral that tells what it senses as it goes. `tick` is called every `pace_s` seconds of the wall while a
    central is there; what it has to say then comes by `next_send`."""

    pace_s: ClassVar[float]

    def tick(self, t_ns: int, truth_at: TruthAt) -> None:
        """`update` was called to `t_ns` first."""
