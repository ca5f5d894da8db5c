"""What a home was told by its own hub while we were away, on the timeline of the alarm that tells of the same.

The hub's row comes before the readings it was about (`vitals.wire.Lane.ALARM`), so there is no alarm yet, and there
may never be one: a person may have closed it, or our rules see what the hub did not. So it waits among the events, and
is put on the timeline once, when an open alarm has a reason of the same rule. It raises nothing by itself: our own
rules find in the readings what the hub's found, and that is one alarm.
"""

from collections.abc import Collection
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from server.alarms import table, timeline, words
from server.alarms.table import alarms
from server.quick import Among
from server.readings.store import occurrences
from vitals.alarm import Kind
from vitals.clock import NS

KINDS = {"local.alarm": words.told_at_home, "local.seen": words.seen_at_home}
BEFORE_NS = 7 * 86_400 * NS
"""So long before the alarm was raised the home may have been told."""


def trace(tx: sa.Connection, patient_ids: Collection[str]) -> set[str]:
    """Put on the open clinical alarms of these patients what is not there yet; returns whose timeline has grown."""
    told = sorted(_TOLD.rows(tx, patient_ids), key=lambda one: one[:3])
    return {
        patient_id
        for patient_id, of_patient in groupby(told, key=lambda one: one.patient_id)
        if _trace(tx, patient_id, list(of_patient))
    }


def _trace(tx: sa.Connection, patient_id: str, told: list[sa.Row[Any]]) -> bool:
    alarm = table.open_of(tx, patient_id, Kind.CLINICAL.value)
    if alarm is None:
        return False
    rules = {reason.rule for reason in alarm.reasons}
    of_patient = sa.select(alarms.c.id).where(alarms.c.patient_id == patient_id)
    known = timeline.timeline.c
    written = {
        (t_ns, what)
        for t_ns, what in tx.execute(
            sa.select(known.t_ns, known.what).where(known.alarm_id.in_(of_patient), known.what.in_(KINDS))
        )
    }
    fresh = [
        one
        for one in told
        if one.data.get("rule") in rules
        and one.t_ns >= alarm.raised_ns - BEFORE_NS
        and (one.t_ns, one.kind) not in written
    ]
    for one in {(one.t_ns, one.kind): one for one in fresh}.values():  # two rules, one moment, one sentence
        timeline.add(tx, alarm.id, one.t_ns, one.kind, KINDS[one.kind](one.data))
    return bool(fresh)


_TOLD = Among(
    sa.select(*(occurrences.c[name] for name in ("patient_id", "t_ns", "kind", "data"))).where(
        occurrences.c.sample.in_(KINDS)
    ),
    occurrences.c.patient_id,
)
