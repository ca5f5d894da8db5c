"""Is the audit trail what it was? Reads all of it, makes every link anew, and holds it against the signed heads.

It finds the first entry that is not what it was: one that was altered, one that is missing, one that was put in. With
the heads it finds what the trail by itself cannot show: an end that was cut off, and a chain that was made anew.
"""

from collections.abc import Iterable, Iterator

import msgspec
import sqlalchemy as sa

from server.audit.chain import BEGINNING, Entry, link
from server.audit.heads import Head
from server.audit.store import audit

_AT_ONCE = 10_000


class Verdict(msgspec.Struct, frozen=True):
    """How much was read, and the first thing that is wrong; None: nothing."""

    entries: int
    heads: int
    wrong: str | None = None


def verify(tx: sa.Connection, heads: Iterable[tuple[int, Head | None]] = ()) -> Verdict:
    """The whole trail. `heads`: line number and head, None for one that is not signed by the server."""
    known: dict[int, tuple[int, str]] = {}
    lines = 0
    for number, head in heads:
        lines += 1
        if head is None:
            return Verdict(0, lines, f"line {number} of the heads is not signed by this server")
        if known.setdefault(head.entries, (number, head.link))[1] != head.link:
            was = known[head.entries][0]
            return Verdict(0, lines, f"lines {was} and {number} of the heads say different things of one entry")
    tie, last, agreed = BEGINNING, 0, 0
    for entry, kept in _entries(tx):
        if entry.id != last + 1:
            return Verdict(last, lines, f"{_gap(last + 1, entry.id)}: somebody took it out")
        tie = link(tie, entry)
        if tie != kept:
            return Verdict(last, lines, f"entry {entry.id} is not what it was when it was written")
        last = entry.id
        said = known.pop(last, None)
        if said is not None and said[1] != tie.hex():
            since = f"after entry {agreed}" if agreed else "from the beginning"
            return Verdict(
                last, lines, f"the trail was made anew somewhere {since}: entry {last} is not that of line {said[0]}"
            )
        agreed = last if said else agreed
    if known:
        most = max(known)
        return Verdict(
            last, lines, f"{_gap(last + 1, most + 1)}: the end was cut off, line {known[most][0]} of the heads knew it"
        )
    return Verdict(last, lines)


def _gap(first: int, beyond: int) -> str:
    return f"entry {first} is missing" if beyond == first + 1 else f"entries {first} to {beyond - 1} are missing"


def _entries(tx: sa.Connection) -> Iterator[tuple[Entry, bytes]]:
    columns = [audit.c[name] for name in Entry.__struct_fields__]
    after = 0
    while True:
        rows = tx.execute(
            sa.select(*columns, audit.c.link).where(audit.c.id > after).order_by(audit.c.id).limit(_AT_ONCE)
        ).all()
        for *values, kept in rows:
            yield Entry(*values), bytes(kept or b"")
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].id
