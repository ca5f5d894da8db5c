"""Messages to rows, in one transaction: the journal, the readings, what was set aside, and what has now come.

The journal has each batch of messages as it came, with a checksum: whatever is derived from readings can be made anew
from it. A message whose rows have all come before adds nothing to it.

Nothing here is acknowledged. The acknowledgements are returned, and the caller sends them after the commit.
"""

import logging
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa

from server.db import metadata
from server.fleet import store as fleet
from server.fleet.quarantine import Unfiled, set_aside
from server.held.store import sift
from server.ingest.filing import Filed, Refused, file
from server.ingest.parcel import Parcel, Spoilt, open_parcel
from server.ingest.ranges import Ranges
from server.patients.store import Whose, whose
from server.readings.store import Occurrence, Reading, keep, keep_events
from vitals.errors import WireError
from vitals.events import Fault
from vitals.wire import Ack, Health, Row, State, down, encode, gateway_of

log = logging.getLogger(__name__)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("received_ns", sa.BigInteger, nullable=False),
    sa.Column("crc", sa.BigInteger, nullable=False),
    sa.Column("blob", sa.LargeBinary, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False, comment="readings and events stored so far"),
    sqlite_autoincrement=True,
)

received = sa.Table(
    "received",
    metadata,
    sa.Column("gateway", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("first_seq", sa.BigInteger, primary_key=True),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
)

Message = tuple[str, bytes]
"""Topic and payload."""


class Tally(msgspec.Struct):
    """How much came, to be counted once it is committed.

    `messages` by kind (batch, heartbeat, state, refused), rows that are `new` or had come before (`again`), and what
    was set `aside`, by reason.
    """

    messages: Counter[str] = msgspec.field(default_factory=Counter)
    new: int = 0
    again: int = 0
    aside: Counter[str] = msgspec.field(default_factory=Counter)


class Taken(msgspec.Struct):
    """What a batch of messages came to. `new`: what was stored, by patient. `changed`: whose gateway came or went.

    `look`: patients at whom the rules must look though nothing is new of them.
    """

    acknowledge: list[Message]
    new: dict[str, list[Reading | Occurrence]]
    changed: set[str]
    look: set[str]
    tally: Tally


class _Pile(msgspec.Struct):
    """What is gathered from the messages before it is written."""

    filed: list[Reading | Occurrence] = []
    aside: list[Unfiled] = []
    journal: list[Message] = []
    heard: set[str] = set()
    changed: set[str] = set()
    look: set[str] = set()
    tally: Tally = msgspec.field(default_factory=Tally)


def take(tx: sa.Connection, messages: Sequence[Message], now_ns: int) -> Taken:
    """Store what is new in these messages, in `tx`."""
    pile = _Pile()
    parcels: list[tuple[Message, Parcel]] = []
    opened = [(message, open_parcel(*message)) for message in messages]
    known = fleet.known(tx, (one.gateway for _, one in opened if not isinstance(one, Spoilt)))
    for message, one in opened:
        pile.tally.messages[_kind(one, known)] += 1
        if isinstance(one, Spoilt):
            pile.aside.append(_unfiled(_claimed(message[0]), one))
        elif one.gateway not in known:
            why = f"gateway {one.gateway!r} is not in the municipality file"
            pile.aside.append(Unfiled(one.gateway, None, "unknown gateway", why, message[1]))
        elif isinstance(one, State):
            if not one.online:
                pile.changed |= fleet.gone(tx, one.gateway)
        else:
            pile.heard.add(one.gateway)
            if isinstance(one, Health):
                pile.look |= fleet.health(tx, one, now_ns)
            else:
                parcels.append((message, one))
    acknowledge = _file_all(tx, parcels, pile, now_ns)
    pile.tally.aside.update(one.reason for one in pile.aside)
    return Taken(acknowledge, _write(tx, pile, now_ns), pile.changed, pile.look, pile.tally)


def stored(tx: sa.Connection) -> int:
    """How many readings and events have been stored since the beginning."""
    return tx.scalar(sa.select(journal.c.total).order_by(journal.c.seq.desc()).limit(1)) or 0


def refuse(tx: sa.Connection, message: Message, why: str, now_ns: int) -> None:
    """Set a whole message aside that the server itself stumbled over. It is not acknowledged."""
    set_aside(tx, [Unfiled(_claimed(message[0]), None, "server error", why, message[1])], now_ns)


def _file_all(tx: sa.Connection, parcels: Sequence[tuple[Message, Parcel]], pile: _Pile, now_ns: int) -> list[Message]:
    """File the new rows of all parcels onto the pile; returns an acknowledgement for each parcel."""
    owners = whose(tx, (row.device for _, parcel in parcels for row in parcel.rows))
    come = _come(tx, {(parcel.gateway, parcel.epoch) for _, parcel in parcels})
    grown: set[tuple[str, str]] = set()
    acknowledge = []
    for message, parcel in parcels:
        numbers = parcel.numbers()
        fresh = _file_new(parcel, come[parcel.gateway, parcel.epoch], owners, pile, now_ns)
        pile.tally.new += fresh
        pile.tally.again += len(parcel.rows) - fresh
        if fresh:
            pile.journal.append(message)
            grown.add((parcel.gateway, parcel.epoch))
        if numbers:
            ranges = Ranges((number, number) for number in numbers).ranges()
            acknowledge.append((down(parcel.gateway, "ack"), encode(Ack(parcel.epoch, ranges, now_ns))))
    _remember(tx, {key: come[key] for key in grown})
    return acknowledge


def _file_new(parcel: Parcel, come: Ranges, owners: Whose, pile: _Pile, now_ns: int) -> int:
    """File the rows that have not `come` before; returns how many.

    A row that cannot be read has not come: a whole copy of it may still be on its way.
    """
    fresh = 0
    for spoilt in parcel.spoilt:
        if spoilt.seq is not None and spoilt.seq not in come:
            pile.aside.append(_unfiled(parcel.gateway, spoilt))
    for row in parcel.rows:
        if row.seq in come:
            continue
        come.add(row.seq)
        fresh += 1
        filed = _filed(row, parcel, owners, now_ns)
        if isinstance(filed, Refused):
            pile.aside.append(_refused(parcel.gateway, row, filed))
        else:
            pile.filed.extend(filed)
    return fresh


def _filed(row: Row, parcel: Parcel, owners: Whose, now_ns: int) -> Filed:
    """`file`, but a row that it stumbles over is set aside like any other that cannot be filed.

    It must not hold up the rows beside it; the journal and the quarantine have its bytes for whoever mends us.
    """
    try:
        return file(row, parcel.gateway, parcel.epoch, owners, now_ns)
    except Exception as error:
        log.exception("a row could not be filed and is set aside")
        return Refused("server error", f"{type(error).__name__}: {error}")


def _write(tx: sa.Connection, pile: _Pile, now_ns: int) -> dict[str, list[Reading | Occurrence]]:
    """Write the pile; returns what of it was filed now, by patient. What is held is stored, but not the patient's."""
    new: dict[str, list[Reading | Occurrence]] = {}
    sifted = sift(tx, [one for one in pile.filed if isinstance(one, Reading)], now_ns)
    pile.changed |= sifted.patients
    events = [one for one in pile.filed if isinstance(one, Occurrence)]
    stored_now: list[Reading | Occurrence] = [*keep(tx, sifted.file, now_ns), *keep_events(tx, events, now_ns)]
    for one in stored_now:
        new.setdefault(one.patient_id, []).append(one)
    set_aside(tx, pile.aside, now_ns)
    if pile.journal:
        blob = msgspec.msgpack.encode(pile.journal)
        total = stored(tx) + sum(map(len, new.values())) + sifted.held
        tx.execute(journal.insert().values(received_ns=now_ns, crc=zlib.crc32(blob), blob=blob, total=total))
    if pile.heard:
        pile.changed |= fleet.heard(tx, pile.heard, now_ns)
    return new


def _come(tx: sa.Connection, keys: set[tuple[str, str]]) -> dict[tuple[str, str], Ranges]:
    """What has come before of each (gateway, epoch)."""
    come: dict[tuple[str, str], Ranges] = {}
    for gateway, epoch in keys:
        query = sa.select(received.c.first_seq, received.c.last_seq)
        rows = tx.execute(query.where(received.c.gateway == gateway, received.c.epoch == epoch))
        come[gateway, epoch] = Ranges((first, last) for first, last in rows)
    return come


def _remember(tx: sa.Connection, come: Mapping[tuple[str, str], Ranges]) -> None:
    for (gateway, epoch), ranges in come.items():
        tx.execute(received.delete().where(received.c.gateway == gateway, received.c.epoch == epoch))
        rows = [
            {"gateway": gateway, "epoch": epoch, "first_seq": first, "last_seq": last}
            for first, last in ranges.ranges()
        ]
        tx.execute(received.insert(), rows)


def _unfiled(gateway: str, spoilt: Spoilt) -> Unfiled:
    return Unfiled(gateway, spoilt.device, spoilt.reason, spoilt.text, spoilt.data)


def _refused(gateway: str, row: Row, refused: Refused) -> Unfiled:
    """A fault's own bytes where the device sent some, else the row as it came."""
    data = row.what.data if isinstance(row.what, Fault) and row.what.data else msgspec.json.encode(row)
    return Unfiled(gateway, row.device, refused.reason, refused.text, data)


def _kind(one: Parcel | Health | State | Spoilt, known: set[str]) -> str:
    """The kind of message, to count by."""
    if isinstance(one, Spoilt) or one.gateway not in known:
        return "refused"
    return {Parcel: "batch", Health: "heartbeat", State: "state"}[type(one)]


def _claimed(topic: str) -> str:
    """The gateway that a topic names, for a message that could not be opened."""
    try:
        return gateway_of(topic)
    except WireError:
        return ""
