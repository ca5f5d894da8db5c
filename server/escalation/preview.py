"""Who would be told, and when, if an alarm opened at some moment and nobody acted: by climbing the ladder itself."""

from collections.abc import Callable, Mapping

import msgspec

from server.escalation.ladder import Ladder
from server.escalation.model import Tell, begin, climb
from server.oncall.model import Person

MOST_TELLINGS = 40


class Told(msgspec.Struct, frozen=True):
    """What happens at one moment."""

    t_ns: int
    tell: Tell


def preview(
    ladder: Ladder, t_ns: int, answering: Callable[[int], Mapping[str, tuple[Person, ...]]], rounds: int = 2
) -> list[Told]:
    """Every telling of the first `rounds` rounds. `answering` says who answers at a moment, as the plan is now."""
    state, found = begin(ladder, t_ns), list[Told]()
    while state.next_step_ns is not None and len(found) < MOST_TELLINGS:
        at_ns = state.next_step_ns
        state, tells = climb(state, at_ns, answering(at_ns))
        if state.round >= rounds:
            break
        found += [Told(at_ns, tell) for tell in tells]
    return found
