"""One request to somebody else's server, with an end to everything: to its time, to its answer, to its redirections.

An answer is never more than its status and its first bytes, as many as come in time: with its status the other side
has said whether it took the message, and one that is asked again for the rest would ring twice. What went wrong is told
without the address, which may hold a key.
"""

import contextlib
import functools
import ssl
import time
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
            return Answer(response.status_code, _first(response, time.monotonic() + timeout_s))
    except httpx.TimeoutException as error:
        raise SendError(f"no answer within {timeout_s:g} s", "see whether the other side is up") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SendError(
            f"it cannot be reached ({type(error).__name__})", "see to the address and the network"
        ) from error


def _first(response: httpx.Response, until_s: float) -> bytes:
    """What comes of the body by then, or until the other side breaks off; no more than MOST_BYTES."""
    body = b""
    with contextlib.suppress(httpx.HTTPError):
        for piece in response.iter_bytes():
            body += piece
            if len(body) >= MOST_BYTES or time.monotonic() >= until_s:
                break
    return body[:MOST_BYTES]


@functools.cache
def _trust() -> ssl.SSLContext:
    """Whom to believe, read once: for each request anew it would be 25 ms of a processor, as long as many an answer."""
    return httpx.create_ssl_context(trust_env=False)


def refused(status: int, again: bool) -> SendError:
    """The other side answered, and not well."""
    mend = "it will be tried again" if again else "see what the provider means by it, and mend the configuration"
    return SendError(f"the provider answered {status}", mend, for_good=not again)
