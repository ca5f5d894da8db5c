"""An alarm explained: each decision about it, what it was made from, and the same decision made once more."""

import sqlalchemy as sa

from server.alarms.model import PRIORITY, Alarm
from server.api import Text
from server.decisions import record
from server.decisions.api import AppliedLimit, DecisionView, Explanation, RuleFinding, SeenReading
from server.decisions.history import FOREVER, History, Kept, good, history, value
from server.decisions.rebuild import equal, judged, rules_of, seen_by
from server.patients import versions
from server.readings.model import Reading, is_late
from server.readings.views import label, unit
from triage.catalogue import catalogue, source
from triage.contract import Rule
from triage.programme import Programme
from vitals.alarm import Reason
from vitals.channels import CHANNELS
from vitals.clock import MS

_OLD = Text(
    nb="Alarmen er fra før grunnlaget for en avgjørelse ble skrevet ned: det finnes ikke",
    en="The alarm is from before the grounds of a decision were written down: there are none",
)
_OURS = Text(
    nb="Serveren fant det selv, ikke i en måling: det er som det ble skrevet ned, og kan ikke regnes ut på nytt",
    en="The server found it itself, in no reading: it is as it was written down, and cannot be worked out anew",
)
_GONE = Text(nb="Regelen finnes ikke lenger", en="There is no such rule any more")
_NO_PROGRAMME = Text(nb="Programmet fra den gang finnes ikke her", en="The programme of that time is not here")


def explain(tx: sa.Connection, alarm: Alarm, *, readings: bool = True) -> Explanation:
    """Why that alarm is as it is. `readings`: with what was measured, which not everybody may see.

    Raises StoreError for a damaged journal.
    """
    found = record.decisions_of(tx, [alarm.id])
    past = history(tx, alarm.patient_id) if found else History(alarm.patient_id, (), ())
    views = [_decision(tx, past, one, readings) for one in found]
    return Explanation(
        alarm=str(alarm.id), patient=alarm.patient_id, kind=alarm.kind, decisions=views, lacks=None if views else _OLD
    )


def _decision(tx: sa.Connection, past: History, one: record.Decision, readings: bool) -> DecisionView:
    programme = versions.of_digest(tx, one.digest)
    again = _again(past, one, programme)
    findings = [_finding(past, one, reason, programme, again, readings) for reason in one.findings]
    told = [finding.same for finding in findings if finding.same is not None]
    return DecisionView(
        t_ms=one.t_ns // MS, t_ns=str(one.t_ns), what=one.what, position=one.seq, programme=one.programme,
        version=one.version, digest=one.digest,
        limits=[
            AppliedLimit(name=name, value=number, personal=name in one.personal)
            for name, number in sorted(one.limits.items())
        ],
        findings=findings, same=all(told) if told else None,
    )  # fmt: skip


def _again(past: History, one: record.Decision, programme: Programme | None) -> dict[str, Reason]:
    """What the rules of that programme say now of what was known then, by rule; whoever they say it to."""
    if programme is None:
        return {}
    verdicts = judged(past, rules_of(programme), one.limits, one.t_ns, one.seq)
    return {reason.rule: reason for reason in verdicts.reasons(0)}


def _finding(
    past: History, one: record.Decision, reason: Reason, programme: Programme | None, again: dict[str, Reason],
    readings: bool,
) -> RuleFinding:  # fmt: skip
    rule = catalogue().get(reason.rule)
    why = _not_again(reason, rule, programme)
    now = again.get(reason.rule)
    same = None if why else now is not None and equal(reason, now)
    seen = seen_by(past, rule, one.t_ns, one.seq) if rule and readings and why is None else []
    return RuleFinding(
        rule=reason.rule, version=reason.version, priority=PRIORITY[reason.level],
        text=Text(nb=reason.text["nb"], en=reason.text["en"]), because=reason.because,
        source=source(rule) if rule else None, same=same, why=why,
        now_version=rule.version if rule and same is False else None,
        again=Text(nb=now.text["nb"], en=now.text["en"]) if now and same is False else None,
        readings=[_reading(kept) for kept in seen],
    )  # fmt: skip


def _not_again(reason: Reason, rule: Rule | None, programme: Programme | None) -> Text | None:
    """Why a rule cannot be asked once more; None where it can."""
    if programme is None:
        return _NO_PROGRAMME
    if reason.rule not in programme.rules:
        return _OURS
    return _GONE if rule is None else None


def _reading(kept: Kept) -> SeenReading:
    what = kept.what
    known = kept.name in CHANNELS
    return SeenReading(
        channel=kept.name, label=label(kept.name) if known else Text(nb=kept.name, en=kept.name), device=what.device,
        value=value(kept), decimals=what.decimals if isinstance(what, Reading) else 0,
        unit=unit(kept.name) if known else "", t_ms=what.t_ns // MS, stored_ms=kept.stored_ns // MS, good=good(kept),
        late=is_late(what.t_ns, kept.stored_ns), counts=kept.to_seq == FOREVER,
    )  # fmt: skip
