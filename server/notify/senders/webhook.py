"""Another system is told: signed JSON with the message, its key and the alarm's number."""

from server.notify.config import Hook
from server.notify.sender import Message, Receipt
from server.notify.senders.signed import Signed


class WebhookSender:
    """Tells one system; `address` is what the person is called there."""

    def __init__(self, config: Hook) -> None:
        self._hook = Signed(config)

    def send(self, message: Message) -> Receipt:
        return self._hook.post(
            message.dedupe,
            {
                "alarm": message.alarm_id, "to": message.address, "name": message.to, "role": message.role,
                "text": message.text, "link": message.link, "language": message.language,
            },
        )  # fmt: skip
