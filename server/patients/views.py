"""People as the page sees them."""

import sqlalchemy as sa

from server.api import PatientBrief, Text
from server.patients.programmes import Programmes
from server.patients.store import PatientRecord, patient
from vitals.errors import StoreError


def brief(record: PatientRecord, programmes: Programmes) -> PatientBrief:
    """Who it is, in a line."""
    title = programmes.title(record.programme)
    return PatientBrief(
        id=record.id, name=record.name, birth_year=record.birth_year, place=record.place,
        programme=Text(nb=title["nb"], en=title["en"]),
    )  # fmt: skip


def brief_of(tx: sa.Connection, programmes: Programmes, patient_id: str) -> PatientBrief:
    """The same by id; raises StoreError for someone who is not in the register."""
    record = patient(tx, patient_id)
    if record is None:
        raise StoreError(f"patient {patient_id!r} is not in the register", "add them to the municipality file")
    return brief(record, programmes)
