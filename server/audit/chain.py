"""The chain, purely: each entry of the audit trail is bound to all before it.

A link is SHA-256 over the link before and the entry's canonical bytes: every field with its length before it, so that
no two entries have the same bytes. Whoever alters, removes or adds an entry must make every later link anew, and the
last of them no longer fits the heads that were signed and carried out of the house (`server.audit.heads`). That is also
the only way a cut tail shows: what is left of a chain is a chain.
"""

import hashlib
from collections.abc import Iterable

import msgspec

BEGINNING = bytes(32)
"""What the first entry is bound to."""

_ABSENT = (0xFFFF_FFFF).to_bytes(4)


class Entry(msgspec.Struct, frozen=True):
    """One entry. `id` counts from 1 without a gap; `t_ns` is the server's clock."""

    id: int
    t_ns: int
    who: str
    what: str
    patient_id: str | None
    detail: str


def link(before: bytes, entry: Entry) -> bytes:
    """The entry's link (32 bytes), given the one of the entry before."""
    numbers = entry.id.to_bytes(8) + entry.t_ns.to_bytes(8, signed=True)
    texts = (entry.who, entry.what, entry.patient_id, entry.detail)
    return hashlib.sha256(before + numbers + b"".join(map(_field, texts))).digest()


def links(before: bytes, entries: Iterable[Entry]) -> list[bytes]:
    """The links of entries that follow each other."""
    made: list[bytes] = []
    for entry in entries:
        before = link(before, entry)
        made.append(before)
    return made


def _field(text: str | None) -> bytes:
    if text is None:
        return _ABSENT
    data = text.encode()
    return len(data).to_bytes(4) + data
