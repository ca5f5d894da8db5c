"""A session lives in one frame of time.

Its driver compares the device's clock with ours, once; if ours jumped between that and a record, the record would be
off by the jump, and no later correction would know. So while a session lasts, times go on from its beginning by the
steady clock, and a session that notices a jump ends soon.
"""

import msgspec

from drivers.contract import Rx
from gateway.clock.steady import steady_ns
from vitals.clock import NS, Clock

JUMP_S = 2.0
"""A clock that went on by so much more or less than the steady one has been set."""


class Frame:
    """Time as it goes on from now by the steady clock."""

    def __init__(self, clock: Clock) -> None:
        self._speed = clock.speed
        self._clock_ns = clock.now_ns()
        self._steady_ns = steady_ns()
        self.jumped = False
        """Whether the clock was set since."""

    def placed(self, rx: Rx) -> Rx:
        """The same with its time in this frame, where the clock jumped meanwhile."""
        if rx.mono_ns is None:
            return rx
        t_ns = self._clock_ns + round((rx.mono_ns - self._steady_ns) * self._speed)
        if abs(rx.t_ns - t_ns) < JUMP_S * NS * max(1.0, self._speed):
            return rx
        self.jumped = True
        return msgspec.structs.replace(rx, t_ns=t_ns)
