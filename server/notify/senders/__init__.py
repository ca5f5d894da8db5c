"""Each way out in a file of its own, and the table of those that a configuration has."""

from pathlib import Path

from server.notify.config import Notify
from server.notify.sender import Sender
from server.notify.senders.email import EmailSender
from server.notify.senders.modem import Modem
from server.notify.senders.push import PushSender, Vapid
from server.notify.senders.sms import SmsSender
from server.notify.senders.voice import VoiceSender
from server.notify.senders.webhook import WebhookSender


def senders(notify: Notify, keys: Path) -> dict[str, Sender]:
    """By channel. `keys`: the folder where the key for browsers is kept; raises ConfigError for a secret that cannot
    be read."""
    made: dict[str, Sender] = {}
    if notify.email:
        made["email"] = EmailSender(notify.email)
    if notify.sms:
        made["sms"] = SmsSender(notify.sms)
    if notify.modem:
        made["sms"] = Modem(notify.modem)
    if notify.push:
        made["push"] = PushSender(notify.push, Vapid.open(keys))
    if notify.webhook:
        made["webhook"] = WebhookSender(notify.webhook)
    if notify.voice:
        made["voice"] = VoiceSender(notify.voice)
    return made
