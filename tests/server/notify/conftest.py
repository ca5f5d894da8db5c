"""The other side of each way out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.config import Database as DatabaseConfig
from server.notify.sender import Message
from tests.server.notify.gsm_modem import GsmModem, gsm_modem
from tests.server.notify.house import Staffed
from tests.server.notify.sink import Sink, sink

NOW_NS = 1_795_244_400 * 10**9
TEXT = "Hjemvakt: RØD alarm 12 for S.N. (SpO₂ under grensen). Logg inn for å se den."


def message(**other: Any) -> Message:
    given: dict[str, Any] = {
        "dedupe": "12/0.0/kari/sms", "alarm_id": 12, "channel": "sms", "to": "Kari Berg", "role": "nurse",
        "address": "+47 900 00 101", "text": TEXT, "t_ns": NOW_NS,
    }  # fmt: skip
    return Message(**given | other)


@pytest.fixture(name="sink")
def _sink() -> Iterator[Sink]:
    with sink() as made:
        yield made


@pytest.fixture
def modem() -> Iterator[GsmModem]:
    with gsm_modem() as made:
        yield made


@pytest.fixture
def secret_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a secret into a file of its own."""

    def made(text: str) -> Path:
        file = tmp_path / f"secret-{len(list(tmp_path.iterdir()))}"
        file.write_text(text + "\n", encoding="utf-8")
        return file

    return made


@pytest.fixture
def town(tmp_path: Path, database: DatabaseConfig) -> Iterator[Staffed]:
    made = Staffed(tmp_path, database=database)
    yield made
    made.server.close()
