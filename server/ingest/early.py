"""What can be read of messages before it is their turn: all that they say themselves.

To parse a batch, put its rows into columns and digest what each is known by takes half of what a reading costs, and
needs nothing that only the server knows. So when much is waiting it is done beside the server's own interpreter, on
another core (`server.ingest.reader`), and here is what is done there, purely.

Nothing is decided by it. Whether the seal fits, whose the readings are, whether they have come before and whether
their times can be is asked when they are filed, as of any others; and what is not ordinary in itself is not read early.
"""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from server.ingest.columns import Columns, columns, in_columns
from server.ingest.correct import Reckoned, Sent, reckoned
from server.ingest.parcel import Message, Parcel, read_batch
from server.ingest.ranges import Range, runs
from server.readings.sheaf import copied, unpack
from vitals.errors import WireError
from vitals.seal import body_of
from vitals.wire import gateway_of


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """A batch whose rows were put into columns: its outside.

    `place`: which of the messages it was. `rows`: so many of the columns' are its own, in their order. `first_ns`,
    `last_ns`: between which moments, both inclusive, they were measured. The rest is as in `Parcel`.
    """

    place: int
    gateway: str
    epoch: str
    rows: int
    ranges: tuple[Range, ...]
    devices: tuple[str, ...]
    first_ns: int
    last_ns: int
    reckoned: Reckoned
    sent: Sent
    heard_ns: int | None
    since_ns: int


class Section(msgspec.Struct, array_like=True):
    """Letters, one behind the other, and their rows: `packed` is a sheaf of `devices`, as of `Columns`."""

    letters: list[Letter]
    packed: bytes
    devices: tuple[str, ...]

    def columns(self) -> Columns:
        """The rows, to be written into."""
        sheaf = unpack(self.packed)
        sheaf.rows = copied(sheaf.rows)
        return Columns(sheaf, self.devices)


def read_early(messages: Sequence[Message], speed: float) -> list[Section]:
    """What of these can be read by itself. `speed` is that of the server's clock."""
    opened = [(place, one) for place, message in enumerate(messages) if (one := _opened(*message)) is not None]
    waiting = iter(opened)
    sections: list[Section] = []
    for found in in_columns([parcel for _, parcel in opened], columns):
        if isinstance(found, Parcel):
            next(waiting)
        else:
            letters = list(_letters(found, waiting, speed))
            sections.append(Section(letters, found.sheaf.pack(), found.devices))
    return sections


def _opened(topic: str, payload: bytes) -> Parcel | None:
    """A batch of which every row can be read, each under a number of its own; None for anything else."""
    try:
        parcel = read_batch(topic, body_of(payload))
        if parcel is None or parcel.spoilt or not parcel.rows or parcel.gateway != gateway_of(topic):
            return None
    except WireError:
        return None
    return parcel if len({row.seq for row in parcel.rows}) == len(parcel.rows) else None


def _letters(found: Columns, waiting: Iterator[tuple[int, Parcel]], speed: float) -> Iterator[Letter]:
    """Those that the columns' rows are of."""
    start, t_ns = 0, found.sheaf.rows["t_ns"]
    while start < len(t_ns):
        place, one = next(waiting)
        mine = t_ns[start : start + len(one.rows)]
        start += len(mine)
        yield Letter(
            place, one.gateway, one.epoch, len(mine), runs(one.numbers()), tuple(one.devices()), int(mine.min()),
            int(mine.max()), reckoned(one.rows, one.sent, speed) or _NEVER_RIGHT, one.sent, one.heard_ns, one.since_ns,
        )  # fmt: skip


_NEVER_RIGHT = Reckoned(-np.inf, np.inf)
"""Each row must be looked at by itself."""
