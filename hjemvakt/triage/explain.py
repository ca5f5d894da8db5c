"""`hjemvakt triage explain`: why an alarm is as it is, and the same decision made once more."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from hjemvakt.triage.kept import kept
from server.alarms import table
from server.api import Text
from server.decisions.api import DecisionView, Explanation, RuleFinding, SeenReading
from server.decisions.explain import explain
from server.notify.words import wait
from vitals.clock import MS, NS
from vitals.errors import ConfigError

OK = 0
SHOWN = 12
"""So many readings of each channel are printed, the newest; `--json` has all."""

_WORDS = {
    "nb": {
        "opened": "åpnet alarmen", "raised": "hevet alarmen", "stacked": "kom til i alarmen",
        "late": "kom sent til den lukkede alarmen", "programme": "Program", "position": "journalen var på rad",
        "limits": "Grenser", "own": "pasientens egen", "numbers": "Tall", "from": "Bygger på", "rule": "regel",
        "source": "Kilde", "good": "", "doubted": "apparatet tviler", "late_reading": "sent: {}",
        "gone": "gjelder ikke lenger", "same": "Regnet ut på nytt: helt likt, til siste siffer",
        "changed": "Regnet ut på nytt: IKKE likt. Regelen er versjon {} nå, og sier: {}",
        "nothing": "ingenting", "older": "… og {} eldre",
    },
    "en": {
        "opened": "opened the alarm", "raised": "raised the alarm", "stacked": "was stacked on the alarm",
        "late": "came late to the closed alarm", "programme": "Programme", "position": "the journal was at row",
        "limits": "Limits", "own": "the patient's own", "numbers": "Numbers", "from": "Made from", "rule": "rule",
        "source": "Source", "good": "", "doubted": "doubted by the device", "late_reading": "late: {}",
        "gone": "counts no longer", "same": "Worked out anew: the same, to the last bit",
        "changed": "Worked out anew: NOT the same. The rule is version {} now, and says: {}",
        "nothing": "nothing", "older": "… and {} older ones",
    },
}  # fmt: skip


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code. Raises ConfigError for an alarm that is not there."""
    said = _parser().parse_args(argv)
    with kept(said.config) as server:
        alarm = table.get(server.tx, int(said.alarm)) if said.alarm.isdecimal() and len(said.alarm) < 19 else None
        if alarm is None:
            raise ConfigError(f"there is no alarm {said.alarm!r}", "take the number that the staff page shows")
        found = explain(server.tx, alarm)
    if said.json:
        print(found.model_dump_json(indent=2))
    else:
        print("\n".join(_page(found, said.language, server.zone)))
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt triage explain", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Says of each decision about an alarm why it was made: the numbers, the readings that were known "
        "then, the rule's version and source, the programme and the limits. Then makes it once more and says whether "
        "it comes out the same, to the last bit. Nothing is written; the server may be running.",
        epilog="examples\n  hjemvakt triage explain 17 --config server.toml\n"
        "  hjemvakt triage explain 17 --language en --json",
    )  # fmt: skip
    parser.add_argument("alarm", metavar="ALARM", help="the alarm's number")
    parser.add_argument(
        "--config", type=Path, default=Path("server.toml"), metavar="FILE", help="server.toml (the default)"
    )
    parser.add_argument("--language", choices=tuple(_WORDS), default="nb", help="of the sentences (nb)")
    parser.add_argument("--json", action="store_true", help="for a program")
    return parser


def _page(found: Explanation, language: str, zone: ZoneInfo) -> Iterator[str]:
    yield f"{found.alarm} {found.patient} {found.kind}"
    if found.lacks is not None:
        yield _in(found.lacks, language)
    for one in found.decisions:
        yield from _decision(one, language, zone)


def _decision(one: DecisionView, language: str, zone: ZoneInfo) -> Iterator[str]:
    words = _WORDS[language]
    yield ""
    yield f"{_time(int(one.t_ns), zone)}  {words[one.what]}"
    yield f"  {words['programme']}: {one.programme} {one.version} ({one.digest}); {words['position']} {one.position}"
    for finding in one.findings:
        yield from _finding(finding, language, zone)
    yield f"  {words['limits']}:"
    for limit in one.limits:
        yield f"    {limit.name} = {limit.value!r}" + (f" ({words['own']})" if limit.personal else "")


def _finding(one: RuleFinding, language: str, zone: ZoneInfo) -> Iterator[str]:
    words = _WORDS[language]
    yield f"  {one.priority.upper()}: {_in(one.text, language)}"
    yield f"    {words['rule']} {one.rule} {one.version}"
    if one.source:
        yield f"    {words['source']}: {one.source}"
    numbers = ", ".join(f"{name} = {number!r}" for name, number in one.because.items() if number is not None)
    if numbers:
        yield f"    {words['numbers']}: {numbers}"
    if one.readings:
        yield f"    {words['from']}:"
        yield from _readings(one.readings, language, zone)
    if one.why is not None:
        yield f"    {_in(one.why, language)}"
    elif one.same:
        yield f"    {words['same']}"
    else:
        again = _in(one.again, language) if one.again else words["nothing"]
        yield f"    {words['changed'].format(one.now_version, again)}"


def _readings(readings: Sequence[SeenReading], language: str, zone: ZoneInfo) -> Iterator[str]:
    words = _WORDS[language]
    for channel in dict.fromkeys(one.channel for one in readings):
        of = [one for one in readings if one.channel == channel]
        for one in of[-SHOWN:]:
            notes = [
                *([] if one.good else [words["doubted"]]),
                *([words["late_reading"].format(wait((one.stored_ms - one.t_ms) * MS / NS))] if one.late else []),
                *([] if one.counts else [words["gone"]]),
            ]
            value = f"{one.value:.{max(0, one.decimals)}f} {one.unit}".strip()
            note = f" ({', '.join(notes)})" if notes else ""
            yield f"      {_time(one.t_ms * MS, zone)}  {_in(one.label, language)} {value}, {one.device}{note}"
        if len(of) > SHOWN:
            yield f"      {words['older'].format(len(of) - SHOWN)}"


def _in(text: Text, language: str) -> str:
    return text.nb if language == "nb" else text.en


def _time(t_ns: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(t_ns // NS, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
