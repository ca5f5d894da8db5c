"""The municipal codes of a dispenser's events: the whole table, and nothing beside it."""

from typing import get_args

import pytest

from triage.catalogue import catalogue
from vitals.alarm import Level
from vitals.events import DISPENSER, Event
from vitals.vkp import ALERT_OF_RULE, NO_CONTACT, NOT_TRIAGED, SEVERITY, TRIAGE, EventChain, Triage, Vkp, vkp

CODED = {
    "missed": ("alert", "1.1"),
    "dispense_fail": ("alert", "1.1"),
    "jam": ("alert", "1.8"),
    "low": ("alert", "1.12"),
    "empty": ("alert", "1.13"),
    "refill": ("alert", "1.16"),
    "battery_low": ("alert", "1.17"),
    "mains_lost": ("alert", "1.19"),
    "retrieved": ("dispensed", "1.1"),
    "early": ("dispensed", "1.2"),
    "user_confirmed": ("dispensed", "1.3"),
}


def code(found: Vkp | None) -> tuple[str, str] | None:
    return (found.list, found.code) if found else None


@pytest.mark.parametrize("name", DISPENSER.values())
def test_each_event_has_its_code_or_none(name: str) -> None:
    assert code(vkp(Event(f"dispenser.{name}", 0))) == CODED.get(name)


def test_an_order_nobody_can_answer_for_is_a_missing_confirmation_if_it_was_for_a_dose() -> None:
    assert code(vkp(Event("dispenser.order_unknown", 0, {"order_kind": "dispense"}))) == ("alert", "1.3")
    assert vkp(Event("dispenser.order_unknown", 0, {"order_kind": "lock"})) is None


def test_what_no_source_says_is_marked() -> None:
    """Of the list of what was dispensed, the numbers are known and not what they mean."""
    for name, (listed, _) in CODED.items():
        found = vkp(Event(f"dispenser.{name}", 0))
        assert found is not None
        assert found.assumed == (listed == "dispensed")
    assert code(NO_CONTACT) == ("alert", "1.20")
    assert vkp(Event("order.done", 0)) is None


def test_an_alarms_chain_of_events_has_the_codes_of_the_fact_sheet() -> None:
    assert [int(one) for one in EventChain] == [0, 1, 3, 6, 7]
    assert set(TRIAGE.values()) | {NOT_TRIAGED} <= set(get_args(Triage))
    assert list(SEVERITY) == [Level.CALM, Level.LOW, Level.MEDIUM, Level.HIGH]
    assert sorted(SEVERITY.values()) == list(SEVERITY.values()) == [0, 10, 20, 30]
    assert set(ALERT_OF_RULE.values()) == {"1.1", "1.3", "1.8", "1.20", "5.3.2"}


def test_a_code_belongs_to_a_rule_that_there_is() -> None:
    ours = {"gateway_silent", "order_dispense_unknown"}  # found by the server itself
    assert set(ALERT_OF_RULE) - ours <= set(catalogue())
