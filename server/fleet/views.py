"""Gateways, their devices and their configuration as the page sees them."""

import msgspec

from server.fleet.api import DeviceView, GatewayConfig, GatewaySettings, GatewayView
from server.fleet.desired import Wanted
from server.fleet.store import DeviceRow, GatewayRow
from vitals.clock import MS
from vitals.wire import Settings


def gateway_view(row: GatewayRow, wanted: Wanted | None, certificate_ends_ns: int | None) -> GatewayView:
    """A gateway, how far what is `wanted` of it has come, and until when it can come in with the certificate it has."""
    state = wanted.state(row) if wanted else None
    return GatewayView(
        id=row.id,
        place=row.place,
        online=row.online,
        last_heard_ms=None if row.last_heard_ns is None else row.last_heard_ns // MS,
        queued=row.queued,
        software=row.software,
        strangers=row.strangers,
        notes=row.notes,
        devices=[device_view(one) for one in row.devices],
        config=state,
        config_refused=row.config_refused if state == "refused" else None,
        certificate_ends_ms=None if certificate_ends_ns is None else certificate_ends_ns // MS,
        revoked=row.revoked,
    )


def device_view(one: DeviceRow) -> DeviceView:
    return DeviceView(
        id=one.id, driver=one.driver, gateway=one.gateway, link=one.link, battery=one.battery, faults=one.faults,
        last_seen_ms=None if one.last_seen_ns is None else one.last_seen_ns // MS, orders=one.orders,
    )  # fmt: skip


def config_view(row: GatewayRow, wanted: Wanted | None) -> GatewayConfig:
    """What is wanted of a gateway; all its own where nothing is."""
    settings = wanted.settings() if wanted else Settings()
    state = wanted.state(row) if wanted else "none"
    return GatewayConfig.model_validate(
        {
            "gateway": row.id, "version": wanted.version if wanted else 0,
            "state": state, "refused": row.config_refused if state == "refused" else None,
            "runs_version": row.config_version, "settings": msgspec.to_builtins(settings),
            "changed_by": wanted.changed_by if wanted else None,
            "changed_ms": wanted.changed_ns // MS if wanted else None,
        }
    )  # fmt: skip


def settings(said: GatewaySettings) -> Settings:
    """The same as it travels."""
    return msgspec.convert(said.model_dump(), Settings)
