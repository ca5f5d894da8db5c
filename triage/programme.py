"""A programme: which rules watch over a patient, with which limits, and which measurements are expected how often.

It is a TOML file with a version, written by clinicians and checked here when it is read: an unknown rule, a limit that
no rule of the programme has, or a value that cannot be meant is refused with the nearest name that would have done.
So is what contradicts itself: an amber limit beyond the red one, a thing said twice, a measurement whose absence nobody
would notice, a question that has no words. Limits set for one patient win over the programme's, within what is
plausible and without such a contradiction.

`Programme.digest` tells two texts of one name and version apart; `limits_for` depends on the programme and the personal
limits and on nothing else, so whoever has both has the limits that applied.
"""

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Literal

import msgspec

from triage.catalogue import bounds, catalogue, defaults
from triage.contract import Rule
from triage.plan import Sooner
from triage.sentence import LANGUAGES
from vitals import settings
from vitals.answers import QUESTIONS
from vitals.channels import CHANNELS
from vitals.errors import ConfigError

GIVEN = frozenset({"gateway_silent", "silence_shared", "watched_since_ns"})
"""Limits that say how things are with a home. Whoever runs the rules knows; nobody sets them."""


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The patient measures `channel` every `every_s` seconds."""

    channel: str
    every_s: float


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The patient is asked, every `every_s` seconds, the question of `vitals.answers` that `channel` is named for."""

    channel: str
    every_s: float


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be done about an alarm: first `do`, in a sentence, then `steps`, the procedure to follow.

    Both have every language of `triage.sentence.LANGUAGES`, and as many steps in each. `rule`: only for what that rule
    finds, before one without. `source`: where it is from; with (check) where a clinician must confirm it.
    """

    priority: Literal["high", "medium", "low"]
    do: dict[str, str]
    source: str
    steps: dict[str, tuple[str, ...]] = {}
    rule: str = ""


class Programme(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A programme as written. `title` has every language of `triage.sentence.LANGUAGES`."""

    name: str
    version: str
    title: dict[str, str]
    rules: tuple[str, ...]
    limits: dict[str, float] = {}
    expect: tuple[Expect, ...] = ()
    ask: tuple[Ask, ...] = ()
    sooner: Sooner = Sooner()
    """When the patient is asked to measure before the next expected time (`triage.plan`)."""
    action: tuple[Action, ...] = ()
    startup_days: float = 14.0
    """So long are a new patient's own limits learned, then proposed (check)."""

    @property
    def digest(self) -> str:
        """What it says, as 16 hexadecimal digits: comments and the order of its keys are nothing to it."""
        said = msgspec.json.encode(self, order="deterministic")
        return hashlib.sha256(said).hexdigest()[:16]

    def rules_of(self) -> tuple[Rule, ...]:
        """The rules themselves."""
        return tuple(catalogue()[name] for name in self.rules)


def parse(text: str, where: str) -> Programme:
    """The programme in the TOML `text`; `where` names the file in errors. Raises ConfigError."""
    return checked(settings.parse(text, Programme, where), where)


def checked(programme: Programme, where: str) -> Programme:
    """The same, if it can be used; `where` says in errors where it stands. Raises ConfigError."""
    for key in ("name", "version"):
        if not getattr(programme, key).strip():
            raise ConfigError(f"{where}: {key} is empty", f"give the programme a {key}")
    for language in LANGUAGES:
        if not programme.title.get(language):
            raise ConfigError(f"{where}: [title] has no {language!r}", "give the title in " + " and ".join(LANGUAGES))
    if not programme.rules:
        raise ConfigError(f"{where}: no rule watches over anybody", "name at least one in `rules`")
    for name in programme.rules:
        if name not in catalogue():
            raise ConfigError(f"{where}: unknown rule {name!r}", _near(name, catalogue()))
    _check_once("rules", programme.rules, where)
    _check(programme, programme.limits, where)
    _check_once("[[expect]]", [expect.channel for expect in programme.expect], where)
    for expect in programme.expect:
        _check_expect(programme, expect, where)
    _check_once("[[ask]]", [ask.channel for ask in programme.ask], where)
    for ask in programme.ask:
        _check_ask(ask, where)
    _check_once("[[action]]", [f"{action.priority} {action.rule}".strip() for action in programme.action], where)
    for action in programme.action:
        _check_action(programme, action, where)
    _check_order(programme, _usual(programme) | programme.limits, where)
    if not 3 <= programme.startup_days <= 90:
        raise ConfigError(f"{where}: startup_days = {programme.startup_days:g} is not plausible", "set it from 3 to 90")
    return programme


