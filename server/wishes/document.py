"""What a home is asked, in one document for each gateway, and how far it has come.

It is made anew whenever something of it changes, in the same transaction; its version only rises, also past what the
gateway says it has, so that a server put back from a backup finds its way. It is published, retained, when it has
changed, and again while a gateway that answers and could show it says that it has another.

What is not in it is not wished any more. So nothing has to be taken back, and a gateway that was away for a week is
not asked for what was wanted then.

With it goes the programme that the patient follows, as it is in force, so that a home that is alone is watched by the
same version as here. A home gets its first document when its gateway says that it could show one.

It is signed and good for LASTS_S: what somebody keeps back longer is refused, and the gateway is sent the newest.
"""

from collections.abc import Collection
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from server.db import metadata
from server.fleet.store import gateway_table
from server.ingest.store import Message
from server.patients.programmes import Programmes
from server.patients.store import PatientRecord, patients_of
from server.quick import Put, Quick, in_parts
from server.wishes.store import Asked, standing, wishes
from vitals.clock import NS
from vitals.wire import Asking, Followed, Request, Telling, Wishes, down, encode

AGAIN_S = 60.0
"""In seconds of the wall."""
LASTS_S = 30 * 86_400.0

gateway_wishes = sa.Table(
    "gateway_wishes",
    metadata,
    sa.Column("gateway", sa.Text, sa.ForeignKey("gateways.id"), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("published_ns", sa.BigInteger),
)


class _Home(NamedTuple):
    gateway: str
    patient_id: str | None
    answers: str | None
    says: int
    version: int | None
    body: bytes | None


def compose(tx: sa.Connection, programmes: Programmes, patient_ids: Collection[str] | None, now_ns: int) -> None:
    """Bring the documents of these patients' homes (None: of all gateways) up to what is asked now."""
    homes = _homes(tx, patient_ids)
    if not homes:
        return
    people = {one.id: one for one in patients_of(tx, {home.patient_id for home in homes if home.patient_id})}
    asked = standing(tx, people.keys())
    changed: list[dict[str, object]] = []
    for home in homes:
        person = people.get(home.patient_id or "")
        asks = programmes.of(person.programme).ask if person and home.answers else ()
        asking = tuple(Asking(one.channel, one.every_s) for one in asks)
        document = _document(home.gateway, asking, home.answers or "", asked.get(home.patient_id or "", []))
        if _shows(home, document):
            followed = _followed(programmes, person) if person else None
            body = encode(msgspec.structs.replace(document, followed=followed))
            if body != home.body:
                changed.append(_changed(home, body, now_ns))
    _PUT.many(tx, changed)


def begin(tx: sa.Connection, programmes: Programmes, now_ns: int) -> None:
    """Make the first document of each home that could be shown one."""
    fleet, document = gateway_table.c, gateway_wishes.c
    query = sa.select(fleet.patient_id).join(gateway_wishes, document.gateway == fleet.id, isouter=True)
    new = query.where(fleet.patient_id.is_not(None), fleet.wishes_version >= 0, document.gateway.is_(None))
    if patient_ids := set(tx.scalars(new)):
        compose(tx, programmes, patient_ids, now_ns)


def due(tx: sa.Connection, now_ns: int, speed: float = 1.0) -> list[Message]:
    """What must be published (again) now. `speed`: clock seconds in a second of the wall."""
    again_ns = now_ns - round(AGAIN_S * speed * NS)
    columns, fleet = gateway_wishes.c, gateway_table.c
    stale = fleet.online & (fleet.wishes_version >= 0) & (fleet.wishes_version != columns.version)
    goes_out = columns.published_ns.is_(None) | (stale & (columns.published_ns <= again_ns))
    query = sa.select(columns.gateway, columns.version, columns.body, fleet.wishes_version)
    found = tx.execute(query.join(gateway_table, fleet.id == columns.gateway).where(goes_out)).all()
    messages: list[Message] = []
    sent: list[dict[str, object]] = []
    for gateway, version, body, says in found:
        version = max(version, says + 1) if says > version else version  # a backup was put back
        sent.append({"to": gateway, "now_ns": now_ns, "as_version": version})
        wished = msgspec.json.decode(body, type=Wishes)
        expires_ns = now_ns + round(LASTS_S * NS)
        told = msgspec.structs.replace(wished, version=version, issued_ns=now_ns, expires_ns=expires_ns)
        messages.append((down(gateway, "wishes"), encode(told)))
    _SENT.many(tx, sent)
    return messages


def deliver(tx: sa.Connection, now_ns: int) -> set[str]:
    """What a gateway says that it has by now is delivered; returns whose requests that are."""
    fleet, document = gateway_table.c, gateway_wishes.c
    has = (
        (fleet.patient_id == wishes.c.patient_id)
        & (fleet.id == document.gateway)
        & (fleet.wishes_version == document.version)
        & (document.changed_ns >= wishes.c.asked_ns)
    )
    shown = (wishes.c.state == "asked") & wishes.c.ended_ns.is_(None) & sa.exists().where(has)
    patients = set(tx.scalars(sa.select(wishes.c.patient_id).where(shown)))
    if patients:
        tx.execute(wishes.update().where(shown).values(state="delivered", delivered_ns=now_ns))
    return patients


def _homes(tx: sa.Connection, patient_ids: Collection[str] | None) -> list[_Home]:
    fleet, document = gateway_table.c, gateway_wishes.c
    query = sa.select(fleet.id, fleet.patient_id, fleet.answers, fleet.wishes_version, document.version, document.body)
    query = query.join(gateway_wishes, document.gateway == fleet.id, isouter=True)
    return [_Home(*row) for row in in_parts(tx, query, fleet.patient_id, patient_ids)]


def _shows(home: _Home, wished: Wishes) -> bool:
    """Whether it has a document already, its hub shows them, or there is something to say."""
    return home.body is not None or home.says >= 0 or bool(wished.requests or wished.asking or wished.telling)


def _document(gateway: str, asking: tuple[Asking, ...], device: str, asked: Collection[Asked]) -> Wishes:
    requests = tuple(_request(one) for one in asked if one.wish.channel)
    telling = tuple(_telling(one) for one in asked if not one.wish.channel)
    return Wishes(gateway, 0, 0, device if asking else "", requests, asking, telling)


def _followed(programmes: Programmes, person: PatientRecord) -> Followed:
    programme = programmes.of(person.programme)
    written = msgspec.to_builtins(msgspec.structs.replace(programme, action=()))
    return Followed(written, programme.digest, person.limits)


def _request(one: Asked) -> Request:
    wish = one.wish
    urgent = wish.why == "again" or wish.level == 3
    return Request(wish.channel, wish.from_ns, wish.by_ns, wish.until_ns, wish.why == "again", urgent)


def _telling(one: Asked) -> Telling:
    return Telling(str(one.id), int(one.wish.level), one.wish.text, one.wish.asked_ns, one.wish.until_ns)


def _changed(home: _Home, body: bytes, now_ns: int) -> dict[str, object]:
    version = max(home.says, home.version or 0) + 1
    return {
        "gateway": home.gateway, "version": version, "body": body, "changed_ns": now_ns, "published_ns": None,
    }  # fmt: skip


_PUT = Put(gateway_wishes)
_SENT = Quick(
    gateway_wishes.update()
    .where(gateway_wishes.c.gateway == sa.bindparam("to"))
    .values(published_ns=sa.bindparam("now_ns", type_=sa.BigInteger), version=sa.bindparam("as_version"))
)
