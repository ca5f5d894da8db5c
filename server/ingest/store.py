"""Messages to rows, in one transaction: what was filed, what was set aside, and what has now come.

The journal (`server.readings.journal`) has what was filed; of what could not be, quarantine has the bytes. A message
whose rows have all come before adds nothing to either.

Nothing here is acknowledged. The acknowledgements are returned, and the caller sends them after the commit.
"""

import logging
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np
import sqlalchemy as sa

from server.db import metadata
from server.fleet import store as fleet
from server.fleet.life import sign
from server.fleet.quarantine import Unfiled, set_aside
from server.fleet.seals import keyrings
from server.held.model import MAY_BE_HELD
from server.held.store import sift
from server.ingest.correct import any_shifted, shift_ns
from server.ingest.filing import Filed, Refused, file
from server.ingest.lane import in_columns, ordinary
from server.ingest.parcel import Parcel, Spoilt, open_parcel
from server.ingest.ranges import Range, Ranges, runs
from server.patients.store import Whose, whose
from server.quick import Quick
from server.readings import journal
from server.readings.fresh import Fresh
from server.readings.sheaf import Sheaf, join
from server.readings.sheaf import sheaf as sheaf_of
from server.readings.store import Occurrence, Reading
from server.readings.store import file as keep
from vitals.errors import WireError
from vitals.events import Fault
from vitals.seal import Key
from vitals.wire import Ack, Health, Row, State, down, encode, gateway_of

log = logging.getLogger(__name__)

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

PORTION_BYTES = 300_000
"""So much of what came is opened and filed before the next: about 1,500 rows, which stay beside the processor from
their bytes to their columns. All of a flood at once would be fetched from memory anew by each step."""


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
    """What a batch of messages came to. `new`: what was filed, by patient. `changed`: whose gateway came or went.

    `look`: patients at whom the rules must look though nothing is new of them.
    """

    acknowledge: list[Message]
    new: Fresh
    changed: set[str]
    look: set[str]
    tally: Tally


class _Pile(msgspec.Struct):
    """What is gathered from the messages before it is written."""

    sheaves: list[Sheaf] = []
    events: list[Occurrence] = []
    aside: list[Unfiled] = []
    alive_ns: dict[str, int] = {}
    """Of each gateway the newest sign of life."""
    changed: set[str] = set()
    look: set[str] = set()
    tally: Tally = msgspec.field(default_factory=Tally)
    beats: list[Message] = []
    """Answers to heartbeats: by them a home knows that it is watched."""
    acknowledge: list[Message] = []
    come: dict[tuple[str, str], Ranges] = {}
    """What has come of each (gateway, epoch) that a message is of, these messages included..."""
    before: dict[tuple[str, str], Sequence[Range]] = {}
    """...and what had come before them."""

    def recall(self, tx: sa.Connection, keys: Iterable[tuple[str, str]]) -> None:
        """Have in `come` what has come of these."""
        for gateway, epoch in keys:
            if (gateway, epoch) not in self.come:
                rows = _HAVE_COME.rows(tx, gateway=gateway, epoch=epoch)
                found = self.come[gateway, epoch] = Ranges((first, last) for first, last in rows)
                self.before[gateway, epoch] = found.ranges()


def take(
    tx: sa.Connection, messages: Sequence[Message], now_ns: int, speed: float = 1.0, fresh_s: float = 45.0
) -> Taken:
    """Store what is new in these messages, in `tx`. `speed` is that of our clock.

    A gateway is here when a message of it is no older than `fresh_s`.
    """
    pile = _Pile()
    claimed = [_claimed(topic) for topic, _ in messages]
    keys = keyrings(tx, claimed, now_ns)
    known = fleet.known(tx, claimed)
    for start, stop in _portions([len(payload) for _, payload in messages]):
        parcels: list[Parcel] = []
        for message, gateway in zip(messages[start:stop], claimed[start:stop], strict=True):
            one = open_parcel(*message, keys.get(gateway, ()))
            pile.tally.messages[_kind(one, known)] += 1
            if isinstance(one, Spoilt) and (one.reason != "seal" or gateway in known):
                pile.aside.append(_unfiled(gateway, one))
            elif isinstance(one, Spoilt):  # whose seal it lacks is not believed any more
                pile.aside.append(fleet.stranger(tx, gateway, message[1]))
            elif one.gateway not in known:
                pile.aside.append(fleet.stranger(tx, one.gateway, message[1]))
            elif isinstance(one, State):
                if not one.online:
                    pile.changed |= fleet.gone(tx, one.gateway)
            else:
                known[gateway] = _hear(tx, one, pile, known[gateway], gateway in keys, now_ns, speed)
                if isinstance(one, Health):
                    beat = Ack(one.epoch, (), now_ns, mark=one.mark)
                    pile.beats.append(_answer(one.gateway, keys.get(gateway, ()), beat))
                else:
                    parcels.append(_proved(one, now_ns, speed))
        _file_all(tx, parcels, pile, now_ns, speed)
    pile.changed |= fleet.heard(tx, pile.alive_ns, now_ns, fresh_s)
    _remember(tx, pile.before, pile.come)
    pile.tally.aside.update(one.reason for one in pile.aside)
    return Taken(pile.beats + pile.acknowledge, _write(tx, pile, now_ns), pile.changed, pile.look, pile.tally)


