"""What a driver is: a pure reader of one kind of device.

A driver never waits, never looks at a clock and never touches a wire. A session (the gateway's, or a test's) feeds it
what arrives and carries out what it asks, in the order it asks:

    Block, Event, Fault   to be stored
    Bookmark              to be stored *with* what came before it, and handed to the driver next time
    Tx                    to be sent; with `after_stored`, only when all that came before it is on disk

`after_stored` is how a device's record is released: the driver asks for the release at once, the session holds it back
until the spool has committed. So no driver can forget a record that is not safe.

Ordinary trouble is data (`Fault`). A driver that raises has a bug.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from vitals.block import Block
from vitals.events import Event, Fault


class Link(StrEnum):
    """How a device is reached."""

    BLE = "ble"
    ADVERT = "advert"
    SERIAL = "serial"


class Serial(msgspec.Struct, frozen=True):
    """Line settings of a serial device: baud, data bits, parity (N, E, O), stop bits."""

    baud: int
    bits: int = 8
    parity: str = "N"
    stop: int = 1


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """Who the driver is for and how its device is recognised.

    `name` is the word used in configurations. BLE: `services` (lower-case 128-bit or 4-digit UUIDs) recognise an
    advert, `local_names` (prefixes) narrow it; `notify` are the pipes to subscribe to, in order; `read` are the pipes
    read once after connecting, where the device has them, and fed as if they had arrived. A pipe is the
    characteristic's UUID, in its 4-digit form where it has one. A serial device has one pipe, `serial`.

    ADVERT: the device is listened to and never connected to. Its pipes are the service data of its adverts, named
    `advert:` and the UUID of the service (`advert:181d`), and `notify` says which; an advert is repeated many times.
    """

    name: str
    maker: str
    model: str
    link: Link
    channels: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    local_names: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    """BLE: the pipes that are only written to."""
    serial: Serial | None = None
    quiet_s: float = 2.0
    """Seconds of the wall without a packet after which a BLE device has told all it had."""
    settle_s: float = 0.0
    """Seconds of the wall a BLE device needs between connecting and subscribing."""
    pair: bool | Literal["passkey"] = False
    """Whether a BLE device must be bonded before it tells anything; "passkey": with the number it shows."""
    silence_s: float | None = None
    """Seconds of the wall without a byte after which a serial device is greeted again, for it may have been switched
    off and have forgotten what it was asked; None: it talks unasked, or says when it starts."""
    orders: tuple[str, ...] = ()
    """Kinds of order the device takes; a driver that names any is `Obedient`."""
    source: str = ""


class Rx(msgspec.Struct, frozen=True):
    """Bytes that arrived on a pipe at `t_ns` of the gateway's clock. A stream may be cut anywhere.

    `mono_ns`: the clock that nobody sets, in the same moment; no concern of a driver's.
    """

    pipe: str
    data: bytes
    t_ns: int
    mono_ns: int | None = None


class Tx(msgspec.Struct, frozen=True):
    """Bytes to send. `after_stored`: hold back until everything yielded before is durable. `if_there`: leave unsent
    where the device has no such pipe; a standard makes some of them optional."""

    pipe: str
    data: bytes
    after_stored: bool = False
    if_there: bool = False


class Bookmark(msgspec.Struct, frozen=True):
    """How far the device has been read, in the driver's own words; stored with the rows before it."""

    text: str


Out = Block | Event | Fault | Bookmark | Tx


class Order(msgspec.Struct, frozen=True):
    """Something a device shall do, at most once.

    `id` (1 to 2**64 - 1) was drawn at random by whoever ordered it and names it for ever. `kind` is one of the card's
    `orders`; `data` its particulars, as that driver's file describes them.
    """

    id: int
    kind: str
    data: Mapping[str, int | float | str] = {}


OUTCOMES = {
    "done": "the device did it",
    "refused": "the device did not do it, and says why",
    "unknown": "it was sent, and whether it was done cannot be known: a person must look",
}
"""How an order ends: `Event("order.<outcome>", ...)` with `data["order"]` its id as 16 hexadecimal digits."""


class Driver(Protocol):
    """One connection to one device; made anew for each connection with the last stored bookmark (or "")."""

    card: ClassVar[Card]

    def __init__(self, bookmark: str = "") -> None: ...

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """What to send once the link is up and the pipes are subscribed and read. `now_ns`: the gateway's clock."""

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes mean. Never raises for anything a device can send."""


@runtime_checkable
class Obedient(Driver, Protocol):
    """A driver whose device takes orders (`card.orders` names them).

    The session has the order on disk, as sent, before it sends what `order` returns, and calls `order` once for each
    order ever. After a lost connection or a crash it calls `recall` instead: what became of it is asked, and it is
    never sent again. Either is answered, sooner or later, by one of OUTCOMES from `feed`.
    """

    def order(self, order: Order, now_ns: int) -> Sequence[Tx]:
        """What to send for it."""

    def recall(self, order: Order, now_ns: int) -> Sequence[Tx]:
        """What to send to learn what became of it."""
