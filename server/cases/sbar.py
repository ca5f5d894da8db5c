"""SBAR filled in from data, purely: what is known of a patient and an alarm goes in, four texts a language come out.

    situation        what the alarm says, when it was found, and NEWS2 as it is now, as far as it can be known
    background       age, conditions, programme and its version, limits, what is usual for this patient
    assessment       newest values with trend, quality and age; the rules that fired and their versions; what it was
                     found to come from
    recommendation   what is asked for, per protocol, by the alarm's priority

It is a draft: the sender changes it before it is sent, and both are kept. A value that is too old is named as such and
never as how things are; what is not known is said to be missing.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Literal

import msgspec

from server.alarms.model import Alarm
from server.alarms.words import CAUSE
from server.api import Text
from server.cases.model import Sbar
from server.notify.words import wait
from server.readings.api import News2, Value
from vitals.alarm import Level, Reason
from vitals.block import DOUBTED
from vitals.clock import NS

Language = Literal["nb", "en"]
LANGUAGES: tuple[Language, ...] = ("nb", "en")

REQUEST: dict[Level, dict[Language, str]] = {
    Level.HIGH: {
        "nb": "Ber om vurdering innen 30 min: råd, overtakelse eller innleggelse.",
        "en": "Please assess within 30 min: advise, take over or admit.",
    },
    Level.MEDIUM: {
        "nb": "Ber om vurdering innen 60 min, og om hvor ofte det skal måles videre.",
        "en": "Please assess within 60 min, and say how often to measure from now on.",
    },
    Level.LOW: {
        "nb": "Ber om råd i løpet av dagen.",
        "en": "Please advise in the course of the day.",
    },
}
"""RCP 2017: a NEWS2 of 7 asks for an emergency assessment (30 min), 5 to 6 for an urgent one (60 min) (check)."""

_COLOUR: dict[Language, dict[Level, str]] = {
    "nb": {Level.HIGH: "Rød", Level.MEDIUM: "Gul", Level.LOW: "Blå"},
    "en": {Level.HIGH: "Red", Level.MEDIUM: "Yellow", Level.LOW: "Cyan"},
}
_WORDS: dict[Language, dict[str, str]] = {
    "nb": {
        "since": "{colour} alarm siden {t}.", "worse": "{colour} alarm siden {t}, åpen siden {open}.",
        "found": "{what} ({t}).", "now": "Nå: {what}", "news2": "NEWS2 {total}.",
        "partial": "NEWS2 minst {total} (mangler {lacks}).",
        "no_news2": "NEWS2 er ikke kjent.", "years": "{age} år.", "conditions": "Kjent: {what}.",
        "no_conditions": "Ingen tilstander er ført opp.", "programme": "Program: {title}, versjon {version}.",
        "limits": "Grenser: {what}.", "own": "egen", "usual": "Vanlig siste to uker: {what}.",
        "no_usual": "Ingen målinger å sammenligne med fra de siste to ukene.", "below": "under {limit}",
        "above": "over {limit}", "up": "opp {change} siste døgn", "down": "ned {change} siste døgn",
        "doubt": "usikker måling", "old": "For gammelt til å gjelde nå: {what}.", "age": "{age} gammel",
        "none": "Ingen målinger.", "rule": "Regel {rule}, versjon {version}",
        "doubted": "målingen er merket som ugyldig", "cause": "Vurdert: {what}.",
        "settled": "Reglene finner det ikke lenger.",
    },
    "en": {
        "since": "{colour} alarm since {t}.", "worse": "{colour} alarm since {t}, open since {open}.",
        "found": "{what} ({t}).", "now": "Now: {what}", "news2": "NEWS2 {total}.",
        "partial": "NEWS2 at least {total} (missing {lacks}).", "no_news2": "NEWS2 is not known.",
        "years": "{age} years.",
        "conditions": "Known: {what}.", "no_conditions": "No conditions are listed.",
        "programme": "Programme: {title}, version {version}.", "limits": "Limits: {what}.", "own": "own",
        "usual": "Usual of the last two weeks: {what}.",
        "no_usual": "Nothing measured in the last two weeks to compare with.", "below": "below {limit}",
        "above": "above {limit}", "up": "up {change} in a day", "down": "down {change} in a day",
        "doubt": "doubtful reading", "old": "Too old to count as now: {what}.", "age": "{age} old",
        "none": "Nothing measured.", "rule": "Rule {rule}, version {version}",
        "doubted": "the reading is marked as invalid", "cause": "Assessed: {what}.",
        "settled": "The rules no longer find it.",
    },
}  # fmt: skip


class Facts(msgspec.Struct, frozen=True):
    """What is known. `worse_ns`: when the alarm rose to its level, None where it opened at that. `usual`: medians by
    channel; `own`: the names of personal limits' channels; `doubted`: rules."""

    alarm: Alarm
    worse_ns: int | None
    birth_year: int
    conditions: tuple[str, ...]
    programme: dict[str, str]
    version: str
    values: tuple[Value, ...]
    news2: News2 | None
    lacks: tuple[Text, ...]
    usual: dict[str, float]
    own: frozenset[str]
    doubted: frozenset[str]
    now_ns: int


def draft(facts: Facts, zone: tzinfo) -> dict[str, Sbar]:
    """The four texts, by language. `zone`: where the patient lives, whose clock the times are told by."""
    return {language: _in(language, facts, zone) for language in LANGUAGES}


def _in(language: Language, facts: Facts, zone: tzinfo) -> Sbar:
    words = _WORDS[language]
    return Sbar(
        situation=_situation(language, words, facts, zone),
        background=_background(language, words, facts),
        assessment=_assessment(language, words, facts, zone),
        recommendation=REQUEST[facts.alarm.level][language],
    )


