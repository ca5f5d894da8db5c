"""Devices as the page sees them."""

from server.api import DeviceView
from server.fleet.store import DeviceRow
from vitals.clock import MS


def device_view(one: DeviceRow) -> DeviceView:
    return DeviceView(
        id=one.id, driver=one.driver, gateway=one.gateway, link=one.link, battery=one.battery, faults=one.faults,
        last_seen_ms=None if one.last_seen_ns is None else one.last_seen_ns // MS, orders=one.orders,
    )  # fmt: skip
