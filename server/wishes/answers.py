"""Whose answers are: the device under which a home's answers to questions are rows.

An answer is a reading, and whose a reading is comes from its device's assignment at the time. So each stretch for which
a gateway is one patient's has a device id of its own, `answers-<gateway>` and then `answers-<gateway>.2` and so on,
which the gateway learns with the questions. When the gateway becomes another patient's, the assignment before ends: an
answer that was given to an old question, or by an old page, is then filed under nobody, and never under the next.

Of two people in one home only the gateway's own patient is asked.
"""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from server.fleet.store import gateway_table
from server.patients.programmes import Programmes
from server.patients.store import ANSWERS, assignments, patients
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
    before = _stretches(tx)
    for gateway, patient_id, known, programme in tx.execute(theirs).all():
        stretches = before.get(gateway, [])
        device = next((device for device, whose, to_ns in stretches if to_ns is None and whose == patient_id), None)
        if device is None:
            _end(tx, [device for device, _, to_ns in stretches if to_ns is None], now_ns)
            if patient_id is not None and asks.get(programme, False):
                device = f"{ANSWERS}{gateway}" + (f".{len(stretches) + 1}" if stretches else "")
                _begin(tx, device, patient_id, now_ns)
        if device != known:
            tx.execute(gateway_table.update().where(fleet.id == gateway).values(answers=device))


def _end(tx: sa.Connection, devices: Sequence[str], now_ns: int) -> None:
    over = assignments.c.device.in_(devices) & assignments.c.to_ns.is_(None)
    tx.execute(assignments.update().where(over).values(to_ns=now_ns, changed_ns=now_ns))


def _begin(tx: sa.Connection, device: str, patient_id: str, now_ns: int) -> None:
    new = {"device": device, "from_ns": now_ns - round(SLACK_S * NS), "to_ns": None, "patient_id": patient_id}
    tx.execute(assignments.insert().values(**new, changed_ns=now_ns, user_slot=None))


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
