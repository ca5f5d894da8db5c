"""A device's words as samples: which name a rule knows an event by, and which measurements are to be trusted.

A rule sees numbers, so what it must tell apart has a name of its own. An event keeps its kind as the sample's name,
with one exception: a missed dose of a time-critical medicine, which the dispenser's driver marks with `time_critical`
in the event's data, is the sample `dispenser.missed_critical`, and is not `dispenser.missed` as well.

Its value is a number that its dose has, 0 where it names none. A `dose_id` is of one dispenser's schedule, from 1 on as
a rule, and somebody may have two dispensers: the device is in the number, so that a dose that one of them gave clears
none that the other still has.
"""

import zlib

from triage.grid import Sample
from vitals.block import DOUBTED, Block
from vitals.events import Event

MISSED = "dispenser.missed"
MISSED_CRITICAL = "dispenser.missed_critical"
_DOSES = range(1, 1 << 16)
"""As the protocol has them. With 32 bits before it such a number is a float that loses nothing."""


def samples_of(what: Block | Event, device: str, patient: str = "") -> tuple[Sample, ...]:
    """The samples that a measurement or an event of `patient`, told by `device`, is to the rules."""
    if isinstance(what, Event):
        return (Sample(patient, _name(what), what.t_ns, _dose(what, device)),)
    good = DOUBTED.isdisjoint(what.status)
    return tuple(
        Sample(patient, what.channel, t_ns, value, good) for t_ns, value in zip(what.t_ns, what.value, strict=True)
    )


def _name(event: Event) -> str:
    return MISSED_CRITICAL if event.kind == MISSED and event.data.get("time_critical") else event.kind


def _dose(event: Event, device: str) -> float:
    dose = event.data.get("dose_id")
    return float(zlib.crc32(device.encode()) << 16 | dose) if isinstance(dose, int) and dose in _DOSES else 0.0
