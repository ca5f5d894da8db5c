"""Text messages through any provider that speaks HTTP: address, body and headers are the configuration's.

Which answers are good, and after which it is worth another try, is said there as well, for providers differ: one
answers 402 when the account is empty, another 200 with an error in it.
"""

import json
from collections.abc import Callable
from string import Template
from urllib.parse import quote, quote_plus

from server.notify.config import BODIES, Gateway, headers
from server.notify.sender import Message, Receipt
from server.notify.senders.http import ask, refused
from server.notify.words import whole

_WRITTEN: dict[str, Callable[[str], str]] = {
    "application/json": json.dumps,
    "application/x-www-form-urlencoded": quote_plus,
    "text/plain": str,
}


class SmsSender:
    """Sends by one provider. The headers are read when it is made; raises ConfigError then."""

    def __init__(self, config: Gateway) -> None:
        self._config = config
        self._headers = {"Content-Type": f"{config.content_type}; charset=utf-8", **headers(config.headers_file)}
        self._body = Template(config.body or BODIES[config.content_type])
        self._url = Template(config.url)

    def send(self, message: Message) -> Receipt:
        config = self._config
        said = {"to": message.address, "text": whole(message), "dedupe": message.dedupe}
        written = _WRITTEN[config.content_type]
        sent = dict(self._headers)
        if config.idempotency_header:
            sent[config.idempotency_header] = message.dedupe
        url = self._url.safe_substitute({name: quote(value, safe="") for name, value in said.items()})
        body = self._body.substitute({name: written(value) for name, value in said.items()}).encode()
        answer = ask(config.method, url, config.timeout_s, sent, None if config.method == "GET" else body)
        if answer.status not in config.good:
            raise refused(answer.status, again=answer.status in config.again)
        return Receipt(_found(answer.body, config.reference))


def _found(body: bytes, place: str) -> str:
    """What the answer's JSON has at `messages.0.id`; "" where it has nothing there."""
    if not place:
        return ""
    try:
        found = json.loads(body)
        for step in place.split("."):
            found = found[int(step)] if isinstance(found, list) else found[step]
    except (ValueError, LookupError, TypeError):
        return ""
    return str(found) if isinstance(found, str | int) else ""
