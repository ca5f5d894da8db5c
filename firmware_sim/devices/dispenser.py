"""A medicine dispenser that speaks the open dispenser protocol (docs/reference/dispenser-protocol.md) on a serial line.

    _dispenser_core     power, clock, log, and what befalls them
    _dispenser_doses    the schedule and the magazine
    _dispenser_orders   orders, each at most once: with it the machine is whole
    _dispenser_talk     the conversation, in payloads
    here                the line: frames

`dispenser_ble` is the same machine and conversation on the air.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from firmware_sim.device import TruthAt
from firmware_sim.devices._dispenser_core import TIME_CRITICAL, Habit, Memory, StoredOrder, Trouble
from firmware_sim.devices._dispenser_orders import Machine
from firmware_sim.devices._dispenser_talk import Talk
from firmware_sim.devices._dispenser_wire import Ask, Do, Reason, ScheduledDose, State, Tell
from firmware_sim.devices._frame import Deframer, frame

__all__ = [
    "HEARTBEAT_S", "TIME_CRITICAL", "Ask", "Dispenser", "Do", "Habit", "Memory", "Reason", "ScheduledDose", "State",
    "StoredOrder", "Tell", "Trouble",
]  # fmt: skip

HEARTBEAT_S = 30
"""Seconds of the wall: it belongs to the wire, not to the story."""


class Dispenser(Machine):
    """The firmware with a serial port. Arguments: those of `_dispenser_core.Core`."""

    pace_s: ClassVar[float | None] = HEARTBEAT_S

    def __init__(self, t_ns: int, **common: Any) -> None:
        super().__init__(t_ns, **common)
        self._talk = Talk(self)
        self._deframer = Deframer()

    def receive(self, data: bytes, t_ns: int) -> Iterator[bytes]:
        """Bytes from the line at `t_ns`; the frames to answer with. Call `update` to `t_ns` first."""
        self.meet(t_ns)
        if self.alive:
            for payload in self._deframer.feed(data):
                yield from map(frame, self._talk.hear(payload))

    def unasked(self) -> Iterator[bytes]:
        """EVENT frames of what was written since the gateway began to follow."""
        if self.alive:
            yield from map(frame, self._talk.unasked())

    def tick(self, t_ns: int, truth_at: TruthAt) -> Iterator[bytes]:
        """The heartbeat, as long as it has power."""
        if self.alive:
            yield self.heartbeat()

    def heartbeat(self) -> bytes:
        """The frame to send each HEARTBEAT_S while the device has power."""
        return frame(self._talk.heartbeat())
