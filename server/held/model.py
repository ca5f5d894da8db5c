"""Does a reading fit the person it is assigned to? Purely: what is known of the person goes in, an answer comes out.

A scale stands on a bathroom floor, and whoever steps on it is weighed. Filed silently, a visitor's 54 kg would be a
patient who has lost 20 kg. So what does not fit is held: kept, but not the person's until somebody says that it is.

Holding must never hide danger, so it is allowed only where the number says who, not how: what a scale measures, which
can be judged by the person's own weights, and what a scale or a cuff took for another of its users than the
assignment names. A saturation, a pulse, a temperature or a glucose is filed whatever else was held beside it.

The judgement is coarse on purpose. A failing heart gains 2 kg in three days, and that is an alarm, not a question; the
least limit is more than twice that, so what the rules look for is filed and seen by them. What is held is what a body
does not do from one day to the next, and what it may do over a long gap is let through by a limit that widens. It
cannot tell a husband of nearly the same weight from his wife: nothing that looks at a weight can.

Every number here wants a clinician's check before use (check).
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from statistics import median
from typing import Literal, NamedTuple

import msgspec

from vitals.clock import NS

ON_A_SCALE = frozenset(
    {
        "weight", "bmi", "body_fat", "muscle", "muscle_mass", "fat_free_mass", "soft_lean_mass", "body_water",
        "impedance", "basal_metabolism",
    }
)  # fmt: skip
"""What one weighing tells: all of it is held with its weight."""

MAY_BE_HELD = ON_A_SCALE | {"bp_sys", "bp_dia", "bp_map"}
"""Nothing else is ever held, whatever the device says of its user: not the pulse that a cuff counts, either."""

NEAREST = 5
"""The person's usual weight is the median of so many: two wrong ones among them do not move it far."""

SPAN_DAYS = 30
"""They lie within so many days of the newest of them; what is older says what the person once weighed."""

MEMORY_DAYS = 180
"""After so long without a weight the next is as good as the first: there is nothing to hold it against."""

LEAST_KG = 5.0
"""Clothes, meals and the time of day make 2 kg; the most that a rule alarms on by default is 3 kg in three days."""

LEAST_SHARE = 0.07
"""Of the usual weight: 8.4 kg of 120 kg."""

WIDENS_KG_PER_DAY = 0.5
"""For each day since the last weight: what a strict diet, a diuretic or a failing heart may do, day after day."""

MOST_SHARE = 0.25
"""However long the gap, a quarter more or less is asked about (a child's weight never widens the limit to its own)."""

_DAY_NS = 86_400 * NS
_USER = "user_"


class Because(StrEnum):
    """Why a reading is held."""

    WEIGHT = "weight"
    """It is far from the person's own weights."""
    SLOT = "slot"
    """The device took it for another of its users."""


Said = Literal["hers", "not_hers", "unknown"]
"""An answer. `hers`: the patient's own, whoever the patient is. Nobody knowing is no reason to file it."""


class Weighing(NamedTuple):
    """A weight that is known to be the person's."""

    t_ns: int
    kg: float


class Usual(msgspec.Struct, frozen=True):
    """What the person weighs. `since_ns`: the weight it is reckoned from, the newest one of them."""

    kg: float
    limit_kg: float
    since_ns: int

    def fits(self, kg: float) -> bool:
        """Whether the person may weigh this much; to the gram, so that a limit of 5 kg takes 5 kg."""
        return round(abs(kg - self.kg), 3) <= round(self.limit_kg, 3)


def usual(own: Iterable[Weighing], t_ns: int, confirmed_ns: int | None = None) -> Usual | None:
    """What the person weighs about `t_ns`, and how far a weight of then may be from it; None if nothing tells.

    The weights before `t_ns` tell, or those after it where there are none before: a backlog comes late. Somebody has
    said of the weight at `confirmed_ns` that it is the person's, though it was not usual: from then on only it and what
    came after it count.
    """
    anew = confirmed_ns is not None and t_ns >= confirmed_ns
    near = _nearest([one for one in own if not anew or one.t_ns >= (confirmed_ns or 0)], t_ns)
    if not near:
        return None
    kg = median(one.kg for one in near)
    gap_days = abs(t_ns - near[0].t_ns) / _DAY_NS
    return Usual(kg, _limit_kg(kg, gap_days), near[0].t_ns)


def user_of(status: Iterable[str]) -> int | None:
    """Which of its users the device took it for: the word `user_2` is 2; None where it says nothing."""
    numbers = (word.removeprefix(_USER) for word in status if word.startswith(_USER))
    return next((int(number) for number in numbers if number.isdecimal()), None)


def other_user(status: Iterable[str], own_slot: int | None) -> int | None:
    """The user the device named, if the assignment names another; None where either says nothing."""
    user = user_of(status)
    return None if user is None or own_slot is None or user == own_slot else user


def _nearest(known: Sequence[Weighing], t_ns: int) -> list[Weighing]:
    """The weights that tell what is usual at `t_ns`, the nearest first; empty when the nearest is too far away."""
    before = [one for one in known if one.t_ns <= t_ns]
    near = sorted(before or known, key=lambda one: (abs(t_ns - one.t_ns), one.kg))[:NEAREST]
    if not near or abs(t_ns - near[0].t_ns) > MEMORY_DAYS * _DAY_NS:
        return []
    return [one for one in near if abs(one.t_ns - near[0].t_ns) <= SPAN_DAYS * _DAY_NS]


def _limit_kg(kg: float, gap_days: float) -> float:
    least = max(LEAST_KG, LEAST_SHARE * kg)
    return min(least + WIDENS_KG_PER_DAY * gap_days, max(least, MOST_SHARE * kg))
