"""Whose answers are: the device under which a home's answers to questions are rows.

An answer is a reading, and whose a reading is comes from its device's assignment at the time. So each stretch for which
a gateway is one patient's has a device id of its own, `answers-<gateway>` and then `answers-<gateway>.2` and so on,
which the gateway learns with the questions. When the gateway becomes another patient's, the assignment before ends: an
answer that was given to an old question, or by an old page, is then filed under nobody, and never under the next.

Of two people in one home only the gateway's own patient is asked.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from server.fleet.store import gateway_table
from server.patients.programmes import Programmes
from server.patients.store import ANSWERS, assignments, patients
from server.quick import Quick
from vitals.clock import NS
from vitals.errors import ConfigError

SLACK_S = 3600.0
"""A gateway's clock may be so far behind ours when the first answer is given."""


def assign(tx: sa.Connection, programmes: Programmes, now_ns: int) -> None:
    """Give every gateway whose patient's programme asks something a device for the answers, and end what is over."""
    fleet = gateway_table.c
    theirs = sa.select(fleet.id, fleet.patient_id, fleet.answers, patients.c.programme)
    theirs = theirs.join(patients, patients.c.id == fleet.patient_id, isouter=True)
    asks = {name: bool(programmes.of(name).ask) for name in programmes.names}
    before, since_ns = _stretches(tx), now_ns - round(SLACK_S * NS)
    ended: list[str] = []
    begun: list[dict[str, object]] = []
    given: list[dict[str, object]] = []
    for gateway, patient_id, known, programme in tx.execute(theirs).all():
        stretches = before.get(gateway, [])
        device = next((device for device, whose, to_ns in stretches if to_ns is None and whose == patient_id), None)
        if device is None:
            ended += (device for device, _, to_ns in stretches if to_ns is None)
            if patient_id is not None and asks.get(programme, False):
                device = f"{ANSWERS}{gateway}" + (f".{len(stretches) + 1}" if stretches else "")
                begun.append({"device": device, "patient_id": patient_id, "from_ns": since_ns, "changed_ns": now_ns})
        if device != known:
            given.append({"gateway": gateway, "of_device": device})
    _END.many(tx, [{"of_device": device, "now_ns": now_ns} for device in ended])
    _BEGIN.many(tx, begun)
    _GIVE.many(tx, given)


def refuse_listed(devices: Iterable[str]) -> None:
    """Raises ConfigError where the municipality file assigns such a device: the server does that itself."""
    for device in devices:
        if device.startswith(ANSWERS):
            raise ConfigError(f"device {device!r} is assigned by the server itself", "take it out of [[assignments]]")


def _stretches(tx: sa.Connection) -> dict[str, list[tuple[str, str, int | None]]]:
    """By gateway: device, whose, until when; the oldest first."""
    columns = assignments.c
    query = sa.select(columns.device, columns.patient_id, columns.to_ns).where(columns.device.startswith(ANSWERS))
    found: dict[str, list[tuple[str, str, int | None]]] = {}
    for device, patient_id, to_ns in tx.execute(query.order_by(columns.from_ns, columns.device)):
        gateway = device.removeprefix(ANSWERS).partition(".")[0]
        found.setdefault(gateway, []).append((device, patient_id, to_ns))
    return found


_DEVICE = sa.bindparam("of_device", type_=sa.Text)
_NOW_NS = sa.bindparam("now_ns", type_=sa.BigInteger)
_END = Quick(
    assignments.update()
    .where(assignments.c.device == _DEVICE, assignments.c.to_ns.is_(None))
    .values(to_ns=_NOW_NS, changed_ns=_NOW_NS)
)
_NEW = "device", "patient_id", "from_ns", "changed_ns"
_BEGIN = Quick(assignments.insert().values({name: sa.bindparam(name) for name in _NEW}))
_GIVE = Quick(gateway_table.update().where(gateway_table.c.id == sa.bindparam("gateway")).values(answers=_DEVICE))
