"""A telephone that rings and speaks, through a program that can: it is told what to say, and where to tell of a key.

The person presses 1 to take the alarm, and the other side posts `{"digits": "1"}` to `answer`, an address that is good
for this alarm, this person and one answer (`server.notify.hooks`).
"""

from server.notify.config import Hook
from server.notify.sender import Message, Receipt
from server.notify.senders.signed import Signed
from server.notify.words import spoken


class VoiceSender:
    """Has one program telephone."""

    def __init__(self, config: Hook) -> None:
        self._hook = Signed(config)

    def send(self, message: Message) -> Receipt:
        base, _, token = message.link.rpartition("/a/")
        return self._hook.post(
            message.dedupe,
            {
                "to": message.address, "say": spoken(message), "language": message.language,
                "answer": f"{base}/hooks/voice/{token}" if base else None, "take": "1",
            },
        )  # fmt: skip
