"""The ladder, purely: where it stands and who answers go in; where it stands now and whom to tell come out.

A ladder is climbed one step at a time. A step tells everyone who answers for what it names, then waits. When the wait
is over and nobody has acted, the next step is due; after the last one the ladder rests for `repeat_s` and begins again,
for as long as it takes. A step that reaches nobody costs no time: the next is told in the same breath, and if no step
of the round reaches anybody, every administrator is told as the last resort.

Only `next_step_ns` makes it move, and that is a number in a row, never a sleeping task. Waits are counted from when a
step was really told: a server that was away for hours tells one step on its return, not all those it missed.
"""

from collections.abc import Mapping

import msgspec

from server.escalation.ladder import Ladder, Step, load
from server.oncall.model import Person
from vitals.clock import NS

__all__ = ["Climb", "Ladder", "Step", "Tell", "begin", "climb", "load", "next_role", "rest", "resume"]

NOBODY_S = 300.0
"""How soon to try again when not even an administrator can be reached."""


class Climb(msgspec.Struct, frozen=True):
    """Where an alarm stands on its own copy of a ladder.

    `step` was told last, at `told_ns` (-1: none yet in this round); `round` only ever grows, so (round, step) names
    each telling once. `next_step_ns` None: resting, because someone has the alarm or it is closed.
    """

    ladder: Ladder
    round: int = 0
    step: int = -1
    told_ns: int | None = None
    next_step_ns: int | None = None


class Tell(msgspec.Struct, frozen=True):
    """One step told: `people` are reached; `unreachable` answer for it but have no way to be reached.

    `role` is what the step names: a role, or `roster:ID` or `person:ID`, which have a `name`. `waited_on` had been told
    before and did not act for `waited_s`.
    """

    role: str
    name: str
    round: int
    step: int
    people: tuple[Person, ...]
    unreachable: tuple[str, ...]
    last_resort: bool = False
    waited_on: str | None = None
    waited_name: str = ""
    waited_s: float = 0.0


def begin(ladder: Ladder, now_ns: int, before: Climb | None = None) -> Climb:
    """At the foot of a ladder, the first step due now; after `before`, so that no telling is named twice."""
    return Climb(ladder, round=before.round + 1 if before else 0, next_step_ns=now_ns)


def rest(climb: Climb) -> Climb:
    """Somebody has it."""
    return msgspec.structs.replace(climb, next_step_ns=None)


def resume(climb: Climb, now_ns: int) -> Climb:
    """Nobody has it any more, or somebody asks for more: the next step is due now."""
    return msgspec.structs.replace(climb, next_step_ns=now_ns)


def next_role(climb: Climb) -> str | None:
    """Whom the next step tells, a role or a name; None while the ladder rests."""
    if climb.next_step_ns is None:
        return None
    _, step = _next(climb)
    told = climb.ladder.steps[step]
    return told.name or told.tell


def climb(state: Climb, now_ns: int, on_call: Mapping[str, tuple[Person, ...]]) -> tuple[Climb, list[Tell]]:
    """One step up if it is due. The last Tell has people, unless not even an administrator can be reached."""
    if state.next_step_ns is None or now_ns < state.next_step_ns:
        return state, []
    round_, first = _next(state)
    tells: list[Tell] = []
    for step in range(first, len(state.ladder.steps)):
        tells.append(_tell(state, state.ladder.steps[step], round_, step, now_ns, on_call))
        if tells[-1].people:
            return _stand(state, round_, step, now_ns, _wait_s(state.ladder, step)), tells
    last = len(state.ladder.steps)
    resort = msgspec.structs.replace(
        _tell(state, Step("administrator"), round_, last, now_ns, on_call), last_resort=True
    )
    wait_s = state.ladder.repeat_s if resort.people else min(NOBODY_S, state.ladder.repeat_s)
    return _stand(state, round_, last - 1, now_ns, wait_s), [*tells, resort]


def _next(state: Climb) -> tuple[int, int]:
    """(round, step) of the next step: one up, or the foot of the next round."""
    if state.step + 1 < len(state.ladder.steps):
        return state.round, state.step + 1
    return state.round + 1, 0


def _tell(
    state: Climb, named: Step, round_: int, step: int, now_ns: int, on_call: Mapping[str, tuple[Person, ...]]
) -> Tell:
    answering = on_call.get(named.tell, ())
    before = state.ladder.steps[state.step] if state.step >= 0 else None
    return Tell(
        role=named.tell,
        name=named.name,
        round=round_,
        step=step,
        people=tuple(p for p in answering if p.reached_by),
        unreachable=tuple(p.name for p in answering if not p.reached_by),
        waited_on=before.tell if before else None,
        waited_name=before.name if before else "",
        waited_s=(now_ns - state.told_ns) / NS if state.told_ns is not None else 0.0,
    )


def _stand(state: Climb, round_: int, step: int, now_ns: int, wait_s: float) -> Climb:
    return Climb(state.ladder, round_, step, told_ns=now_ns, next_step_ns=now_ns + round(wait_s * NS))


def _wait_s(ladder: Ladder, step: int) -> float:
    wait_s = ladder.steps[step].wait_s
    return ladder.repeat_s if wait_s is None else wait_s
