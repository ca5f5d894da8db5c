"""What time it is at least, for certificates, on a hub whose clock may show a time that cannot be.

TLS holds the server's certificate against the wall's clock. A hub without a battery starts in 1970, and the server is
heard there all the same, because its certificates hold from 1970 on (`server.identity.authority`): when one *begins*
tells a hub nothing, and one that ends is what matters. But in 1970 none has ended yet.

So we look ourselves as well, when hands are shaken and nothing is sent yet: the server's certificate must not have
ended at the newest moment that we have reason to believe in. That is when our own certificate began, for the authority
had made that when we were given it; or the time that the server has told under its seal, where the hub goes by that
(`gateway.clock.hub`). What a spool holds was dated by the same clock, and does not count: after one night in 2050 the
hub would take every certificate for one that has ended.

*What is left.* Until the server has told the time, a certificate of the server's that ended after ours began is good,
to whoever has its key: it is 90 days old at most. They could read what the hub says. They could not answer: an
acknowledgement, an order and the time are believed under seals that no certificate gives.
"""

import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

Told = Callable[[], datetime | None]
"""The time as the server has told it, where the hub goes by that; else None."""


def nobody() -> None:
    """The server has told no time."""


def wall() -> datetime:
    """What the wall's clock shows."""
    return datetime.now(UTC)


def newest(begins: datetime, told: datetime | None) -> datetime:
    """It is later than that, whatever the wall's clock shows; our own certificate `begins` then."""
    return begins if told is None else max(begins, told)


class Context(ssl.SSLContext):
    """One that also knows what time it is at least."""

    since: datetime | None = None

    def judge(self, certificate: Mapping[str, Any] | None) -> None:
        """Look when the other side's certificate ends, as `getpeercert` gives it.

        Raises ssl.SSLCertVerificationError for one that has ended.
        """
        if self.since is None:
            return
        try:
            ends = (certificate or {})["notAfter"]
            ended = ssl.cert_time_to_seconds(ends) < self.since.timestamp()
        except (KeyError, ValueError) as error:
            raise ssl.SSLCertVerificationError("the server's certificate has no end that can be read") from error
        if ended:
            raise ssl.SSLCertVerificationError(f"the server's certificate has ended on {ends}")


class Socket(ssl.SSLSocket):
    """Shakes hands and looks at the certificate, where its context is a `Context`.

    Closed where the two ends do not agree: paho leaves it to the garbage collector.
    """

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
            if isinstance(self.context, Context):
                self.context.judge(self.getpeercert())
        except OSError:
            self.close()
            raise
