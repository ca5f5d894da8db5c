"""What keeps the broker's door as it should be: who is turned away, and the broker's own certificate.

The database says whose certificates no longer count; whoever writes it there, the command line or the page, need not
reach the broker. The keeper compares, again and again. What is new goes onto the list, the broker reads the list, and
who is in already is sent away: the keeper comes in itself under that name, with a certificate of a few minutes, and a
broker lets the newcomer in and throws the other out. mosquitto reads its list before it answers anybody who comes
after the signal, so by the time the old connection ends its certificate is worth nothing.

Until all of that has succeeded it is done again with every turn.
"""

import logging
import socket
import ssl
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime

from server.config import BrokerTls
from server.db import Database
from server.identity import store
from server.identity.authority import LASTS, Authority, Papers, ends, names_in
from vitals.clock import NS
from vitals.errors import LinkError

REPLY_S = 3.0
OUR_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where we reach a door that is open everywhere."""

log = logging.getLogger(__name__)


class Keeper:
    """`papers` for the start, then `keep`, then a `turn` every second or so. `wall` gives wall nanoseconds.

    `context`: for whoever else answers hubs by our name; it always has our newest certificate.
    """

    def __init__(
        self, db: Database, authority: Authority, tls: BrokerTls, wall: Callable[[], int] = time.time_ns
    ) -> None:
        self._db = db
        self._authority = authority
        self._tls = tls
        self._wall = wall
        self._renew: Callable[[Papers], None] = lambda papers: None
        self._turned: dict[str, str] = {}
        """Whom the broker turns away and has sent away: serial to gateway."""
        self._certificate, self._key = b"", b""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3

    def papers(self) -> Papers:
        """What a broker that starts now needs."""
        self._turned = self._revoked()
        self._issue_if_due()
        return self._papers()

    def keep(self, renew: Callable[[Papers], None]) -> None:
        """The broker has started with `papers`; `renew` gives it others."""
        self._renew = renew

    def turn(self) -> list[str]:
        """Bring the broker to what the database says; raises LinkError if it cannot be done now."""
        revoked = self._revoked()
        issued = self._issue_if_due()
        if revoked == self._turned and not issued:
            return []
        self._renew(self._papers())
        for gateway in sorted({revoked[serial] for serial in revoked.keys() - self._turned.keys()}):
            self._send_away(gateway)
            log.warning("gateway %s was turned away: its certificates no longer count", gateway)
        self._turned = revoked
        return []

    def _revoked(self) -> dict[str, str]:
        with self._db.read() as tx:
            return store.revoked(tx, self._wall())

    def _papers(self) -> Papers:
        listed = self._authority.revoked_list(self._revoked().keys())
        return Papers(self._authority.pem, self._certificate, self._key, listed)

    def _issue_if_due(self) -> bool:
        """A new certificate for ourselves where there is none, or two thirds of its time are over."""
        now, names = self._now(), list(self._tls.names)
        if self._certificate and names_in(self._certificate) == names and ends(self._certificate) - now > LASTS / 3:
            return False
        self._certificate, self._key = self._authority.issue_broker(names, now)
        _load(self.context, self._certificate, self._key)
        return True

    def _send_away(self, gateway: str) -> None:
        """Come in under its name and leave again."""
        certificate, key = self._authority.issue_moment(gateway, self._now())
        context = ssl.create_default_context(cadata=self._authority.pem.decode())
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        _load(context, certificate, key)
        host = OUR_HOST.get(self._tls.host, self._tls.host)
        try:
            with (
                socket.create_connection((host, self._tls.port), REPLY_S) as plain,
                context.wrap_socket(plain, server_hostname=self._tls.names[0]) as wire,
            ):
                wire.sendall(_connect(gateway))
                answer = wire.recv(64)
        except OSError as error:
            raise LinkError(f"gateway {gateway} could not be sent away ({error})", "it is tried again") from error
        if len(answer) < 4 or answer[0] != 0x20 or answer[3] != 0:
            raise LinkError(f"gateway {gateway} could not be sent away ({answer[:8].hex()})", "it is tried again")

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall() // NS, UTC)


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # which only we may read; ssl takes keys from files alone
        file.write(certificate + key)
        file.flush()
        context.load_cert_chain(file.name)


def _connect(name: str) -> bytes:
    """CONNECT of MQTT 5: a clean start, no will, a minute to keep alive, the client id."""
    text = name.encode()
    body = b"\x00\x04MQTT\x05\x02\x00\x3c\x00" + len(text).to_bytes(2) + text
    return bytes((0x10, len(body))) + body
