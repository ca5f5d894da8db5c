"""docs/reference/wire.md names every message and, of those that it spells out, every field."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from vitals import identity, wire

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "wire.md").read_text(encoding="utf-8")
SPELLED_OUT = (
    wire.Desired, wire.Settings, wire.DesiredDevice,
    wire.Wishes, wire.Request, wire.Asking, wire.Telling, wire.Followed,
)  # fmt: skip


@pytest.mark.parametrize("message", [*get_args(wire.Message), identity.Renewal, identity.Renewed])
def test_every_message_has_a_topic(message: type[msgspec.Struct]) -> None:
    assert re.search(rf"^\| `(up|down|state)[^|]*\| \w+ \| `{message.__name__}`:", PAGE, re.MULTILINE)


@pytest.mark.parametrize("message", SPELLED_OUT)
def test_every_field_is_named(message: type[msgspec.Struct]) -> None:
    named = set(re.findall(r"\w+", PAGE.partition("\n## Configuration\n")[2]))
    assert set(message.__struct_fields__) - named == set()
