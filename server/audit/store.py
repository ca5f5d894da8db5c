"""The audit trail: append-only rows of who, when, what and about whom, each bound to all before it (`chain`).

What somebody does is written in the transaction that does it. What somebody sees is written before it is shown; a
page that a live stream refreshes every few seconds is one look, so the same look by the same person is written again
only after LOOK_NS. Looks that come at the same moment share one transaction: whoever gets the pen writes down all that
wait for it, because the disk is slow by the transaction and not by the row.

There is one writer of the database at a time (`server.db`), so the link before is the one that is read.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextvars import ContextVar

import msgspec
import sqlalchemy as sa

from server.audit import chain
from server.audit.chain import BEGINNING, Entry
from server.db import Database, Number, after_commit, metadata
from server.quick import Quick
from vitals.clock import NS

LOOK_NS = 900 * NS
_REMEMBERED = 10_000

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("what", sa.String, nullable=False),
    sa.Column("patient_id", sa.String),
    sa.Column("detail", sa.String, nullable=False),
    sa.Column("link", sa.LargeBinary, comment="SHA-256 over the link before and this row"),
    sa.Index("audit_of_patient", "patient_id", "t_ns"),
)

_LAST = Quick(
    sa.select(audit.c.id, audit.c.link).where(audit.c.id == sa.select(sa.func.max(audit.c.id)).scalar_subquery())
)
_ADD = Quick(audit.insert().values({name: sa.bindparam(name) for name in (*Entry.__struct_fields__, "link")}))

written: ContextVar[set[str] | None] = ContextVar("written", default=None)
"""About whom this request has written something, and it is on disk: for whoever put a set here (`audit.witness`)."""


class Said(msgspec.Struct, frozen=True):
    """What an entry says, before it has a number."""

    t_ns: int
    who: str
    what: str
    patient_id: str | None = None
    detail: str = ""


def write(tx: sa.Connection, now_ns: int, who: str, what: str, patient_id: str | None = None, detail: str = "") -> None:
    """Append one entry. `who` is a user name; `what` a word such as `acknowledge` or `see page`."""
    write_all(tx, [Said(now_ns, who, what, patient_id, detail)])


def write_all(tx: sa.Connection, said: Sequence[Said]) -> None:
    """Append these, in this order."""
    if not said:
        return
    number, before = head(tx)
    entries = [_entry(number + n, one) for n, one in enumerate(said, 1)]
    links = chain.links(before, entries)
    _ADD.many(tx, [{**msgspec.structs.asdict(one), "link": tie} for one, tie in zip(entries, links, strict=True)])
    about = written.get()
    if about is not None:
        patients = {one.patient_id for one in said if one.patient_id is not None}
        after_commit(tx, lambda: about.update(patients))


def head(tx: sa.Connection) -> tuple[int, bytes]:
    """The last entry's number and link; 0 and BEGINNING while there is none."""
    found = _LAST.rows(tx)
    return (int(found[0][0]), bytes(found[0][1] or b"")) if found else (0, BEGINNING)


def of_patient(tx: sa.Connection, patient_id: str, before_id: int | None, most: int) -> list[Entry]:
    """What was seen and done about the patient, newest first; older than `before_id` where it is given."""
    columns = [audit.c[name] for name in Entry.__struct_fields__]
    query = sa.select(*columns).where(audit.c.patient_id == patient_id).order_by(audit.c.id.desc()).limit(most)
    if before_id is not None:
        query = query.where(audit.c.id < before_id)
    return [Entry(*row) for row in tx.execute(query)]


class Looks:
    """Writes what people see, each look once. Thread-safe."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._pen = threading.Lock()
        self._waiting: dict[tuple[str, str, str | None], Said] = {}
        self._last_ns: OrderedDict[tuple[str, str, str | None], int] = OrderedDict()

    def saw(self, now_ns: int, who: str, what: str, patient_id: str | None = None) -> None:
        """Append `see <what>` unless this look is already written. It is on disk when this returns."""
        self.note(now_ns, who, f"see {what}", patient_id)

    def note(self, now_ns: int, who: str, what: str, patient_id: str | None = None) -> None:
        """The same of something else that may come again and again."""
        look = (who, what, patient_id)
        with self._lock:
            before_ns = self._last_ns.get(look)
            if before_ns is not None and now_ns - before_ns < LOOK_NS:
                return
            self._waiting[look] = Said(now_ns, who, what, patient_id)
        with self._pen:
            with self._lock:
                if look not in self._waiting:
                    return  # whoever had the pen before us wrote it too
                batch, self._waiting = self._waiting, {}
            try:
                with self._db.write() as tx:
                    write_all(tx, list(batch.values()))
            except BaseException:
                with self._lock:
                    del batch[look]  # this one is refused what it asked for; the others try for themselves
                    self._waiting = batch | self._waiting
                raise
            with self._lock:
                self._remember({one: said.t_ns for one, said in batch.items()})

    def knows(self, now_ns: int, who: str, what: str, patient_id: str | None = None) -> bool:
        """Whether `saw` would write nothing now: this look is written already, and not long ago."""
        with self._lock:
            before_ns = self._last_ns.get((who, f"see {what}", patient_id))
        return before_ns is not None and now_ns - before_ns < LOOK_NS

    def deed(self, now_ns: int, who: str, what: str, patient_id: str) -> None:
        """Append something that was done, each time that it was."""
        with self._db.write() as tx:
            write(tx, now_ns, who, what, patient_id)

    def _remember(self, looks: dict[tuple[str, str, str | None], int]) -> None:
        for look, t_ns in looks.items():
            self._last_ns[look] = t_ns
            self._last_ns.move_to_end(look)
        while len(self._last_ns) > _REMEMBERED:
            self._last_ns.popitem(last=False)


def _entry(number: int, said: Said) -> Entry:
    """As it is kept: PostgreSQL's text has no NUL, and a link is over what can be read again."""
    return Entry(number, said.t_ns, _text(said.who), _text(said.what), _maybe(said.patient_id), _text(said.detail))


def _maybe(text: str | None) -> str | None:
    return None if text is None else _text(text)


def _text(text: str) -> str:
    return text.replace("\0", "␀")
