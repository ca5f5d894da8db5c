"""The clock of a Bluetooth device (characteristic 2A2B), and the time of each record.

It is read once after connecting, before anything is asked; `hello` sets it. `_device_clock` knows which records were
stamped before. A record without a usable time gets the time of arrival and the word `clock_unset`; what the device's
clock did say is kept beside it, and names the record, so that the same record sent twice stays one. One that is stored
without any time comes again at each visit; its bytes name it, or it would be a new reading each time.

Source: Current Time Service 1.1.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from drivers._device_clock import DeviceClock
from drivers._gatt import EPOCH, Reader
from drivers._reading import Missing, Stamp
from drivers.contract import Bookmark, Out, Rx, Tx
from vitals.clock import NS

PIPE = "2a2b"


class CurrentTime(DeviceClock):
    """Reads, sets and remembers the clock of one device; `memory` is the driver's bookmark."""

    def __init__(self, memory: str = "") -> None:
        super().__init__(memory)
        self._found = False

    def heard(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        """The handler of pipe 2a2b: 10 bytes of Current Time. What it is off is bookmarked before it is set."""
        self._found = True
        device_ns = packet.current_time()
        packet.end()
        self.read(None if isinstance(device_ns, Missing) else device_ns, rx.t_ns)
        if self.off:
            yield Bookmark(self.memory)

    def setting(self, now_ns: int) -> Sequence[Tx]:
        """What sets the clock, where the device has one: to UTC, and not before its old offset is on disk."""
        if not self._found:
            return []
        self.set(now_ns)
        return [Tx(PIPE, current_time(now_ns), after_stored=True)]

    def stamp(
        self, rx: Rx, device_ns: int | Missing | None, words: tuple[str, ...] = (), *, unset: bool = False
    ) -> Stamp:
        """The time of a record that carries `device_ns`. `unset`: the device says that its clock is not set."""
        if device_ns is None or isinstance(device_ns, Missing):
            name = f"undated:{rx.data.hex()}" if "stored" in words else None
            return Stamp(rx.t_ns, record=name, status=("clock_unset", *words))
        t_ns = None if unset else self.date(device_ns, rx.t_ns, stored="stored" in words)
        if t_ns is None:
            return Stamp(rx.t_ns, device_ns, iso(device_ns), ("clock_unset", *words))
        return Stamp(t_ns, device_ns, iso(device_ns), words)


def current_time(now_ns: int) -> bytes:
    """`now_ns` as the 10 bytes of a Current Time in UTC, to the nearest second."""
    now = EPOCH + timedelta(seconds=(now_ns + NS // 2) // NS)
    date = (now.month, now.day, now.hour, now.minute, now.second)
    return now.year.to_bytes(2, "little") + bytes((*date, now.isoweekday(), 0, 0))


def iso(t_ns: int) -> str:
    """`t_ns` to the second, in the form a record is named by: 2026-11-21T08:00:00."""
    return (EPOCH + timedelta(seconds=t_ns // NS)).replace(tzinfo=None).isoformat()
