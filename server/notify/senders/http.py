"""One request to somebody else's server, with an end to everything: to its time, to its answer, to its redirections.

An answer is never more than its status and its first bytes. What went wrong is told without the address, which may
hold a key.
"""

import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from server.notify.sender import SendError

MOST_BYTES = 65_536


@dataclass(frozen=True)
class Answer:
    """What came back: `body` has its first MOST_BYTES."""

    status: int
    body: bytes


def ask(
    method: str, url: str, timeout_s: float, headers: Mapping[str, str] | None = None, content: bytes | None = None
) -> Answer:
    """Raises SendError, worth another try, where no answer comes. The answer itself is the caller's to judge."""
    try:
        with (
            httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False, verify=_trust()) as client,
            client.stream(method, url, headers=dict(headers or {}), content=content) as response,
        ):
            body = b""
            for piece in response.iter_bytes(MOST_BYTES):
                body += piece
                if len(body) >= MOST_BYTES:
                    break
            return Answer(response.status_code, body[:MOST_BYTES])
    except httpx.TimeoutException as error:
        raise SendError(f"no answer within {timeout_s:g} s", "see whether the other side is up") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SendError(
            f"it cannot be reached ({type(error).__name__})", "see to the address and the network"
        ) from error


@functools.cache
def _trust() -> ssl.SSLContext:
    """Whom to believe, read once: for each request anew it would be 25 ms of a processor, as long as many an answer."""
    return httpx.create_ssl_context(trust_env=False)


def refused(status: int, again: bool) -> SendError:
    """The other side answered, and not well."""
    mend = "it will be tried again" if again else "see what the provider means by it, and mend the configuration"
    return SendError(f"the provider answered {status}", mend, for_good=not again)
