"""The rules there are: every module-level `Rule` of every module in `triage/rules/`, found by import.

A new rule is one file; nothing here or elsewhere has to be told of it.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType

import triage.rules
from triage.contract import Rule
from vitals.errors import ConfigError


@cache
def catalogue() -> Mapping[str, Rule]:
    """All rules by name, in the order of their names. Raises ConfigError if two of them do not fit together."""
    found = [rule for module in pkgutil.iter_modules(triage.rules.__path__) for rule in _rules_of(module.name)]
    by_name: dict[str, Rule] = {}
    for rule in sorted(found, key=lambda rule: rule.name):
        if rule.name in by_name:
            raise ConfigError(f"two rules are called {rule.name!r}", "rename the function of one of them")
        by_name[rule.name] = rule
    defaults(by_name.values())
    return MappingProxyType(by_name)


def defaults(rules: Iterable[Rule]) -> dict[str, float]:
    """Every limit these rules need with its default (NaN: none). Raises ConfigError where two rules disagree."""
    merged: dict[str, float] = {}
    for rule in rules:
        for name, value in rule.limits.items():
            known = merged.setdefault(name, value)
            if known != value and not (known != known and value != value):
                raise ConfigError(
                    f"limit {name!r} has the default {known} in one rule and {value} in {rule.name!r}",
                    "give them one default or two names",
                )
    return merged


def bounds(rules: Iterable[Rule]) -> dict[str, tuple[float, float]]:
    """What each limit may be set to: the range that every rule with that limit accepts."""
    merged: dict[str, tuple[float, float]] = {}
    for rule in rules:
        for name in rule.limits:
            low, high = rule.bounds.get(name, (-float("inf"), float("inf")))
            known = merged.get(name, (low, high))
            merged[name] = max(known[0], low), min(known[1], high)
    return merged


def source(rule: Rule) -> str | None:
    """Where the rule says its numbers are from: the sentence in its own words, or in those of its file."""
    for text in (rule.judge.__doc__, sys.modules[rule.judge.__module__].__doc__):
        said = " ".join((text or "").partition("Source: ")[2].split("\n\n")[0].split())
        if said and not said.startswith("see the module"):
            return said
    return None


def _rules_of(module: str) -> list[Rule]:
    loaded = importlib.import_module(f"triage.rules.{module}")
    return [
        value
        for value in vars(loaded).values()
        if isinstance(value, Rule) and value.judge.__module__ == loaded.__name__
    ]
