"""A batch as it travels: rows that are JSON already, and around them when and by what clocks they are sent.

Encoded anew each time it is sent: by that the server finds out when its rows were received (`gateway.clock.steady`),
and when it was sent (`gateway.uplink.answered`).
"""

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from gateway.clock.steady import BOOT, steady_ns
from gateway.spool.rows import Stored
from gateway.spool.store import Spool
from gateway.uplink.answered import Answered
from vitals import wire
from vitals.clock import Clock

_MOST_BOOTS = 16


class _Encoded(msgspec.Struct):
    """A `wire.Batch` whose rows are already JSON; the fields and their order are the same."""

    gateway: str
    epoch: str
    sent_ns: int
    rows: list[msgspec.Raw]
    v: int
    boot: str
    mono_ns: int
    boots: list[tuple[int, str]]
    heard_ns: int
    since_ns: int


def _from_seq(boot: tuple[int, str]) -> int:
    return boot[0]


def encoded(rows: Sequence[Stored], name: str, spool: Spool, clock: Clock, answered: Answered) -> bytes:
    """The `wire.Batch` of the gateway `name` with these rows, sent now."""
    raw = [msgspec.Raw(row.json) for row in rows]
    boots = spool.boots
    first, last = (bisect_right(boots, row.seq, key=_from_seq) for row in (rows[0], rows[-1]))
    concerned = boots[max(0, first - 1, last - _MOST_BOOTS) : last]
    mono_ns = steady_ns()
    batch = _Encoded(
        name, spool.epoch, clock.now_ns(), raw, wire.VERSION, BOOT, mono_ns, concerned,
        *answered.says(mono_ns),
    )  # fmt: skip
    return msgspec.json.encode(batch)
