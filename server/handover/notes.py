"""What people write for whoever comes on, signed with their name. A note is never changed: another is written."""

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from server.access.store import Account
from server.db import Number, metadata

notes = sa.Table(
    "shift_notes",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("roster", sa.String, nullable=False),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("staff", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("organisation", sa.Text, nullable=False, comment="where it was written"),
    sa.Column("patient_id", sa.String),
    sa.Column("text", sa.String, nullable=False),
    sa.Index("notes_of_roster", "roster", "t_ns"),
)


class Note(msgspec.Struct, frozen=True):
    """`name` is the signature, of `organisation`. `patient_id`: whom it is about, if it is about somebody."""

    id: int
    roster: str
    t_ns: int
    staff: str
    name: str
    organisation: str
    patient_id: str | None
    text: str


def write(tx: sa.Connection, roster: str, t_ns: int, account: Account, text: str, patient_id: str | None) -> Note:
    """Sign a note into the shift of that moment."""
    note = Note(0, roster, t_ns, account.id, account.name, account.organisation, patient_id, text)
    values = msgspec.structs.asdict(note)
    del values["id"]
    number = tx.execute(notes.insert().values(values).returning(notes.c.id)).scalar_one()
    return msgspec.structs.replace(note, id=number)


def between(tx: sa.Connection, rosters: Iterable[str], from_ns: int, to_ns: int) -> list[Note]:
    """The notes of a shift, as they were written: in its roster, and under its role where there was none yet."""
    its = notes.c.roster.in_(list(rosters)) & (notes.c.t_ns >= from_ns) & (notes.c.t_ns < to_ns)
    rows = tx.execute(sa.select(notes).where(its).order_by(notes.c.t_ns, notes.c.id))
    return [Note(**{name: row._mapping[name] for name in Note.__struct_fields__}) for row in rows]