def limits_for(programme: Programme, personal: Mapping[str, float]) -> dict[str, float]:
    """Every limit of one patient: the rules' defaults, then the programme's, then the patient's own.

    A limit without a default that nobody has set is left out. Raises ConfigError for a `personal` limit that the
    programme does not have, that is not plausible, or that contradicts another.
    """
    where = f"limits of a patient in {programme.name!r}"
    _check(programme, personal, where)
    limits = _usual(programme) | programme.limits | dict(personal)
    _check_order(programme, limits, where)
    return limits


def _usual(programme: Programme) -> dict[str, float]:
    """What applies where neither the programme nor the patient says otherwise."""
    usual = {name: value for name, value in defaults(programme.rules_of()).items() if value == value}
    if "patient_silent" in programme.rules and "silence_shared" in usual:
        usual["silence_shared"] = 1.0  # what is silent altogether is told once, by the rule that says just that
    return usual | {_expected(expect.channel): expect.every_s for expect in programme.expect}


def _check(programme: Programme, limits: Mapping[str, float], where: str) -> None:
    allowed = bounds(programme.rules_of())
    for name, value in limits.items():
        if name in GIVEN:
            raise ConfigError(f"{where}: {name} is for nobody to set", "take it out: whoever runs the rules says it")
        if name not in allowed:
            raise ConfigError(f"{where}: no rule of the programme has a limit {name!r}", _near(name, allowed))
        low, high = allowed[name]
        if not low <= value <= high:
            raise ConfigError(f"{where}: {name} = {value} is not plausible", f"set it from {low:g} to {high:g}")


def _check_expect(programme: Programme, expect: Expect, where: str) -> None:
    if expect.channel not in CHANNELS:
        raise ConfigError(f"{where}: unknown channel {expect.channel!r} in [[expect]]", _near(expect.channel, CHANNELS))
    name = _expected(expect.channel)
    if name not in bounds(programme.rules_of()):
        raise ConfigError(
            f"{where}: {expect.channel!r} is expected, but no rule of the programme would notice its absence",
            f"add a rule with the limit {name!r} (device_silent), or take the channel out of [[expect]]",
        )
    _check(programme, {name: expect.every_s}, where)
    if programme.limits.get(name, expect.every_s) != expect.every_s:
        raise ConfigError(
            f"{where}: {expect.channel!r} is expected every {expect.every_s:g} s in [[expect]] and every "
            f"{programme.limits[name]:g} s in [limits]",
            f"say it once, in [[expect]], and take {name!r} out of [limits]",
        )


def _check_ask(ask: Ask, where: str) -> None:
    if ask.channel not in QUESTIONS:
        raise ConfigError(f"{where}: no question is worded for {ask.channel!r}", _near(ask.channel, QUESTIONS))
    if not 3600 <= ask.every_s <= 2_678_400:
        raise ConfigError(
            f"{where}: {ask.channel!r} asked every {ask.every_s:g} s is not plausible", "set it from 3600 to 2678400"
        )


def _check_action(programme: Programme, action: Action, where: str) -> None:
    name = f"{where}: [[action]] {action.priority} {action.rule}".rstrip()
    if action.rule and action.rule not in programme.rules:
        raise ConfigError(f"{name}: no rule of the programme", _near(action.rule, programme.rules))
    if not action.source.strip():
        raise ConfigError(f"{name} has no source", "say where it is from, with (check) if a clinician must confirm it")
    for language in LANGUAGES:
        if not action.do.get(language):
            raise ConfigError(f"{name}: do has no {language!r}", "say it in " + " and ".join(LANGUAGES))
    if len({len(action.steps.get(language, ())) for language in LANGUAGES}) > 1:
        raise ConfigError(f"{name}: not the same steps in each language", "translate each of them, in the same order")


def _check_once(table: str, names: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(f"{where}: {name!r} stands twice in {table}", "keep one of them")
        seen.add(name)


def _check_order(programme: Programme, limits: Mapping[str, float], where: str) -> None:
    for rule in programme.rules_of():
        for row in rule.order:
            for lower, upper in pairwise(name for name in row if name in limits):
                if limits[lower] > limits[upper]:
                    raise ConfigError(
                        f"{where}: {lower} = {limits[lower]:g} is above {upper} = {limits[upper]:g}",
                        f"the rule {rule.name!r} needs {' <= '.join(row)}: lower the one or raise the other",
                    )


def _expected(channel: str) -> str:
    return f"{channel}_expected_s"


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=2, cutoff=0.5)
    return "did you mean " + " or ".join(map(repr, near)) + "?" if near else "use one of " + ", ".join(sorted(names))
