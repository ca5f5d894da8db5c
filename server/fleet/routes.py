"""The fleet for everyone who is signed in; what could not be filed and how a gateway is set, for administrators."""

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException

from server.access.door import Administrator
from server.audit.store import write
from server.fleet import desired, views
from server.fleet.api import GatewayConfig, GatewayConfigChange, GatewayView, QuarantineRow
from server.fleet.quarantine import quarantine
from server.fleet.store import GatewayRow, gateways
from server.house import Here, Seen, Sees, problems
from server.identity.store import certificates_end
from vitals.clock import MS

router = APIRouter(prefix="/api", tags=["fleet"])

QUARANTINE_SHOWN = 200
BEATS = 2
"""So many heartbeats must fit into the time after which a gateway counts as silent: one may be lost."""


@router.get("/fleet", operation_id="getFleet", responses=problems(401))
def get_fleet(sight: Sees, here: Here) -> list[GatewayView]:
    """Your patients' gateways and their devices, as last heard of; those of nobody where you keep the system."""
    with here.db.read() as tx:
        wanted, ends_ns = desired.all_wanted(tx), certificates_end(tx)
        yours = [one for one in gateways(tx) if (one.patient_id in sight if one.patient_id else sight.keeps)]
        return [views.gateway_view(row, wanted.get(row.id), ends_ns.get(row.id)) for row in yours]


@router.get("/gateways/{gateway_id}/config", operation_id="getGatewayConfig", responses=problems(401, 403, 404, 422))
def get_config(gateway_id: str, account: Administrator, here: Here) -> GatewayConfig:
    """What the gateway is wanted to run, and how far that has come."""
    with here.db.read() as tx:
        return views.config_view(_find(tx, gateway_id), desired.wanted(tx, gateway_id))


@router.put(
    "/gateways/{gateway_id}/config", operation_id="setGatewayConfig", responses=problems(401, 403, 404, 409, 422)
)
def set_config(gateway_id: str, said: GatewayConfigChange, account: Administrator, here: Here) -> GatewayConfig:
    """Want the gateway to run this. It looks at it as a whole, and says in its heartbeat whether it does."""
    settings = views.settings(said.settings)
    _check_heartbeat(settings.heartbeat_s, here.config.fleet.offline_after_s)
    with here.db.write() as tx:
        row, before, now_ns = _find(tx, gateway_id), desired.wanted(tx, gateway_id), here.clock.now_ns()
        if said.version != (before.version if before else 0):
            raise HTTPException(409, _why_not(before))
        after = desired.change(tx, gateway_id, settings, account.name, now_ns)
        devices = "its own" if settings.devices is None else ", ".join(one.id for one in settings.devices) or "none"
        detail = f"gateway {gateway_id}, version {after.version} ({after.hash}), devices: {devices}"
        write(tx, now_ns, account.id, "configure gateway", detail=detail)
    return views.config_view(row, after)


@router.get("/quarantine", operation_id="getQuarantine", responses=problems(401, 403))
def get_quarantine(account: Administrator, sight: Sees, here: Here, looks: Seen) -> list[QuarantineRow]:
    """The latest things that could not be filed, newest first."""
    if not sight.keeps:
        raise HTTPException(403, "what could not be filed is shown to those who keep the system; ask them")
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


def _find(tx: sa.Connection, gateway_id: str) -> GatewayRow:
    for row in gateways(tx):
        if row.id == gateway_id:
            return row
    raise HTTPException(404, f"there is no gateway {gateway_id!r}; see the equipment page for those there are")


def _check_heartbeat(heartbeat_s: float | None, offline_after_s: float) -> None:
    most_s = offline_after_s / BEATS
    if heartbeat_s is not None and heartbeat_s > most_s:
        raise HTTPException(
            422, f"heartbeat_s: the gateway would count as silent between its heartbeats; give it {most_s:g} at most"
        )


def _why_not(before: desired.Wanted | None) -> str:
    if before is None:
        return "this gateway has no configuration from here; reload, and save yours if you still want it"
    return f"{before.changed_by} has changed it to version {before.version}; reload, and make your change in that one"
