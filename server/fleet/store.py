"""Gateways and devices as they were last heard of.

A gateway is silent when its newest sign of life has grown old; that alone raises an alarm, because a last will may be
lost or late. The last will only makes the page quicker: a gateway whose broker says that it is gone is shown as
offline. A message is a sign of life of when it was sent (`server.fleet.life`), and an old heartbeat tells nothing.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec
import sqlalchemy as sa

from server.db import metadata, upsert
from server.fleet.quarantine import QuarantineRecord as QuarantineRecord
from server.fleet.quarantine import Unfiled, quarantined
from server.fleet.quarantine import quarantine as quarantine
from server.municipality import Municipality
from server.patients.store import assignments
from server.quick import Among, Quick
from vitals.clock import NS
from vitals.wire import SPOOL_FULL, Health

gateway_table = sa.Table(
    "gateways",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id")),
    sa.Column("known_since_ns", sa.BigInteger, nullable=False),
    sa.Column("last_heard_ns", sa.BigInteger),
    sa.Column("online", sa.Boolean, nullable=False),
    sa.Column("epoch", sa.Text),
    sa.Column("software", sa.Text),
    sa.Column("queued", sa.BigInteger),
    sa.Column("oldest_ns", sa.BigInteger),
    sa.Column("strangers", sa.JSON, nullable=False),
    sa.Column("notes", sa.JSON, nullable=False, server_default="[]", comment="its troubles, a sentence each"),
    sa.Column("ahead_ns", sa.BigInteger),
    sa.Column(
        "revoked_ns", sa.BigInteger, comment="since when it is not believed, by the wall; until it is claimed anew"
    ),
    sa.Column("config_version", sa.BigInteger, nullable=False, server_default="0", comment="from afar, as it says"),
    sa.Column("config_hash", sa.Text, nullable=False, server_default=""),
    sa.Column("config_refused", sa.Text, nullable=False, server_default=""),
    sa.Column("answers", sa.Text, comment="the device that its patient's answers are readings of"),
    sa.Column("wishes_version", sa.BigInteger, nullable=False, server_default="-1", comment="-1: shows none"),
    sa.Column("told_ns", sa.BigInteger, comment="its newest heartbeat that proves when it was sent"),
    sa.Index("gateways_of_patient", "patient_id"),
)

device_table = sa.Table(
    "devices",
    metadata,
    sa.Column("gateway", sa.Text, sa.ForeignKey("gateways.id"), primary_key=True),
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("driver", sa.Text, nullable=False),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("last_seen_ns", sa.BigInteger),
    sa.Column("battery", sa.Float),
    sa.Column("faults", sa.BigInteger, nullable=False),
    sa.Column("orders", sa.JSON, nullable=False, server_default="[]", comment="the kinds of order it takes"),
    sa.Column("told_ns", sa.BigInteger, nullable=False),
)


class DeviceRow(msgspec.Struct, frozen=True):
    """A device as its gateway last told of it. `link`: never, idle, connected, lost. `orders`: the kinds it takes."""

    id: str
    driver: str
    gateway: str
    link: str
    last_seen_ns: int | None
    battery: float | None
    faults: int
    orders: list[str]


class GatewayRow(msgspec.Struct, frozen=True):
    """A gateway and its devices."""

    id: str
    place: str
    patient_id: str | None
    online: bool
    last_heard_ns: int | None
    queued: int | None
    software: str | None
    strangers: list[str]
    notes: list[str]
    devices: list[DeviceRow]
    config_version: int
    config_hash: str
    config_refused: str
    revoked: bool


class Counts(msgspec.Struct, frozen=True):
    """How much has been set aside."""

    quarantined: int


class Pulse(msgspec.Struct, frozen=True):
    """When a gateway was last heard of. `since_ns`: what its silence is counted from, see `pulses`.

    `ahead_ns`: by how much its clock was ahead of ours at its last heartbeat; None before the first. `full`: it could
    not keep what its devices told.
    """

    id: str
    place: str
    patient_id: str | None
    last_heard_ns: int | None
    since_ns: int
    ahead_ns: int | None
    full: bool


class Queue(msgspec.Struct, frozen=True):
    """What a gateway said is waiting in it. `since_ns`: when it was last heard of, or else since when it is known."""

    id: str
    online: bool
    queued: int | None
    oldest_ns: int | None
    since_ns: int


def apply(tx: sa.Connection, municipality: Municipality, now_ns: int) -> None:
    """Add and correct gateways; nothing is deleted."""
    known = set(tx.scalars(sa.select(gateway_table.c.id)))
    for one in municipality.gateways:
        values = {"place": one.place, "patient_id": one.patient}
        if one.id in known:
            tx.execute(gateway_table.update().where(gateway_table.c.id == one.id).values(**values))
        else:
            new = gateway_table.insert().values(id=one.id, known_since_ns=now_ns, online=False, strangers=[])
            tx.execute(new.values(**values))


def known(tx: sa.Connection, gateways: Iterable[str]) -> dict[str, int | None]:
    """Those of `gateways` that are in the fleet and are believed, and when their newest heartbeat was sent, if it was
    proved ever."""
    return {gateway: told_ns for gateway, told_ns in _BELIEVED.rows(tx, gateways)}  # noqa: C416  no pairs to mypy


def stranger(tx: sa.Connection, gateway: str, data: bytes) -> Unfiled:
    """A message of a gateway that is not `known`, to be set aside."""
    if tx.scalar(sa.select(gateway_table.c.revoked_ns).where(gateway_table.c.id == gateway)) is None:
        why = f"gateway {gateway!r} is not in the municipality file"
        return Unfiled(gateway, None, "unknown gateway", why, data)
    return Unfiled(gateway, None, "revoked", f"gateway {gateway!r} was revoked; claim it anew if it is well", data)


def heard(tx: sa.Connection, alive_ns: Mapping[str, int], now_ns: int, fresh_s: float) -> set[str]:
    """They have given signs of life of these moments; returns the patients whose gateway was thought to be gone.

    One that is older than `fresh_s` makes nobody be here, and one that is older than what we have says nothing.
    """
    patients, newer = set(), []
    for gateway, patient_id, online, last_ns in _LAST.rows(tx, alive_ns):
        t_ns = min(alive_ns[gateway], now_ns)
        if last_ns is not None and t_ns < last_ns <= now_ns:
            continue
        here = now_ns - t_ns <= fresh_s * NS
        newer.append({"gateway": gateway, "t_ns": t_ns, "here": here or online})
        if here and not online and patient_id is not None:
            patients.add(patient_id)
    _HEARD.many(tx, newer)
    return patients


def health(tx: sa.Connection, told: Health, now_ns: int, sent_ns: int | None) -> set[str]:
    """Keep what a heartbeat says of the gateway and of its devices; returns the patient to look at, if any.

    `sent_ns`: when it was sent, where it proves that.

    What a gateway complains of may be over before the next round of looking. Where its devices are set from here,
    those it does not name any more are its no longer.
    """
    this = gateway_table.c.id == told.gateway
    patient_id, notes = tx.execute(sa.select(gateway_table.c.patient_id, gateway_table.c.notes).where(this)).one()
    values = {
        "epoch": told.epoch, "software": told.software, "queued": told.queued, "oldest_ns": told.oldest_ns,
        "strangers": list(told.strangers), "notes": list(told.notes),
        "ahead_ns": told.t_ns - (now_ns if sent_ns is None else sent_ns),
        "config_version": told.config_version, "config_hash": told.config_hash, "config_refused": told.config_refused,
        "wishes_version": told.wishes_version,
    }  # fmt: skip
    if sent_ns is not None:
        values["told_ns"] = sent_ns
    if told.config_version:
        named = device_table.c.device.in_([one.device for one in told.devices])
        tx.execute(device_table.delete().where(device_table.c.gateway == told.gateway, ~named))
    tx.execute(gateway_table.update().where(this).values(values))
    for one in told.devices:
        row = {
            "driver": one.driver, "link": one.link, "last_seen_ns": one.last_seen_ns, "battery": one.battery,
            "faults": one.faults, "orders": list(one.orders), "told_ns": now_ns,
        }  # fmt: skip
        upsert(tx, device_table, {"gateway": told.gateway, "device": one.device}, row)
    return {patient_id} if patient_id is not None and notes != list(told.notes) else set()


def set_back(tx: sa.Connection, now_ns: int) -> None:
    """Our clock was set back and shows `now_ns`: silence is counted from now, and not from when it shows again what it
    showed. Until then nobody would miss a gateway that has fallen silent."""
    for moment in (gateway_table.c.last_heard_ns, gateway_table.c.known_since_ns):
        tx.execute(gateway_table.update().where(moment > now_ns).values({moment: now_ns}))


def gone(tx: sa.Connection, gateway: str) -> set[str]:
    """Its last will came: shown as offline at once. Returns the patient whose page changes, if any.

    The alarm waits for the heartbeat to grow old: a connection that breaks and comes back is nobody's concern.
    """
    this = (gateway_table.c.id == gateway) & gateway_table.c.online
    patients = {patient for patient in tx.scalars(sa.select(gateway_table.c.patient_id).where(this)) if patient}
    tx.execute(gateway_table.update().where(this).values(online=False))
    return patients


def grown_old(tx: sa.Connection, before_ns: int) -> set[str]:
    """Show those not heard of since `before_ns` as offline; returns the patients whose page changes."""
    old = gateway_table.c.online & (gateway_table.c.last_heard_ns < before_ns)
    patients = {patient for patient in tx.scalars(sa.select(gateway_table.c.patient_id).where(old)) if patient}
    tx.execute(gateway_table.update().where(old).values(online=False))
    return patients


def pulses(tx: sa.Connection, started_ns: int, patient_ids: Collection[str] | None = None) -> list[Pulse]:
    """When each gateway (of these patients; None: of anybody) was last heard of.

    Silence is counted from the last sign of life, but not from before the gateway was known here, nor from before
    the server itself came up at `started_ns`: while the server was away it heard nobody.
    """
    rows = _PULSES.rows(tx, patient_ids)
    return [
        Pulse(
            id, place, patient_id, heard_ns, max(heard_ns or 0, known_since_ns, started_ns), ahead_ns,
            SPOOL_FULL in notes,
        )
        for id, place, patient_id, heard_ns, known_since_ns, ahead_ns, notes in rows
    ]  # fmt: skip


def online_of(tx: sa.Connection, patient_ids: Collection[str] | None) -> dict[str, bool]:
    """Whether the gateway of each of these patients (None: of everybody) who has one can be heard."""
    rows = _ONLINE.rows(tx, patient_ids)
    return {patient_id: online for patient_id, online in rows}  # noqa: C416  rows are no pairs to mypy


def gateways(tx: sa.Connection) -> list[GatewayRow]:
    """The whole fleet, by id."""
    devices: dict[str, list[DeviceRow]] = {}
    for row in tx.execute(_DEVICES.order_by(device_table.c.device)):
        devices.setdefault(row.gateway, []).append(DeviceRow(*row))
    return [
        GatewayRow(
            row.id, row.place, row.patient_id, row.online, row.last_heard_ns, row.queued, row.software, row.strangers,
            row.notes, devices.get(row.id, []), row.config_version, row.config_hash, row.config_refused,
            row.revoked_ns is not None,
        )
        for row in tx.execute(sa.select(gateway_table).order_by(gateway_table.c.id))
    ]  # fmt: skip


def devices_of(tx: sa.Connection, patient_id: str) -> list[DeviceRow]:
    """The devices that were this patient's when their gateway last told of them."""
    told_ns = device_table.c.told_ns
    theirs = (
        (assignments.c.device == device_table.c.device)
        & (assignments.c.patient_id == patient_id)
        & (assignments.c.from_ns <= told_ns)
        & (assignments.c.to_ns.is_(None) | (assignments.c.to_ns > told_ns))
    )
    query = _DEVICES.where(sa.exists().where(theirs)).order_by(device_table.c.device, told_ns)
    return [DeviceRow(*row) for row in tx.execute(query)]


