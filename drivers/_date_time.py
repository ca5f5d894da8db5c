"""The clock of a device that shows it as a bare Date Time (2A08), where others have the Current Time (2A2B).

A&D puts it into the measurement service itself. It is read, remembered and set like the other, to the second.

Source: GATT Specification Supplement, Date Time.
"""

from collections.abc import Iterator, Sequence

from drivers._current_time import CurrentTime, current_time
from drivers._gatt import Reader
from drivers._reading import Missing
from drivers.contract import Bookmark, Out, Rx, Tx

PIPE = "2a08"
SIZE = 7


class DateTime(CurrentTime):
    """`CurrentTime` over 2A08."""

    def heard(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        """The handler of pipe 2a08. What the clock is off is bookmarked before it is set."""
        self._found = True
        device_ns = packet.date_time()
        packet.end()
        self.read(None if isinstance(device_ns, Missing) else device_ns, rx.t_ns)
        if self.off:
            yield Bookmark(self.memory)

    def setting(self, now_ns: int) -> Sequence[Tx]:
        """What sets the clock, where the device has one: to UTC, and not before its old offset is on disk."""
        if not self._found:
            return []
        self.set(now_ns)
        return [Tx(PIPE, current_time(now_ns)[:SIZE], after_stored=True)]
