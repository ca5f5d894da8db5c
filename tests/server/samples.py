"""What the rules are shown, one by one."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from server.readings.store import recent
from triage.grid import Need, Sample


def seen(tx: sa.Connection, people: Sequence[str], needs: Mapping[str, Need], now_ns: int) -> list[Sample]:
    """The samples of `server.readings.store.recent`, each with its patient and name."""
    found, names = recent(tx, people, needs, now_ns), list(needs)
    columns = (found.patient, found.name, found.t_ns, found.value, found.good)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [Sample(people[patient], names[name], t_ns, value, good) for patient, name, t_ns, value, good in rows]
