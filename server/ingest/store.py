"""Messages to rows, in one transaction: what was filed, what was set aside, and what has now come.

The journal (`server.readings.journal`) has what was filed; of what could not be, quarantine has the bytes. A message
whose rows have all come before adds nothing to either.

Nothing here is acknowledged. The acknowledgements are returned, and the caller sends them after the commit.
"""

import operator
from collections import deque
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from server.fleet import store as fleet
from server.fleet.quarantine import Unfiled, set_aside
from server.ingest.correct import Sent
from server.ingest.early import Letter, Section
from server.ingest.parcel import Message as Message
from server.ingest.parcel import Parcel, Spoilt, open_parcel
from server.ingest.pile import Moment, Pile, Read, unfiled
from server.ingest.pile import Tally as Tally
from server.ingest.signs import Signs
from server.readings import journal
from server.readings.fresh import Fresh
from vitals.errors import WireError
from vitals.seal import unseal
from vitals.wire import Health, State, gateway_of

PORTION_BYTES = 300_000
"""So much of what came is opened and filed before the next: about 1,500 rows, which stay beside the processor from
their bytes to their columns. All of a flood at once would be fetched from memory anew by each step."""


class Early(NamedTuple):
    """Some of the messages, one behind the other, and what was read of them before it was their turn."""

    messages: Sequence[Message]
    sections: Sequence[Section]

    def begins(self, messages: Sequence[Message], place: int) -> bool:
        """Whether it is of the messages from that place on, all of them."""
        there = messages[place : place + len(self.messages)]
        return len(there) == len(self.messages) and all(map(operator.is_, there, self.messages))


class Taken(msgspec.Struct):
    """What a batch of messages came to. `new`: what was filed, by patient. `changed`: whose gateway came or went.

    `look`: patients at whom the rules must look though nothing is new of them.
    """

    acknowledge: list[Message]
    new: Fresh
    changed: set[str]
    look: set[str]
    tally: Tally


def take(
    tx: sa.Connection,
    messages: Sequence[Message],
    now_ns: int,
    speed: float = 1.0,
    fresh_s: float = 45.0,
    early: Sequence[Early] = (),
) -> Taken:
    """Store what is new in these messages, in `tx`. `speed` is that of our clock.

    A gateway is here when a message of it is no older than `fresh_s`. `early`: what has been read of some of them, in
    their order.
    """
    moment = Moment(now_ns, speed)
    pile, signs = Pile(moment), Signs(tx, {_claimed(topic) for topic, _ in messages}, moment)
    pile.ask(tx, {device for one in early for section in one.sections for device in section.devices})
    for portion, sections in _portions(messages, early):
        _take_portion(tx, portion, sections, pile, signs)
    changed = signs.write(tx, fresh_s)
    new, asked = pile.write(tx)
    return Taken(signs.answers + pile.acknowledge, new, changed | asked, signs.look, pile.tally)


def stored(tx: sa.Connection) -> int:
    """How many readings and events have been stored since the beginning."""
    return journal.stored(tx)


def refuse(tx: sa.Connection, message: Message, why: str, now_ns: int) -> None:
    """Set a whole message aside that the server itself stumbled over. It is not acknowledged."""
    set_aside(tx, [Unfiled(_claimed(message[0]), None, "server error", why, message[1])], now_ns)


def _portions(
    messages: Sequence[Message], early: Sequence[Early]
) -> Iterator[tuple[Sequence[Message], Sequence[Section]]]:
    """All messages in their order: those that were read early with what was read, all others by PORTION_BYTES."""
    waiting = deque(early)
    start = place = size = 0
    while place < len(messages):
        read = waiting[0] if waiting and waiting[0].begins(messages, place) else None
        more = len(messages[place][1])
        if start < place and (read or size + more > PORTION_BYTES):
            yield messages[start:place], ()
            start, size = place, 0
        if read:
            waiting.popleft()
            yield read
            start = place = place + len(read.messages)
        else:
            place, size = place + 1, size + more
    if start < place:
        yield messages[start:place], ()


def _take_portion(
    tx: sa.Connection, messages: Sequence[Message], sections: Sequence[Section], pile: Pile, signs: Signs
) -> None:
    letters = {letter.place: letter for section in sections for letter in section.letters}
    reads: dict[int, Read] = {}
    parcels: list[Parcel] = []
    for place, message in enumerate(messages):
        letter = letters.get(place)
        read = None if letter is None else _believed(message, letter, signs)
        if read is not None:
            reads[place] = read
            pile.tally.messages["batch"] += 1
        elif (parcel := _take_one(tx, message, pile, signs)) is not None:
            parcels.append(parcel)
    for left in pile.file_early(tx, sections, reads):
        again = open_parcel(*messages[left.letter.place], signs.keys_of(left.letter.gateway))
        if isinstance(again, Parcel):
            parcels.append(msgspec.structs.replace(again, sent=left.sent))
    pile.file(tx, parcels)


def _believed(message: Message, letter: Letter, signs: Signs) -> Read | None:
    """What was read early of this message, noted as a sign of life; None if it must be looked at like any other."""
    topic, payload = message
    if letter.gateway not in signs.known:
        return None
    try:
        key = unseal(topic, payload, signs.keys_of(letter.gateway)).key
    except WireError:
        return None
    proved_ns = signs.batch(letter.gateway, letter.heard_ns, letter.since_ns, key)
    return Read(letter, key, _proved(letter.sent, proved_ns, letter.since_ns))


def _take_one(tx: sa.Connection, message: Message, pile: Pile, signs: Signs) -> Parcel | None:
    """Do what a message says; a batch is returned, to be filed."""
    topic, payload = message
    gateway = _claimed(topic)
    one = open_parcel(topic, payload, signs.keys_of(gateway))
    pile.tally.messages[_kind(one, signs.known)] += 1
    if isinstance(one, Spoilt) and (one.reason != "seal" or gateway in signs.known):
        pile.set_aside(unfiled(gateway, one))
    elif isinstance(one, Spoilt) or one.gateway not in signs.known:  # whose seal it lacks is not believed any more
        pile.set_aside(fleet.stranger(tx, gateway, payload))
    elif isinstance(one, State):
        signs.state(tx, one)
    elif isinstance(one, Health):
        signs.health(tx, one)
    else:
        proved_ns = signs.batch(gateway, one.heard_ns, one.since_ns, one.key)
        return msgspec.structs.replace(one, sent=_proved(one.sent, proved_ns, one.since_ns))
    return None


def _proved(sent: Sent, proved_ns: int | None, since_ns: int) -> Sent:
    """The same, with when it was sent where that is proved."""
    return sent if proved_ns is None else msgspec.structs.replace(sent, proved_ns=proved_ns, since_ns=since_ns)


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
