"""The uplink's window: what is under way to the server, and what goes next. Without a network and without a clock.

*Three lanes.* What is urgent goes first, however long it has waited. Of the rest, rows that were already waiting when
a connection came up are the backlog; rows stored from then on are live, and go before it. A place of the window is kept
for each lane above the backlog, so that neither an alarm nor a fresh reading queues behind a week of old ones.

*The window.* At most WINDOW batches are unacknowledged; each holds at most MAX_ROWS rows and BATCH_BYTES. A batch that
is not wholly acknowledged within RESEND_S is due again; the server recognises rows it has by (gateway, epoch, seq).
Only rows of the window are released: an acknowledgement of anything else is ignored and counted.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from gateway.spool.rows import Status, Stored
from vitals import wire
from vitals.wire import Lane

WINDOW = 9
LIVE_WINDOW = WINDOW - 1
BACKLOG_WINDOW = WINDOW - 2
MAX_ROWS = wire.MAX_ROWS
BATCH_BYTES = 60_000
RESEND_S = 4.0
_ENVELOPE_BYTES = 1024

_PLACES = {Lane.ALARM: WINDOW, Lane.OBS: LIVE_WINDOW, Lane.BACKLOG: BACKLOG_WINDOW}
"""The lanes in order of precedence, and how many batches there may be under way for one to be added."""


class Flight:
    """A published batch and the rows of it that are not acknowledged."""

    def __init__(self, lane: Lane, rows: Sequence[Stored]) -> None:
        self.lane = lane
        self.rows = rows
        self.unacknowledged = [row.seq for row in rows]
        self.sent_s = 0.0

    def acknowledge(self, ranges: Iterable[tuple[int, int]]) -> list[int]:
        """Take these out; returns what was taken."""
        taken: list[int] = []
        for low, high in ranges:
            first, last = bisect_left(self.unacknowledged, low), bisect_right(self.unacknowledged, high)
            taken += self.unacknowledged[first:last]
            del self.unacknowledged[first:last]
        return sorted(taken)


class Window:
    """What is under way, and what to send next: the uplink's core, without a network or a clock.

    Made anew for each connection; `boundary` is the highest seq that was waiting when it came up.
    """

    def __init__(self, boundary: int) -> None:
        self._boundary = boundary
        self._after = {Lane.ALARM: 0, Lane.OBS: boundary, Lane.BACKLOG: 0}
        """The last row of each lane that was put in the window, or that there is nothing up to."""
        self.flights: list[Flight] = []

    def add(self, lane: Lane, rows: Sequence[Stored]) -> Flight:
        """Put a batch of rows, taken from the head of a lane, in the window."""
        flight = Flight(lane, rows)
        self.flights.append(flight)
        self._after[lane] = rows[-1].seq
        return flight

    def lanes(self, status: Status) -> list[tuple[Lane, int, int]]:
        """The lanes that have rows and a place in the window, the first first: lane, after which seq, up to which."""
        up_to = {Lane.ALARM: status.urgent_seq, Lane.OBS: status.last_seq, Lane.BACKLOG: self._boundary}
        return [
            (lane, self._after[lane], up_to[lane])
            for lane, places in _PLACES.items()
            if len(self.flights) < places and self._after[lane] < up_to[lane]
        ]

    def exhausted(self, lane: Lane, up_to: int) -> None:
        """The lane has no more rows up to that one."""
        self._after[lane] = up_to

    def acknowledge(self, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Ranges of rows of the window that are now committed, to be released."""
        taken = [seq for flight in self.flights for seq in flight.acknowledge(ranges)]
        self.flights = [flight for flight in self.flights if flight.unacknowledged]
        return as_ranges(sorted(taken))

    def due(self, now_s: float) -> list[Flight]:
        """Batches that have waited RESEND_S for their acknowledgement."""
        return [flight for flight in self.flights if now_s >= flight.sent_s + RESEND_S]

    def next_due_s(self) -> float | None:
        return min((flight.sent_s + RESEND_S for flight in self.flights), default=None)


def as_ranges(seqs: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as inclusive ranges: 1 2 3 7 → (1, 3) (7, 7)."""
    ranges: list[tuple[int, int]] = []
    for seq in seqs:
        if ranges and ranges[-1][1] == seq - 1:
            ranges[-1] = (ranges[-1][0], seq)
        else:
            ranges.append((seq, seq))
    return ranges


def head(rows: Sequence[Stored]) -> Sequence[Stored]:
    """As many rows from the start as fit one message, and at least one."""
    room = BATCH_BYTES - _ENVELOPE_BYTES
    for index, row in enumerate(rows):
        room -= len(row.json) + 1
        if room < 0 and index:
            return rows[:index]
    return rows
