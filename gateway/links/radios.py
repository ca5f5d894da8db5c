"""Which radio: what bleak's scanner and client are made with for a configuration.

A hub with BlueZ never loads Bumble, and the other way round.
"""

import asyncio
import contextlib
import platform
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.config.model import RadioConfig
from gateway.tasks import ended

if TYPE_CHECKING:
    from gateway.links.bluez import BlueZ
    from gateway.links.bumble_host import BumbleHost
    from gateway.links.contract import Ask
    from gateway.links.gatt import Bonds


@dataclass(frozen=True)
class Chosen:
    """`scanner` and `client`: keyword arguments for BleakScanner and BleakClient. `run()` must be kept alive.

    `host` is Bumble's, `bluez` what BlueZ does beside bleak.
    """

    scanner: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    host: "BumbleHost | None" = None
    bluez: "BlueZ | None" = None

    async def run(self) -> None:
        """Keep it alive, for ever."""
        for one in (self.host, self.bluez):
            if one:
                await one.run()

    @property
    def bonds(self) -> "Bonds | None":
        """Who keeps the bonds."""
        return self.bluez or self.host


def chosen(radio: RadioConfig, data: Path | None = None, ask: "Ask | None" = None) -> Chosen:
    """What to reach `radio` with. `data`: the folder for bonds, without which none are made; `ask`: for the digits."""
    if radio.kind == "bumble":
        _spare_cryptography()
        from gateway.links.bumble_backend import BumbleClient, BumbleScanner
        from gateway.links.bumble_bonds import BONDS_FILE
        from gateway.links.bumble_host import BumbleHost

        host = BumbleHost(radio.transport or "", data / BONDS_FILE if data else None, ask)
        return Chosen({"backend": BumbleScanner, "host": host}, {"backend": BumbleClient, "host": host}, host)
    adapter = {"bluez": {"adapter": radio.adapter}} if radio.adapter else {}
    if data is None or platform.system() != "Linux":  # elsewhere bleak's system has ways of its own
        return Chosen(adapter, adapter)
    from gateway.links.bluez import BlueZ

    return Chosen(adapter, adapter, bluez=BlueZ(radio.adapter, ask))


@contextlib.asynccontextmanager
async def reached(radio: RadioConfig, data: Path | None = None, ask: "Ask | None" = None) -> AsyncIterator[Chosen]:
    """What bleak is made with for this radio, alive meanwhile; the arguments are those of `chosen`."""
    made_with = chosen(radio, data, ask)
    running = asyncio.create_task(made_with.run())
    try:
        yield made_with
    finally:
        await ended([running])


def _spare_cryptography() -> None:
    """Let Bumble use its own primitives: 7 MB less, and slower only where devices are paired."""
    sys.modules.setdefault("bumble.crypto.cryptography", None)  # type: ignore[arg-type]
