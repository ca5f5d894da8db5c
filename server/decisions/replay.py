"""A span of time lived through once more: every look of the rules, in its order, and what it did to the alarms.

At each look the rules see what was known then, with the limits that applied then (`server.decisions.course`), and what
they say is heard by the alarms' own code (`server.alarms.store.judge`), in a database of its own that is thrown away.
What people did meanwhile, they do again at the same moment. So on the same programme everything comes out as it was;
where it does not, that is a finding about us.

With another programme the readings, the looks and the corrections are the same, and nobody acts: nobody has acted on
alarms that never were.

An alarm remembers from when it opened, so the replay begins where no alarm of the patient was standing. What came
before `from_ns` is not shown.
"""

from collections.abc import Callable, Sequence

import msgspec
import sqlalchemy as sa

from server.alarms import table
from server.alarms.timeline import timeline
from server.decisions import record
from server.decisions.course import Applied, Look, beginning, looks
from server.decisions.deeds import Deed, deeds
from server.decisions.history import History, history
from server.decisions.rebuild import judged, rules_of
from server.decisions.record import Basis, Decision
from server.decisions.scratch import scratch
from server.patients.store import PatientRecord
from server.watch import for_nurse, hear, listeners
from triage.programme import Programme
from triage.run import Verdicts
from vitals.alarm import Kind, Level, Reason
from vitals.errors import StoreError

Progress = Callable[[int, int], None]
"""Told how many looks of how many are done."""


class Said(msgspec.Struct, frozen=True):
    """A rule's level is another than it was. `reason`: why, None where it is calm."""

    t_ns: int
    rule: str
    level: Level
    reason: Reason | None


class Became(msgspec.Struct, frozen=True):
    """What became of an alarm: opened, raised, stacked, late, settled or closed. `alarm`: the replay's own number."""

    t_ns: int
    alarm: int
    kind: str
    what: str
    text: dict[str, str]
    decision: Decision | None = None


class Replayed(msgspec.Struct, frozen=True):
    """All that happened from `from_ns` on.

    `began_ns`: where the replay had to begin. `assumed_ns`: the last look for which it was not written down when the
    rules looked, or what applied, so that today's was assumed; None where everything was. `recorded`: what the server
    decided in that time, to be held against `decided`.
    """

    began_ns: int
    looks: int
    said: tuple[Said, ...]
    became: tuple[Became, ...]
    recorded: tuple[Decision, ...]
    assumed_ns: int | None

    @property
    def decided(self) -> tuple[Decision, ...]:
        """The replay's own decisions."""
        return tuple(one.decision for one in self.became if one.decision)

    @property
    def same(self) -> bool:
        """Whether the replay decided what the server decided, at the same moments, to the last bit."""
        return [_bare(one) for one in self.decided] == [_bare(one) for one in self.recorded]


def replay(
    tx: sa.Connection,
    patient: PatientRecord,
    from_ns: int,
    to_ns: int,
    today: Programme,
    programme: Programme | None = None,
    progress: Progress = lambda done, of: None,
) -> Replayed:
    """Live through it once more, as it was or with another `programme`. `tx` is only read from.

    `today`: the programme that is assumed where nothing was written down. Raises StoreError where there is nothing to
    go by, ConfigError where the programme does not take the patient's limits.
    """
    past = history(tx, patient.id)
    applied = Applied(tx, patient, today, programme)
    began_ns = beginning(tx, patient.id, from_ns)
    steps, assumed_ns = looks(tx, past, began_ns, to_ns)
    if not any(one.t_ns >= from_ns for one in steps) or not past.kept:
        raise StoreError(f"nothing is known of {patient.id} in that span", "choose one in which there are readings")
    to_do = deeds(tx, patient.id, began_ns, to_ns, by_people=programme is None)
    said: list[Said] = []
    levels: dict[str, Level] = {}
    with scratch(tx, patient.id, began_ns) as own:
        for done, step in enumerate(steps):
            _do(own, to_do, (step.t_ns, False), applied)
            verdicts = _look(own, past, applied, step)
            new = _heard(verdicts, levels)
            if step.t_ns >= from_ns:
                said += new
            progress(done + 1, len(steps))
        _do(own, to_do, (to_ns, True), applied)
        became = _became(own, from_ns)
    assumed = [one for one in (assumed_ns, applied.assumed_ns) if one is not None]
    return Replayed(
        began_ns, sum(one.t_ns >= from_ns for one in steps), tuple(said), became,
        tuple(_recorded(tx, patient.id, from_ns, to_ns)), max(assumed, default=None),
    )  # fmt: skip


