"""The second step at sign-in: a code from an authenticator (TOTP, RFC 6238), or one of the recovery codes.

A code is good for the half minute it was made for and the one on either side, for clocks differ; and once, so that
whoever looks over a shoulder cannot use it again. A recovery code is 50 random bits, kept as its hash, and used up.

The authenticator's secret is kept sealed (`server.access.vault`).
"""

import contextlib
import hashlib
import hmac
import io
import logging
import secrets
from collections.abc import Iterator

import pyotp
import segno
import sqlalchemy as sa

from server.access.vault import Unreadable, Vault, sealed
from server.db import metadata, upsert
from vitals.clock import NS

log = logging.getLogger(__name__)

STEP_S = 30
RECOVERY_CODES = 10
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

second_steps = sa.Table(
    "second_steps",
    metadata,
    sa.Column("staff", sa.String, sa.ForeignKey("staff.id"), primary_key=True),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("since_ns", sa.BigInteger, comment="confirmed with a first code, by the wall"),
    sa.Column("last_step", sa.BigInteger, nullable=False, comment="the half minute of the last used code"),
)
recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column("code_hash", sa.LargeBinary, primary_key=True),
    sa.Column("staff", sa.String, sa.ForeignKey("staff.id"), nullable=False),
    sa.Index("recovery_codes_of_staff", "staff"),
)


def begin(tx: sa.Connection, vault: Vault, staff_id: str) -> str:
    """A new secret for that person, of no use until `confirm`; one that is in use must be taken off first."""
    secret = pyotp.random_base32()
    kept = vault.seal(secret, _whose(staff_id))
    upsert(tx, second_steps, {"staff": staff_id}, {"secret": kept, "since_ns": None, "last_step": 0})
    return secret


def confirm(tx: sa.Connection, vault: Vault, staff_id: str, code: str, wall_ns: int) -> list[str] | None:
    """From now on it is asked for; returns the recovery codes, shown this once. None: that is not the code.

    Raises Unreadable for a secret that is of no use any more: `begin` again.
    """
    row = tx.execute(_of(staff_id).where(second_steps.c.since_ns.is_(None))).first()
    if row is None or not _use(tx, vault, row, code, wall_ns):
        return None
    tx.execute(second_steps.update().where(second_steps.c.staff == staff_id).values(since_ns=wall_ns))
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    tx.execute(recovery_codes.delete().where(recovery_codes.c.staff == staff_id))
    tx.execute(recovery_codes.insert(), [{"code_hash": _hash(staff_id, one), "staff": staff_id} for one in codes])
    return codes


def needed(tx: sa.Connection, staff_id: str) -> bool:
    """Whether that person signs in with two steps."""
    return tx.scalar(_of(staff_id).where(second_steps.c.since_ns.is_not(None))) is not None


def fits(tx: sa.Connection, vault: Vault, staff_id: str, code: str, wall_ns: int) -> bool:
    """Whether the code is that person's now; it is used up by that.

    Raises Unreadable where nobody can tell, because the secret cannot be read; a recovery code is good even then.
    """
    row = tx.execute(_of(staff_id).where(second_steps.c.since_ns.is_not(None))).first()
    if row is None:
        return False
    return _use_recovery(tx, staff_id, code) or _use(tx, vault, row, code, wall_ns)


def seal_plain(tx: sa.Connection, vault: Vault) -> None:
    """Seal what a server of before left plain, and tell how many secrets the vault's key does not open.

    At the start and for everybody: a migration cannot know the key, and the secret of one who does not sign in for a
    year would lie plain for a year.
    """
    rows = tx.execute(sa.select(second_steps.c.staff, second_steps.c.secret)).all()
    plain = [row for row in rows if not sealed(row.secret)]
    with _leaving_nothing(tx) if plain else contextlib.nullcontext():
        for row in plain:
            kept = vault.seal(row.secret, _whose(row.staff))
            tx.execute(second_steps.update().where(second_steps.c.staff == row.staff).values(secret=kept))
    shut = sum(not _opens(vault, row.secret, row.staff) for row in rows if sealed(row.secret))
    if shut:
        log.warning(
            "%d second steps cannot be read, because secrets.key is not the one of before: put it back from the "
            "backup, or those people sign in with a recovery code, or are reset, and set theirs up anew", shut,
        )  # fmt: skip


def take_off(tx: sa.Connection, staff_id: str) -> None:
    """That person signs in with one step again."""
    tx.execute(second_steps.delete().where(second_steps.c.staff == staff_id))
    tx.execute(recovery_codes.delete().where(recovery_codes.c.staff == staff_id))


def left(tx: sa.Connection, staff_id: str) -> int:
    """How many recovery codes that person has left."""
    query = sa.select(sa.func.count()).select_from(recovery_codes).where(recovery_codes.c.staff == staff_id)
    return tx.scalar(query) or 0


def everybody_with(tx: sa.Connection) -> set[str]:
    """Who signs in with two steps."""
    return set(tx.scalars(sa.select(second_steps.c.staff).where(second_steps.c.since_ns.is_not(None))))


def uri(secret: str, staff_id: str, issuer: str) -> str:
    """What an authenticator reads out of the square."""
    return pyotp.TOTP(secret).provisioning_uri(name=staff_id, issuer_name=issuer)


def square(text: str) -> str:
    """The text as a QR code, an SVG picture."""
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="svg", scale=4, border=2, xmldecl=False, svgns=True)
    return out.getvalue().decode()


def _of(staff_id: str) -> sa.Select[tuple[str, str, int | None, int]]:
    return sa.select(second_steps).where(second_steps.c.staff == staff_id)


def _whose(staff_id: str) -> str:
    return f"second step/{staff_id}"


@contextlib.contextmanager
def _leaving_nothing(tx: sa.Connection) -> Iterator[None]:
    """SQLite writes zeros over what is replaced; PostgreSQL does when it next vacuums."""
    if tx.dialect.name != "sqlite":
        yield
        return
    tx.exec_driver_sql("PRAGMA secure_delete=ON")
    yield
    tx.exec_driver_sql("PRAGMA secure_delete=OFF")


def _opens(vault: Vault, kept: str, staff_id: str) -> bool:
    try:
        vault.opened(kept, _whose(staff_id))
    except Unreadable:
        return False
    return True


def _use(
    tx: sa.Connection, vault: Vault, row: sa.Row[tuple[str, str, int | None, int]], code: str, wall_ns: int
) -> bool:
    now = wall_ns // NS // STEP_S
    otp = pyotp.TOTP(vault.opened(row.secret, _whose(row.staff)))
    said = code.strip().replace(" ", "").encode()
    for step in (now, now - 1, now + 1):
        if step > row.last_step and step >= 0 and hmac.compare_digest(otp.generate_otp(step).encode(), said):
            tx.execute(second_steps.update().where(second_steps.c.staff == row.staff).values(last_step=step))
            return True
    return False


def _use_recovery(tx: sa.Connection, staff_id: str, code: str) -> bool:
    mine = (recovery_codes.c.staff == staff_id) & (recovery_codes.c.code_hash == _hash(staff_id, code))
    return bool(tx.execute(recovery_codes.delete().where(mine)).rowcount)


def _recovery_code() -> str:
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    return f"{letters[:5]}-{letters[5:]}"


def _hash(staff_id: str, code: str) -> bytes:
    plain = code.strip().upper().replace("-", "").replace(" ", "")
    return hashlib.sha256(f"{staff_id}/{plain}".encode()).digest()