def _situation(language: Language, words: Mapping[str, str], facts: Facts, zone: tzinfo) -> str:
    alarm = facts.alarm
    colour, opened = _COLOUR[language][alarm.level], _when(alarm.raised_ns, zone)
    if facts.worse_ns is None:
        said = [words["since"].format(colour=colour, t=opened)]
    else:
        said = [words["worse"].format(colour=colour, t=_when(facts.worse_ns, zone), open=opened)]
    standing = [reason for reason in alarm.reasons if reason.rule not in facts.doubted]
    said += [words["found"].format(what=one.text[language], t=_when(one.t_ns, zone)) for one in standing]
    was = next((reason for reason in standing if reason.rule == "news2"), None)
    if was is None:
        said.append(_news2(language, words, facts))
    elif not _says(was, facts.news2):  # else its own sentence says the score, and what it lacks
        said.append(words["now"].format(what=_news2(language, words, facts)))
    return " ".join(said)


def _says(reason: Reason, score: News2 | None) -> bool:
    """Whether what the rule found is the score as it is now."""
    now = None if score is None else (score.total, len(score.lacks))
    return now == (reason.because.get("total"), reason.because.get("lacks"))


def _news2(language: Language, words: Mapping[str, str], facts: Facts) -> str:
    if facts.news2 is None:
        return words["no_news2"]
    if not facts.lacks:
        return words["news2"].format(total=facts.news2.total)
    lacks = ", ".join(_lower(_text(one, language)) for one in facts.lacks)
    return words["partial"].format(total=facts.news2.total, lacks=lacks)


def _background(language: Language, words: Mapping[str, str], facts: Facts) -> str:
    age = datetime.fromtimestamp(facts.now_ns / NS, UTC).year - facts.birth_year
    said = [words["years"].format(age=age)]
    known = ", ".join(facts.conditions)
    said.append(words["conditions"].format(what=known) if known else words["no_conditions"])
    said.append(words["programme"].format(title=facts.programme[language], version=facts.version))
    limits = [shown for value in facts.values if (shown := _limits(language, words, facts, value))]
    if limits:
        said.append(words["limits"].format(what="; ".join(limits)))
    usual = [
        f"{_text(value.label, language)} {_number(facts.usual[value.channel], value.decimals)} {value.unit}".strip()
        for value in facts.values
        if value.channel in facts.usual
    ]
    said.append(words["usual"].format(what=", ".join(usual)) if usual else words["no_usual"])
    return " ".join(said)


def _assessment(language: Language, words: Mapping[str, str], facts: Facts, zone: tzinfo) -> str:
    fresh = [_measured(language, words, value, zone) for value in facts.values if not value.stale]
    old = [_old(language, words, value, facts.now_ns) for value in facts.values if value.stale]
    said = [f"{'; '.join(fresh)}." if fresh else words["none"]]
    if old:
        said.append(words["old"].format(what="; ".join(old)))
    for reason in facts.alarm.reasons:
        rule = words["rule"].format(rule=reason.rule, version=reason.version)
        said.append(f"{rule} ({words['doubted']})." if reason.rule in facts.doubted else f"{rule}.")
    if facts.alarm.settled:
        said.append(words["settled"])
    if facts.alarm.cause:
        said.append(words["cause"].format(what=CAUSE[facts.alarm.cause][LANGUAGES.index(language)]))
    return " ".join(said)


def _measured(language: Language, words: Mapping[str, str], value: Value, zone: tzinfo) -> str:
    parts = [f"{_text(value.label, language)} {_shown(value)} ({_when(value.t_ms * 1_000_000, zone)})"]
    if value.low is not None and value.value < value.low:
        parts.append(words["below"].format(limit=_number(value.low, value.decimals)))
    if value.high is not None and value.value > value.high:
        parts.append(words["above"].format(limit=_number(value.high, value.decimals)))
    if value.trend is not None and round(value.trend, value.decimals):
        way = words["up" if value.trend > 0 else "down"]
        parts.append(way.format(change=f"{_number(abs(value.trend), value.decimals)} {value.unit}".strip()))
    if not DOUBTED.isdisjoint(value.status):
        parts.append(words["doubt"])
    return ", ".join(parts)


def _old(language: Language, words: Mapping[str, str], value: Value, now_ns: int) -> str:
    age = words["age"].format(age=wait(now_ns / NS - value.t_ms / 1000))
    return f"{_text(value.label, language)} {_shown(value)}, {age}"


def _limits(language: Language, words: Mapping[str, str], facts: Facts, value: Value) -> str:
    bounds: Sequence[str] = [
        f"{sign} {_number(limit, value.decimals)}"
        for sign, limit in (("≥", value.low), ("≤", value.high))
        if limit is not None
    ]
    own = f" ({words['own']})" if value.channel in facts.own else ""
    return f"{_text(value.label, language)} {' '.join(bounds)} {value.unit}".rstrip() + own if bounds else ""


def _shown(value: Value) -> str:
    return f"{_number(value.value, value.decimals)} {value.unit}".strip()


def _number(value: float, decimals: int) -> str:
    """As it is written in Norway, in both languages: 82,4."""
    return f"{value:.{decimals}f}".replace(".", ",").replace("-", "−")


def _when(t_ns: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(t_ns / NS, zone).strftime("%d.%m.%Y %H:%M")


def _text(text: Text, language: Language) -> str:
    return text.nb if language == "nb" else text.en


def _lower(label: str) -> str:
    """A name in the middle of a sentence: `Pulse` as `pulse`, but `SpO₂` as it is."""
    first = label.split(" ")[0]
    return label[0].lower() + label[1:] if first[1:].islower() else label
