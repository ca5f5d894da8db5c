"""What a home is told of itself: once, again when it is worse, and not at each reading."""

import pytest

from triage.plan import DAY_S, Wish
from triage.telling import for_home, tell
from vitals.alarm import Audience, Level, Reason
from vitals.clock import NS

SETTLE_S = 1800.0
MIN = 60 * NS


def reason(level: Level = Level.LOW, tells: Audience = Audience.PATIENT, rule: str = "glucose") -> Reason:
    return Reason(rule, "1", level, {}, {"nb": "Blodsukkeret er lavt", "en": "Glucose is low"}, 0, tells)


class Home:
    """What it has been told, carried from look to look."""

    def __init__(self) -> None:
        self.open: list[Wish] = []
        self.told: list[Wish] = []
        self.ends: list[str] = []

    def look(self, now_ns: int, *found: Reason, unknown: tuple[str, ...] = ()) -> None:
        done = tell(found, unknown, self.open, now_ns, SETTLE_S)
        moved = {old.rule: new for old, new in done.moved}
        over = {wish.rule for wish, _ in done.ended}
        self.open = [moved.get(one.rule, one) for one in self.open if one.rule not in over] + done.asked
        self.told += done.asked
        self.ends += [end for _, end in done.ended]


def test_what_is_for_a_nurse_is_not_told_at_home_and_what_is_for_the_next_of_kin_is():
    reasons = [reason(tells=one, rule=one.name) for one in Audience]
    assert [one.rule for one in for_home(reasons)] == ["PATIENT", "KIN"]


def test_it_is_told_once_while_it_comes_and_goes_and_ends_when_it_has_been_gone_for_a_while():
    home = Home()
    for minute in range(0, 60, 5):
        home.look(minute * MIN, *([reason()] if minute % 10 == 0 else []))
    assert len(home.told) == 1
    home.look(55 * MIN + round(SETTLE_S * NS))
    assert (home.open, home.ends) == ([], ["withdrawn"])
    home.look(100 * MIN, reason())
    assert len(home.told) == 2


def test_what_is_worse_is_told_anew_and_what_is_better_is_not():
    home = Home()
    for level in (Level.LOW, Level.MEDIUM, Level.LOW, Level.HIGH):
        home.look(0, reason(level))
    assert [one.level for one in home.told] == [Level.LOW, Level.MEDIUM, Level.HIGH]
    assert len(home.open) == 1


def test_a_rule_that_cannot_tell_has_not_become_calm_and_what_stands_for_a_day_is_told_anew():
    home = Home()
    home.look(0, reason())
    home.look(600 * MIN, unknown=("glucose",))
    home.look(700 * MIN, unknown=("glucose",))
    assert len(home.open) == 1
    home.look(round(DAY_S * NS), reason())
    assert (home.ends, len(home.told)) == (["expired"], 2)


@pytest.mark.parametrize("tells", [Audience.PATIENT, Audience.KIN])
def test_it_says_what_the_rule_says(tells: Audience):
    home = Home()
    home.look(0, reason(tells=tells))
    assert home.told[0].text["nb"] == "Blodsukkeret er lavt"
    assert home.told[0].channel == ""
