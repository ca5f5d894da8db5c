"""What a message may be answered by: a link, and a code for those who answer by text message.

Both are made of the message's own key with a secret of the server's (HMAC), so the same message sent again after a
crash carries the same link and code: a provider that knows idempotency keys is given the very same text. The database
holds only hashes. A key is good for one person, one alarm, one answer and LASTS_S; then it opens nothing, and a
message found months later acknowledges nothing.

A code has four digits, because somebody types it at night, so it is no secret to whoever may guess: it is good only
from that person's own telephone, and guessing is counted (`server.notify.answers`).
"""

import base64
import hashlib
import hmac
import secrets
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from server.db import Number, metadata
from server.identity.authority import write_private
from vitals.clock import NS
from vitals.errors import ConfigError

LASTS_S = 12 * 3600
DIGITS = 4
LEAST = 32
NO_CODE = -1
"""The turn of a message that has none, because its person may answer by every code there is: better sent without."""

answer_keys = sa.Table(
    "answer_keys",
    metadata,
    sa.Column("dedupe", sa.String, primary_key=True),
    sa.Column("alarm_id", Number, nullable=False),
    sa.Column("staff", sa.String, nullable=False),
    sa.Column("link_hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("code_hash", sa.LargeBinary, nullable=False),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("ends_ns", sa.BigInteger, nullable=False),
    sa.Column("used_ns", sa.BigInteger),
    sa.Index("answer_keys_by_code", "staff", "code_hash"),
)


class Key(NamedTuple):
    """What a link or code stands for. `live`: it may be used now."""

    dedupe: str
    alarm_id: int
    staff: str
    live: bool


class Keys:
    """Makes and knows links and codes. `address`: what the world calls this server; empty: there are no links.

    `replies`: an answer to a text message is heard, so a code is of use.
    """

    def __init__(self, secret: bytes, address: str, *, replies: bool) -> None:
        self._secret = secret
        self._address = address
        self._replies = replies

    @classmethod
    def open(cls, folder: Path, address: str, *, replies: bool) -> "Keys":
        """With the secret in the folder, made there the first time; raises ConfigError for a file that holds none."""
        file = folder / "answers.key"
        try:
            secret = file.read_bytes()
        except FileNotFoundError:
            secret = secrets.token_bytes(LEAST)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(file, secret)
        if len(secret) < LEAST:
            raise ConfigError(f"{file} holds no secret", "remove it: links that are under way are good no more")
        return cls(secret, address, replies=replies)

    def give(
        self, tx: sa.Connection, dedupe: str, alarm_id: int, staff: str, channel: str, now_ns: int
    ) -> tuple[str, str]:
        """The link and the code of this message, "" for what it shall not have; the same however often it is asked."""
        if not self._address and not self._replies:
            return "", ""
        turn = tx.scalar(sa.select(answer_keys.c.turn).where(answer_keys.c.dedupe == dedupe))
        token = self._token(dedupe)
        if turn is None:
            turn = self._free_turn(tx, dedupe, staff, now_ns)
            row = {
                "dedupe": dedupe, "alarm_id": alarm_id, "staff": staff, "link_hash": _hash(token),
                "code_hash": self._code_hash(self._code(dedupe, turn), staff), "turn": turn,
                "ends_ns": now_ns + LASTS_S * NS,
            }  # fmt: skip
            tx.execute(answer_keys.insert().values(row))
        link = f"{self._address}/a/{token}" if self._address else ""
        return link, self._code(dedupe, turn) if self._replies and channel == "sms" else ""

    def behind_link(self, tx: sa.Connection, token: str, now_ns: int) -> Key | None:
        """What the link stands for; None for one that never was."""
        return _found(tx, answer_keys.c.link_hash == _hash(token), now_ns)

    def behind_code(self, tx: sa.Connection, staff: str, code: str, now_ns: int) -> Key | None:
        """What the code stands for in a message to that person, the newest first; None for one that never was."""
        return _found(
            tx, (answer_keys.c.staff == staff) & (answer_keys.c.code_hash == self._code_hash(code, staff)), now_ns
        )

    def _free_turn(self, tx: sa.Connection, dedupe: str, staff: str, now_ns: int) -> int:
        """Two messages that one person may answer now never have the same code; NO_CODE where none is left."""
        live = sa.select(answer_keys.c.code_hash).where(
            answer_keys.c.staff == staff, answer_keys.c.used_ns.is_(None), answer_keys.c.ends_ns > now_ns
        )
        taken = set(tx.scalars(live))
        turns = range(10**DIGITS) if len(taken) < 10**DIGITS else ()
        return next((n for n in turns if self._code_hash(self._code(dedupe, n), staff) not in taken), NO_CODE)

    def _token(self, dedupe: str) -> str:
        return base64.urlsafe_b64encode(self._mark("link", dedupe)).rstrip(b"=").decode()

    def _code(self, dedupe: str, turn: int) -> str:
        if turn == NO_CODE:
            return ""
        return f"{int.from_bytes(self._mark('code', f'{turn}/{dedupe}')) % 10**DIGITS:0{DIGITS}}"

    def _code_hash(self, code: str, staff: str) -> bytes:
        """Not to be found by trying all ten thousand, without the secret."""
        return self._mark("kept", f"{staff}/{code}")

    def _mark(self, use: str, what: str) -> bytes:
        return hmac.new(self._secret, f"{use}/{what}".encode(), hashlib.sha256).digest()


def use_up(tx: sa.Connection, key: Key, now_ns: int) -> None:
    """It has done its work."""
    tx.execute(answer_keys.update().where(answer_keys.c.dedupe == key.dedupe).values(used_ns=now_ns))


def _found(tx: sa.Connection, which: sa.ColumnElement[bool], now_ns: int) -> Key | None:
    row = tx.execute(sa.select(answer_keys).where(which).order_by(answer_keys.c.ends_ns.desc()).limit(1)).first()
    if row is None:
        return None
    return Key(row.dedupe, row.alarm_id, row.staff, row.used_ns is None and row.ends_ns > now_ns)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
