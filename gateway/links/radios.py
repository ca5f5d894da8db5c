"""Which radio: what bleak's scanner and client are made with for a configuration.

A hub with BlueZ never loads Bumble, and the other way round.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.config import RadioConfig

if TYPE_CHECKING:
    from gateway.links.bumble_backend import BumbleHost


@dataclass(frozen=True)
class Chosen:
    """`scanner` and `client`: keyword arguments for BleakScanner and BleakClient. `host.run()` must be kept alive."""

    scanner: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    host: "BumbleHost | None" = None


def chosen(radio: RadioConfig) -> Chosen:
    """What to reach `radio` with."""
    if radio.kind == "bumble":
        _spare_cryptography()
        from gateway.links.bumble_backend import BumbleClient, BumbleHost, BumbleScanner

        host = BumbleHost(radio.transport or "")
        return Chosen({"backend": BumbleScanner, "host": host}, {"backend": BumbleClient, "host": host}, host)
    adapter = {"bluez": {"adapter": radio.adapter}} if radio.adapter else {}
    return Chosen(adapter, adapter)


def _spare_cryptography() -> None:
    """Let Bumble use its own primitives: 7 MB less, and slower only where devices are paired."""
    sys.modules.setdefault("bumble.crypto.cryptography", None)  # type: ignore[arg-type]
