"""The messages between gateway and server, and the topics they travel on. Version 1.

Three lanes go up: what is urgent (`vitals.events.URGENT`), what is new, and what has waited.

Rows carry (gateway, epoch, seq): `epoch` is made anew when a spool is created, `seq` counts up within it, so the
triple is the transport identity of a row for ever. A gateway may send any row any number of times, in any order.

The acknowledgement names ranges of rows that the server has committed. It is selective because a live row overtakes
a backlog: a purely cumulative mark would have to wait for the backlog before it could release the live one. A PUBACK
from the broker is not an acknowledgement: a broker may lose what it has acknowledged.

A command is an order to a device. It is published again until the gateway says that it has stored it, and acted on at
most once, because its id is stored before anything else happens with it. What becomes of it travels up as events in
ordinary rows (`ORDER_STEPS`), so it is stored, acknowledged and told apart like a reading.

Every answer says the server's time, and whatever goes up says which answer was heard last and how long ago: by that the
server knows when it was sent, however late or often it comes (`server.fleet.life`).

A configuration is retained, and published again until the gateway's heartbeat says that it runs. So are the wishes:
what a home is asked for, all of it in one document, so that what is not in the newest is not wished any more.

What of this is sealed and what is signed, and how, `vitals.seal` says.

Topics carry no personal data. Whose reading it is, the server alone decides, from the device's assignment.
"""

import hashlib
import re
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from vitals.block import Block
from vitals.errors import WireError
from vitals.events import Event, Fault

VERSION = 1
ROOT = "hjemvakt/1"
MAX_ROWS = 200
MAX_BYTES = 65_536
MAX_COMMAND_BYTES = 4_096

ORDER_STEPS = {
    "received": "the gateway has it on disk",
    "sent": "the gateway has it on disk as sent, and sends it to the device next",
    "done": "the device did it",
    "refused": "it was not done and will not be; `why` says why",
    "expired": "its time was over before it was sent, so it was not",
    "unknown": "it was sent, and whether it was done cannot be known: a person must look",
}
"""What a gateway tells of an order: `Event("order.<step>", ...)`. `data["order"]` is the command's `order`."""

SPOOL_FULL = "the spool is full: devices keep their records until the server takes rows or the disk has room"
"""The note of a gateway that cannot keep what its devices tell. It is more than a note: the server raises an alarm."""

_ORDER = re.compile("[0-9a-f]{16}")


class Lane(StrEnum):
    """Upward lanes in order of precedence."""

    ALARM = "alarm"
    OBS = "obs"
    BACKLOG = "backlog"


