"""A hub becomes somebody: from the code on the paper to the first reading that the server has."""

import stat
from pathlib import Path

from tests.identity.place import Place, home


async def test_from_the_code_on_the_paper_to_the_first_reading(place: Place) -> None:
    config = await place.claimed("home-1")
    async with home(config) as hub:
        await hub.measure(94.0, 93.0)
        await hub.until(lambda: hub.spool.status.queued == 0)
    assert place.stored() == [94.0, 93.0]
    identity = Path(config.data) / "identity"
    assert {one.name for one in identity.iterdir()} == {
        "key.pem", "certificate.pem", "authority.pem", "batch.key", "server.pub", "spread",
    }  # fmt: skip
    assert stat.S_IMODE((identity / "key.pem").stat().st_mode) == 0o600
    assert len(bytes.fromhex((identity / "batch.key").read_text())) == 32