def queues(tx: sa.Connection) -> list[Queue]:
    """What waits in each gateway, by id."""
    columns = gateway_table.c
    since_ns = sa.func.coalesce(columns.last_heard_ns, columns.known_since_ns)
    query = sa.select(columns.id, columns.online, columns.queued, columns.oldest_ns, since_ns)
    return [Queue(*row) for row in tx.execute(query.order_by(columns.id))]


def counts(tx: sa.Connection) -> Counts:
    """How much has been set aside."""
    return Counts(tx.scalar(sa.select(sa.func.count()).select_from(quarantined)) or 0)


_DEVICES = sa.select(
    device_table.c.device, device_table.c.driver, device_table.c.gateway, device_table.c.link,
    device_table.c.last_seen_ns, device_table.c.battery, device_table.c.faults, device_table.c.orders,
)  # fmt: skip


_IS = gateway_table.c
_BELIEVED = Among(sa.select(_IS.id, _IS.told_ns).where(_IS.revoked_ns.is_(None)), _IS.id)
_LAST = Among(sa.select(_IS.id, _IS.patient_id, _IS.online, _IS.last_heard_ns), _IS.id)
_HEARD = Quick(
    gateway_table.update()
    .where(_IS.id == sa.bindparam("gateway"))
    .values(last_heard_ns=sa.bindparam("t_ns"), online=sa.bindparam("here"))
)
_ONLINE = Among(
    sa.select(_IS.patient_id, _IS.online).where(_IS.patient_id.is_not(None)).order_by(_IS.id), _IS.patient_id
)
_PULSES = Among(
    sa.select(
        _IS.id, _IS.place, _IS.patient_id, _IS.last_heard_ns, _IS.known_since_ns, _IS.ahead_ns, _IS.notes
    ).order_by(_IS.id),
    _IS.patient_id,
)
