"""Which drivers there are: every module in this folder that has a class with a card.

There is no list to add a driver to. A file put here is found by import; a file that cannot be imported is an error of
the installation and is told at once, not when its device is switched on.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType, ModuleType

import drivers
from drivers.contract import Card, Driver
from vitals.errors import ConfigError

_BASE_UUID = "-0000-1000-8000-00805f9b34fb"


@cache
def catalogue() -> Mapping[str, type[Driver]]:
    """Every installed driver by the name on its card, in order of name. Raises ConfigError when two share a name."""
    found: dict[str, type[Driver]] = {}
    for module in _modules():
        for driver in _drivers(module):
            name = driver.card.name
            if name in found:
                both = f"{found[name].__module__} and {driver.__module__}"
                raise ConfigError(f"two drivers are called {name!r} ({both})", "rename one on its card")
            found[name] = driver
    return MappingProxyType(dict(sorted(found.items())))


def find(name: str) -> type[Driver]:
    """The driver called `name`; raises ConfigError that says which names are near."""
    known = catalogue()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3)
    mend = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are: {', '.join(known)}"
    raise ConfigError(f"no driver is called {name!r}", mend)


def takes(card: Card, services: Iterable[str], local_name: str | None) -> bool:
    """Whether an advert with these service UUIDs (any form) and this name is of a device `card` describes."""
    if not (card.services or card.local_names):
        return False
    right_service = not card.services or not set(card.services).isdisjoint(map(short_uuid, services))
    right_name = not card.local_names or (local_name or "").startswith(card.local_names)
    return right_service and right_name


def short_uuid(uuid: str) -> str:
    """A UUID as cards and pipes write it: lower case, four digits where it has such a form."""
    uuid = uuid.lower()
    if uuid.endswith(_BASE_UUID) and uuid.startswith("0000"):
        return uuid[4:8]
    return uuid


def _modules() -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(drivers.__path__, "drivers."):
        if not info.name.removeprefix("drivers.").startswith("_"):
            yield importlib.import_module(info.name)


def _drivers(module: ModuleType) -> Iterator[type[Driver]]:
    """The classes made in `module` that carry a card."""
    for thing in vars(module).values():
        if isinstance(thing, type) and thing.__module__ == module.__name__ and isinstance(_card(thing), Card):
            yield thing


def _card(thing: type) -> object:
    return getattr(thing, "card", None)
