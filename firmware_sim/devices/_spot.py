"""A device with a memory that is used now and then: what an oximeter and a scale have in common.

A measurement becomes a record. A record is *delivered* when the central confirmed the indication that carried it, and
not before; a connection that dies in between leaves it undelivered and it is told again. Records stay in memory until
newer ones need the room. The device advertises as long as something is undelivered.
"""

from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec

from firmware_sim.body import Truth
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Battery, Happening, Pipe, Refused, Send, TruthAt
from firmware_sim.devices import _gatt
from firmware_sim.routine import Routine


class Record(msgspec.Struct):
    """A measurement in memory, encoded as it is told at once (`live`) and as it is told later (`stored`)."""

    number: int
    live: bytes
    stored: bytes
    delivered: bool = False


class SpotDevice:
    """`update`, the memory, the clock and the queue of indications. A kind of device adds `_measure`.

    `memory` is how many records it holds; at `anew_ns` it forgets them and counts from the beginning.
    """

    bonds: ClassVar[Literal[False, True, "passkey"]] = False
    hangs_up: ClassVar[bool] = False
    deaf_s: ClassVar[float] = 0
    name: ClassVar[str]
    model: ClassVar[str]
    advertised: ClassVar[tuple[str, ...]]
    pipes: ClassVar[tuple[Pipe, ...]]
    measurement: ClassVar[str]
    """The pipe that carries measurements."""

    def __init__(
        self,
        *,
        seed: int,
        serial: str,
        clock: DeviceClock,
        battery: Battery,
        routine: Routine,
        memory: int = 200,
        anew_ns: int | None = None,
    ) -> None:
        self.clock = clock
        self.records: list[Record] = []
        self._seed = seed
        self._serial = serial
        self._battery = battery
        self._routine = routine
        self._memory = memory
        self._anew_ns = anew_ns
        self._made = 0
        self._due_ns = routine.next_ns(routine.first_ns - 1)
        self._silent_ns = min(t_ns for t_ns in (battery.empty_ns, routine.until_ns) if t_ns is not None)
        self._silent = False
        self._dead = False
        self._queue: deque[Send] = deque()
        self._subscribed: set[str] = set()

    # Time

    @property
    def wake_ns(self) -> int | None:
        if self._silent:
            next_ns = None if self._dead else self._battery.empty_ns
        else:
            next_ns = self._silent_ns if self._due_ns is None else min(self._due_ns, self._silent_ns)
        return min((moment for moment in (next_ns, self._anew_ns) if moment is not None), default=None)

    def update(self, t_ns: int, truth_at: TruthAt) -> list[Happening]:
        happenings = []
        if self._anew_ns is not None and self._anew_ns <= t_ns:
            happenings += self._go_on(self._anew_ns - 1, truth_at)
            happenings.append(Happening(self._anew_ns, "started anew"))
            self.records, self._made, self._anew_ns = [], 0, None
        return happenings + self._go_on(t_ns, truth_at)

    def _go_on(self, t_ns: int, truth_at: TruthAt) -> list[Happening]:
        happenings = []
        while self._due_ns is not None and self._due_ns <= t_ns and self._due_ns < self._battery.empty_ns:
            happenings.append(self._use(self._due_ns, truth_at(self._due_ns)))
            self._due_ns = self._routine.next_ns(self._due_ns)
        if not self._silent and t_ns >= self._silent_ns:
            self._silent = True
            happenings.append(Happening(self._silent_ns, "fell silent"))
        self._dead = t_ns >= self._battery.empty_ns
        return happenings

    def _use(self, t_ns: int, truth: Truth) -> Happening:
        live, stored, happening = self._measure(t_ns, truth)
        self._made += 1
        record = Record(self._made, live, stored)
        self.records = [*self.records, record][-self._memory :]
        if self.measurement in self._subscribed:
            self._queue.extend(self._sends(record, live))
        return happening

    def _sends(self, record: Record, packet: bytes) -> Sequence[Send]:
        """What carries the record, encoded as `packet`; the confirmation of the last delivers it."""
        return (Send(self.measurement, packet, record.number),)

    def _measure(self, t_ns: int, truth: Truth) -> tuple[bytes, bytes, Happening]:
        """The packet as told at once, the packet as told later, and what the display showed."""
        raise NotImplementedError

    # The connection

    @property
    def has_news(self) -> bool:
        return not self._dead and any(not record.delivered for record in self.records)

    def connected(self) -> None:
        self.disconnected()

    def disconnected(self) -> None:
        self._queue.clear()
        self._subscribed.clear()

    def subscribed(self, pipe: str, on: bool) -> None:
        (self._subscribed.add if on else self._subscribed.discard)(pipe)

    def next_send(self) -> Send | None:
        return self._queue[0] if self._queue and not self._dead else None

    def confirmed(self, send: Send) -> None:
        if self._queue and self._queue[0] is send:
            self._queue.popleft()
        for record in self.records:
            if record.number == send.record:
                record.delivered = True

    # What every health device has

    def read(self, pipe: str, t_ns: int) -> bytes:
        match pipe:
            case _gatt.CURRENT_TIME:
                return _gatt.current_time(self.clock.read_ns(t_ns))
            case _gatt.BATTERY_LEVEL:
                return bytes((self._battery.level(t_ns),))
            case _gatt.SERIAL_NUMBER:
                return self._serial.encode()
            case _gatt.MAKER:
                return b"Hjemvakt Simulated"
            case _gatt.MODEL:
                return self.model.encode()
            case _gatt.FIRMWARE_REVISION:
                return b"1.0"
        raise KeyError(pipe)

    def write(self, pipe: str, data: bytes, t_ns: int) -> None:
        if pipe != _gatt.CURRENT_TIME:
            raise KeyError(pipe)
        if len(data) != 10:
            raise Refused(_gatt.INVALID_LENGTH, f"Current Time has 10 bytes, not {len(data)}")
        try:
            device_ns = _gatt.read_current_time(data)
        except ValueError as error:
            raise Refused(_gatt.DATA_FIELD_IGNORED, f"no such date ({error})") from error
        self.clock.set(t_ns, device_ns)


class ForthcomingDevice(SpotDevice):
    """One that tells every record not yet confirmed, oldest first, as soon as its indications are enabled."""

    def subscribed(self, pipe: str, on: bool) -> None:
        news = on and pipe == self.measurement and pipe not in self._subscribed
        super().subscribed(pipe, on)
        if news:
            for record in self.records:
                if not record.delivered:
                    self._queue.extend(self._sends(record, record.stored))