def stored(tx: sa.Connection) -> int:
    """How many readings and events have been stored since the beginning."""
    return journal.stored(tx)


def refuse(tx: sa.Connection, message: Message, why: str, now_ns: int) -> None:
    """Set a whole message aside that the server itself stumbled over. It is not acknowledged."""
    set_aside(tx, [Unfiled(_claimed(message[0]), None, "server error", why, message[1])], now_ns)


def _hear(
    tx: sa.Connection, one: Parcel | Health, pile: _Pile, told_ns: int | None, sealed: bool, now_ns: int, speed: float
) -> int | None:
    """Note the sign of life that a message is, and what a heartbeat tells that is news.

    Returns when the newest heartbeat was sent; before this one it was `told_ns`.
    """
    life = sign(one.heard_ns, one.since_ns, now_ns, speed, told_ns=told_ns, sealed=sealed)
    if life is None:
        return told_ns
    pile.alive_ns[one.gateway] = max(life.t_ns, pile.alive_ns.get(one.gateway, life.t_ns))
    if isinstance(one, Parcel) or not life.newer(told_ns, now_ns):
        return told_ns
    pile.look |= fleet.health(tx, one, now_ns, life.sent_ns)
    return told_ns if life.sent_ns is None else life.sent_ns


def _proved(parcel: Parcel, now_ns: int, speed: float) -> Parcel:
    """The same, with when it was sent where that is proved: under a seal, by an answer of ours."""
    if parcel.key is None or parcel.heard_ns is None:
        return parcel
    life = sign(parcel.heard_ns, parcel.since_ns, now_ns, speed, told_ns=None, sealed=True)
    if life is None:
        return parcel
    sent = msgspec.structs.replace(parcel.sent, proved_ns=life.sent_ns, since_ns=parcel.since_ns)
    return msgspec.structs.replace(parcel, sent=sent)


