"""`hjemvakt triage replay`: a patient's hours once more, as they were or under another programme."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hjemvakt.triage.kept import kept, person
from hjemvakt.triage.progress import bar
from server.decisions.replay import Became, Replayed, Said, replay
from server.patients.programmes import read
from server.readings.moments import moment, moment_of
from triage.programme import Programme
from vitals.alarm import Level
from vitals.clock import NS
from vitals.errors import ConfigError

OK, DIFFERS = 0, 1

_CALM = {"nb": "rolig", "en": "calm"}


def main(argv: Sequence[str]) -> int:
    """Run the command; returns 0, or 1 where the same programme does not say what was recorded."""
    said = _parser().parse_args(argv)
    instead = read(said.programme) if said.programme else None
    with kept(said.config) as server:
        one = person(server.tx, said.patient)
        from_ns, to_ns = moment_of("--from", said.since, server.zone), moment_of("--to", said.until, server.zone)
        if to_ns <= from_ns:
            raise ConfigError(f"--to {said.until} is not later than --from {said.since}", "exchange or correct them")
        to_ns = min(to_ns - 1, server.config.clock.now_ns())
        with bar("looks") as progress:
            found = replay(server.tx, one, from_ns, to_ns, server.programmes.of(one.programme), instead, progress)
    if said.json:
        print(msgspec.json.format(msgspec.json.encode(_tree(found, instead)).decode()))
    else:
        print("\n".join(_page(found, instead, said.language, server.zone)))
    told_anew = instead is None and found.assumed_ns is None
    return DIFFERS if told_anew and not found.same else OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt triage replay", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Goes through the journal in the order in which it was stored, looks when the server looked, and "
        "prints whenever a rule changes its mind, and what becomes of the alarms. Without --programme it must come out "
        "as it was recorded (else the exit code is 1); with it, it is what that programme would have said. Nothing is "
        "written; the server may be running.",
        epilog="examples\n"
        "  hjemvakt triage replay --patient p-001 --from 2026-03-01 --to 2026-03-02\n"
        "  hjemvakt triage replay --patient p-001 --from 2026-03-01 --to 2026-03-02 --programme copd-next.toml --json",
    )  # fmt: skip
    parser.add_argument("--patient", required=True, metavar="P", help="whose, by the municipality's id")
    parser.add_argument("--from", dest="since", required=True, metavar="T", help="the first moment, inclusive")
    parser.add_argument("--to", dest="until", required=True, metavar="T", help="the last moment, exclusive")
    parser.add_argument("--programme", type=Path, metavar="FILE", help="another programme than theirs")
    parser.add_argument(
        "--config", type=Path, default=Path("server.toml"), metavar="FILE", help="server.toml (the default)"
    )
    parser.add_argument("--language", choices=("nb", "en"), default="nb", help="of the sentences (nb)")
    parser.add_argument("--json", action="store_true", help="for a program")
    return parser


def _page(found: Replayed, instead: Programme | None, language: str, zone: ZoneInfo) -> Iterator[str]:
    told = [(one.t_ns, 0, _said(one, language)) for one in found.said]
    told += [(one.t_ns, 1, _became(one, language)) for one in found.became]
    for t_ns, _, text in sorted(told, key=lambda line: line[:2]):
        yield f"{datetime.fromtimestamp(t_ns // NS, UTC).astimezone(zone):%Y-%m-%d %H:%M:%S}  {text}"
    yield ""
    yield f"{found.looks} looks, {len(found.decided)} decisions, {len(found.recorded)} are recorded"
    if found.assumed_ns is not None:
        yield f"up to {moment(found.assumed_ns)} the looks or the limits were not written down: today's are assumed"
    if instead is not None:
        yield f"under {instead.name} {instead.version} ({instead.digest})"
    elif found.same:
        yield "the same as recorded, to the last bit"
    elif found.assumed_ns is None:
        yield "NOT the same as recorded"


def _said(one: Said, language: str) -> str:
    text = _CALM[language] if one.reason is None else one.reason.text[language]
    return f"  {one.rule} {one.level.name}: {text}"


def _became(one: Became, language: str) -> str:
    level = f" {one.decision.findings[0].level.name}" if one.decision else ""
    return f"{one.kind} alarm {one.what}{level}: {one.text[language]}"


def _tree(found: Replayed, instead: Programme | None) -> dict[str, Any]:
    """For a program. Times are nanoseconds since 1970 as text, since not every reader of JSON has whole numbers."""
    told_anew = instead is None and found.assumed_ns is None
    return {
        "began": str(found.began_ns), "looks": found.looks, "same": found.same if told_anew else None,
        "assumed_until": None if found.assumed_ns is None else str(found.assumed_ns),
        "recorded": len(found.recorded),
        "findings": [
            {"t_ns": str(one.t_ns), "rule": one.rule, "level": Level(one.level).name.lower(),
             "version": one.reason.version if one.reason else None,
             "because": one.reason.because if one.reason else {}, "text": one.reason.text if one.reason else _CALM}
            for one in found.said
        ],
        "changes": [
            {"t_ns": str(one.t_ns), "alarm": one.alarm, "kind": one.kind, "what": one.what, "text": one.text,
             "position": one.decision.seq if one.decision else None,
             "findings": [
                 {"rule": reason.rule, "version": reason.version, "level": reason.level.name.lower(),
                  "because": reason.because, "text": reason.text}
                 for reason in (one.decision.findings if one.decision else ())
             ]}
            for one in found.became
        ],
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
