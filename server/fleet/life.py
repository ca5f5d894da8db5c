"""When a message was sent, by our own clock, purely: it is a sign of life of that moment, and not of when it came.

A message may come late, twice, or from somebody who recorded it. Its seal says that it is the gateway's, and no more.
So whatever a gateway sends says which of our answers it heard last (by our own time in it) and how long ago, by its
steady clock. The sum is when it was sent, short of what our answer was on its way. A recording played a day later is a
sign of life of the day before, which we have had.

What speaks of no answer, or of one that we have yet to give, proves nothing. It is answered all the same: by that
answer the next message does. A gateway that is too old to say is believed as ever, until it has once said it under its
seal: leaving it away is then no way back for whoever has recordings.
"""

import msgspec

from vitals.clock import NS

AHEAD_S = 5.0
"""The sum may be so far ahead of our clock, in seconds of the wall: after a month without a word two clocks differ."""


class Sign(msgspec.Struct, frozen=True):
    """A sign of life of `t_ns`, no later than now. `sent_ns`: when the message was sent, if it proves that."""

    t_ns: int
    sent_ns: int | None = None

    def newer(self, told_ns: int | None, now_ns: int) -> bool:
        """Whether a heartbeat says something new where that of `told_ns` is the newest known.

        One of the future is no measure: our clock was set back.
        """
        return self.sent_ns is None or told_ns is None or told_ns > now_ns + AHEAD_S * NS or told_ns <= self.sent_ns


def sign(
    heard_ns: int | None, since_ns: int, now_ns: int, speed: float = 1.0, *, told_ns: int | None, sealed: bool
) -> Sign | None:
    """Of what life a message is a sign, if any. `heard_ns` and `since_ns` are its own (`vitals.wire.Health`).

    `speed`: our clock's. `told_ns`: when the gateway's newest heartbeat was sent, if one ever proved it. `sealed`: the
    gateway seals what it sends.
    """
    if heard_ns is None:
        return Sign(now_ns) if told_ns is None or not sealed else None
    sent_ns = heard_ns + round(since_ns * speed)
    if heard_ns <= 0 or since_ns < 0 or sent_ns - now_ns > AHEAD_S * NS * max(1.0, speed):
        return None
    return Sign(min(sent_ns, now_ns), sent_ns)
