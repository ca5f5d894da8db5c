"""`hjemvakt triage rules`: the rules there are, what each reads, and what may be set.

With --markdown it prints docs/reference/rules.md, so that the page says what the rules say.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from triage.catalogue import catalogue, source
from triage.contract import Rule

OK = 0

_HEAD = """\
# The rules

Printed by `hjemvakt triage rules --markdown`; a test holds this page to it. A limit without a default has to be set for
a patient, or the rule does not know. **(check)** marks what a clinician must confirm before use. Which rules watch over
whom is a programme's matter (`programmes.md`); how to write one stands in `../add-a-rule.md`.
"""


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="hjemvakt triage rules", description="Lists the rules.")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="one JSON document, for a program")
    how.add_argument("--markdown", action="store_true", help="the page of the documentation")
    said = parser.parse_args(argv)
    if said.json:
        print(msgspec.json.format(msgspec.json.encode([about(rule) for rule in catalogue().values()])).decode())
    else:
        sys.stdout.write(markdown() if said.markdown else "".join(_lines()))
    return OK


def about(rule: Rule) -> dict[str, Any]:
    """What there is to say of a rule, for a program."""
    return {
        "name": rule.name, "version": rule.version, "kind": rule.kind.value, "title": dict(rule.title),
        "reads": [*rule.reads, *rule.events], "does": _does(rule), "source": source(rule),
        "limits": {name: _limit(rule, name) for name in rule.limits},
    }  # fmt: skip


def markdown() -> str:
    """The page docs/reference/rules.md."""
    return _HEAD + "".join(f"\n{_section(rule)}" for rule in catalogue().values())


def _section(rule: Rule) -> str:
    title = rule.title.get("en", rule.name)
    lines = [
        f"## `{rule.name}`: {title}",
        "",
        f"Version {rule.version}, {rule.kind.value}. {_does(rule)}",
        "",
        _theory(rule),
    ]
    lines += ["", "Reads: " + ", ".join(f"`{name}`" for name in (*rule.reads, *rule.events)) + "."]
    if rule.limits:
        lines += ["", "| limit | default | from | to |", "|---|---|---|---|"]
        lines += [
            f"| `{name}` | {_shown(said['default'])} | {_shown(said['from'])} | {_shown(said['to'])} |"
            for name, said in ((name, _limit(rule, name)) for name in rule.limits)
        ]
    return "\n".join(lines) + "\n"


def _limit(rule: Rule, name: str) -> Mapping[str, float | None]:
    low, high = rule.bounds.get(name, (-float("inf"), float("inf")))
    return {"default": _finite(rule.limits[name]), "from": _finite(low), "to": _finite(high)}


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _lines() -> Iterator[str]:
    for rule in catalogue().values():
        yield f"{rule.name:20} {rule.version:3} {rule.kind.value:10} {rule.title.get('en', '')}\n"


def _theory(rule: Rule) -> str:
    """What the rule's file opens with."""
    return (sys.modules[rule.judge.__module__].__doc__ or "").strip()


def _does(rule: Rule) -> str:
    """What the rule's function says it does, without the list of its numbers."""
    said = (rule.judge.__doc__ or "").split("`because`")[0]
    return " ".join(said.split()).removesuffix("Source: see the module.").strip()
