"""`hjemvakt triage programmes`: which programmes there are, what one of them says in full, whether a file is one."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from server.patients.programmes import load, read
from triage.catalogue import bounds, defaults
from triage.programme import GIVEN, Programme, limits_for
from vitals.answers import QUESTIONS
from vitals.channels import CHANNELS
from vitals.errors import ConfigError

OK, WRONG = 0, 2


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code. Raises ConfigError for a folder or a name that is not there."""
    said = _parser().parse_args(argv)
    if said.do == "check":
        return _check(said.files)
    programmes = load(said.folder)
    if said.do == "show":
        programme = programmes.of(said.name)
        print(_json(_about(programme)) if said.json else "\n".join(_sheet(programme)))
    else:
        found = [programmes.of(name) for name in programmes.names]
        print(_json([_about(one) for one in found]) if said.json else "\n".join(_table(found)))
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt triage programmes", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="The programmes that patients can follow.",
        epilog="examples\n  hjemvakt triage programmes\n  hjemvakt triage programmes show copd --json\n"
        "  hjemvakt triage programmes check my-programmes/copd.toml",
    )  # fmt: skip
    parser.set_defaults(do="list")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    show = commands.add_parser("show", help="one programme in full: rules, limits with their bounds, plan, questions")
    show.add_argument("name", metavar="NAME", help="its name")
    show.set_defaults(do="show")
    check = commands.add_parser(
        "check", help="say whether a file is a programme that can be used",
        description="Prints one line for each file, and exits with 2 if one cannot be used. Nothing is written.",
    )  # fmt: skip
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a programme's TOML file")
    check.set_defaults(do="check")
    for one in (parser, show):
        # The same option before and after `show`; what was given before is not undone by a default after.
        first = None if one is parser else argparse.SUPPRESS
        one.add_argument("--folder", type=Path, default=first, metavar="DIR", help="a folder of them (ours)")
        one.add_argument("--json", action="store_true", default=False if one is parser else first, help="for a program")
    return parser


def _check(files: Sequence[Path]) -> int:
    code = OK
    known: dict[str, Path] = {}
    for file in files:
        try:
            programme = read(file)
            if programme.name in known:
                raise ConfigError(f"{file}: {programme.name!r} is the name of {known[programme.name]}", "rename one")
            known[programme.name] = file
            print(f"{file}: ok: {_line(programme)}")
        except ConfigError as error:
            print(error, file=sys.stderr)
            code = WRONG
    return code


def _line(programme: Programme) -> str:
    return (
        f"{programme.name} {programme.version} ({programme.digest}), {len(programme.rules)} rules, "
        f"{len(programme.expect)} measurements, {len(programme.ask)} questions"
    )


def _table(programmes: Sequence[Programme]) -> list[str]:
    rows = [("NAME", "VERSION", "DIGEST", "RULES", "MEASURED", "ASKED", "TITLE")]
    rows += [
        (
            one.name, one.version, one.digest, str(len(one.rules)), str(len(one.expect)), str(len(one.ask)),
            one.title["en"],
        )
        for one in programmes
    ]  # fmt: skip
    return _columns(rows)


def _sheet(programme: Programme) -> list[str]:
    """Everything it says, and what it leaves to the rules."""
    limits, usual = limits_for(programme, {}), defaults(programme.rules_of())
    allowed = bounds(programme.rules_of())
    rows = [
        (
            f"  {name}", f"{limits[name]:g}" if name in limits else "not set",
            f"{allowed[name][0]:g} to {allowed[name][1]:g}",
            "the programme's" if limits.get(name, usual[name]) != usual[name] and name in limits else "",
        )
        for name in sorted(usual.keys() - GIVEN)
        if name in limits or not name.endswith("_expected_s")
    ]  # fmt: skip
    return [
        f"{programme.title['en']}: {_line(programme)}",
        "rules",
        *_columns(
            [(f"  {rule.name}", rule.version, rule.kind.value, rule.title["en"]) for rule in programme.rules_of()]
        ),
        "limits, what a person may set them to, and whose they are",
        *_columns(rows),
        "measured",
        *[f"  {CHANNELS[one.channel].en}, every {one.every_s / 3600:g} h" for one in programme.expect],
        "asked",
        *[f"  {QUESTIONS[one.channel].en} Every {one.every_s / 3600:g} h" for one in programme.ask],
    ]


def _about(programme: Programme) -> dict[str, Any]:
    allowed = bounds(programme.rules_of())
    limits = limits_for(programme, {})
    return {
        "name": programme.name,
        "version": programme.version,
        "digest": programme.digest,
        "title": programme.title,
        "rules": [{"name": rule.name, "version": rule.version, "kind": rule.kind} for rule in programme.rules_of()],
        "limits": {
            name: {"value": limits.get(name), "low": low, "high": high}
            for name, (low, high) in sorted(allowed.items())
            if name not in GIVEN
        },
        "expect": programme.expect,
        "ask": programme.ask,
    }


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
