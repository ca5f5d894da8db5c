"""Programmes and what-ifs as the page shows them."""

from collections.abc import Mapping

from server.alarms.api import AlarmKind
from server.api import Priority, Text
from server.patients.versions import Kept
from server.patients.views import action
from server.programmes.api import (
    InForceView,
    LimitLine,
    RuleLine,
    TimedLine,
    VersionView,
    WhatIf,
    WhatIfAlarm,
    WhatIfOutcome,
    WhatIfSide,
)
from server.programmes.store import InForce
from server.programmes.trial import Trial
from server.programmes.whatif import Side
from server.programmes.work import Came, Outcome
from triage.catalogue import bounds, catalogue, defaults
from triage.contract import Rule
from triage.programme import GIVEN, Programme
from vitals.answers import QUESTIONS
from vitals.channels import CHANNELS
from vitals.clock import MS, NS

SHOWN = 50
"""So many alarms that come, and as many that go, are shown one by one."""

_KINDS: Mapping[str, AlarmKind] = {"clinical": "clinical", "technical": "technical"}
_PRIORITIES: Mapping[str, Priority] = {"high": "high", "medium": "medium", "low": "low"}


def version(kept: Kept) -> VersionView:
    """A version that was in force, or is."""
    return _version(kept.programme, kept.digest, kept.first_run_ns // MS, kept.text)


def draft(programme: Programme, text: str) -> VersionView:
    """One that was never in force."""
    return _version(programme, programme.digest, None, text)


def _version(programme: Programme, digest: str, first_run_ms: int | None, text: str | None) -> VersionView:
    there_are = catalogue()  # of a version of long ago a rule, a channel or a question may be gone
    rules = [there_are[name] for name in programme.rules if name in there_are]
    gone = [RuleLine(name=name, version="", title=_said({}, name), kind="clinical")
            for name in programme.rules if name not in there_are]  # fmt: skip
    return VersionView(
        version=programme.version, digest=digest, title=_said(programme.title, programme.name),
        rules=[_rule(one) for one in rules] + gone, limits=_limits(programme, rules),
        expect=[
            TimedLine(channel=one.channel, label=_channel(one.channel), every_s=one.every_s)
            for one in programme.expect
        ],
        ask=[
            TimedLine(channel=one.channel, label=_question(one.channel), every_s=one.every_s) for one in programme.ask
        ],
        actions=[action(one) for one in programme.action], startup_days=programme.startup_days,
        first_run_ms=first_run_ms, text=text,
    )  # fmt: skip


def history(one: InForce, versions: Mapping[str, Kept]) -> InForceView:
    """When something became in force."""
    return InForceView(
        id=one.id, version=versions[one.digest].programme.version, digest=one.digest, since_ms=one.since_ns // MS,
        put_by=one.put_by, reason=one.reason,
    )  # fmt: skip


def whatif(trial: Trial, names: Mapping[str, str]) -> WhatIf:
    """A what-if; `names`: of the patients whom whoever asks may see."""
    return WhatIf(
        number=trial.number, programme=trial.programme, version=trial.version, digest=trial.digest,
        against=trial.against, days=trial.days, by=trial.by, started_ms=trial.started_ns // MS, state=trial.state,
        done=trial.done, of=trial.of, problem=trial.problem,
        outcome=_outcome(trial.outcome, names) if trial.outcome else None,
    )  # fmt: skip


def _outcome(found: Outcome, names: Mapping[str, str]) -> WhatIfOutcome:
    come, go = ([one for one in each if one.patient in names] for each in (found.come, found.go))
    return WhatIfOutcome(
        patients=found.patients, patient_days=round(found.patient_days, 1), before=_side(found.before),
        after=_side(found.after), comes=len(found.come), goes=len(found.go), stay=found.stay, higher=found.higher,
        lower=found.lower, come=[_alarm(one, names) for one in come[:SHOWN]],
        go=[_alarm(one, names) for one in go[:SHOWN]],
    )  # fmt: skip


def _side(one: Side) -> WhatIfSide:
    return WhatIfSide(
        version=one.version, alarms=one.alarms, per_100_patient_days=one.per_100_patient_days, touched=one.touched,
        by_level=one.by_level, by_rule=one.by_rule,
    )  # fmt: skip


def _alarm(one: Came, names: Mapping[str, str]) -> WhatIfAlarm:
    rule = catalogue().get(one.rule)
    return WhatIfAlarm(
        patient_id=one.patient, patient=names[one.patient], kind=_KINDS[one.kind], priority=_PRIORITIES[one.level],
        rule=_said(rule.title if rule else {}, one.rule), opened_ms=one.opened_ns // MS,
        hours=round((one.ended_ns - one.opened_ns) / (3600 * NS), 1),
    )  # fmt: skip


def _rule(one: Rule) -> RuleLine:
    return RuleLine(name=one.name, version=one.version, title=_said(one.title, one.name), kind=_KINDS[one.kind.value])


def _limits(programme: Programme, rules: list[Rule]) -> list[LimitLine]:
    """Every limit that the programme could set, but what is expected how often and what only the server knows."""
    usual, allowed = defaults(rules), bounds(rules)
    return [
        LimitLine(
            name=name, value=_known(programme.limits.get(name, usual[name])), low=allowed[name][0],
            high=allowed[name][1], own=name in programme.limits,
        )
        for name in sorted(usual.keys() - GIVEN)
        if not name.endswith("_expected_s")
    ]  # fmt: skip


def _known(value: float) -> float | None:
    return value if value == value else None


def _channel(name: str) -> Text:
    found = CHANNELS.get(name)
    return Text(nb=found.nb, en=found.en) if found else _said({}, name)


def _question(name: str) -> Text:
    found = QUESTIONS.get(name)
    return Text(nb=found.nb, en=found.en) if found else _said({}, name)


def _said(words: Mapping[str, str], name: str) -> Text:
    return Text(nb=words.get("nb", name), en=words.get("en", name))
