"""The medicine dispenser of `dispenser`, on the air: the same machine and conversation over Bluetooth LE.

A value is a payload. What a read of the log yields goes over Event, each piece confirmed before the next; answers to
all else go over the Log Control Point, and may pass in between. A confirmation moves the queue on and releases nothing:
only ACK_UPTO does.

It runs on the mains and advertises whenever nobody is connected, for an order must be able to reach it.

Source: docs/reference/dispenser-protocol.md, section 6.
"""

from collections import deque
from typing import Any, ClassVar, Literal

from firmware_sim.device import Can, Pipe, Refused, Send, TruthAt
from firmware_sim.devices import _gatt
from firmware_sim.devices._dispenser_orders import Machine
from firmware_sim.devices._dispenser_talk import Talk
from firmware_sim.devices._dispenser_wire import Ask, Tell
from firmware_sim.devices.dispenser import HEARTBEAT_S

SERVICE = "72b7af5c-dca2-4e3b-b47b-d04d92e1da65"
EVENT = "72b7af5d-dca2-4e3b-b47b-d04d92e1da65"
CONTROL = "72b7af5e-dca2-4e3b-b47b-d04d92e1da65"
STATUS = "72b7af5f-dca2-4e3b-b47b-d04d92e1da65"

_LABEL = {_gatt.MAKER: b"Hjemvakt Simulated", _gatt.MODEL: b"SimDisp 1", _gatt.FIRMWARE_REVISION: b"1.1"}


class BleDispenser(Machine):
    """The firmware, a Peripheral. Arguments: those of `_dispenser_core.Core`."""

    bonds: ClassVar[Literal[False, True, "passkey"]] = True
    hangs_up: ClassVar[bool] = False
    deaf_s: ClassVar[float] = 0.0
    pace_s: ClassVar[float] = 1.0
    """Each second of a connection it is brought up to date, so that what was ordered is done. Its heart is slower."""

    name: ClassVar[str] = "SimDisp"
    advertised: ClassVar[tuple[str, ...]] = (SERVICE,)
    pipes: ClassVar[tuple[Pipe, ...]] = (
        Pipe(SERVICE, EVENT, Can.INDICATE, bonded=True),
        Pipe(SERVICE, CONTROL, Can.WRITE | Can.INDICATE, bonded=True),
        Pipe(SERVICE, STATUS, Can.READ | Can.NOTIFY, bonded=True),
        *_gatt.COMMON_PIPES,
    )

    def __init__(self, t_ns: int, **common: Any) -> None:
        super().__init__(t_ns, **common)
        self._talk = Talk(self)
        self._queue: deque[Send] = deque()
        self._subscribed: set[str] = set()
        self._since_beat_s = 0.0

    # The connection

    @property
    def has_news(self) -> bool:
        return self.alive

    def connected(self) -> None:
        self.disconnected()

    def disconnected(self) -> None:
        self._queue.clear()
        self._subscribed.clear()
        self._since_beat_s = 0.0
        self._talk.forget()

    def subscribed(self, pipe: str, on: bool) -> None:
        (self._subscribed.add if on else self._subscribed.discard)(pipe)

    def next_send(self) -> Send | None:
        if not self.alive:
            return None
        self._queue.extend(Send(EVENT, payload) for payload in self._talk.unasked())
        return self._queue[0] if self._queue else None

    def confirmed(self, send: Send) -> None:
        if self._queue and self._queue[0] is send:
            self._queue.popleft()

    def tick(self, t_ns: int, truth_at: TruthAt) -> None:
        """A heartbeat each HEARTBEAT_S of a connection."""
        self._since_beat_s += self.pace_s
        if self._since_beat_s >= HEARTBEAT_S and STATUS in self._subscribed:
            self._since_beat_s = 0.0
            self._queue.append(Send(STATUS, self._talk.heartbeat()))

    # Values

    def read(self, pipe: str, t_ns: int) -> bytes:
        self.meet(t_ns)
        match pipe:
            case _ if pipe == STATUS:
                return self._talk.hello()
            case _gatt.CURRENT_TIME:
                return _gatt.current_time(self.calendar_ns)
            case _gatt.BATTERY_LEVEL:
                return bytes((self.charge,))
            case _gatt.SERIAL_NUMBER:
                return self.serial
        return _LABEL[pipe]

    def write(self, pipe: str, data: bytes, t_ns: int) -> None:
        self.meet(t_ns)
        if pipe == CONTROL:
            self._request(data)
        elif pipe == _gatt.CURRENT_TIME:
            self.set_clock(_calendar_ns(data))
        else:
            raise KeyError(pipe)

    def _request(self, data: bytes) -> None:
        if len(data) < 2:
            raise Refused(_gatt.INVALID_LENGTH, "a request has a type and a tag")
        if not {EVENT, CONTROL} <= self._subscribed:
            raise Refused(_gatt.IMPROPERLY_CONFIGURED, "enable the indications of Event and Log Control Point first")
        answers = list(self._talk.hear(data))
        if data[0] == Ask.READ_FROM and answers[0][0] != Tell.ERROR:
            self._queue = deque(send for send in self._queue if send.pipe != EVENT)  # another read takes its place
            self._queue.extend(Send(EVENT, answer) for answer in answers)
        else:
            self._queue.extend(Send(CONTROL, answer) for answer in answers)


def _calendar_ns(data: bytes) -> int:
    """A written Current Time; raises Refused."""
    if len(data) != 10:
        raise Refused(_gatt.INVALID_LENGTH, f"Current Time has 10 bytes, not {len(data)}")
    try:
        return _gatt.read_current_time(data)
    except ValueError as error:
        raise Refused(_gatt.DATA_FIELD_IGNORED, f"no such date ({error})") from error
