"""docs/reference/configuration.md names every key that a configuration may have, with its real default."""

import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from gateway.config.model import Config as GatewayConfig
from server.config import Config as ServerConfig
from server.escalation.ladder import Written as Ladders
from server.municipality import Municipality
from server.sentry import Watch
from server.sentry import load as load_watch

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
FILES = {
    "server.toml": ServerConfig, "municipality.toml": Municipality, "ladders.toml": Ladders, "watch.toml": Watch,
    "gateway.toml": GatewayConfig,
}  # fmt: skip
_ROW = re.compile(r"\| `(?P<key>\w+)` \| (?P<default>[^|]+) \| (?P<meaning>[^|]+) \|")
_ELSEWHERE = {"watch.toml": ("notify",)}
"""Tables that are the same as another file's."""


def tables(model: type[msgspec.Struct], name: str, but: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, str]]]:
    """Each table of a file and its keys, with their defaults as the reference writes them."""
    hints, keys = get_type_hints(model), {}
    for field in msgspec.structs.fields(model):
        inner = list(structs(hints[field.name]))
        if not inner:
            keys[field.encode_name] = written(field)
        elif field.encode_name not in but:
            inside = field.encode_name if name in FILES else f"{name}.{field.encode_name}"
            yield from tables(inner[0], inside)
    if keys or name in FILES:
        yield name, keys


def structs(hint: Any) -> Iterator[type[msgspec.Struct]]:
    """The tables that a type is made of."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    elif get_origin(hint) in (tuple, Union, types.UnionType):
        for one in get_args(hint):
            yield from structs(one)


def written(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if default is None:
        return "none"
    told = f"{default:g}" if isinstance(default, float) else msgspec.json.encode(default, enc_hook=str).decode()
    return f"`{told.replace(',', ', ')}`"


def section(file: str, table: str) -> str:
    """The text of one table in the reference."""
    part = REFERENCE.partition(f"\n## `{file}`\n")[2].partition("\n## ")[0]
    if table == file:
        return part.partition("\n### ")[0]
    headings = [line for line in part.splitlines() if line.startswith("### ") and f"[{table}]" in line]
    assert len(headings) == 1, f"{file} has no heading for [{table}] in the reference"
    return part.partition(headings[0])[2].partition("\n### ")[0]


@pytest.mark.parametrize("file", FILES)
def test_every_key_is_named_with_its_default_and_no_other(file: str) -> None:
    for table, keys in tables(FILES[file], file, _ELSEWHERE.get(file, ())):
        told = {row["key"]: row["default"] for row in _ROW.finditer(section(file, table))}
        assert told == keys, f"[{table}] of {file}"


def test_the_example_of_a_watch_can_be_used(tmp_path: Path) -> None:
    example = (ROOT / "configs" / "watch.toml").read_text(encoding="utf-8")
    (tmp_path / "watch.toml").write_text(example, encoding="utf-8")
    (tmp_path / "sms-headers").write_text("Authorization: Bearer nobody\n", encoding="utf-8")
    assert load_watch(tmp_path / "watch.toml").tell
