"""Configuration text to a typed object, with errors that name the place and the mend in one line.

Each part declares its configuration as msgspec structs with `forbid_unknown_fields=True`; this module adds what a
person needs when it does not fit: the file, the key, and the nearest name that would have been right.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from vitals.errors import ConfigError

_UNKNOWN = re.compile(r"unknown field `(?P<field>[^`]*)`")

T = TypeVar("T")


def parse(text: str, kind: type[T], where: str) -> T:
    """The TOML `text` as a `kind`. `where` names the file in errors; raises ConfigError."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not TOML ({error})", "mend that line") from error
    return convert(tree, kind, where)


def convert(tree: object, kind: type[T], where: str) -> T:
    """A table that was parsed already as a `kind`; raises ConfigError as `parse` does."""
    try:
        return msgspec.convert(tree, kind, dec_hook=_from_text)
    except msgspec.ValidationError as error:
        raise _explained(error, kind, where) from error


def _from_text(kind: type, value: object) -> object:
    """TOML has no word for a path: it is a string."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"settings cannot hold a {kind.__name__}")


def _explained(error: msgspec.ValidationError, kind: type, where: str) -> ConfigError:
    found = _UNKNOWN.search(str(error))
    at = str(error).partition(" - at ")[2].strip("`").removeprefix("$").strip(".")
    if isinstance(error.__cause__, ValueError) and len(error.__cause__.args) == 2:
        text, mend = error.__cause__.args  # a struct's own check: what is wrong, what to do
        return ConfigError(f"{where}: [{at}] {text}", mend)
    if not found:
        return ConfigError(f"{where}: {error}".replace("`$.", "`"), "give that key a value of that kind")
    field = found["field"]
    table = re.sub(r"\[.*?\]", "", at)
    return ConfigError(f"{where}: unknown key {field!r}" + (f" in [{at}]" if at else ""), _meant(field, table, kind))


def _meant(field: str, table: str, kind: type) -> str:
    """What to do about a key that the table has not: the nearest name there, else the nearest of any other table."""
    here: dict[str, str] = {}
    elsewhere: dict[str, str] = {}
    for at, name in _places(kind):
        (here if at == table else elsewhere).setdefault(name, at)
    if near := difflib.get_close_matches(field, sorted(here), n=1):
        return f"did you mean {near[0]!r}?"
    if near := difflib.get_close_matches(field, sorted(elsewhere), n=1):
        at = elsewhere[near[0]]
        return f"did you mean {near[0]!r} " + (f"under {at!r}?" if at else "before the first table?")
    return "remove it" if table else "remove it, or name the right file"


def _places(kind: object, table: str = "", seen: frozenset[object] = frozenset()) -> Iterator[tuple[str, str]]:
    """Every field of a struct and of the structs inside it: the table it stands in, and its name."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
        for field in msgspec.structs.fields(kind):
            yield table, field.encode_name
            inside = f"{table}.{field.encode_name}" if table else field.encode_name
            yield from _places(field.type, inside, seen | {kind})
    for inner in getattr(kind, "__args__", ()):
        yield from _places(inner, table, seen)
