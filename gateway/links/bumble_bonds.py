"""The bonds of a Bumble host, in a file.

A bond is between two addresses, and Bumble keeps the keys of a host under the host's own. So the file also says what
our address was: with another, no device would know us again.

Whoever has the keys can listen and speak in our name: the file is its owner's alone, from its first byte on.
"""

import json
import os
from pathlib import Path
from typing import Any

from bumble import hci
from bumble.keys import JsonKeyStore
from bumble.pairing import PairingDelegate

from gateway.files import sync
from gateway.links.contract import Ask
from vitals.errors import ConfigError

BONDS_FILE = "bonds.json"


def own_address(path: Path | None) -> hci.Address:
    """The address our bonds were made with; a new one where there is none. Raises ConfigError."""
    try:
        known = list(json.loads(path.read_text("utf-8"))) if path and path.exists() else []
        return hci.Address(known[0]) if known else hci.Address.generate_static_address()
    except (OSError, ValueError) as error:
        raise ConfigError(f"the bonds in {path} cannot be read ({error})", "move it away and pair again") from error


class BondFile(JsonKeyStore):
    """Bumble's key store, for its owner's eyes, and on disk when it says so."""

    async def save(self, db: dict[str, Any]) -> None:
        draft = self.filename.with_name(self.filename.name + ".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(db, file, sort_keys=True, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.filename)
        sync(self.filename.parent)


class Person(PairingDelegate):
    """Types what the device shows."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(PairingDelegate.KEYBOARD_INPUT_ONLY)
        self._ask = ask

    async def get_number(self) -> int | None:
        return await self._ask()
