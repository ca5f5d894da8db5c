"""`hjemvakt triage whatif`: what a programme would do to people, before it goes live."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hjemvakt.triage.progress import bar
from hjemvakt.triage.records import Known, known
from server.patients.programmes import read
from server.programmes.whatif import LONG_S, SHORT_S, Side, only, patient_days, personal, side, watched
from triage.passage import Alarm, Difference, Record, difference
from triage.programme import Programme
from vitals.alarm import Kind
from vitals.clock import NS
from vitals.errors import ConfigError

OK = 0
SHOWN = 10


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code. Raises ConfigError where what is asked makes no sense."""
    said = _parser().parse_args(argv)
    new = read(said.programme)
    against = read(said.against) if said.against else None
    data = known(said.on)
    people = _people(data, new, against)
    today = {one: against or data.programmes.of(data.followers[one].programme or new.name) for one in people}
    record = only(data.record, people)
    limits_new = {one: personal(one, new, data.followers[one].limits) for one in people}
    limits_old = {one: personal(one, today[one], data.followers[one].limits) for one in people}
    before = _run(record, next(iter(today.values())), limits_old, data.hourly, "before")
    after = _run(record, new, limits_new, data.hourly, "after")
    days = patient_days(record)
    sides = [side(one, found, days) for one, found in ((next(iter(today.values())), before), (new, after))]
    compared = difference(before, after)
    if said.json:
        print(msgspec.json.format(msgspec.json.encode(_tree(data, people, days, sides, compared)).decode()))
    else:
        print("\n".join(_page(data, people, days, sides, compared)))
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt triage whatif", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Lets a programme watch over what was recorded, and today's beside it: alarms for 100 days of one "
        "patient, how many patients would be touched, which alarms would come and which would go. Personal limits "
        "go on overriding the programme's. An alarm is taken to be attended to 12 h after it opened or rose. Nothing "
        "is written; a server may be running.",
        epilog="examples\n"
        "  hjemvakt triage whatif copd-next.toml --on server.toml\n"
        "  hjemvakt triage whatif copd-next.toml --on march.parquet --against copd.toml --json",
    )  # fmt: skip
    parser.add_argument("programme", type=Path, metavar="PROGRAMME.toml", help="the programme that might go live")
    parser.add_argument(
        "--on", type=Path, required=True, metavar="JOURNAL|FILE",
        help="a server.toml, a server's database, an export of `hjemvakt readings export`, or a table of patient, "
        "hour and channels (.parquet or .csv)",
    )  # fmt: skip
    parser.add_argument(
        "--against", type=Path, metavar="PROGRAMME.toml",
        help="today's (what each patient is on; for a file the one of the same name that comes with Hjemvakt)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for a program")
    return parser


def _people(data: Known, new: Programme, against: Programme | None) -> list[str]:
    """Whom the programme would watch over: those who follow it now; in a file that does not say, everybody."""
    there = set(data.record.patients)
    people = [one for one, of in data.followers.items() if of.programme in (None, new.name) and one in there]
    if people:
        if against is None:
            _shipped(data, new)
        return people
    if any(of.programme == new.name for of in data.followers.values()):
        raise ConfigError(f"nothing is known of anybody who follows {new.name!r}", "name data in which there is")
    followed = sorted({of.programme for of in data.followers.values() if of.programme})
    raise ConfigError(f"nobody follows {new.name!r}", f"give it the name of one that is: {', '.join(followed)}")


def _shipped(data: Known, new: Programme) -> None:
    if new.name not in data.programmes.names:
        raise ConfigError(
            f"there is no programme {new.name!r} today to compare with",
            f"name one with --against, or call it one of {', '.join(data.programmes.names)}",
        )


def _run(
    record: Record, programme: Programme, limits: Mapping[str, Mapping[str, float]], hourly: bool, which: str
) -> list[Alarm]:
    with bar(f"looks {which}") as progress:
        return watched(record, programme, limits, progress, short_s=LONG_S if hourly else SHORT_S)


def _page(
    data: Known, people: Sequence[str], days: float, sides: Sequence[Side], compared: Difference
) -> Iterator[str]:
    old, new = sides
    yield f"{len(people)} patient{'s' * (len(people) != 1)}, {days:.1f} patient-days"
    yield from data.remarks
    yield ""
    yield f"{'':28}{_named(old):>24}{_named(new):>24}"
    rows: list[tuple[str, object, object]] = [
        ("alarms", old.alarms, new.alarms),
        ("for 100 patient-days", _often(old), _often(new)),
        ("patients touched", old.touched, new.touched),
    ]
    for told in ("by_kind", "by_level", "by_rule"):
        names = dict.fromkeys([*getattr(old, told), *getattr(new, told)])
        rows += [(f"  {name}", getattr(old, told).get(name, 0), getattr(new, told).get(name, 0)) for name in names]
    for name, one, other in rows:
        yield f"{name:28}{one!s:>24}{other!s:>24}"
    yield ""
    yield f"{len(compared.come)} alarms come, {len(compared.go)} go, {compared.stay} stay"
    yield f"of those that stay {compared.higher} come to a higher level, {compared.lower} to a lower one"
    for word, found in (("comes", compared.come), ("goes", compared.go)):
        for one in found[:SHOWN]:
            yield f"  {word}  {_when(data, one)}  {one.patient}  {one.level.name}  {one.rule}"
        if len(found) > SHOWN:
            yield f"  … and {len(found) - SHOWN} more (--json has all)"


def _often(one: Side) -> str:
    return "too short" if one.per_100_patient_days is None else f"{one.per_100_patient_days:.2f}"


def _named(one: Side) -> str:
    return f"{one.programme} {one.version}"


def _when(data: Known, one: Alarm) -> str:
    """In a table of hours there is no calendar, so it is the hours since the patient's own beginning."""
    if data.hourly:
        return f"after {(one.opened_ns - data.began_ns[one.patient]) / (3600 * NS):.0f} h"
    return datetime.fromtimestamp(one.opened_ns // NS, UTC).strftime("%Y-%m-%d %H:%MZ")


def _tree(
    data: Known, people: Sequence[str], days: float, sides: Sequence[Side], compared: Difference
) -> dict[str, Any]:
    return {
        "patients": len(people), "patient_days": days, "remarks": list(data.remarks), "before": sides[0],
        "after": sides[1], "stay": compared.stay, "higher": compared.higher, "lower": compared.lower,
        "come": [_alarm(data, one) for one in compared.come], "go": [_alarm(data, one) for one in compared.go],
    }  # fmt: skip


def _alarm(data: Known, one: Alarm) -> dict[str, Any]:
    return {
        "patient": one.patient, "kind": Kind(one.kind).value, "level": one.level.name.lower(), "rule": one.rule,
        "opened": _when(data, one), "hours": (one.ended_ns - one.opened_ns) / (3600 * NS), "raised": one.raised,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
