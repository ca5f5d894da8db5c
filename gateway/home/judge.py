"""The server's rules on one home. It is loaded when it is needed: numpy alone is a third of a hub's memory.

What it is told comes as a table, from the server or else from `[local]` of the hub's file: a programme, and the limits
that are this person's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.home.recent import Kept
from triage.contract import Rule
from triage.grid import Sample, window
from triage.plan import Changes, Habits, Past, Wish, findings, plan
from triage.programme import Programme, checked, limits_for
from triage.run import Verdicts, run
from triage.samples import samples_of
from vitals.errors import ConfigError, reason
from vitals.settings import convert, parse

PATIENT = "home"


class Judge:
    """The rules of a programme; raises ConfigError where programme or limits cannot be used."""

    def __init__(
        self, programme: Mapping[str, object], limits: Mapping[str, float], where: str = "[local]", digest: str = ""
    ) -> None:
        """`digest`: the programme's, where this is not all of it."""
        self._programme = checked(convert(dict(programme), Programme, where), where)
        self.digest = digest or self._programme.digest
        self._rules = self._programme.rules_of()
        self._limits = limits_for(self._programme, limits)

    @property
    def title(self) -> str:
        """The programme's name and version."""
        return f"{self._programme.name} {self._programme.version}"

    def verdicts(self, samples: Iterable[Kept], now_ns: int) -> Verdicts:
        """What the rules say at `now_ns`, of the one patient there is (row 0)."""
        told = [sample for kept in samples for sample in _samples(kept)]
        return run(window(now_ns, [PATIENT], told, self._rules, {PATIENT: self._limits}), self._rules)

    def plan(
        self, verdicts: Verdicts, newest_ns: Mapping[str, int], standing: Sequence[Wish], past: Sequence[Past],
        now_ns: int, zone: ZoneInfo,
    ) -> Changes:  # fmt: skip
        """What the home is to measure sooner, as the server would ask for it (`triage.plan`)."""
        sooner = self._programme.sooner
        every_s = {ask.channel: ask.every_s for ask in self._programme.ask}
        every_s |= {one.channel: self._limits[f"{one.channel}_expected_s"] for one in self._programme.expect}
        found = findings(verdicts, 0, sooner)
        return plan(found, Habits(every_s, newest_ns), standing, past, now_ns, sooner, sooner.day(zone))

    def reads(self, rule: str) -> tuple[str, ...]:
        """The channels and the kinds of event that the rule looks at."""
        return next((_kinds(one) for one in self._rules if one.name == rule), ())


def _samples(kept: Kept) -> tuple[Sample, ...]:
    """At its time as it is known now."""
    return tuple(sample._replace(t_ns=kept.t_ns) for sample in samples_of(kept.what, kept.device, PATIENT))


def _kinds(rule: Rule) -> tuple[str, ...]:
    """A rule may know a kind of event by a longer name (`triage.samples`)."""
    return (*rule.reads, *(name.removesuffix("_critical") for name in rule.events))


def made(programme: str | Mapping[str, object], limits: Mapping[str, float]) -> Judge:
    """Of a programme's file, or of the programme itself as a table; raises ConfigError."""
    if not isinstance(programme, str):
        return Judge(programme, limits)
    try:
        text = Path(programme).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{programme} cannot be read ({reason(error)})", "name a programme's file") from error
    return Judge(parse(text, dict[str, Any], programme), limits, programme)
