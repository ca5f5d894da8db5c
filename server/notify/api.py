"""What the page says about a person's own ways to be reached."""

from typing import Literal

from pydantic import Field

from server.api import Role, Shape

Channel = Literal["sms", "email", "push", "voice", "webhook"]
MOST_WAIT_S = 3600


class WayView(Shape):
    """One way. `confirmed`: it has been shown to lead to its owner, and is used. A browser's address is not shown."""

    id: str
    channel: Channel
    address: str
    name: str
    after_s: float
    confirmed: bool


class MyWays(Shape):
    """`ways` in the order in which they are used. `phone`: the municipality's, used while none of them counts; or null.

    `channels`: what this server can send by. `push_key`: its public key, for a browser that subscribes; or null.
    `waits_below_s`: a way must wait for less than this, or a ladder would go on before it has been used.
    """

    ways: list[WayView]
    phone: str | None
    channels: list[Channel]
    push_key: str | None
    waits_below_s: float


class NewWay(Shape):
    """A way to be confirmed by a code that is sent there; a browser's subscription (as JSON) counts at once."""

    channel: Channel
    address: str = Field(min_length=3, max_length=2000)
    name: str = Field(default="", max_length=80)
    after_s: float = Field(default=0, ge=0, le=MOST_WAIT_S)
    language: Literal["nb", "en"] = "nb"


class Wait(Shape):
    """Seconds after one is told."""

    after_s: float = Field(ge=0, le=MOST_WAIT_S)


class Code(Shape):
    """What was sent to the way."""

    code: str = Field(min_length=1, max_length=12)


class Spoken(Shape):
    """In which language a message is wanted."""

    language: Literal["nb", "en"] = "nb"


class Tried(Shape):
    """A test message was taken: `reference` is the other side's name for it."""

    reference: str
    delivered: bool


class PhoneMessage(Shape):
    """What a phone would show. Only in a demo, or for an administrator. `alarm_id` None: it is about no alarm."""

    id: int
    t_ms: int
    to: str
    role: Role | Literal["patient"]
    channel: str
    text: str
    alarm_id: str | None
