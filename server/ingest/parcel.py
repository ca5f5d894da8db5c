"""What came under a topic, purely: a batch of rows, a heartbeat, a state, or something that cannot be read.

The seal is looked at first (`vitals.seal`): of a gateway that has a key nothing is read that does not carry it.

One row that cannot be read does not spoil its batch: the others are read, and it is set aside under its own number.
"""

from collections.abc import Sequence

import msgspec

from server.ingest.correct import Sent
from vitals.errors import WireError
from vitals.seal import Key, unseal
from vitals.wire import MAX_BYTES, VERSION, Batch, Health, Lane, Row, State, decode, gateway_of

Message = tuple[str, bytes]
"""Topic and payload."""

_LANES = frozenset(Lane)
_SEQ = range(2**63)


class Spoilt(msgspec.Struct, frozen=True):
    """A row that could not be read, or a whole message (`seq` None), with its bytes."""

    seq: int | None
    device: str | None
    reason: str
    text: str
    data: bytes


class Parcel(msgspec.Struct, frozen=True):
    """A batch taken apart: numbers and rows, and those that could not be read.

    `key`: whose seal was on it, if any; the answer goes out under the same. `heard_ns`, `since_ns`: by which it can be
    known when it was sent, as in `vitals.wire.Health`.
    """

    gateway: str
    epoch: str
    rows: tuple[Row, ...]
    spoilt: tuple[Spoilt, ...] = ()
    key: Key | None = None
    sent: Sent = Sent()
    heard_ns: int | None = None
    since_ns: int = 0

    def numbers(self) -> list[int]:
        """The numbers of all rows that have one."""
        return [row.seq for row in self.rows] + [one.seq for one in self.spoilt if one.seq is not None]

    def devices(self) -> set[str]:
        """Whose rows could be read."""
        return {row.device for row in self.rows}

    def transports(self) -> list[str]:
        """What each row is called on its way: gateway, epoch and number."""
        return [f"{self.gateway}/{self.epoch}/{row.seq}" for row in self.rows]


class _Loose(msgspec.Struct):
    """A batch whose rows are not looked at yet. Nothing may be missing: a name that was damaged is no name."""

    gateway: str
    epoch: str
    sent_ns: int
    rows: tuple[msgspec.Raw, ...]
    v: int
    boot: str = ""
    mono_ns: int = 0
    boots: tuple[tuple[int, str], ...] = ()
    heard_ns: int | None = None
    since_ns: int = 0


class _Numbered(msgspec.Struct):
    """The least that a row must say for it to be acknowledged."""

    seq: int
    device: str | None = None


def open_parcel(topic: str, payload: bytes, keys: Sequence[Key] = ()) -> Parcel | Health | State | Spoilt:
    """What came. A message that claims to be another gateway's than its topic's is not believed.

    `keys`: those that the gateway of the topic may seal with; none where it has none.
    """
    try:
        gateway = gateway_of(topic)
        opened = unseal(topic, payload, keys)
        message = _read(topic, opened.body)
        if message.gateway != gateway:
            raise WireError(
                "foreign gateway", f"topic of {gateway!r}, message of {message.gateway!r}", "send under your own name"
            )
    except WireError as error:
        return Spoilt(None, None, error.reason, str(error), payload)
    if isinstance(message, Parcel):
        return msgspec.structs.replace(message, key=opened.key)
    return message


def read_batch(topic: str, body: bytes) -> Parcel | None:
    """The batch that an unsealed body is, None for what came under a topic of anything else; raises WireError."""
    rest = topic.split("/")[3:]
    return _batch(body) if len(rest) == 2 and rest[0] == "up" and rest[1] in _LANES else None


def _read(topic: str, body: bytes) -> Parcel | Health | State:
    rest = topic.split("/")[3:]
    if rest == ["state"]:
        return decode(body, State)
    if rest == ["up", "health"]:
        return decode(body, Health)
    if (parcel := read_batch(topic, body)) is not None:
        return parcel
    raise WireError("topic", f"nothing is sent under {'/'.join(rest)!r}", "see vitals/wire.py")


def _batch(payload: bytes) -> Parcel:
    try:
        batch = decode(payload, Batch)
    except WireError as error:
        if error.reason != "does not parse":
            raise
        return _row_by_row(payload, error)
    numbers = [row.seq for row in batch.rows]
    if not numbers or (min(numbers) in _SEQ and max(numbers) in _SEQ):
        sent = Sent.of(batch)
        return Parcel(batch.gateway, batch.epoch, batch.rows, (), None, sent, batch.heard_ns, batch.since_ns)
    raise WireError("does not parse", "a row's seq is out of range", "count from 0")


def _row_by_row(payload: bytes, whole: WireError) -> Parcel:
    try:
        loose = msgspec.json.decode(payload, type=_Loose)
        _without(payload, loose.rows).decode()  # a field whose name was damaged would be passed over
        read = [_row(bytes(raw)) for raw in loose.rows]
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise whole from None
    if loose.v != VERSION or len(payload) > MAX_BYTES:
        raise whole
    rows = tuple(row for row in read if isinstance(row, Row))
    spoilt = tuple(row for row in read if isinstance(row, Spoilt))
    sent = Sent(loose.sent_ns, loose.boot, loose.mono_ns, loose.boots)
    return Parcel(loose.gateway, loose.epoch, rows, spoilt, None, sent, loose.heard_ns, loose.since_ns)


def _without(payload: bytes, rows: Sequence[msgspec.Raw]) -> bytes:
    """What is around the rows."""
    for raw in rows:
        payload = payload.replace(bytes(raw), b"", 1)
    return payload


def _row(raw: bytes) -> Row | Spoilt:
    """The row, or what is left of it; raises msgspec.DecodeError where not even its number can be read."""
    numbered = msgspec.json.decode(raw, type=_Numbered)
    if numbered.seq not in _SEQ:
        raise msgspec.DecodeError("seq out of range")
    try:
        raw.decode()  # as `vitals.wire.decode` does
        return msgspec.json.decode(raw, type=Row)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Spoilt(numbered.seq, numbered.device, "does not parse", str(error), raw)