class Row(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One thing a device told. `device` is the device's id in the fleet; `received_ns` the gateway's clock.

    `mono_ns`: the gateway's steady clock in the same moment, in nanoseconds of the wall since its boot, see `Batch`.
    """

    seq: int
    device: str
    received_ns: int
    what: Block | Event | Fault
    mono_ns: int | None = None


class Batch(msgspec.Struct, frozen=True):
    """Rows on their way up, at most MAX_ROWS and MAX_BYTES encoded.

    `sent_ns` and `mono_ns` are the gateway's two clocks at sending. `boots`: from which `seq` on which boot was
    running, oldest first, as far as it concerns these rows; `boot` is the one that is running now. A row of this
    boot was received `mono_ns - row.mono_ns` before it was sent, whatever the clock said then.

    `heard_ns` and `since_ns`: as in `Health`.
    """

    gateway: str
    epoch: str
    sent_ns: int
    rows: tuple[Row, ...]
    v: int = VERSION
    boot: str = ""
    mono_ns: int = 0
    boots: tuple[tuple[int, str], ...] = ()
    heard_ns: int | None = None
    since_ns: int = 0


class Ack(msgspec.Struct, frozen=True):
    """The server has committed these inclusive ranges of `seq` of that epoch; the gateway may delete them.

    `mark`: that of the heartbeat which this answers, 0 in any other.
    """

    epoch: str
    ranges: tuple[tuple[int, int], ...]
    server_ns: int
    v: int = VERSION
    mark: int = 0


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """One order, at most MAX_COMMAND_BYTES encoded. `order` is its id: see `order_hex`.

    `kind` and `data` are the device's matter; `device` is its id in the fleet. It is sent to the device before
    `expires_ns` or never. Both times are the server's.
    """

    gateway: str
    order: str
    device: str
    kind: str
    issued_ns: int
    expires_ns: int
    data: dict[str, int | float | str] = {}
    v: int = VERSION


class DesiredDevice(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A device that a gateway is to read: `devices` of its configuration file, in the same words."""

    id: str
    driver: str
    address: str | None = None
    port: str | None = None
    baud: int | None = None
    bits: int | None = None
    parity: str | None = None
    stop: int | None = None


class Settings(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What may be set from afar; None leaves what the gateway's own file says. `limits`: for its own triage, by name.

    Never more: a mistake in the broker's address, a credential or the data folder would cut the gateway off for good,
    and nobody could mend it from afar. What is unknown is refused, not passed over: half a configuration is none.
    """

    devices: tuple[DesiredDevice, ...] | None = None
    heartbeat_s: float | None = None
    limits: dict[str, float] = {}

    def digest(self) -> str:
        """16 hexadecimal digits that tell these settings from any others."""
        return hashlib.blake2b(msgspec.json.encode(self), digest_size=8).hexdigest()


class Desired(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the server wants a gateway's configuration to be; always signed. `hash` is `body.digest()`.

    A gateway runs the highest `version` it has seen. It takes this up before `expires_ns` or never; what it has taken
    up stays.
    """

    gateway: str
    version: int
    hash: str
    issued_ns: int
    expires_ns: int
    body: Settings
    v: int = VERSION


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """The patient is to measure `channel` (or answer its question) between `from_ns` and `by_ns`.

    It ends at `until_ns`. `at_once`: it follows a measurement of a moment ago. `urgent`: also at night.
    """

    channel: str
    from_ns: int
    by_ns: int
    until_ns: int
    at_once: bool = False
    urgent: bool = False


class Asking(msgspec.Struct, frozen=True):
    """The question of `channel` (`vitals.answers`) is to be asked every `every_s`."""

    channel: str
    every_s: float


class Telling(msgspec.Struct, frozen=True):
    """A finding that is for the home itself: a level of `vitals.alarm.Level`, and by language what to say.

    `id` tells it from every other; at `until_ns` it is not shown any more.
    """

    id: str
    level: int
    text: dict[str, str]
    t_ns: int
    until_ns: int


class Followed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The programme that the patient follows, as it is in force at the server, for the home's own triage.

    `programme`: as its file has it, but for what staff are to do about an alarm; `digest` is of the whole. `limits`:
    the patient's own, by name.
    """

    programme: dict[str, Any]
    digest: str
    limits: dict[str, float] = {}


class Wishes(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that the home of one patient is asked and told. Believed like a command: signed wherever that can be checked.

    `answers`: the device id under which answers are rows; "" where nothing is asked. It is drawn anew when the home is
    another patient's, so an answer can never be taken for the next one's. A gateway keeps the highest `version`. It
    takes this up before `expires_ns` (0: whenever it comes) or never; what it has taken up stays.

    `followed` counts only where the signature can be checked.
    """

    gateway: str
    version: int
    issued_ns: int
    answers: str = ""
    requests: tuple[Request, ...] = ()
    asking: tuple[Asking, ...] = ()
    telling: tuple[Telling, ...] = ()
    expires_ns: int = 0
    followed: Followed | None = None
    v: int = VERSION


class DeviceHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the gateway knows of one device. `battery` in %; `link` is `never`, `idle`, `connected` or `lost`.

    `orders`: the kinds of order that it takes.
    """

    device: str
    driver: str
    link: str
    last_seen_ns: int | None = None
    battery: float | None = None
    rows: int = 0
    faults: int = 0
    orders: tuple[str, ...] = ()


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """The heartbeat. `strangers` are adverts that a driver would take but the configuration does not name.

    `notes` are technical troubles in a sentence each, such as a full spool.

    `config_version` and `config_hash` are of the configuration from afar that runs, 0 and "" without any;
    `config_refused` says why the last one that came does not. `wishes_version` is of the wishes that the home is shown,
    0 before any came, and -1 where there is nothing to show them on.

    `heard_ns` is the `server_ns` of an answer (`Ack`) that was heard, 0 before the first, and None from a gateway that
    is too old to say; `since_ns` how long ago that was when this was sent, in nanoseconds of the wall.

    `mark` is a number that was drawn for this heartbeat: what repeats it was answered after it was sent.
    """

    gateway: str
    epoch: str
    t_ns: int
    software: str
    queued: int
    oldest_ns: int | None = None
    devices: tuple[DeviceHealth, ...] = ()
    strangers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    config_version: int = 0
    config_hash: str = ""
    config_refused: str = ""
    wishes_version: int = -1
    heard_ns: int | None = None
    since_ns: int = 0
    mark: int = 0
    v: int = VERSION


class State(msgspec.Struct, frozen=True):
    """Retained under `…/state`; the last will says `online=False`."""

    gateway: str
    online: bool
    t_ns: int
    v: int = VERSION


Message = Batch | Ack | Command | Desired | Wishes | Health | State


def up(gateway: str, lane: Lane | str) -> str:
    """Topic of what the gateway sends: a lane, or `health`."""
    return f"{ROOT}/{gateway}/up/{lane}"


def down(gateway: str, what: str) -> str:
    """Topic of what the gateway is told: `ack`, `config`, `wishes` or `command`."""
    return f"{ROOT}/{gateway}/down/{what}"


def state(gateway: str) -> str:
    """Topic of the gateway's retained state."""
    return f"{ROOT}/{gateway}/state"


def retained(topic: str) -> bool:
    """Whether the server publishes under this topic what the broker is to keep for a gateway that comes later."""
    return topic.startswith(f"{ROOT}/") and topic.endswith(("/down/config", "/down/wishes"))


def gateway_of(topic: str) -> str:
    """The gateway a topic belongs to; raises WireError for a topic that is not ours."""
    parts = topic.split("/")
    if len(parts) < 4 or "/".join(parts[:2]) != ROOT or not parts[2]:
        raise WireError("topic", f"topic {topic!r} is not ours", f"publish under {ROOT}/<gateway>/")
    return parts[2]


def order_hex(order: int) -> str:
    """An order's id (1 to 2**64 - 1) as it travels: 16 hexadecimal digits."""
    return f"{order:016x}"


def order_id(text: str) -> int:
    """The id that 16 hexadecimal digits name; raises WireError."""
    found = int(text, 16) if _ORDER.fullmatch(text) else 0
    if not found:
        raise WireError("order", f"{text[:40]!r} names no order", "use 16 lower-case hexadecimal digits, not all 0")
    return found


_encoder = msgspec.json.Encoder()


def encode(message: Message) -> bytes:
    """A message as JSON."""
    return _encoder.encode(message)


M = TypeVar("M", Batch, Ack, Command, Desired, Wishes, Health, State)


def decode(data: bytes, kind: type[M]) -> M:
    """A message from JSON, checked against its type and version; raises WireError."""
    if len(data) > MAX_BYTES:
        raise WireError("too long", f"message of {len(data)} bytes", f"send at most {MAX_BYTES}")
    try:
        data.decode()  # msgspec itself passes over a field it does not know, whatever bytes its name has
        message = msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise WireError("does not parse", f"{kind.__name__} does not parse ({error})", "see vitals/wire.py") from error
    except UnicodeDecodeError as error:
        raise WireError("does not parse", f"{kind.__name__} is not UTF-8 ({error})", "see vitals/wire.py") from error
    if message.v != VERSION:
        raise WireError("version", f"message version {message.v}", f"this end speaks version {VERSION}")
    return message
