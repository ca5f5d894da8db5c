"""When it really was: a gateway's wrong clock, found out by its steady one.

A gateway sends, with each batch, what its clock and its steady clock show at that moment, and with each row what both
showed when the row was received. Where we know when a batch was sent, a row of the same boot was received so long
before that as the steady clock says:

    received = sent - (steady clock at sending - steady clock at receipt)

When it was sent we know from the gateway's clock, if that agrees with ours; and if that is ahead, from our own: nothing
comes before it is sent, so the moment it came is nearer to the truth than any later one. A clock that is *behind* may
as well be a message that waited in a broker. What tells the two apart is our own answer: under its seal a batch says
which one the gateway heard last, and how long ago (`server.fleet.life`), so it was not sent before that. A clock that
shows less *is* behind, and the sum is when it was sent, short of what our answer was on its way; a clock that does not
was right, however long the message waited. Without that proof, or without a seal, the time stays as told.

What that differs from the time as told is the row's shift. The device's times in the row were reckoned by the same
clock at the same moment (a device's own clock is compared with the gateway's, or was set by it), so they move with it.

Nothing is rewritten: the row is in the journal as it came, and what is filed carries its shift beside the moved time.
A shift below JUMP_S is the noise of two clocks read one after the other, and is none. Of a row of another boot nothing
is proved either.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from vitals.clock import NS
from vitals.events import Fault
from vitals.wire import Batch, Row

JUMP_S = 0.5
AHEAD_S = 2.0
BEHIND_S = 60.0
"""A gateway's clock that is no further ahead of ours or behind it is right: two clocks never agree entirely, and the
message was on its way for a while."""
DRIFT = 100e-6
"""Two steady clocks may differ by so much of the time that has passed."""


class Sent(msgspec.Struct, frozen=True):
    """The gateway's clocks when it sent a batch, as in `vitals.wire.Batch`.

    `proved_ns`: by our own clock it was sent then, or as much later as our answer was on its way; None where nothing
    proves that. `since_ns`: how long before it was sent that answer was heard, in nanoseconds of the wall.
    """

    sent_ns: int = 0
    boot: str = ""
    mono_ns: int = 0
    boots: tuple[tuple[int, str], ...] = ()
    proved_ns: int | None = None
    since_ns: int = 0

    @classmethod
    def of(cls, batch: Batch) -> "Sent":
        return cls(batch.sent_ns, batch.boot, batch.mono_ns, batch.boots)

    def same_boot(self, seq: int) -> bool:
        """Whether the row of that number was received in the boot that sent it."""
        boots = [boot for from_seq, boot in self.boots if from_seq <= seq]
        return bool(boots) and boots[-1] == self.boot

    def at_ns(self, now_ns: int, speed: float = 1.0) -> int | None:
        """When it was sent, by our clock; None where nobody can say. It came at `now_ns`."""
        slack = NS * max(1.0, speed)
        if self.sent_ns - now_ns > AHEAD_S * slack:
            return now_ns
        if self.proved_ns is None:
            return None if self.sent_ns - now_ns < -BEHIND_S * slack else self.sent_ns
        proved_ns = min(self.proved_ns, now_ns)
        behind = proved_ns - self.sent_ns > AHEAD_S * slack + DRIFT * self.since_ns * speed
        return proved_ns if behind else self.sent_ns


def shift_ns(row: Row, sent: Sent, now_ns: int, speed: float = 1.0) -> int:
    """By how much the times in `row` must be moved to be right; 0 where they are, or nobody can say.

    `now_ns` is our clock when the batch came, `speed` how fast it goes.
    """
    if row.mono_ns is None or not 0 <= row.mono_ns <= sent.mono_ns or not sent.same_boot(row.seq):
        return 0
    at_ns = sent.at_ns(now_ns, speed)
    if at_ns is None:
        return 0
    shift = at_ns - round((sent.mono_ns - row.mono_ns) * speed) - row.received_ns
    return shift if abs(shift) >= JUMP_S * NS * max(1.0, speed) else 0


class Reckoned(msgspec.Struct, frozen=True, array_like=True):
    """When the rows of a batch were received by what they say, as the least and the most that must be added to the
    moment when it was sent, to have by how much each row's time is wrong. None: no row says it."""

    least_ns: float | None = None
    most_ns: float | None = None

    def surely_right(self, sent: Sent, now_ns: int, speed: float = 1.0) -> bool:
        """Whether `shift_ns` of each of those rows is 0, known at a glance."""
        if self.least_ns is None or self.most_ns is None or (at_ns := sent.at_ns(now_ns, speed)) is None:
            return True
        return max(abs(at_ns + self.least_ns), abs(at_ns + self.most_ns)) < JUMP_S * NS * max(1.0, speed) / 2


def reckoned(rows: Sequence[Row], sent: Sent, speed: float = 1.0) -> Reckoned | None:
    """Of these; None where only some of them say it."""
    said = [row.mono_ns for row in rows]
    if None in said:
        return Reckoned() if said.count(None) == len(said) else None
    before_ns = (sent.mono_ns - np.array(said, np.float64)) * speed
    off_ns = -before_ns - np.array([row.received_ns for row in rows], np.float64)
    return Reckoned(float(off_ns.min()), float(off_ns.max())) if len(off_ns) else Reckoned()


def any_shifted(rows: Sequence[Row], sent: Sent, now_ns: int, speed: float = 1.0) -> bool:
    """Whether `shift_ns` of any of these is not 0."""
    all_of_them = reckoned(rows, sent, speed)
    if all_of_them is not None and all_of_them.surely_right(sent, now_ns, speed):
        return False
    return any(shift_ns(row, sent, now_ns, speed) for row in rows)


def moved(row: Row, by_ns: int) -> Row:
    """The row with its times of measurement moved; what the device's and the gateway's clocks said stays."""
    if not by_ns or isinstance(row.what, Fault):
        return row
    t_ns = row.what.t_ns
    there = t_ns + by_ns if isinstance(t_ns, int) else tuple(one + by_ns for one in t_ns)
    return msgspec.structs.replace(row, what=msgspec.structs.replace(row.what, t_ns=there))
