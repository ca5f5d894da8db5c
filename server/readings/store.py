"""Filing readings and events, and reading them back.

Readings live in the journal and in chunks (`server.readings.shelf`), events, which are few, in a table of their own.
All four times are kept: `t_ns` the best estimate of when it was true, `device_t_ns` the device's own clock,
`received_ns` the gateway's, `stored_ns` the server's. Where the gateway's clock was found to be wrong
(`server.ingest.correct`), `t_ns` is the corrected time, and `shift_ns` by how much it was moved: the gateway told
`t_ns - shift_ns`, and received it at `received_ns + shift_ns`.
"""

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from server.readings.contract import Withdrawn
from server.readings.journal import nothing
from server.readings.memory import memory_of
from server.readings.model import EVER_NS as EVER_NS
from server.readings.model import Latest as Latest
from server.readings.model import Occurrence as Occurrence
from server.readings.model import Reading as Reading
from server.readings.model import SeriesColumns as SeriesColumns
from server.readings.occurrences import add
from server.readings.occurrences import events as events
from server.readings.occurrences import known as known
from server.readings.occurrences import occurrences as occurrences
from server.readings.sheaf import Sheaf, sheaf
from server.readings.tail import Kept
from server.readings.values import finest, good
from triage.contract import Floats, Rule, Window
from triage.grid import Need, Samples
from vitals.clock import NS


def keep(tx: sa.Connection, taken: Sequence[Reading], stored_ns: int) -> list[Reading]:
    """File those that are not there yet and return them."""
    kept = file(tx, sheaf(taken, stored_ns), (), stored_ns) if taken else None
    return [] if kept is None else kept.filed.sheaf.readings()


def keep_events(tx: sa.Connection, happened: Sequence[Occurrence], stored_ns: int) -> list[Occurrence]:
    """File those that are not there yet and return them."""
    kept = file(tx, nothing(), happened, stored_ns) if happened else None
    return [] if kept is None else list(kept.filed.events)


def file(
    tx: sa.Connection,
    readings: Sheaf,
    happened: Sequence[Occurrence],
    stored_ns: int,
    held: int = 0,
    again: bool = False,
) -> Kept | None:
    """File those that are not there yet, as one row of the journal; returns what of it is new, None for nothing.

    `held`: so many more are stored elsewhere. `again`: what is filed has been counted before.
    """
    new = memory_of(tx).shelf.new(tx, readings) if len(readings) else readings
    new_events = add(tx, happened, stored_ns) if happened else []
    counted = 0 if again else len(new) + len(new_events) + held
    if not counted and not len(new):
        return None
    return memory_of(tx).shelf.filed(tx, stored_ns, new, new_events, counted=counted)


def measured(tx: sa.Connection, patient_id: str, device: str | None, t_ns: int) -> list[tuple[Reading, int]]:
    """What a device (None: any) measured of a patient at one moment, by channel, each with when it was stored."""
    found = memory_of(tx).shelf.at(tx, patient_id, t_ns)
    pairs = zip(found.readings(), found.rows["stored_ns"].tolist(), strict=True)
    return sorted((pair for pair in pairs if device in (None, pair[0].device)), key=lambda pair: pair[0].channel)


def withdraw(tx: sa.Connection, filed: Sequence[Reading], now_ns: int) -> None:
    """From now on these do not count. They must be kept elsewhere, and known by their identity."""
    gone = [Withdrawn(one.patient_id, one.channel, one.t_ns, one.identity) for one in filed]
    if gone:
        memory_of(tx).shelf.filed(tx, now_ns, nothing(), withdrawn=gone)


def take_back(
    tx: sa.Connection, patient_id: str, device: str, t_ns: int, channels: Iterable[str], now_ns: int
) -> list[tuple[Reading, int]]:
    """Withdraw what a device measured at one moment, and return it with when it was stored: it is kept elsewhere."""
    names = set(channels)
    which = [pair for pair in measured(tx, patient_id, device, t_ns) if pair[0].channel in names]
    withdraw(tx, [one for one, _ in which], now_ns)
    return which


def newest_moments(tx: sa.Connection, patient_id: str, channel: str, count: int, until_ns: int) -> list[int]:
    """When the newest `count` readings of a channel were measured, the newest first; nothing later than `until_ns`."""
    moments: list[int] = []
    for days in (2, 30, None):  # most is measured often, and what is not has little to look through
        since_ns = EVER_NS[0] if days is None else until_ns - days * 86_400 * NS
        moments = memory_of(tx).shelf.values(tx, patient_id, channel, since_ns, until_ns).t_ns[-count:].tolist()
        if len(moments) == count:
            break
    return sorted(set(moments), reverse=True)


def stored_already(tx: sa.Connection, asked: Sequence[Reading]) -> set[bytes]:
    """The identities of those that are filed."""
    return memory_of(tx).shelf.known(tx, sheaf(asked, 0)) if asked else set()


def latest(tx: sa.Connection, patient_ids: Sequence[str] | None) -> dict[str, dict[str, Latest]]:
    """The newest reading of every channel, by patient and channel; of everybody for None."""
    return memory_of(tx).newest.of(tx, patient_ids)


def series(tx: sa.Connection, patient_id: str, channel: str, from_ns: int, to_ns: int) -> SeriesColumns:
    """One channel of one patient between two moments, both inclusive."""
    found = memory_of(tx).shelf.values(tx, patient_id, channel, from_ns, to_ns)
    return SeriesColumns(found.t_ns.tolist(), found.value.tolist(), good(found.flags).tolist(), finest(found.flags))


def recent(tx: sa.Connection, patient_ids: Sequence[str], needs: Mapping[str, Need], now_ns: int) -> Samples:
    """What the rules want to see of these patients, nothing later than `now_ns`: see `triage.grid.needs`."""
    return memory_of(tx).rings.samples(tx, patient_ids, needs, now_ns)


def window(
    tx: sa.Connection, patient_ids: Sequence[str], rules: Sequence[Rule], limit: Mapping[str, Floats], now_ns: int
) -> Window:
    """The window of these rules on these patients at `now_ns`; `limit`: each limit of each of them."""
    return memory_of(tx).rings.window(tx, patient_ids, rules, limit, now_ns)
