"""Classes of medicine whose time matters: a dose of these that is missed is told at once.

Source: general knowledge (check): a missed dose of these can do harm within hours, of most others it cannot. A class
is named in a dispenser's schedule (`vitals.schedule`); the dispenser itself knows only that the time matters.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class Medicine(msgspec.Struct, frozen=True):
    """A class of medicines, by the word it has in a schedule."""

    name: str
    nb: str
    en: str


_TABLE = (
    Medicine("anticoagulant", "Blodfortynnende", "Anticoagulant"),
    Medicine("antiepileptic", "Epilepsimedisin", "Antiepileptic"),
    Medicine("parkinson", "Parkinsonmedisin", "Medicine for Parkinson's disease"),
    Medicine("insulin", "Insulin", "Insulin"),
    Medicine("immunosuppressant", "Immundempende", "Immunosuppressant"),
)

TIME_CRITICAL: Mapping[str, Medicine] = MappingProxyType({medicine.name: medicine for medicine in _TABLE})
