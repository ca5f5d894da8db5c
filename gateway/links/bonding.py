"""A bond that a person asks for, over BlueZ or Bumble: the device is found, and bonded with at once.

A running gateway makes its bonds within a visit (`gateway.links.ble`); this is `hjemvakt pair`'s.
"""

import asyncio

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice

from gateway.links.gatt import CONNECT_S, NO_ANSWER, Bonds
from gateway.links.radios import Chosen
from vitals.errors import ConfigError, LinkError

BOND_S = 60.0


def bonds_of(radio: Chosen) -> Bonds:
    """Who keeps the bonds; raises ConfigError where that is nobody we can ask."""
    if radio.bonds is None:
        raise ConfigError("this system keeps its bonds itself", "pair the device in its Bluetooth settings")
    return radio.bonds


async def found(radio: Chosen, address: str, for_s: float) -> BLEDevice | None:
    """The device, if it advertises within `for_s` seconds of the wall; raises LinkError."""
    try:
        return await BleakScanner.find_device_by_address(address, for_s, **radio.scanner)
    except NO_ANSWER as error:
        raise LinkError(
            f"the radio does not scan ({error})", "see that the adapter is there and switched on"
        ) from error


async def bond(radio: Chosen, device: BLEDevice) -> None:
    """Bumble wants a connection for it; BlueZ makes its own. Raises one of NO_ANSWER."""
    bonds, address = bonds_of(radio), device.address.upper()
    client = BleakClient(device, timeout=CONNECT_S, **radio.client)
    async with asyncio.timeout(BOND_S):
        try:
            if radio.host:
                await client.connect()
            await bonds.bond(address, client)
        finally:
            if radio.bluez:
                await radio.bluez.let_go(address)
            else:
                await client.disconnect()
