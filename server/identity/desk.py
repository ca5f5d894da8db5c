"""The desk where a hub becomes somebody: a code for a certificate, an old certificate for a new one, and the end.

*A code* is for one gateway, good once and for a day. What is wrong with one that is not good, nobody is told: a used,
an old and an invented code get the same answer. Wrong ones are counted, by where they come from and all together.
The same request once more, with the same key, is answered once more: the answer may have been lost on its way.

*A claim ends what was before.* Whoever had that name is turned away from now on, since two hubs of one name would
throw each other out for ever. A hub that was revoked may be standing in another home now: it is told to throw away
what it still holds before it is let in.

*A renewal* needs the old key: the broker has let the hub in, and its request is signed besides, so that somebody who
can only publish under its name, or the broker itself, gets no certificate.
"""

import base64
import logging
import math
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from server.access.passwords import Turnstile
from server.audit.store import write
from server.config import BrokerTls
from server.db import Database
from server.fleet.quarantine import Unfiled, set_aside
from server.fleet.seals import batch_key, give_key, keyrings
from server.identity import store
from server.identity.authority import Authority, key_hash, request_key
from vitals.clock import NS
from vitals.errors import HjemvaktError, WireError
from vitals.identity import Claim, Code, Identity, Renewal, Renewed, decode, draw_secret, encode, readings
from vitals.seal import unseal
from vitals.wire import down, gateway_of

CODE_HOURS = 24
ALL_TRIES = 50
"""Wrong codes from everywhere together, in the time that Turnstile counts, before nobody is let try."""
BETWEEN_NS = 3600 * NS
"""A hub that has just got a certificate gets no other with yet another key."""
HANDSHAKES_PER_S = 110
"""So many hubs a second come back after a broker has hung up on all of them. It can take three times as many."""

_EVERYWHERE = ("", "")

log = logging.getLogger(__name__)


class Turned(HjemvaktError):
    """A claim that is not granted. `status` is HTTP's; `wait_s` after how long to try again."""

    def __init__(self, status: int, text: str, mend: str, wait_s: float = 0.0) -> None:
        super().__init__(text, mend)
        self.status = status
        self.wait_s = wait_s


