"""A device's clock, and when a record it stamped was really made.

A device stamps a record with what its clock said then. At each connection the gateway reads that clock, learns how far
it is off, and sets it. The trap is that setting the clock does not restamp what is stored: an old record is corrected
by the offset of the clock that stamped it, a new one not at all. So the device's time is cut into *epochs*, one for
each time the clock was set:

    epoch        from (device time)           to (device time)            offset to add
    earlier      when it was set before that  what it showed when read    what it was off by, then
    as read      when it was last set         what it would show now      what it is off by
    since set    the moment we set it         now                         0

A record belongs to the newest epoch that holds its time ("would show now": a device may refuse to be set, and then the
epoch as read goes on). One the device marks as stored was made before this
connection, so it is never of the newest. A clock that shows less than it was last set to has started anew (a changed
battery): its epoch has no beginning. A record in no epoch is taken at its word unless that lies in the future; then
its time is not known. After a clock was set *back* two epochs overlap and the newer one wins: only a record that was
made before, and is first fetched at a later connection, is then dated wrong, by no more than the clock was off.

A time from before there were such devices is no time: a clock that was never set begins in 1970, 2000 or 2010. Only
what is fresh may be said to be of now for that; of what was stored nobody knows how old it is, and it keeps its time.

A clock within 2 s of ours is right: seconds are all it has, and reading it takes a while.

The earlier epochs live in the bookmark (`memory`), or a connection lost between setting the clock and fetching the
records would lose the offset for good. That is also why the clock is set only after the bookmark is on disk.
"""

from collections.abc import Iterator

import msgspec

from vitals.clock import NS

SLACK_NS = 2 * NS
REMEMBERED = 8
FIRST_NS = 1_293_840_000 * NS
"""2011-01-01: in that year the first health profiles for Bluetooth LE came out."""


class _Epoch(msgspec.Struct, frozen=True):
    from_ns: int | None
    to_ns: int
    offset_ns: int

    def holds(self, device_ns: int) -> bool:
        after_start = self.from_ns is None or device_ns >= self.from_ns - SLACK_NS
        return after_start and device_ns <= self.to_ns + SLACK_NS


class DeviceClock:
    """Dates records. `memory` is what an earlier one remembered; text that is not understood counts as nothing."""

    def __init__(self, memory: str = "") -> None:
        self._past = list(_remembered(memory))
        self._offset_ns: int | None = None
        self._read_ns = 0
        self._set_ns: int | None = None

    @property
    def off(self) -> bool:
        """Whether the clock is known to be wrong."""
        return bool(self._offset_ns)

    @property
    def memory(self) -> str:
        """What to remember once the clock has been set: `<device ns>+<offset ns>` for each epoch that was off."""
        steps = [(past.to_ns, past.offset_ns) for past in self._past]
        if self._offset_ns:
            steps.append((self._read_ns, self._offset_ns))
        return " ".join(f"{to_ns}{offset_ns:+d}" for to_ns, offset_ns in steps[-REMEMBERED:])

    def read(self, device_ns: int | None, t_ns: int) -> None:
        """The clock shows `device_ns` at `t_ns`; None when it is not set."""
        if self._set_ns is not None or device_ns is None:
            return
        offset_ns = t_ns - device_ns
        self._read_ns = device_ns
        self._offset_ns = offset_ns if abs(offset_ns) >= SLACK_NS else 0

    def set(self, now_ns: int) -> None:
        """The clock is being set to `now_ns`."""
        if self._set_ns is None:
            self._set_ns = now_ns

    def date(self, device_ns: int, t_ns: int, *, stored: bool = False) -> int | None:
        """When a record stamped `device_ns` and received at `t_ns` was made, in ns; None when that cannot be known."""
        held = (epoch for epoch in self._epochs(t_ns, stored) if epoch.holds(device_ns))
        epoch = next(held, None)
        if epoch is None and device_ns > t_ns + SLACK_NS:
            return None
        made_ns = device_ns + (epoch.offset_ns if epoch else 0)
        return made_ns if stored or made_ns >= FIRST_NS else None

    def _epochs(self, t_ns: int, stored: bool) -> Iterator[_Epoch]:
        """The newest first."""
        if self._set_ns is not None and not stored:
            yield _Epoch(self._set_ns, t_ns, 0)
        if self._offset_ns is not None:
            yield _epoch_after(self._past, t_ns - self._offset_ns, self._offset_ns)
        yield from reversed(self._past)


def _epoch_after(past: list[_Epoch], to_ns: int, offset_ns: int) -> _Epoch:
    """The epoch that followed `past` and showed `to_ns` at its end."""
    set_ns = past[-1].to_ns + past[-1].offset_ns if past else None
    started_anew = set_ns is not None and to_ns < set_ns
    return _Epoch(None if started_anew else set_ns, to_ns, offset_ns)


def _remembered(memory: str) -> Iterator[_Epoch]:
    past: list[_Epoch] = []
    for step in memory.split():
        to_ns, sign, offset_ns = step.partition("-" if "-" in step else "+")
        if not (sign and to_ns.isdecimal() and offset_ns.isdecimal()):
            return
        past.append(_epoch_after(past, int(to_ns), int(sign + offset_ns)))
        yield past[-1]
