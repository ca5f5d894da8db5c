"""The journal as the contract has it, over a journal that holds messages as they came.

Its rows say what came, not what was decided of it. What was filed is looked up by its identity, which follows from the
message alone; so what was held, or taken back since, is not told, and what was filed by an answer to a question comes
only with the next journal. Whoever reads the journal through here needs nothing else of it.
"""

from collections.abc import Iterable, Sequence

import msgspec
import sqlalchemy as sa

from server.ingest.filing import Refused, file
from server.ingest.parcel import Parcel, open_parcel
from server.ingest.store import Message, journal
from server.patients.store import Whose
from server.readings.contract import Entry
from server.readings.store import Reading, readings

_EVER_NS = 2**62
_SOMEBODY = "somebody"
_ASK = 1_000


class _Anybodys(Whose):
    """Everything is somebody's: an identity does not say whose."""

    def __init__(self) -> None:
        super().__init__(())

    def patient_at(self, device: str, t_ns: int) -> str | None:
        return _SOMEBODY


def read(tx: sa.Connection, after_seq: int, limit: int) -> list[Entry]:
    """The entries after that one, in order, at most so many."""
    columns = journal.c
    query = sa.select(columns.seq, columns.received_ns, columns.blob).where(columns.seq > after_seq)
    rows = tx.execute(query.order_by(columns.seq).limit(limit)).all()
    return [Entry(row.seq, row.received_ns, _filed(tx, _identities(_messages(row.blob)))) for row in rows]


def last(tx: sa.Connection) -> int:
    """The seq of the newest entry; 0 for none."""
    return tx.scalar(sa.select(sa.func.max(journal.c.seq))) or 0


def _messages(blob: bytes) -> list[Message]:
    return msgspec.msgpack.decode(blob, type=list[Message])


def _filed(tx: sa.Connection, identities: Sequence[bytes]) -> tuple[Reading, ...]:
    found: list[Reading] = []
    for start in range(0, len(identities), _ASK):
        these = readings.c.identity.in_(identities[start : start + _ASK])
        for row in tx.execute(sa.select(readings).where(these)).mappings():
            values = {name: row[name] for name in Reading.__struct_fields__}
            found.append(Reading(**values | {"status": tuple(row["status"].split())}))
    return tuple(found)


def _identities(messages: Iterable[Message]) -> list[bytes]:
    found: list[bytes] = []
    for message in messages:
        parcel = open_parcel(*message)
        if isinstance(parcel, Parcel):
            for row in parcel.rows:
                filed = file(row, parcel.gateway, parcel.epoch, _Anybodys(), _EVER_NS)
                if not isinstance(filed, Refused):
                    found += [one.identity for one in filed if isinstance(one, Reading)]
    return found