def _portions(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """From which message to before which, of so many bytes each, so that a portion has PORTION_BYTES or one message."""
    start, size = 0, 0
    for place, each in enumerate(sizes):
        if size and size + each > PORTION_BYTES:
            yield start, place
            start, size = place, 0
        size += each
    if start < len(sizes):
        yield start, len(sizes)


def _file_all(tx: sa.Connection, parcels: Sequence[Parcel], pile: _Pile, now_ns: int, speed: float) -> None:
    """File the new rows of all parcels onto the pile, with an acknowledgement for each parcel."""
    owners = whose(tx, set().union(*(parcel.devices() for parcel in parcels)))
    pile.recall(tx, {(parcel.gateway, parcel.epoch) for parcel in parcels})
    fresh = []
    for parcel in parcels:
        key, numbers = (parcel.gateway, parcel.epoch), runs(parcel.numbers())
        new = _new(parcel, pile.come[key], pile)
        pile.tally.new += len(new.rows)
        pile.tally.again += len(parcel.rows) - len(new.rows)
        if new.rows:
            fresh.append(new)
        if numbers:
            key_of = (parcel.key,) if parcel.key else ()
            pile.acknowledge.append(_answer(parcel.gateway, key_of, Ack(parcel.epoch, numbers, now_ns)))
    _file_new(fresh, owners, pile, now_ns, speed)


def _answer(gateway: str, keys: Sequence[Key], ack: Ack) -> Message:
    """The acknowledgement, under the seal that the message came with."""
    topic, body = down(gateway, "ack"), encode(ack)
    return topic, keys[0].seal(topic, body) if keys else body


def _new(parcel: Parcel, come: Ranges, pile: _Pile) -> Parcel:
    """The same with the rows that have not `come` before, what of it could not be read being set aside.

    A row that cannot be read has not come: a whole copy of it may still be on its way.
    """
    for spoilt in parcel.spoilt:
        if spoilt.seq is not None and spoilt.seq not in come:
            pile.aside.append(_unfiled(parcel.gateway, spoilt))
    rows = _new_rows(parcel.rows, come)
    return parcel if rows is parcel.rows else msgspec.structs.replace(parcel, rows=rows)


def _file_new(parcels: Sequence[Parcel], owners: Whose, pile: _Pile, now_ns: int, speed: float) -> None:
    """File these, whose rows are all new, in the order in which they came."""
    for one in in_columns(parcels, lambda some: _ordinary(some, owners, now_ns, speed)):
        if isinstance(one, Parcel):
            _file_carefully(one, owners, pile, now_ns, speed)
        else:
            one.rows["stored_ns"] = now_ns
            pile.sheaves.append(one)


def _ordinary(parcels: Sequence[Parcel], owners: Whose, now_ns: int, speed: float) -> Sheaf | None:
    """`ordinary`, but what it stumbles over goes the careful way, which finds the row."""
    try:
        if any(any_shifted(one.rows, one.sent, now_ns, speed) for one in parcels):
            return None
        return ordinary(parcels, owners, now_ns)
    except Exception:
        if len(parcels) == 1:
            log.exception("a batch could not be filed in columns and is filed row by row")
        return None


def _new_rows(rows: tuple[Row, ...], come: Ranges) -> tuple[Row, ...]:
    """Those whose number has not come before, each number once; from now on it has."""
    numbers = [row.seq for row in rows]
    ranges = runs(numbers)
    whole = sum(last - first + 1 for first, last in ranges) == len(rows)
    if whole and not any(come.touches(first, last) for first, last in ranges):
        for first, last in ranges:
            come.add(first, last)
        return rows
    new = []
    for row in rows:
        if row.seq not in come:
            come.add(row.seq)
            new.append(row)
    return tuple(new)


def _file_carefully(parcel: Parcel, owners: Whose, pile: _Pile, now_ns: int, speed: float) -> None:
    """Row by row: what cannot be filed is set aside, and its neighbours are not."""
    readings: list[Reading] = []
    for row in parcel.rows:
        filed = _filed(row, parcel, owners, now_ns, speed)
        if isinstance(filed, Refused):
            pile.aside.append(_refused(parcel.gateway, row, filed))
        else:
            readings += (one for one in filed if isinstance(one, Reading))
            pile.events += (one for one in filed if isinstance(one, Occurrence))
    if readings:
        pile.sheaves.append(sheaf_of(readings, now_ns))


def _filed(row: Row, parcel: Parcel, owners: Whose, now_ns: int, speed: float) -> Filed:
    """`file`, but a row that it stumbles over is set aside like any other that cannot be filed.

    It must not hold up the rows beside it; the journal and the quarantine have its bytes for whoever mends us.
    """
    try:
        shift = shift_ns(row, parcel.sent, now_ns, speed)
        return file(row, parcel.gateway, parcel.epoch, owners, now_ns, shift)
    except Exception as error:
        log.exception("a row could not be filed and is set aside")
        return Refused("server error", f"{type(error).__name__}: {error}")


def _write(tx: sa.Connection, pile: _Pile, now_ns: int) -> Fresh:
    """Write the pile; returns what of it was filed now. What is held is stored, but not the patient's."""
    kept = None
    if pile.sheaves or pile.events:
        file, held, patients = _sifted(tx, join(pile.sheaves), now_ns)
        pile.changed |= patients
        kept = keep(tx, file, pile.events, now_ns, held=held)
    set_aside(tx, pile.aside, now_ns)
    return Fresh(kept)


def _sifted(tx: sa.Connection, sheaf: Sheaf, now_ns: int) -> tuple[Sheaf, int, set[str]]:
    """What to file, how many readings were held, and whose questions changed."""
    doubtful = [code for code, word in enumerate(sheaf.words) if word in MAY_BE_HELD]
    asked = np.isin(sheaf.rows["channel"], doubtful)
    if not asked.any():
        return sheaf, 0, set()
    sifted = sift(tx, sheaf.take(np.flatnonzero(asked)).readings(), now_ns)
    return join([sheaf.take(np.flatnonzero(~asked)), sheaf_of(sifted.file, now_ns)]), sifted.held, sifted.patients


def _remember(
    tx: sa.Connection, before: Mapping[tuple[str, str], Sequence[Range]], come: Mapping[tuple[str, str], Ranges]
) -> None:
    """Write down what has come, where it differs from what had come `before`."""
    gone, new = [], []
    for key, ranges in come.items():
        had, has = set(before[key]), set(ranges.ranges())
        named = dict(zip(("gateway", "epoch"), key, strict=True))
        gone += [{**named, "first_seq": first} for first, _ in had - has]
        new += [{**named, "first_seq": first, "last_seq": last} for first, last in has - had]
    _FORGET.many(tx, gone)
    _COME.many(tx, new)


def _unfiled(gateway: str, spoilt: Spoilt) -> Unfiled:
    return Unfiled(gateway, spoilt.device, spoilt.reason, spoilt.text, spoilt.data)


def _refused(gateway: str, row: Row, refused: Refused) -> Unfiled:
    """A fault's own bytes where the device sent some, else the row as it came."""
    data = row.what.data if isinstance(row.what, Fault) and row.what.data else msgspec.json.encode(row)
    return Unfiled(gateway, row.device, refused.reason, refused.text, data)


def _kind(one: Parcel | Health | State | Spoilt, known: Container[str]) -> str:
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


_THIS = (received.c.gateway == sa.bindparam("gateway")) & (received.c.epoch == sa.bindparam("epoch"))
_HAVE_COME = Quick(sa.select(received.c.first_seq, received.c.last_seq).where(_THIS))
_FORGET = Quick(received.delete().where(_THIS, received.c.first_seq == sa.bindparam("first_seq")))
_COME = Quick(received.insert())
