"""Which of the server's answers was heard, and how long ago: by it the server knows when a message was sent.

The answer has the server's time, and the steady clock counts from when it was heard. The sum is the server's own time
at sending, short of what the answer was on its way, and neither a clock that is wrong nor a message that comes late or
twice can change it (`server.fleet.life`).

An answer that was on its way for longer than the one before would set that sum back, and what is sent next would look
older than what was sent last. So it is passed over, for MOST_S at the most, since no two clocks go at quite one rate.
One that is further behind was not slower: the server's clock has been set.
"""

from vitals.clock import NS

SLOWER_S = 5.0
MOST_S = 600.0
"""Both in seconds of the wall."""


class Answered:
    """Of one process: the steady clock tells nothing about an answer heard in another boot. `speed`: the clock's."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = max(1.0, speed)
        self._server_ns = 0
        self._mono_ns = 0

    @property
    def any(self) -> bool:
        """Whether any was heard at all."""
        return self._server_ns != 0

    def heard(self, server_ns: int, mono_ns: int) -> bool:
        """The server said its time when our steady clock showed `mono_ns`; whether that is the first answer of all."""
        first, since_ns = not self.any, mono_ns - self._mono_ns
        behind_ns = self._server_ns + since_ns * self._speed - server_ns
        if first or since_ns > MOST_S * NS or not 0 < behind_ns < SLOWER_S * NS * self._speed:
            self._server_ns, self._mono_ns = server_ns, mono_ns
        return first

    def says(self, mono_ns: int) -> tuple[int, int]:
        """`heard_ns` and `since_ns` of what is sent at `mono_ns`."""
        return self._server_ns, mono_ns - self._mono_ns if self.any else 0
