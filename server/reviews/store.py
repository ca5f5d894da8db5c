"""The last review of each patient: somebody has gone through what there is, and said so.

To open a page is no review, and a stream that refreshes it is none either; so it is a deed of its own. The audit log
has them all, this table the last.
"""

from collections.abc import Collection

import msgspec
import sqlalchemy as sa

from server.audit import store as audit
from server.db import metadata, upsert
from server.quick import Among

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), primary_key=True),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("who", sa.Text, nullable=False, comment="the name"),
)


class Reviewed(msgspec.Struct, frozen=True):
    """When, and by whom: their name."""

    t_ns: int
    who: str


def review(tx: sa.Connection, patient_id: str, who: str, name: str, now_ns: int) -> Reviewed:
    """The patient has been gone through now; audited as `who`."""
    upsert(tx, reviews, {"patient_id": patient_id}, {"t_ns": now_ns, "who": name})
    audit.write(tx, now_ns, who, "review", patient_id)
    return Reviewed(now_ns, name)


def last(tx: sa.Connection, patient_ids: Collection[str] | None) -> dict[str, Reviewed]:
    """The last review of each of these (None: of everybody) who has had one."""
    return {row[0]: Reviewed(row[1], row[2]) for row in _LAST.rows(tx, patient_ids)}


_LAST = Among(sa.select(reviews.c.patient_id, reviews.c.t_ns, reviews.c.who), reviews.c.patient_id)
