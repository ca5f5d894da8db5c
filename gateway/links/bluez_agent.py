"""Our agent: whom BlueZ asks when a device is to be paired. Without one every pairing ends in AuthenticationFailed.

It answers for configured devices alone, and with six digits only where somebody is there to read them from the device
(`hjemvakt pair`): a running gateway has no such person, and takes no bond with such a device that was made without the
digits.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from dbus_fast import Message

from gateway.links.contract import Ask

AGENT_PATH = "/hjemvakt/agent"
AGENT = "org.bluez.Agent1"

Capability = Literal["NoInputNoOutput", "KeyboardOnly"]

log = logging.getLogger(__name__)


class Agent:
    """`ask`: the person, if there is one. `reply` sends an answer that comes later, in a task that `start` makes."""

    def __init__(
        self,
        ask: Ask | None,
        reply: Callable[[Message], Awaitable[None]],
        start: Callable[[Awaitable[None]], "asyncio.Task[Any]"],
    ) -> None:
        self._ask = ask
        self._reply = reply
        self._start = start
        self._typing: asyncio.Task[Any] | None = None

    @property
    def capability(self) -> Capability:
        """What we can do, in BlueZ's words."""
        return "KeyboardOnly" if self._ask else "NoInputNoOutput"

    def asked(self, call: Message, address: str, passkey: bool | None) -> bool | Message:
        """What to answer BlueZ; True: the answer comes later.

        `address`: of the device that is to be paired. `passkey`: whether that needs its digits; None: not configured.
        """
        if call.member in ("Release", "Cancel"):
            if self._typing:
                self._typing.cancel()
            return Message.new_method_return(call)
        answer = _ANSWERS.get(call.member or "")
        if passkey is None or answer is None:
            log.warning("%s asked to be paired (%s) and was refused", address or "a device", call.member)
            return rejected(call, "it is not configured" if passkey is None else "we cannot do that")
        return answer(self, call, passkey)

    def _consent(self, call: Message, passkey: bool) -> Message:
        """A bond without digits: for whom the card allows it."""
        if passkey:
            return rejected(call, "a bond with it needs the digits it shows")
        return Message.new_method_return(call)

    def _digits(self, call: Message, _: bool) -> bool | Message:
        if self._ask is None:
            return rejected(call, "nobody is here to read the digits it shows")
        self._typing = self._start(self._typed(call, self._ask))
        return True

    async def _typed(self, call: Message, ask: Ask) -> None:
        digits = await ask()
        answer = Message.new_method_return(call, "u", [digits]) if digits is not None else rejected(call, "no digits")
        await self._reply(answer)


_ANSWERS: Mapping[str, Callable[[Agent, Message, bool], bool | Message]] = {
    "RequestConfirmation": Agent._consent,
    "RequestAuthorization": Agent._consent,
    "AuthorizeService": lambda _, call, __: Message.new_method_return(call),
    "RequestPasskey": Agent._digits,
}
"""What our agent can be asked. PIN codes are of classic Bluetooth, and showing digits needs a display."""


def rejected(call: Message, why: str) -> Message:
    """No, and why."""
    return Message.new_error(call, "org.bluez.Error.Rejected", why)
