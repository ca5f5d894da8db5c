"""One device's packets, as its session keeps them (`gateway.spool.raw`), and how far a driver has come with them.

*A packet that told nothing yet* (the first half of a record) is forgotten with the packet that completes it: a
driver's memory does not survive a crash, so what it remembers must still be on disk.

*What the disk refuses* waits in memory and is tried before anything else: the device may have been told that it came.
Until there is room the device is not visited, and so keeps what it has.
"""

from collections.abc import Sequence

from drivers.contract import Rx
from gateway.spool.raw import Change, Kept, Range
from gateway.spool.store import Spool
from vitals.errors import StoreError

MOST_UNTOLD = 256
"""Packets kept of a device that sends and tells nothing."""
MOST_REFUSED = 10_000
"""Packets that wait for room on the disk; what comes after them is lost."""


class Bytes:
    """One device's packets, as its session keeps them. `left` first: it learns which numbers are taken."""

    def __init__(self, spool: Spool, device: str) -> None:
        self._spool = spool
        self._device = device
        self._last_n = 0
        self._refused: list[Rx] = []
        self.any_left = True
        """Whether there may be packets that nobody tried yet."""

    async def left(self) -> list[Kept]:
        """What is to be fed again: those a driver of another version failed on, or else those nobody tried yet.

        Raises StoreError where there is no room for those that wait for it.
        """
        if burst := list(self._refused):
            await self._spool.put((), packets=Change(self._device, self._numbered(burst)))
            del self._refused[: len(burst)]
        found, last_n = await self._spool.raw_left(self._device)
        self._last_n = max(self._last_n, last_n)
        self.any_left = bool(found)
        return [one for one in found if one.tried is not None] or found

    async def keep(self, burst: Sequence[Rx]) -> list[Kept]:
        """The packets with their numbers, now on disk; raises StoreError, and then they wait for room."""
        kept = self._numbered(burst)
        try:
            await self._spool.put((), packets=Change(self._device, kept))
        except StoreError:
            self._wait(burst)
            raise
        return kept

    def keep_soon(self, burst: Sequence[Rx]) -> None:
        """On disk with the next commit, for whoever cannot wait: the session ends. They are left for the next."""
        if burst:
            self._spool.put_soon(Change(self._device, self._numbered(burst)), lambda: self._wait(burst))
            self.any_left = True

    def forget_soon(self, change: Change | None) -> None:
        if change:
            self._spool.put_soon(change)

    def _wait(self, burst: Sequence[Rx]) -> None:
        self._refused.extend(burst)
        del self._refused[MOST_REFUSED:]
        self.any_left = True

    def _numbered(self, burst: Sequence[Rx]) -> list[Kept]:
        kept = [Kept(n, rx) for n, rx in enumerate(burst, self._last_n + 1)]
        self._last_n += len(kept)
        return kept


class Reading:
    """How far one driver has come with a device's packets: which of them have told all they had to tell."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._untold: Range | None = None

    def done(self, first: int, last: int, told: int | None) -> Change | None:
        """The driver was fed `first` to `last`; the last that told something was `told`. What may be forgotten."""
        first = self._untold[0] if self._untold else first
        up_to = max(told or 0, last - MOST_UNTOLD)
        self._untold = (max(first, up_to + 1), last) if up_to < last else None
        return Change(self._device, forgotten=(first, up_to)) if up_to >= first else None

    def failed(self, first: int, told: int | None, at: int, so_far: int) -> Change:
        """It failed on packet `at`, which had told `so_far` things. What is forgotten, and what is set aside."""
        first = self._untold[0] if self._untold else first
        self._untold = None
        forgotten = (first, told) if told else None
        return Change(self._device, forgotten=forgotten, set_aside=((told or first - 1) + 1, at), told=so_far)

    def over(self) -> Change | None:
        """The driver is gone, and with it what it remembered: nothing can come of the rest."""
        untold, self._untold = self._untold, None
        return Change(self._device, forgotten=untold) if untold else None
