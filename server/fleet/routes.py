"""The fleet for everyone who is signed in; what could not be filed, for administrators."""

from fastapi import APIRouter

from server.access.door import Administrator, Anyone
from server.api import GatewayView, QuarantineRow
from server.fleet.quarantine import quarantine
from server.fleet.store import gateways
from server.fleet.views import device_view
from server.house import Here, Seen, problems
from server.identity.store import certificates_end
from vitals.clock import MS

router = APIRouter(prefix="/api", tags=["fleet"])

QUARANTINE_SHOWN = 200


@router.get("/fleet", operation_id="getFleet", responses=problems(401))
def get_fleet(account: Anyone, here: Here) -> list[GatewayView]:
    """Every gateway and its devices, as last heard of."""
    with here.db.read() as tx:
        rows, ends_ns = gateways(tx), certificates_end(tx)
    return [
        GatewayView(
            id=row.id,
            place=row.place,
            online=row.online,
            last_heard_ms=None if row.last_heard_ns is None else row.last_heard_ns // MS,
            queued=row.queued,
            software=row.software,
            strangers=row.strangers,
            notes=row.notes,
            devices=[device_view(one) for one in row.devices],
            certificate_ends_ms=ends_ns[row.id] // MS if row.id in ends_ns else None,
            revoked=row.revoked,
        )
        for row in rows
    ]


@router.get("/quarantine", operation_id="getQuarantine", responses=problems(401, 403))
def get_quarantine(account: Administrator, here: Here, looks: Seen) -> list[QuarantineRow]:
    """The latest things that could not be filed, newest first."""
    looks.saw(here.clock.now_ns(), account.id, "quarantine")
    with here.db.read() as tx:
        rows = quarantine(tx, QUARANTINE_SHOWN)
    return [
        QuarantineRow(
            id=row.id, t_ms=row.t_ns // MS, gateway=row.gateway, device=row.device, reason=row.reason, text=row.text,
            size=len(row.data), data_hex=row.data.hex(),
        )
        for row in rows
    ]  # fmt: skip