class Desk:
    """`wall` gives wall nanoseconds; a test gives its own. Thread-safe."""

    def __init__(
        self, db: Database, authority: Authority, tls: BrokerTls, wall: Callable[[], int] = time.time_ns
    ) -> None:
        self.authority = authority
        self._db = db
        self._tls = tls
        self._wall = wall
        self._from_one = Turnstile()
        self._from_all = Turnstile(ALL_TRIES)

    def make_code(self, gateway: str, by: str, hours: float = CODE_HOURS) -> Code:
        """A new code for that gateway, to be written on paper; raises Turned for one that is not in the fleet."""
        secret, now_ns = draw_secret(), self._wall()
        with self._db.write() as tx:
            known, _ = store.standing(tx, gateway)
            if not known:
                raise Turned(404, f"there is no gateway {gateway!r}", "put it in the municipality file and restart")
            store.add_code(tx, secret, gateway, by, now_ns, now_ns + round(hours * 3600 * NS))
            write(tx, now_ns, by, "make claim code", detail=gateway)
        return Code(secret, self.authority.mark)

    def claim(self, said: Claim, source: str) -> Identity:
        """An identity for a code; raises Turned. `source`: the address it comes from."""
        key = self._key(said.request)
        with self._db.write() as tx:  # one at a time, so that nobody slips past the count
            now_ns = self._wall()
            self._check_tries(source, now_ns)
            code = store.code(tx, said.secret)
            again = self._given(tx, code, key)
            if code is None or code.ends_ns <= now_ns or (code.serial and not again):
                for turnstile, name in ((self._from_one, ("claim", source)), (self._from_all, _EVERYWHERE)):
                    turnstile.failed(*name, now_ns)
                raise Turned(403, "this code is not good, or not any more", "ask the municipality for a new one")
            self._check_hub(tx, code.gateway, said)
            pem = again or self._issue(tx, code.gateway, said, now_ns)
            secret = base64.b64encode(batch_key(tx, code.gateway)).decode()
            spread_s = self._spread_s(tx)
        self._from_one.passed("claim", source)
        return Identity(
            code.gateway, pem, self.authority.pem.decode(), self._tls.names[0], self._tls.port,
            secret, self.authority.orders_key.decode(), spread_s,
        )  # fmt: skip

    def renew(self, tx: sa.Connection, topic: str, payload: bytes) -> list[tuple[str, bytes]]:
        """What to publish for a message under `up/renew`. One that is not granted is set aside."""
        gateway, now_ns = gateway_of(topic), self._wall()
        try:
            keys = keyrings(tx, (gateway,), now_ns).get(gateway, ())
            renewed = self._renewed(tx, gateway, decode(unseal(topic, payload, keys).body, Renewal), now_ns)
        except WireError as error:
            log.warning("gateway %s gets no new certificate: %s", gateway, error.text)
            set_aside(tx, [Unfiled(gateway, None, "renewal", str(error), payload)], now_ns)
            return []
        return [(down(gateway, "certificate"), encode(renewed))]

    def _renewed(self, tx: sa.Connection, gateway: str, said: Renewal, now_ns: int) -> Renewed:
        key = request_key(said.request)
        held = store.certificate(tx, said.serial)
        _check_renewal(held, gateway, said, now_ns)
        given = store.certificates_of(tx, gateway)
        pem = next((one.pem for one in given if one.key == key_hash(key) and one.revoked_ns is None), None)
        if pem is None:
            if given[0].issued_ns > now_ns - BETWEEN_NS:
                raise WireError("renewal", "it got a certificate less than an hour ago", "wait")
            issued = self.authority.issue_hub(gateway, said.request, _moment(now_ns))
            store.add_certificate(tx, gateway, issued, now_ns)
            write(tx, now_ns, f"gateway {gateway}", "renew certificate", detail=issued.serial)
            pem = issued.pem.decode()
        return Renewed(gateway, pem, self._spread_s(tx))

    def _key(self, request: str) -> str:
        try:
            return key_hash(request_key(request))
        except WireError as error:
            raise Turned(422, error.text, error.mend) from error

    def _check_tries(self, source: str, now_ns: int) -> None:
        wait_s = max(self._from_one.wait_s("claim", source, now_ns), self._from_all.wait_s(*_EVERYWHERE, now_ns))
        if wait_s:
            raise Turned(429, "too many wrong codes", f"try again in {math.ceil(wait_s / 60)} min", wait_s)

    def _given(self, tx: sa.Connection, code: store.CodeRow | None, key: str) -> str | None:
        """The certificate that was given for this code to the owner of this very key."""
        held = store.certificate(tx, code.serial) if code and code.serial else None
        return held.pem if held and held.key == key and held.revoked_ns is None else None

    def _check_hub(self, tx: sa.Connection, gateway: str, said: Claim) -> None:
        if said.name != gateway:
            text = f"the code is for the hub {gateway!r}, this one is called {said.name!r}"
            raise Turned(409, text, "take the other paper, or correct `name` in gateway.toml")
        _, was_revoked = store.standing(tx, gateway)
        if was_revoked and said.waiting:
            text = f"{gateway} was revoked, and this hub holds {readings(said.waiting)} from before"
            raise Turned(409, text, f"what it holds may be another home's; throw it away with --discard {said.waiting}")

    def _issue(self, tx: sa.Connection, gateway: str, said: Claim, now_ns: int) -> str:
        ended = store.revoke_certificates(tx, gateway, "claimed again", now_ns)
        issued = self.authority.issue_hub(gateway, said.request, _moment(now_ns))
        store.add_certificate(tx, gateway, issued, now_ns)
        store.use_code(tx, said.secret, issued.serial)
        give_key(tx, gateway, secrets.token_bytes(32), now_ns, grace_s=0)  # the hub before may be in anybody's hands
        store.set_revoked(tx, gateway, None)
        write(tx, now_ns, f"gateway {gateway}", "claim", detail=f"{issued.serial}, {ended} ended")
        return issued.pem.decode()

    def _spread_s(self, tx: sa.Connection) -> float:
        return spread_s(store.fleet_size(tx))


def spread_s(hubs: int) -> float:
    """Over how many seconds so many hubs come back that were all hung up on."""
    return max(1.0, hubs / HANDSHAKES_PER_S)


def revoke(tx: sa.Connection, gateway: str, reason: str, by: str, now_ns: int) -> int:
    """From now on nothing of that gateway is believed; returns how many certificates ended. Raises Turned."""
    known, _ = store.standing(tx, gateway)
    if not known:
        raise Turned(404, f"there is no gateway {gateway!r}", "see the equipment page for its name")
    store.cancel_codes(tx, gateway)
    store.set_revoked(tx, gateway, now_ns)
    ended = store.revoke_certificates(tx, gateway, reason, now_ns)
    write(tx, now_ns, by, "revoke", detail=f"{gateway}: {reason}")
    return ended


def is_renewal(topic: str) -> bool:
    """Whether a message under it asks for a new certificate."""
    return topic.endswith("/up/renew")


def _check_renewal(held: store.CertificateRow | None, gateway: str, said: Renewal, now_ns: int) -> None:
    mend = "claim the hub again"
    if held is None or (held.gateway, said.gateway) != (gateway, gateway):
        raise WireError("renewal", "the old certificate is not this gateway's", mend)
    if held.revoked_ns is not None or held.not_after_ns <= now_ns:
        raise WireError("renewal", "the old certificate was revoked or has ended", mend)
    key = x509.load_pem_x509_certificate(held.pem.encode()).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)  # we issue no others
    try:
        key.verify(base64.b64decode(said.signature), said.request.encode(), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise WireError("renewal", "the request is not signed with the old key", mend) from error


def _moment(wall_ns: int) -> datetime:
    return datetime.fromtimestamp(wall_ns // NS, UTC)
