"""What is kept of codes and certificates. Times are the wall's, as in the certificates themselves.

Of a code only its hash is kept. A certificate is kept for as long as anything is: who was let in as whom, and when
and why that ended.
"""

import hashlib

import msgspec
import sqlalchemy as sa

from server.db import metadata
from server.fleet.store import gateway_table
from server.identity.authority import Issued
from vitals.clock import NS

codes = sa.Table(
    "claim_codes",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("gateway", sa.Text, sa.ForeignKey("gateways.id"), nullable=False),
    sa.Column("made_ns", sa.BigInteger, nullable=False),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("ends_ns", sa.BigInteger, nullable=False),
    sa.Column("serial", sa.Text, comment="of the certificate that was given for it; NULL: it is not used yet"),
)

certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("serial", sa.Text, primary_key=True, comment="hexadecimal"),
    sa.Column("gateway", sa.Text, sa.ForeignKey("gateways.id"), nullable=False),
    sa.Column("key", sa.Text, nullable=False, comment="SHA-256 of the public key, hexadecimal"),
    sa.Column("pem", sa.Text, nullable=False),
    sa.Column("issued_ns", sa.BigInteger, nullable=False),
    sa.Column("not_after_ns", sa.BigInteger, nullable=False),
    sa.Column("revoked_ns", sa.BigInteger),
    sa.Column("reason", sa.Text),
    sa.Index("certificates_of_gateway", "gateway", "issued_ns"),
)

_LINGERS_NS = 86_400 * NS
"""So long after its end a revoked certificate stays on the list: clocks differ."""


class CodeRow(msgspec.Struct, frozen=True):
    """A code: for which gateway, until when, and the certificate that was given for it."""

    gateway: str
    ends_ns: int
    serial: str | None


class CertificateRow(msgspec.Struct, frozen=True):
    """A certificate of a gateway."""

    serial: str
    gateway: str
    key: str
    pem: str
    issued_ns: int
    not_after_ns: int
    revoked_ns: int | None


_COLUMNS = [certificates.c[name] for name in CertificateRow.__struct_fields__]


def add_code(tx: sa.Connection, secret: str, gateway: str, made_by: str, now_ns: int, ends_ns: int) -> None:
    """Keep a new code; an older one of that gateway that was not used is good no more."""
    cancel_codes(tx, gateway)
    values = {"gateway": gateway, "made_ns": now_ns, "made_by": made_by, "ends_ns": ends_ns}
    tx.execute(codes.insert().values(digest=_digest(secret), **values))


def code(tx: sa.Connection, secret: str) -> CodeRow | None:
    """The code with that secret, good or not."""
    query = sa.select(codes.c.gateway, codes.c.ends_ns, codes.c.serial).where(codes.c.digest == _digest(secret))
    row = tx.execute(query).first()
    return CodeRow(*row) if row else None


def use_code(tx: sa.Connection, secret: str, serial: str) -> None:
    tx.execute(codes.update().where(codes.c.digest == _digest(secret)).values(serial=serial))


def cancel_codes(tx: sa.Connection, gateway: str) -> None:
    """No code of that gateway is good any more."""
    tx.execute(codes.delete().where(codes.c.gateway == gateway, codes.c.serial.is_(None)))


def add_certificate(tx: sa.Connection, gateway: str, issued: Issued, now_ns: int) -> None:
    tx.execute(
        certificates.insert().values(
            serial=issued.serial, gateway=gateway, key=issued.key, pem=issued.pem.decode(), issued_ns=now_ns,
            not_after_ns=issued.ends_ns,
        )
    )  # fmt: skip


def certificate(tx: sa.Connection, serial: str) -> CertificateRow | None:
    row = tx.execute(sa.select(*_COLUMNS).where(certificates.c.serial == serial)).first()
    return CertificateRow(*row) if row else None


def certificates_of(tx: sa.Connection, gateway: str) -> list[CertificateRow]:
    """Every one that was ever given to it, newest first."""
    query = sa.select(*_COLUMNS).where(certificates.c.gateway == gateway)
    return [CertificateRow(*row) for row in tx.execute(query.order_by(certificates.c.issued_ns.desc()))]


def revoke_certificates(tx: sa.Connection, gateway: str, reason: str, now_ns: int) -> int:
    """None of its certificates counts any more; returns how many did until now."""
    valid = (
        (certificates.c.gateway == gateway)
        & certificates.c.revoked_ns.is_(None)
        & (certificates.c.not_after_ns > now_ns - _LINGERS_NS)
    )
    return tx.execute(certificates.update().where(valid).values(revoked_ns=now_ns, reason=reason)).rowcount


def revoked(tx: sa.Connection, now_ns: int) -> dict[str, str]:
    """Certificates to turn away that have not ended by themselves: serial to gateway."""
    turned = certificates.c.revoked_ns.is_not(None) & (certificates.c.not_after_ns > now_ns - _LINGERS_NS)
    query = sa.select(certificates.c.serial, certificates.c.gateway).where(turned)
    return {row.serial: row.gateway for row in tx.execute(query)}


def standing(tx: sa.Connection, gateway: str) -> tuple[bool, bool]:
    """Whether the gateway is in the fleet, and whether it was revoked and not claimed since."""
    row = tx.execute(sa.select(gateway_table.c.revoked_ns).where(gateway_table.c.id == gateway)).first()
    return row is not None, row is not None and row.revoked_ns is not None


def set_revoked(tx: sa.Connection, gateway: str, revoked_ns: int | None) -> None:
    """From when it is not believed (None: it is, and whatever software it runs now)."""
    values = {"revoked_ns": revoked_ns} | ({"told_ns": None} if revoked_ns is None else {"online": False})
    tx.execute(gateway_table.update().where(gateway_table.c.id == gateway).values(values))


def fleet_size(tx: sa.Connection) -> int:
    """How many gateways there are."""
    return tx.scalar(sa.select(sa.func.count()).select_from(gateway_table)) or 0


def certificates_end(tx: sa.Connection) -> dict[str, int]:
    """When the newest certificate of each gateway that has one ends, in ns; one that was revoked is none."""
    ends_ns = sa.func.max(certificates.c.not_after_ns).label("ends_ns")
    query = sa.select(certificates.c.gateway, ends_ns).where(certificates.c.revoked_ns.is_(None))
    return {row.gateway: row.ends_ns for row in tx.execute(query.group_by(certificates.c.gateway))}


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
