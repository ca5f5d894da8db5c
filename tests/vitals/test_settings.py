"""A wrong configuration is told in one line: where, what, and how to mend it."""

import msgspec
import pytest

from vitals.errors import ConfigError
from vitals.settings import parse


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    address: str
    every_s: float = 60


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    heartbeat_s: int = 20
    devices: tuple[Inner, ...] = ()


def test_a_right_configuration_becomes_an_object() -> None:
    text = 'name = "a"\n[[devices]]\naddress = "F0"'
    assert parse(text, Outer, "gateway.toml") == Outer("a", devices=(Inner("F0"),))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "a"\nhartbeat_s = 3', ("gateway.toml", "'hartbeat_s'", "'heartbeat_s'")),
        ('name = "a"\n[[devices]]\nadress = "F0"', ("gateway.toml", "'adress'", "[devices[0]]", "'address'")),
        ('name = "a"\ncolour = 3', ("gateway.toml", "'colour'", "remove it, or name the right file")),
        ('name = "a"\naddress = "F0"', ("gateway.toml", "'address'", "did you mean 'address' under 'devices'?")),
        ('name = "a"\n[[devices]]\nheartbeat_s = 3', ("[devices[0]]", "did you mean 'heartbeat_s' before the")),
        ("name = 3", ("gateway.toml", "name", "int", "str")),
        ("heartbeat_s = 3", ("gateway.toml", "missing", "name")),
        ("name = \nx = 1", ("gateway.toml", "not TOML", "line 1")),
    ],
)
def test_a_wrong_one_is_told_in_one_line(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as told:
        parse(text, Outer, "gateway.toml")
    said = str(told.value)
    assert "\n" not in said
    for word in words:
        assert word in said
