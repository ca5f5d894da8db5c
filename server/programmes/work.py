"""`python -m server.programmes.work`: one what-if, as a process of its own, so that nobody waits for it.

It is told on standard input what to compute (`Job`, pickled by the server that starts it), has no database and no
network, and says on standard output how far it has come, a line of JSON each, and at last what it found. It steps back
for everything else on the machine, and asks for no more memory than it is given.
"""

import os
import pickle
import resource
import sys
from typing import NamedTuple

import msgspec

from server.programmes.whatif import Side, compared, opened_since, patient_days, personal, side, watched
from triage.passage import Alarm, Record
from triage.programme import Programme
from vitals.errors import ConfigError

STEPS_BETWEEN = 50
"""So many looks from one word of how far it has come to the next."""


class Job(NamedTuple):
    """`own`: everybody's own limits, under each of the two. Alarms that open before `since_ns` are not counted: the
    rules look back."""

    record: Record
    before: Programme
    after: Programme
    own: tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]
    since_ns: int
    most_bytes: int


class Came(msgspec.Struct, frozen=True):
    """An alarm that comes or goes."""

    patient: str
    kind: str
    level: str
    rule: str
    opened_ns: int
    ended_ns: int


class Outcome(msgspec.Struct, frozen=True):
    """What the two programmes make of it; `come` and `go` in the order in which they opened."""

    patients: int
    patient_days: float
    before: Side
    after: Side
    stay: int
    higher: int
    lower: int
    come: list[Came]
    go: list[Came]


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: how many looks of how many are done, or why it cannot be, or what was found."""

    done: int = 0
    of: int = 0
    problem: str = ""
    outcome: Outcome | None = None


def computed(job: Job, tell: "Tell") -> Outcome:
    """The what-if; raises ConfigError for a patient whose limits do not fit."""
    sides = []
    for number, programme in enumerate((job.before, job.after)):
        limits = {one: personal(one, programme, job.own[number].get(one, {})) for one in job.record.patients}
        tell.part = number
        sides.append(watched(job.record, programme, limits, tell))
    before, after = sides
    days = patient_days(job.record, job.since_ns)
    found = compared(before, after, job.since_ns)
    figures = [
        side(programme, opened_since(alarms, job.since_ns), days)
        for programme, alarms in ((job.before, before), (job.after, after))
    ]
    return Outcome(
        len(job.record.patients), days, figures[0], figures[1], found.stay, found.higher, found.lower,
        [_came(one) for one in found.come], [_came(one) for one in found.go],
    )  # fmt: skip


class Tell:
    """Says how far it has come: two parts, one for each programme."""

    part = 0

    def __call__(self, done: int, of: int) -> None:
        if done % STEPS_BETWEEN == 0 or done == of:
            _say(Said(done=self.part * of + done, of=2 * of))


def main() -> int:
    """Compute what standard input asks for."""
    os.nice(19)
    try:
        job: Job = pickle.load(sys.stdin.buffer)
        resource.setrlimit(resource.RLIMIT_AS, (job.most_bytes, job.most_bytes))
        _say(Said(outcome=computed(job, Tell())))
    except ConfigError as error:
        _say(Said(problem=f"{error.text}; {error.mend}"))
    except MemoryError:
        _say(Said(problem="it takes more memory than it is given; choose fewer days"))
    return 0


def _came(one: Alarm) -> Came:
    return Came(one.patient, one.kind.value, one.level.name.lower(), one.rule, one.opened_ns, one.ended_ns)


def _say(said: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
