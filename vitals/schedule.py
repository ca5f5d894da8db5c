"""A dispenser's schedule as one line of text: what a nurse plans, a server checks and a driver sends.

    7@08:00 c3 n2 w60 mtwtf-- !; 8@20:00 c4

Doses are parted by `;`. Of each: its number and its time of day in UTC, `c` the compartment, `n` how many units (1),
`w` the minutes it waits to be taken out (60), seven letters for the days from Monday, `-` where there is none (every
day), and `!` for a medicine whose time matters, or the word for its class (`vitals.medicines`), which says the same:
`7@08:00 c3 insulin`. What stands in brackets here may be left out. `none` is a schedule
without a dose: nothing at all is an oversight, and refused.

The bounds are those of docs/reference/dispenser-protocol.md, section 5, so what is read here can be sent to a device.
"""

import difflib
import re

import msgspec

from vitals.errors import WireError
from vitals.medicines import TIME_CRITICAL

MOST_DOSES = 64
NONE = "none"
EVERY_DAY = 0x7F
_DAYS = "mtwtfss"
_FORM = "write it as `7@08:00 c3 n2 w60 mtwtf-- !`"
_DOSE = re.compile(
    r"(?P<id>\d{1,5})@(?P<hour>\d\d):(?P<minute>\d\d) +c(?P<compartment>\d{1,3})"
    r"(?: +n(?P<count>\d{1,3}))?(?: +w(?P<window>\d{1,5}))?(?: +(?P<days>[m-][t-][w-][t-][f-][s-][s-]))?"
    r"(?: +(?P<medicine>[a-z]+))?(?P<timed> *!)?"
)


class Dose(msgspec.Struct, frozen=True):
    """One dose of the schedule. `minute_of_day` is UTC; `weekdays`: bit 0 Monday; `medicine`: a class, or none."""

    dose_id: int
    minute_of_day: int
    compartment: int
    count: int = 1
    window_min: int = 60
    weekdays: int = EVERY_DAY
    time_critical: bool = False
    medicine: str = ""


def read(text: str) -> tuple[Dose, ...]:
    """The doses in `text`, in its order; raises WireError that names the dose and the mend."""
    if text.strip() == NONE:
        return ()
    doses = tuple(_dose(part.strip()) for part in text.split(";"))
    if len(doses) > MOST_DOSES:
        raise _bad(f"{len(doses)} doses", f"a schedule has at most {MOST_DOSES}")
    ids = [dose.dose_id for dose in doses]
    for dose_id in ids:
        if ids.count(dose_id) > 1:
            raise _bad(f"dose {dose_id} stands twice", "give each dose its own number")
    return doses


def written(doses: tuple[Dose, ...]) -> str:
    """The text of `doses`, in full; `read` gives them back."""
    return "; ".join(map(_text, doses)) or NONE


def _dose(part: str) -> Dose:
    match = _DOSE.fullmatch(part)
    if match is None:
        raise _bad(f"{part!r} is no dose", _FORM)
    found = match.groupdict()
    days, medicine = found["days"] or _DAYS, found["medicine"] or ""
    if medicine and medicine not in TIME_CRITICAL:
        raise _bad(f"{medicine!r} in {part!r} is no class of medicine whose time matters", _near(medicine))
    dose = Dose(
        dose_id=int(found["id"]),
        minute_of_day=int(found["hour"]) * 60 + int(found["minute"]),
        compartment=int(found["compartment"]),
        count=int(found["count"] or 1),
        window_min=int(found["window"] or 60),
        weekdays=sum(1 << bit for bit, letter in enumerate(days) if letter != "-"),
        time_critical=bool(found["timed"] or medicine),
        medicine=medicine,
    )
    _check(dose, part, int(found["minute"]))
    return dose


def _check(dose: Dose, part: str, minute: int) -> None:
    for name, value, low, high in (
        ("number", dose.dose_id, 1, 0xFFFF),
        ("hour", dose.minute_of_day // 60, 0, 23),
        ("minute", minute, 0, 59),
        ("compartment", dose.compartment, 1, 254),
        ("number of units", dose.count, 1, 255),
        ("window", dose.window_min, 1, 1440),
        ("set of days", dose.weekdays, 1, EVERY_DAY),
    ):
        if not low <= value <= high:
            raise _bad(f"the {name} of {part!r}", f"keep it within {low} to {high}" if name[0] != "s" else "name a day")


def _text(dose: Dose) -> str:
    hour, minute = divmod(dose.minute_of_day, 60)
    days = "".join(letter if dose.weekdays >> bit & 1 else "-" for bit, letter in enumerate(_DAYS))
    timed = f" {dose.medicine}" if dose.medicine else " !" if dose.time_critical else ""
    where = f"c{dose.compartment} n{dose.count} w{dose.window_min}"
    return f"{dose.dose_id}@{hour:02}:{minute:02} {where} {days}{timed}"


def _near(medicine: str) -> str:
    near = difflib.get_close_matches(medicine, TIME_CRITICAL, n=1)
    return f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(TIME_CRITICAL)}, or `!`"


def _bad(text: str, mend: str) -> WireError:
    return WireError("bad schedule", f"schedule: {text}", mend)
