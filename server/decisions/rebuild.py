"""A decision made once more, with what was known then, and held against what was decided.

The same rules are run as the server runs them, on what the journal says was known, with the limits that applied. What a
rule says must be equal to the last bit: its level and each of its numbers. Where it is not, the rule has changed since,
or we have: both are said.
"""

from collections.abc import Iterable, Mapping

from server.decisions.history import History, Kept, samples, value
from triage.catalogue import catalogue
from triage.contract import Rule
from triage.grid import needs, window
from triage.programme import Programme
from triage.run import Verdicts, run
from vitals.alarm import Reason


def judged(history: History, rules: Iterable[Rule], limits: Mapping[str, float], now_ns: int, seq: int) -> Verdicts:
    """What these rules say of the one patient at that moment and position of the journal."""
    rules = tuple(rules)
    known = samples(history.known(needs(rules), now_ns, seq))
    return run(window(now_ns, [history.patient_id], known, rules, {history.patient_id: limits}), rules)


def rules_of(programme: Programme) -> tuple[Rule, ...]:
    """Those of a programme of any time that there still are."""
    return tuple(catalogue()[name] for name in programme.rules if name in catalogue())


def equal(one: Reason, other: Reason) -> bool:
    """Whether a rule said the same twice, to the last bit."""
    return (one.level, _bits(one)) == (other.level, _bits(other))


def seen_by(history: History, rule: Rule, now_ns: int, seq: int) -> list[Kept]:
    """What that rule had before it, oldest first."""
    found = history.known(needs([rule]), now_ns, seq)
    return sorted(found, key=lambda one: (one.what.t_ns, one.name, value(one)))


def _bits(reason: Reason) -> dict[str, str | None]:
    return {name: None if number is None else float(number).hex() for name, number in reason.because.items()}
