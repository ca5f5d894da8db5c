"""The contract of a way out: SMS, e-mail, a push, a call, a phone on the screen.

A sender is called outside any transaction, may take seconds, and may be called twice with the same `dedupe`: the
outbox promises at least once. A provider that knows idempotency keys is given `dedupe`; another may deliver twice,
which is the right way to be wrong about an alarm.

A sender knows nothing of the database. Whoever has a message can send it: the outbox, a program that watches the
server from outside, or the server itself when its disk is full.
"""

from typing import Literal, Protocol

import msgspec

from server.api import Role
from vitals.errors import HjemvaktError

Language = Literal["nb", "en"]
Channel = Literal["sms", "email", "push", "voice", "webhook"]


class Message(msgspec.Struct, frozen=True):
    """What to deliver. `to` is a name, `address` a number, mail address or subscription; `t_ns` this attempt's moment.

    `alarm_id` None: it is about no alarm. `link` is a key that opens something, `code` one that answers a text message:
    they go out with the text, and are neither kept nor logged.
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
    code: str = ""
    language: Language = "nb"


class Receipt(msgspec.Struct, frozen=True):
    """The other side took it. `reference` is its own name for the message, by which it may report on it later.

    `delivered`: it is known already that it has come to the person's device.
    """

    reference: str
    delivered: bool = False


class SendError(HjemvaktError):
    """It was not delivered. `for_good`: trying again would not help (a number that does not exist).

    `gone`: nor will it ever help for that address (a browser that has ended its subscription).
    """

    def __init__(self, text: str, mend: str, *, for_good: bool = False, gone: bool = False) -> None:
        super().__init__(text, mend)
        self.for_good = for_good or gone
        self.gone = gone


class Sender(Protocol):
    """Delivers messages of one channel."""

    def send(self, message: Message) -> Receipt:
        """Deliver, or raise SendError."""
