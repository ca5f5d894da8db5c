"""What an administrator reads of the trail: who, when and what of all, and nothing of the patient's record."""

import pytest

from server.access.store import Account
from server.api import Role
from server.audit.chain import Entry
from server.audit.office import reads


def account(role: Role) -> Account:
    return Account("anne", "Anne Moen", role, password_hash="")


def entry(what: str, detail: str, who: str = "kari") -> Entry:
    return Entry(1, 0, who, what, "solveig", detail)


CLINICAL = [
    ("order", "order 5f to disp-1, compartment 3: forgot hers, asked for it"),
    ("invalidate reading", "correction 7: weight; she was drunk"),
    ("confirm limit", "spo2.low 86 (proposed 86, before 90) her lungs are worse"),
    ("answer question", "question 3: not_hers"),
    ("close", "alarm 7: she died"),
    ("a deed of next year", "whatever it says"),
]
PLAIN = [
    ("see patient", ""),
    ("acknowledge", "alarm 7"),
    ("acknowledge", "alarm 7 by text message"),
    ("read case", "case 2"),
    ("mark missed", "mark 4"),
    ("break glass", "60 min: fell at the shop"),
    ("add relation", "relation 3: organisation nlsh, consultation"),
    ("give device", "oxi-1 from 1790000000000: new patient"),
]


@pytest.mark.parametrize(("what", "detail"), CLINICAL)
def test_carers_read_what_carers_wrote_and_the_office_does_not(what: str, detail: str) -> None:
    assert not reads(account("administrator"), entry(what, detail))
    roles: tuple[Role, ...] = ("nurse", "doctor", "specialist")
    assert all(reads(account(role), entry(what, detail)) for role in roles)


@pytest.mark.parametrize(("what", "detail"), PLAIN)
def test_the_office_reads_numbers_its_own_deeds_and_why_a_glass_was_broken(what: str, detail: str) -> None:
    assert reads(account("administrator"), entry(what, detail))


def test_one_reads_ones_own_words() -> None:
    assert reads(account("administrator"), entry("order", "order 5f: whatever", who="anne"))
