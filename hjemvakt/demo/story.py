"""What must happen to whom, and whether it did: pure, so that the exit code of `demo --once` can be trusted.

A chapter is one patient's alarm, read from the server's own timeline. A step is fulfilled only by an entry of that
timeline that says the same and, where a person matters, names that person's role.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Expected:
    """One step: the timeline's word, and the role it must name (None: nobody in particular)."""

    what: str
    role: str | None = None


@dataclass(frozen=True)
class Plot:
    """What is expected of one patient: which rules may have spoken, and the steps in their order.

    `after`: what must have been seen in the home before the alarm was raised, or it is about something else.
    """

    rules: frozenset[str]
    steps: tuple[Expected, ...]
    after: str = ""


_READ = (Expected("taken"), Expected("stored"))
_TOLD = (Expected("raised"), Expected("told", "nurse"))

PLOTS: Mapping[str, Plot] = {
    "deteriorates": Plot(
        frozenset({"spo2_floor", "pulse_high", "news2"}),
        (*_READ, *_TOLD, Expected("told", "doctor"), Expected("acknowledged", "doctor"), Expected("closed", "doctor")),
    ),
    "gains weight": Plot(
        frozenset({"weight_gain"}),
        (*_READ, *_TOLD, Expected("acknowledged", "nurse"), Expected("closed", "nurse")),
    ),
    "misses a dose": Plot(frozenset({"missed_dose"}), (*_READ, *_TOLD), after="missed dose"),
    "falls silent": Plot(frozenset({"device_silent", "silent_after_red"}), _TOLD, after="fell silent"),
}
"""The nurse ignores the first, and acknowledges the second."""


@dataclass(frozen=True)
class Step:
    """A step and when it happened, in milliseconds of the town's clock; None: not yet."""

    what: str
    who: str | None
    t_ms: int | None
    text: str = ""


def speaks_of(plot: Plot, alarm: Json, seen_ms: Mapping[str, int]) -> bool:
    """Whether the alarm was raised by what the plot is about (an AlarmBrief as JSON).

    `seen_ms`: what was first seen in that home, and when.
    """
    about_it = any(reason["rule"] in plot.rules for reason in alarm["reasons"])
    return about_it and (not plot.after or seen_ms.get(plot.after, alarm["raised_ms"] + 1) <= alarm["raised_ms"])


def steps(plot: Plot, alarm: Json | None, names: Mapping[str, str]) -> list[Step]:
    """The plot's steps as far as they are found in the alarm's timeline (AlarmView as JSON). `names`: role -> name."""
    timeline: Sequence[Json] = alarm["timeline"] if alarm else []
    return [_step(expected, timeline, names) for expected in plot.steps]


def _step(expected: Expected, timeline: Iterable[Json], names: Mapping[str, str]) -> Step:
    who = names[expected.role] if expected.role else None
    for entry in timeline:
        if entry["what"] == expected.what and (who is None or entry["who"] == who):
            return Step(expected.what, entry["who"], entry["t_ms"], entry["text"]["en"])
    return Step(expected.what, who, None)


def missing(told: Iterable[Step]) -> list[str]:
    """The steps that have not happened, in words."""
    return [f"{step.what} {step.who}".strip() if step.who else step.what for step in told if step.t_ms is None]
