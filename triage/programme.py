"""A programme: which rules watch over a patient, with which limits, and which measurements are expected how often.

It is a TOML file with a version, written by clinicians and checked here when it is read: an unknown rule, a limit that
no rule of the programme has, or a value that cannot be meant is refused with the nearest name that would have done.
Limits set for one patient win over the programme's, within what is plausible.
"""

import difflib
from collections.abc import Iterable, Mapping

import msgspec

from triage.catalogue import bounds, catalogue, defaults
from triage.contract import Rule
from triage.plan import Sooner
from triage.sentence import LANGUAGES
from vitals import settings
from vitals.answers import QUESTIONS
from vitals.channels import CHANNELS
from vitals.errors import ConfigError


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The patient measures `channel` every `every_s` seconds."""

    channel: str
    every_s: float


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The patient is asked, every `every_s` seconds, the question of `vitals.answers` that `channel` is named for."""

    channel: str
    every_s: float


class Programme(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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
    startup_days: float = 14.0
    """So long are a new patient's own limits learned, then proposed (check)."""

    def rules_of(self) -> tuple[Rule, ...]:
        """The rules themselves."""
        return tuple(catalogue()[name] for name in self.rules)


def parse(text: str, where: str) -> Programme:
    """The programme in the TOML `text`; `where` names the file in errors. Raises ConfigError."""
    return checked(settings.parse(text, Programme, where), where)


def checked(programme: Programme, where: str) -> Programme:
    """The same, if it can be used; `where` says in errors where it stands. Raises ConfigError."""
    for language in LANGUAGES:
        if not programme.title.get(language):
            raise ConfigError(f"{where}: [title] has no {language!r}", "give the title in " + " and ".join(LANGUAGES))
    for name in programme.rules:
        if name not in catalogue():
            raise ConfigError(f"{where}: unknown rule {name!r}", _near(name, catalogue()))
    _check(programme, programme.limits, where)
    for expect in programme.expect:
        _check_expect(programme, expect, where)
    for ask in programme.ask:
        _check_ask(ask, where)
    if not 3 <= programme.startup_days <= 90:
        raise ConfigError(f"{where}: startup_days = {programme.startup_days:g} is not plausible", "set it from 3 to 90")
    return programme


def limits_for(programme: Programme, personal: Mapping[str, float]) -> dict[str, float]:
    """Every limit of one patient: the rules' defaults, then the programme's, then the patient's own.

    A limit without a default that nobody has set is left out. Raises ConfigError for a `personal` limit that the
    programme does not have or that is not plausible.
    """
    _check(programme, personal, f"limits of a patient in {programme.name!r}")
    usual = {name: value for name, value in defaults(programme.rules_of()).items() if value == value}
    expected = {_expected(expect.channel): expect.every_s for expect in programme.expect}
    return {**usual, **expected, **programme.limits, **personal}


def _check(programme: Programme, limits: Mapping[str, float], where: str) -> None:
    allowed = bounds(programme.rules_of())
    for name, value in limits.items():
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


def _check_ask(ask: Ask, where: str) -> None:
    if ask.channel not in QUESTIONS:
        raise ConfigError(f"{where}: no question is worded for {ask.channel!r}", _near(ask.channel, QUESTIONS))
    if not 3600 <= ask.every_s <= 2_678_400:
        raise ConfigError(
            f"{where}: {ask.channel!r} asked every {ask.every_s:g} s is not plausible", "set it from 3600 to 2678400"
        )


def _expected(channel: str) -> str:
    return f"{channel}_expected_s"


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=2, cutoff=0.5)
    return "did you mean " + " or ".join(map(repr, near)) + "?" if near else "use one of " + ", ".join(sorted(names))
