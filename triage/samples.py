"""A device's words as samples: which name a rule knows an event by, and which measurements are to be trusted.

A rule sees numbers, so what it must tell apart has a name of its own. An event keeps its kind as the sample's name and
its `dose_id` (0 where it has none) as the value, with one exception: a missed dose of a time-critical medicine, which
the dispenser's driver marks with `time_critical` in the event's data, is the sample `dispenser.missed_critical`, and
is not `dispenser.missed` as well.
"""

from triage.grid import Sample
from vitals.block import DOUBTED, Block
from vitals.events import Event

MISSED = "dispenser.missed"
MISSED_CRITICAL = "dispenser.missed_critical"


def samples_of(what: Block | Event, patient: str = "") -> tuple[Sample, ...]:
    """The samples that a measurement or an event of `patient` is to the rules."""
    if isinstance(what, Event):
        return (Sample(patient, _name(what), what.t_ns, _dose(what)),)
    good = DOUBTED.isdisjoint(what.status)
    return tuple(
        Sample(patient, what.channel, t_ns, value, good) for t_ns, value in zip(what.t_ns, what.value, strict=True)
    )


def _name(event: Event) -> str:
    return MISSED_CRITICAL if event.kind == MISSED and event.data.get("time_critical") else event.kind


def _dose(event: Event) -> float:
    dose = event.data.get("dose_id", 0)
    return float(dose) if isinstance(dose, int | float) else 0.0
