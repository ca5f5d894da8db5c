"""JSON that its reader can trust: signed together with the moment, so that an old one cannot be sent anew.

    Hjemvakt-Signature: t=1795230000,v1=<hex of HMAC-SHA256 with the shared secret over "t.body">

The reader computes the same and compares in constant time, refuses what is older than some minutes, and remembers the
`key` of what it has acted on: the same key is the same message.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping

from server.notify.config import LEAST_SECRET, Hook, headers, secret
from server.notify.sender import Receipt
from server.notify.senders.http import ask, refused

_AGAIN = frozenset({401, 403, 404, 408, 409, 425, 429})


def signature(key: str, body: bytes, t_s: int) -> str:
    """The header's value."""
    mark = hmac.new(key.encode(), f"{t_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={t_s},v1={mark}"


class Signed:
    """Posts to one hook. Its secret is read when it is made; raises ConfigError then."""

    def __init__(self, config: Hook) -> None:
        self._config = config
        self._key = secret(config.secret_file, LEAST_SECRET)
        self._headers = headers(config.headers_file)

    def post(self, dedupe: str, said: Mapping[str, object]) -> Receipt:
        """Raises SendError. Whatever the other side calls the message in `id` is the receipt's reference."""
        body = json.dumps({"key": dedupe, **said}, ensure_ascii=False).encode()
        sent = {
            "Content-Type": "application/json",
            "Idempotency-Key": dedupe,
            # The wall's moment, whatever the story's clock says: the reader has no other.
            "Hjemvakt-Signature": signature(self._key, body, int(time.time())),
            **self._headers,
        }
        answer = ask("POST", self._config.url, self._config.timeout_s, sent, body)
        if not 200 <= answer.status < 300:
            raise refused(answer.status, again=answer.status >= 500 or answer.status in _AGAIN)
        try:
            found = json.loads(answer.body)
        except ValueError:
            found = None
        name = found.get("id", "") if isinstance(found, dict) else ""
        return Receipt(str(name) if isinstance(name, str | int) else "")
