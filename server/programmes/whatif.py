"""What a programme would do to people: it and today's watch over the same record, and their alarms are compared.

Personal limits go on overriding the programme's. How alarms are counted, `triage.passage` says. It is computed here for
`hjemvakt triage whatif`, which has all the time and memory it is given, and for the page of programmes, which has not
(`server.programmes.trial`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from triage.passage import Alarm, Difference, Record, alarms, difference
from triage.programme import Programme, limits_for
from vitals.clock import NS
from vitals.errors import ConfigError

SHORT_S, LONG_S = 300.0, 3600.0
"""What becomes known is looked at within five minutes, and everybody once an hour."""

Progress = Callable[[int, int], None]


class Side(msgspec.Struct, frozen=True):
    """What a programme makes of it. `touched`: patients with at least one alarm. Below one day there is no rate."""

    programme: str
    version: str
    digest: str
    alarms: int
    per_100_patient_days: float | None
    touched: int
    by_kind: dict[str, int]
    by_level: dict[str, int]
    by_rule: dict[str, int]


def personal(patient: str, programme: Programme, own: Mapping[str, float]) -> dict[str, float]:
    """All limits of a patient; raises ConfigError that names the patient whom they do not fit."""
    try:
        return limits_for(programme, own)
    except ConfigError as error:
        raise ConfigError(
            f"patient {patient} under {programme.name} {programme.version}: {error.text}", error.mend
        ) from error


def only(record: Record, people: Sequence[str]) -> Record:
    """The record of these people alone."""
    place = {one: number for number, one in enumerate(people)}
    number = np.array([place.get(one, -1) for one in record.patients], np.int64)[record.patient]
    kept = number >= 0
    return Record(
        tuple(people), record.names, number[kept], record.name[kept], record.t_ns[kept], record.known_ns[kept],
        record.value[kept], record.good[kept],
    )  # fmt: skip


def watched(
    record: Record, programme: Programme, limits: Mapping[str, Mapping[str, float]], progress: Progress,
    *, short_s: float = SHORT_S,
) -> list[Alarm]:  # fmt: skip
    """The alarms that the programme would raise over the record."""
    first, _ = record.span()
    given = {
        one: {**limits[one], "watched_since_ns": float(since)}
        for one, since in zip(record.patients, first.tolist(), strict=True)
    }
    return alarms(record, programme.rules_of(), given, short_s=short_s, long_s=LONG_S, progress=progress)


def patient_days(record: Record, since_ns: int | None = None) -> float:
    """How long the people of the record were watched, from `since_ns` on, in days."""
    first, last = record.span()
    begun = first if since_ns is None else np.maximum(first, since_ns)
    return float(np.maximum(last - begun, 0).sum()) / (86_400 * NS)


def side(programme: Programme, found: Sequence[Alarm], days: float) -> Side:
    """The figures of one of the two."""
    often = round(100 * len(found) / days, 2) if days >= 1 else None
    return Side(
        programme.name, programme.version, programme.digest, len(found), often,
        len({one.patient for one in found}), _counted(one.kind.value for one in found),
        _counted(one.level.name.lower() for one in found), _counted(one.rule for one in found),
    )  # fmt: skip


def compared(before: Sequence[Alarm], after: Sequence[Alarm], since_ns: int) -> Difference:
    """Which alarms that open from `since_ns` on come and go; what opened before that is there to be compared with."""
    new = difference(before, opened_since(after, since_ns))
    old = difference(opened_since(before, since_ns), after)
    return replace(new, go=old.go)


def opened_since(found: Iterable[Alarm], since_ns: int) -> list[Alarm]:
    return [one for one in found if one.opened_ns >= since_ns]


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(words).most_common())
