"""What a home's devices told lately, for whoever must judge it while the server is away.

It remembers what the server would remember: a record that a device tells twice is one, a block that no instrument
could truthfully have measured is none, and neither is a time that cannot be (`server.ingest.filing` refuses the same).
Of each channel and each kind of event those samples stay that a rule may look at: the newest KEEP, as many as any rule
wants to see, as they are now and as they were at any time in the last HELD_S. And of each channel the readings that its
course is made of (`triage.pace`), which reach back for days: a finger that stays in the clip tells KEEP in two minutes.

It is filled from what the spool has kept, and at the start from the rows that still wait there. What the server took
over before that start is gone from here: a rule that needs it says that it does not know.

The times are the hub's. Where its clock was set since, they are moved as the server would move them. Which reading of a
stream stands for its step was chosen by the clock as it was, so of what came before, a course may then be made of
others, less than a step from those of the server.
"""

import bisect
from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

from gateway.spool.rows import Heard
from triage.pace import SAMPLES, STEP_NS
from vitals.block import DOUBTED, Block
from vitals.channels import CHANNELS
from vitals.clock import NS
from vitals.events import Event, Fault

KEEP = 128
HELD_S = 900.0
"""Longer than the server is silent before it is away, and what it must have known of before that
(`gateway.home.local`)."""
MOST = 1_536
"""Of one name there are never more, however fast it comes."""
AHEAD_NS = 300 * NS
EARLIEST_NS = 1_577_836_800 * NS
JUMP_NS = NS // 2


class Kept(NamedTuple):
    """One sample: a block of one value, or an event, and when it came by the hub's two clocks."""

    t_ns: int
    device: str
    received_ns: int
    mono_ns: int | None
    what: Block | Event


class Recent:
    """The newest samples of each name (a channel, or a kind of event)."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Kept]] = {}
        self._steps: dict[str, dict[int, Kept]] = {}
        """By channel, the last good reading of each of the newest steps of time."""
        self._known: dict[Hashable, None] = {}
        """What each was known by, oldest first: for as long as many samples as could be here."""

    def hear(self, heard: Iterable[Heard]) -> bool:
        """Take these in; whether there was anything new that a rule might look at."""
        news = False
        for one in heard:
            for known_by, name, kept in _samples(one):
                if known_by is not None:
                    if known_by in self._known:
                        continue
                    self._known[known_by] = None
                self._keep(name, kept)
                news = True
        while len(self._known) > 2 * MOST * max(1, len(self._kept)):
            del self._known[next(iter(self._known))]
        return news

    def _keep(self, name: str, kept: Kept) -> None:
        samples = self._kept.setdefault(name, [])
        bisect.insort(samples, kept, key=_time)
        since_ns = kept.received_ns - round(HELD_S * NS)
        while len(samples) > KEEP and (samples[KEEP].received_ns < since_ns or len(samples) > MOST):
            del samples[0]
        if isinstance(kept.what, Block) and DOUBTED.isdisjoint(kept.what.status):
            self._keep_step(self._steps.setdefault(name, {}), kept)

    @staticmethod
    def _keep_step(steps: dict[int, Kept], kept: Kept) -> None:
        """One more than a course is made of: the newest may be of a time that is yet to come."""
        step = kept.t_ns // STEP_NS
        if step not in steps or _order(steps[step]) <= _order(kept):
            steps[step] = kept
        if len(steps) > SAMPLES + 1:
            del steps[min(steps)]

    def samples(self, now_ns: int, mono_ns: int, speed: float, until_ns: int | None = None) -> Iterator[Kept]:
        """All of them, at their times by the clock as it is now. `until_ns`: only what had come by then."""
        for kept in self._all():
            shift_ns = 0
            if kept.mono_ns is not None:
                shift_ns = now_ns - round((mono_ns - kept.mono_ns) * speed) - kept.received_ns
            if abs(shift_ns) < JUMP_NS * max(1.0, speed):
                shift_ns = 0
            if until_ns is None or kept.received_ns + shift_ns <= until_ns:
                yield kept._replace(t_ns=kept.t_ns + shift_ns) if shift_ns else kept

    def _all(self) -> Iterator[Kept]:
        """Each once: a reading of a course may be among the newest, too."""
        for name, samples in self._kept.items():
            newest = set(map(id, samples))
            yield from (one for one in self._steps.get(name, {}).values() if id(one) not in newest)
            yield from samples

    def newest_ns(self) -> dict[str, int]:
        """When each name was last measured, or happened."""
        return {name: samples[-1].t_ns for name, samples in self._kept.items()}

    def newest_device(self, names: Iterable[str]) -> str | None:
        """The device that the newest sample of these names is of."""
        newest = [self._kept[name][-1] for name in names if self._kept.get(name)]
        return max(newest, key=_time).device if newest else None


def _time(kept: Kept) -> int:
    return kept.t_ns


def _order(kept: Kept) -> tuple[int, tuple[float, ...]]:
    """Of two readings of one moment the higher is the later, as in `triage.grid`."""
    assert isinstance(kept.what, Block)
    return kept.t_ns, kept.what.value


def _samples(one: Heard) -> Iterator[tuple[Hashable, str, Kept]]:
    """Sample by sample what it is to the rules, and what each is known by (None: it cannot be told again).

    Nothing where the server would refuse it.
    """
    what = one.what
    if isinstance(what, Fault) or (isinstance(what, Block) and _unfit(what)):
        return
    times = (what.t_ns,) if isinstance(what, Event) else what.t_ns
    if any(not EARLIEST_NS <= t_ns <= one.received_ns + AHEAD_NS for t_ns in times):
        return
    known_by = _known_by(what)
    if isinstance(what, Event):
        told = known_by and (one.device, known_by, what.kind, tuple(sorted(what.data.items())))
        yield told, what.kind, Kept(what.t_ns, one.device, one.received_ns, one.mono_ns, what)
        return
    for place, (t_ns, value) in enumerate(zip(what.t_ns, what.value, strict=True)):
        sample = Block(what.channel, (t_ns,), (value,), what.decimals, what.status)
        kept = Kept(t_ns, one.device, one.received_ns, one.mono_ns, sample)
        yield known_by and (one.device, known_by, what.channel, place, value), what.channel, kept


def _unfit(block: Block) -> bool:
    """A wave is no business of a rule's; the rest the server would not file."""
    channel = CHANNELS.get(block.channel)
    if channel is None or channel.wave or not block.t_ns or len(block.t_ns) != len(block.value):
        return True
    return not all(channel.plausible(value) for value in block.value)


def _known_by(what: Block | Event) -> tuple[str, object] | None:
    """Its record, or the device's own time. What has neither is told apart by its row, which comes once."""
    if what.record is not None:
        return "record", what.record
    unset = isinstance(what, Block) and "clock_unset" in what.status
    if what.device_t_ns is not None and not unset:
        return "time", what.device_t_ns
    return None