def _do(own: sa.Connection, to_do: list[Deed], until: tuple[int, bool], applied: Applied) -> None:
    """What people did before that; at one moment a correction comes before the look, and any other deed after."""
    while to_do and (to_do[0].t_ns, to_do[0].after) <= until:
        to_do.pop(0).do(own, applied.programme)


def _look(own: sa.Connection, past: History, applied: Applied, step: Look) -> Verdicts:
    """One look, as `server.watch` makes it of one patient."""
    programme, personal, limits, found = applied.at(step)
    verdicts = judged(past, rules_of(programme), limits, step.t_ns, step.seq)
    basis = Basis(programme.name, programme.version, programme.digest, limits, tuple(personal), lambda: step.seq)
    listening: set[tuple[str, str]] | None = None
    for kind in Kind:
        reasons = for_nurse(verdicts, 0, kind)
        reasons += [msgspec.structs.replace(one, t_ns=step.t_ns) for whose, one in found if whose is kind]
        if not reasons and listening is None:
            listening = listeners(own, step.t_ns, {past.patient_id})
        if reasons or (past.patient_id, kind.value) in (listening or ()):
            hear(own, past.patient_id, kind, reasons, verdicts, 0, {past.patient_id: step.new}, basis)
    return verdicts


def _heard(verdicts: Verdicts, levels: dict[str, Level]) -> list[Said]:
    """Which rules say another level than they did; `levels` is what they say now."""
    now = {rule.name: Level(int(level)) for rule, level in zip(verdicts.rules, verdicts.level[:, 0], strict=True)}
    changed = {name for name, level in now.items() if levels.get(name, Level.CALM) != level}
    levels.update(now)
    if not changed:
        return []
    reasons = {reason.rule: reason for reason in verdicts.reasons(0, unknown=True)}
    return [Said(verdicts.now_ns, name, now[name], reasons.get(name)) for name in sorted(changed)]


def _became(own: sa.Connection, from_ns: int) -> tuple[Became, ...]:
    """What the replay's own alarms went through from then on, in its order."""
    kinds = {alarm.id: str(alarm.kind) for alarm in table.every(own)}
    found = [
        Became(one.t_ns, one.alarm_id, kinds[one.alarm_id], one.what, _sentences(one), one)
        for one in record.decisions_of(own, kinds)
        if one.t_ns >= from_ns
    ]
    columns = timeline.c
    ends = columns.what.in_(("settled", "closed")) & (columns.t_ns >= from_ns)
    for row in own.execute(sa.select(timeline).where(ends).order_by(columns.id)):
        found.append(Became(row.t_ns, row.alarm_id, kinds[row.alarm_id], row.what, {"nb": row.nb, "en": row.en}))
    return tuple(sorted(found, key=lambda one: one.t_ns))


def _sentences(decision: Decision) -> dict[str, str]:
    return {language: "; ".join(one.text[language] for one in decision.findings) for language in ("nb", "en")}


def _recorded(tx: sa.Connection, patient_id: str, from_ns: int, to_ns: int) -> Sequence[Decision]:
    numbers = [alarm.id for alarm in table.every(tx, patient_id)]
    return [one for one in record.decisions_of(tx, numbers) if from_ns <= one.t_ns <= to_ns]


def _bare(one: Decision) -> Decision:
    """Without the alarm's number, which is the database's own."""
    return msgspec.structs.replace(one, alarm_id=0)
