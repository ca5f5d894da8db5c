"""Bluetooth devices that remember nothing: what they sense is told while they are worn and somebody listens, or never.

`WornDevice` reads the body at each moment of the habit and shows that until the next. At the first it is put on, which
costs it some seconds to find a pulse, and it is taken off when none has followed the last for TAKEN_OFF_AFTER_S.
`CableDevice` is an oximeter made for a cable, whose bytes go over the air instead.

Both advertise while they are worn. What they tell belongs to the wire, at the pace of the wall.
"""

from collections import deque
from typing import Any, ClassVar, Literal

from firmware_sim.body import Truth
from firmware_sim.device import Happening, Pipe, Send, TruthAt
from firmware_sim.devices import _gatt
from firmware_sim.devices._finger import CableOximeter
from firmware_sim.kinds import Making
from vitals.clock import NS

TAKEN_OFF_AFTER_S = 900
FINDS_S = 4
MOST_WAITING = 50
"""Packets; a central that is slower than the device misses some, as on a real link."""


class LiveDevice:
    """The connection, the battery and the label. What is told is notified, and nothing comes of its being heard."""

    bonds: ClassVar[Literal[False, True, "passkey"]] = False
    hangs_up: ClassVar[bool] = False
    deaf_s: ClassVar[float] = 0
    name: ClassVar[str]
    model: ClassVar[str]
    advertised: ClassVar[tuple[str, ...]]
    pipes: ClassVar[tuple[Pipe, ...]]

    def __init__(self, making: Making) -> None:
        self._serial = making.serial
        self._battery = making.battery
        self._queue: deque[Send] = deque()
        self._subscribed: set[str] = set()

    def _say(self, pipe: str, data: bytes) -> None:
        """Queue a notification, where somebody listens and keeps up."""
        if pipe in self._subscribed and len(self._queue) < MOST_WAITING:
            self._queue.append(Send(pipe, data))

    def connected(self) -> None:
        self.disconnected()

    def disconnected(self) -> None:
        self._queue.clear()
        self._subscribed.clear()

    def subscribed(self, pipe: str, on: bool) -> None:
        (self._subscribed.add if on else self._subscribed.discard)(pipe)

    def next_send(self) -> Send | None:
        return self._queue[0] if self._queue else None

    def confirmed(self, send: Send) -> None:
        if self._queue and self._queue[0] is send:
            self._queue.popleft()

    def read(self, pipe: str, t_ns: int) -> bytes:
        label = {
            _gatt.BATTERY_LEVEL: bytes((self._battery.level(t_ns),)),
            _gatt.SERIAL_NUMBER: self._serial.encode(),
            _gatt.MAKER: b"Hjemvakt Simulated",
            _gatt.MODEL: self.model.encode(),
            _gatt.FIRMWARE_REVISION: b"1.0",
        }
        return label[pipe]

    def write(self, pipe: str, data: bytes, t_ns: int) -> None:
        raise KeyError(pipe)


class WornDevice(LiveDevice):
    """A kind of device adds `_sense`, and reads what it shows from `shown` (None: it is not worn, or has found no
    pulse yet)."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.shown: Any = None
        self._seed = making.seed
        self._routine = making.routine
        self._due_ns = making.routine.next_ns(making.on_ns - 1)
        self._off_ns: int | None = None
        self._look_ns: int | None = None
        ends = (making.battery.empty_ns, making.routine.until_ns)
        self._silent_ns = min(t_ns for t_ns in ends if t_ns is not None)
        self._silent = False

    def _sense(self, t_ns: int, truth: Truth) -> tuple[Any, dict[str, int | float | str]]:
        """What is shown from now on: for `shown`, and for the Happening."""
        raise NotImplementedError

    @property
    def worn(self) -> bool:
        """Whether somebody wears it."""
        return self._off_ns is not None

    @property
    def has_news(self) -> bool:
        return self.worn

    @property
    def wake_ns(self) -> int | None:
        if self._silent:
            return None
        moments = (self._due_ns, self._off_ns, self._look_ns, self._silent_ns)
        return min(t_ns for t_ns in moments if t_ns is not None)

    def update(self, t_ns: int, truth_at: TruthAt) -> list[Happening]:
        happenings = []
        while (moment := self.wake_ns) is not None and moment <= t_ns:
            happening = self._go_to(moment, truth_at)
            happenings += [happening] if happening else []
        return happenings

    def _go_to(self, t_ns: int, truth_at: TruthAt) -> Happening | None:
        """Whichever falls due at `t_ns`; of several the first of these, and the next call does the next."""
        if t_ns == self._silent_ns:
            self._silent = True
            return self._taken_off(t_ns, "fell silent")
        if t_ns == self._due_ns:
            return self._moment(t_ns)
        if t_ns == self._off_ns:
            return self._taken_off(t_ns, "taken off")
        self._look_ns = None
        self.shown, data = self._sense(t_ns, truth_at(t_ns))
        return Happening(t_ns, "measured", data)

    def _moment(self, t_ns: int) -> Happening | None:
        """The next call looks, at once or when it has found a pulse."""
        was_worn, self._off_ns = self.worn, t_ns + TAKEN_OFF_AFTER_S * NS
        self._due_ns = self._routine.next_ns(t_ns)
        self._look_ns = t_ns + (0 if was_worn else FINDS_S * NS)
        return None if was_worn else Happening(t_ns, "put on")

    def _taken_off(self, t_ns: int, what: str) -> Happening:
        self._off_ns = self._look_ns = self.shown = None
        self._queue.clear()
        return Happening(t_ns, what)


class CableDevice(LiveDevice):
    """`cable`: the oximeter; what it says in a tick is cut into notifications of `most` bytes on `stream`."""

    cable: ClassVar[type[CableOximeter]]
    stream: ClassVar[str]
    most: ClassVar[int] = 20

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self._cable = self.cable(making)

    @property
    def has_news(self) -> bool:
        return self._cable.shown.finger

    @property
    def wake_ns(self) -> int | None:
        return self._cable.wake_ns

    def update(self, t_ns: int, truth_at: TruthAt) -> list[Happening]:
        return self._cable.update(t_ns, truth_at)

    def tick(self, t_ns: int, truth_at: TruthAt) -> None:
        """Passes on what the oximeter says."""
        for said in self._cable.tick(t_ns, truth_at):
            for at in range(0, len(said), self.most):
                self._say(self.stream, said[at : at + self.most])
