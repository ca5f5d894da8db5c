"""The configuration each gateway is wanted to have, and how far that has come.

One row for each gateway that was ever given one; without it the gateway's own file says everything. A version is never
used twice, also not after a backup was put back: the next is above what is stored and above what the gateway says.

It is published, retained, when it changes, and again while a gateway that answers says that something else runs: the
broker may forget what it kept, and a new hub starts with nothing. It is signed anew each time, good for LASTS_S: what
somebody keeps back longer is refused, and the gateway is sent the newest.
"""

from typing import Literal

import msgspec
import sqlalchemy as sa

from server.db import metadata
from server.fleet.seals import Message, Signer
from server.fleet.store import GatewayRow, gateway_table
from vitals.clock import NS
from vitals.wire import Desired, Settings, down, encode

LASTS_S = 30 * 86_400.0
AGAIN_S = 60.0
"""In seconds of the wall."""

State = Literal["applied", "waiting", "refused"]

gateway_configs = sa.Table(
    "gateway_configs",
    metadata,
    sa.Column("gateway", sa.Text, sa.ForeignKey("gateways.id"), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("published_ns", sa.BigInteger),
)


class Wanted(msgspec.Struct, frozen=True):
    """What a gateway is wanted to run. `changed_by`: a name."""

    gateway: str
    version: int
    hash: str
    body: bytes
    changed_by: str
    changed_ns: int

    def settings(self) -> Settings:
        return msgspec.json.decode(self.body, type=Settings)

    def state(self, row: GatewayRow) -> State:
        """How far it has come, by what the gateway said last."""
        if (row.config_version, row.config_hash) == (self.version, self.hash):
            return "applied"
        return "refused" if row.config_refused else "waiting"


def wanted(tx: sa.Connection, gateway: str) -> Wanted | None:
    """What the gateway is wanted to run; None where its own file says it."""
    return all_wanted(tx, gateway_configs.c.gateway == gateway).get(gateway)


def all_wanted(tx: sa.Connection, *where: sa.ColumnElement[bool]) -> dict[str, Wanted]:
    """The same of all, by gateway."""
    columns = [gateway_configs.c[name] for name in Wanted.__struct_fields__]
    return {row.gateway: Wanted(*row) for row in tx.execute(sa.select(*columns).where(*where))}


def change(tx: sa.Connection, gateway: str, settings: Settings, name: str, now_ns: int) -> Wanted:
    """From now on it is wanted to run these; to be published by the next `due`."""
    its = gateway_table.c.id == gateway
    runs = tx.scalar(sa.select(gateway_table.c.config_version).where(its)) or 0
    before = wanted(tx, gateway)
    version = max(runs, before.version if before else 0) + 1
    new = Wanted(gateway, version, settings.digest(), msgspec.json.encode(settings), name, now_ns)
    values = {**msgspec.structs.asdict(new), "published_ns": None}
    this = gateway_configs.c.gateway == gateway
    written = gateway_configs.update().where(this) if before else gateway_configs.insert()
    tx.execute(written.values(values))
    tx.execute(gateway_table.update().where(its).values(config_refused=""))  # that was said of the one before
    return new


def due(tx: sa.Connection, signer: Signer, now_ns: int, speed: float = 1.0) -> list[Message]:
    """What must be published (again) now, signed. `speed`: clock seconds in a second of the wall."""
    again_ns = now_ns - round(AGAIN_S * speed * NS)
    runs_it = (gateway_table.c.config_version == gateway_configs.c.version) & (
        gateway_table.c.config_hash == gateway_configs.c.hash
    )
    long_ago = gateway_table.c.online & ~runs_it & (gateway_configs.c.published_ns <= again_ns)
    query = sa.select(gateway_configs.c.gateway).join(gateway_table, gateway_table.c.id == gateway_configs.c.gateway)
    names = list(tx.scalars(query.where(gateway_configs.c.published_ns.is_(None) | long_ago)))
    these = gateway_configs.c.gateway.in_(names)
    found = all_wanted(tx, these) if names else {}
    if found:
        tx.execute(gateway_configs.update().where(these).values(published_ns=now_ns))
    return [_signed(one, signer, now_ns) for one in found.values()]


def _signed(one: Wanted, signer: Signer, now_ns: int) -> Message:
    topic, expires_ns = down(one.gateway, "config"), now_ns + round(LASTS_S * NS)
    document = Desired(one.gateway, one.version, one.hash, now_ns, expires_ns, one.settings())
    return topic, signer.sign(topic, encode(document))
