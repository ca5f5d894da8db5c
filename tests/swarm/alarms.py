"""The alarms, held against the second opinion.

At each moment at which the server has surely looked at a patient (something was filed for the patient in that
transaction, or the engine had its whole turn), `tests.swarm.evaluator` is asked the same of the same stored rows. Then

    none missing   for each rule that must speak, an alarm of its kind stands that has this rule at this level or worse.
                   One that stands is open, or was closed by a person and is still quiet about what it was closed for.
    none invented  every reason of an alarm was given at a moment, and at that moment the second opinion permits the
                   rule to say so. An alarm is as bad as its worst reason.
    none vanishes  a clinical alarm ends by a person's hand. A technical one ends by itself, but not before it was calm
                   for SETTLE_S, and, if nobody has it, not later either.
    settled        an alarm is marked as settled once its kind's rules have surely been calm for SETTLE_S; never sooner,
                   and never while one speaks. Calm: none speaks, and none that has spoken in it does not know.

This is equality at every moment that is looked at, with two places where it must be weaker. What the server remembers
only in its head (`Gateway.early_ns`, `late_ns`) leaves a few minutes in which two answers are permitted. And where a
transaction may or may not have had its look (power failed in the engine's turn), only what is there is checked.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace

from tests.swarm import evaluator
from tests.swarm.evaluator import CALM, TECHNICAL, Gateway, Levels, Patient
from tests.swarm.ledger import Broken
from tests.swarm.look import Alarm, Look
from tests.swarm.town import START_NS, Assignments
from vitals.clock import NS

SETTLE_S = 600.0
LONG_SILENCE_S = 300.0


class Alarms:
    """One world's. `patients` without what changes with time."""

    def __init__(self, look: Look, assignments: Assignments, patients: Sequence[Patient], offline_s: float) -> None:
        self._look = look
        self._assignments = assignments
        self._patients = {one.id: one for one in patients}
        self._offline_s = offline_s
        self._started_ns = START_NS
        self._early: dict[str, int] = {}
        self._late: dict[str, int] = {}
        self._heard: set[tuple[int, str, int, int]] = set()
        self._restless_ns: dict[int, int] = {}
        self._calm_ns: dict[int, int] = {}
        self._alarms: dict[int, Alarm] = {}
        self.asked = 0
        """How many verdicts were compared."""
        self.by_rule: Counter[str] = Counter()
        """How many reasons of each rule were given."""

    def started(self, now_ns: int) -> None:
        """The server is up again: what it knew only in its head is gone."""
        self._started_ns = now_ns
        self._early.clear()
        self._late.clear()

    def check(self, now_ns: int, looked_at: Iterable[str], *, sure: bool) -> None:
        """`looked_at`: whom the server has looked at in what it has just committed (`sure`), or may have."""
        names = set(looked_at)
        self._listen(now_ns, names if sure else set())
        alarms = self._look.alarms()
        fresh = {one.patient for one in alarms if self._news(one)}
        if not names and not fresh:
            self._alarms = {one.id: one for one in alarms}
            return
        said = {name: self._verdicts(name, now_ns) for name in sorted(names | fresh)}
        for one in alarms:
            self._check_alarm(one, said, now_ns)
        if sure:
            for name in sorted(names):
                self._check_patient(name, said[name], alarms, now_ns)
        self._alarms = {one.id: one for one in alarms}

    def _news(self, alarm: Alarm) -> bool:
        """Whether it is not as it was when last looked at."""
        return self._alarms.get(alarm.id) != alarm

    def _listen(self, now_ns: int, surely: Set[str]) -> None:
        """Since when the server knows each gateway to be heard, if it has looked; `surely`: at whom it has."""
        for pulse in self._look.pulses():
            silent_s = (now_ns - self._since_ns(pulse.heard_ns, pulse.known_ns)) / NS
            not_yet = pulse.heard_ns is None or pulse.heard_ns < self._started_ns
            if not_yet or silent_s > max(self._offline_s, LONG_SILENCE_S):
                self._late.pop(pulse.patient, None)
                if pulse.patient in surely:
                    self._early.pop(pulse.patient, None)
            else:
                self._early.setdefault(pulse.patient, now_ns)
                if pulse.patient in surely:
                    self._late.setdefault(pulse.patient, now_ns)

    def _since_ns(self, heard_ns: int | None, known_ns: int) -> int:
        return max(heard_ns or 0, known_ns, self._started_ns)

    def _verdicts(self, name: str, now_ns: int) -> dict[str, Levels]:
        pulse = next(one for one in self._look.pulses() if one.patient == name)
        gateway = Gateway(
            self._since_ns(pulse.heard_ns, pulse.known_ns), self._early.get(name), self._late.get(name), pulse.ahead_ns
        )
        watched_ns = self._assignments.watched_since(name, now_ns)
        patient = replace(self._patients[name], watched_ns=watched_ns, gateway=gateway)
        found = evaluator.verdicts(patient, self._look.filed(name), now_ns, self._offline_s)
        self.asked += len(found)
        return found

    def _check_alarm(self, alarm: Alarm, said: Mapping[str, Mapping[str, Levels]], now_ns: int) -> None:
        """None invented, none vanished."""
        if not self._news(alarm):
            return
        for one in alarm.reasons:
            reason = (alarm.id, one.rule, one.level, one.t_ns)
            if reason in self._heard:
                continue
            self._heard.add(reason)
            self.by_rule[one.rule] += 1
            if one.t_ns != now_ns:
                raise Broken(f"invented: {alarm} has {one}, said at no moment that was looked at")
            permitted = said[alarm.patient].get(one.rule, frozenset())
            if one.level not in permitted:
                raise Broken(f"invented: {alarm} has {one}; the second opinion is {set(permitted)}")
        if alarm.level != max(one.level for one in alarm.reasons):
            raise Broken(f"level: {alarm} is not as bad as its worst reason")
        before = self._alarms.get(alarm.id)
        if alarm.settled and not (before and before.settled):
            self._check_calm(alarm, said[alarm.patient], now_ns)
        if not alarm.open and not alarm.by_hand and (alarm.kind == "clinical" or not alarm.settled):
            raise Broken(f"vanished: {alarm} ended by itself")

    def _check_patient(self, name: str, verdicts: Mapping[str, Levels], alarms: Sequence[Alarm], now_ns: int) -> None:
        """None missing, and settled in time."""
        mine = [one for one in alarms if one.patient == name]
        standing = [one for one in mine if one.open or one.quiet_until_ns > now_ns]
        for rule, levels in verdicts.items():
            level = min(levels)
            stands = [one for one in standing if one.kind == kind_of(rule)]
            if level > CALM and not any(
                said.rule == rule and said.level >= level for one in stands for said in one.reasons
            ):
                raise Broken(f"missing: {rule} says {level} of {name}, and of that there stands {stands}")
        for one in mine:
            if one.open:
                self._check_settled(one, verdicts, now_ns)

    def _check_settled(self, alarm: Alarm, verdicts: Mapping[str, Levels], now_ns: int) -> None:
        """Marked as settled no later than it must be, and not while a rule speaks."""
        own = {rule: levels for rule, levels in verdicts.items() if kind_of(rule) == alarm.kind}
        if alarm.settled and any(min(levels) > CALM for levels in own.values()):
            raise Broken(f"settled: {alarm} is marked as settled while a rule speaks: {own}")
        if self._restless(alarm, verdicts):
            self._restless_ns[alarm.id] = now_ns
        stacked = {one.rule for one in alarm.reasons}
        if any(levels != {CALM} if rule in stacked else max(levels) > CALM for rule, levels in own.items()):
            self._calm_ns.pop(alarm.id, None)
            return
        calm_s = (now_ns - self._calm_ns.setdefault(alarm.id, now_ns)) / NS
        over = alarm.settled and not (alarm.kind == "technical" and not alarm.acknowledged)
        if calm_s >= SETTLE_S and not over:
            raise Broken(f"settled: {alarm} has been calm for {calm_s:.0f} s and is neither settled nor over")

    def _check_calm(self, alarm: Alarm, verdicts: Mapping[str, Levels], now_ns: int) -> None:
        """That nothing has surely spoken, and nothing that spoke has surely been unknown, for SETTLE_S until now."""
        calm_s = (now_ns - self._restless_ns.get(alarm.id, alarm.raised_ns)) / NS
        if calm_s < SETTLE_S or self._restless(alarm, verdicts):
            raise Broken(f"settled: {alarm} was not calm for long enough ({calm_s:.0f} s): {verdicts}")

    @staticmethod
    def _restless(alarm: Alarm, verdicts: Mapping[str, Levels]) -> bool:
        """Whether a rule of its kind surely speaks now, or one that has spoken in it surely does not know."""
        stacked = {one.rule for one in alarm.reasons}
        return any(
            min(levels) > CALM or (rule in stacked and max(levels) < CALM)
            for rule, levels in verdicts.items()
            if kind_of(rule) == alarm.kind
        )


def kind_of(rule: str) -> str:
    return "technical" if rule in TECHNICAL else "clinical"
