"""The contract of a way out: SMS, e-mail, a push, a phone on the screen.

A sender is called outside any transaction, may take seconds, and may be called twice with the same `dedupe`: the
outbox promises at least once. A provider that knows idempotency keys is given `dedupe`; another may deliver twice,
which is the right way to be wrong about an alarm.
"""

from typing import Literal, Protocol

import msgspec

from server.api import Role
from vitals.errors import HjemvaktError


class Message(msgspec.Struct, frozen=True):
    """What to deliver. `to` is a name, `address` a number or mail address; `t_ns` the moment of this attempt.

    `alarm_id` None: it is about no alarm. `link` is a key that opens something: it is sent after the text, and neither
    kept nor logged; the same message may carry another one when it is tried again.
    """

    dedupe: str
    alarm_id: int | None
    channel: str
    to: str
    role: Role | Literal["patient"]
    address: str
    text: str
    t_ns: int
    link: str = ""


class Receipt(msgspec.Struct, frozen=True):
    """The other side took it. `reference` is its own name for the message."""

    reference: str


class SendError(HjemvaktError):
    """It was not delivered. `for_good`: trying again would not help (a number that does not exist)."""

    def __init__(self, text: str, mend: str, *, for_good: bool = False) -> None:
        super().__init__(text, mend)
        self.for_good = for_good


class Sender(Protocol):
    """Delivers messages of one channel."""

    def send(self, message: Message) -> Receipt:
        """Deliver, or raise SendError."""
