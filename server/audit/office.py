"""What of an entry somebody reads who does not care for the patient.

An administrator must be able to see who saw a patient and did what: that is what the trail is for, and whoever keeps
the people is where a patient who asks is sent. What a carer wrote beside a deed is another matter: why a reading was
wrong, why a dose was given, to what a limit was set are words and numbers of the patient's record, which the office is
shown nowhere else. So the office reads who, when and what of everything, and the rest only where it is known to hold
none of that: an entry of a new kind is withheld until somebody has thought about it here.
"""

import re

from server.access.door import CARE
from server.access.store import Account
from server.audit.chain import Entry

OFFICES = frozenset({
    "break glass", "mend glass", "review glass", "relate", "add relation", "end relation", "change relation",
    "export readings", "give device", "take device back", "see what follows",
})  # fmt: skip
"""Deeds that an administrator does or looks at. Why a glass was broken is theirs to judge (decision 33), and why a
device was given stands beside the device."""

_NUMBERED = re.compile(r"(alarm|case|mark|relation) \d+( by [a-z ]+)?|")
"""A thing by its number, and how it was answered: nobody's words."""


def reads(account: Account, entry: Entry) -> bool:
    """Whether this person reads the entry's detail."""
    if account.role in CARE or entry.who == account.id or entry.what in OFFICES:
        return True
    return _NUMBERED.fullmatch(entry.detail) is not None
