"""The journal's tail in memory: what is filed and not folded into chunks yet, by patient.

A row of the journal is kept as it is, its readings in the order (patient, channel, time, value), so that one patient's
are a slice, and known by its seq. Whoever reads says up to which seq the chunks that he sees have everything, and gets
what is later; so nothing is read twice or left out, however long ago he began to look.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from server.readings.journal import Filed
from server.readings.model import Latest, rank
from server.readings.sheaf import Sheaf, identities
from server.readings.values import Values, flags, merged


class Kept:
    """One row of the journal. `spans`: where each patient's readings are. `patients`: all whom it says something of."""

    __slots__ = ("_columns", "_series", "filed", "patients", "seq", "sheaf", "spans")

    def __init__(self, filed: Filed) -> None:
        sheaf = filed.sheaf
        self.seq = filed.seq
        self.sheaf = sheaf.take(np.lexsort([sheaf.rows[name] for name in ("value", "t_ns", "channel", "patient")]))
        self.filed = filed._replace(sheaf=self.sheaf)  # in one order only: the other would be as large
        rows = self.sheaf.rows
        self._columns = Values(rows["t_ns"].copy(), rows["value"].copy(), flags(rows["good"], rows["decimals"]))
        self.spans: dict[str, tuple[int, int]] = {}
        self._series: dict[tuple[str, str], tuple[int, int]] = {}
        patient, channel = rows["patient"], rows["channel"]
        first = np.ones(len(rows), np.bool_)  # of its patient and channel
        first[1:] = (patient[1:] != patient[:-1]) | (channel[1:] != channel[:-1])
        starts = np.flatnonzero(first)
        stops = [*starts[1:].tolist(), len(rows)] if len(rows) else []
        named = zip(patient[starts].tolist(), channel[starts].tolist(), starts.tolist(), stops, strict=True)
        for who, what, start, stop in named:
            name = sheaf.words[who]
            self._series[name, sheaf.words[what]] = start, stop
            self.spans[name] = self.spans.get(name, (start, stop))[0], stop
        self.patients = set(self.spans)
        self.patients.update(one.patient_id for one in filed.events)
        self.patients.update(one.patient_id for one in filed.withdrawn)

    def channels(self, patient_id: str) -> Iterator[tuple[str, int, int]]:
        """The channels of one patient, and where each one's rows are."""
        start, end = self.spans[patient_id]
        while start < end:
            channel = self.sheaf.words[self.sheaf.rows["channel"][start]]
            first, start = self._series[patient_id, channel]
            yield channel, first, start

    def newest(self, patient_id: str) -> Iterator[tuple[Latest, int]]:
        """The newest of each channel of one patient, without the value of a day before, and when the first is of.

        Of one moment and value there may be several: the one that ranks highest (`rank`).
        """
        t_ns, value = self._columns.t_ns, self._columns.value
        for channel, start, stop in self.channels(patient_id):
            last = first = stop - 1
            newest = t_ns.item(last), value.item(last)
            while first > start and (t_ns.item(first - 1), value.item(first - 1)) == newest:
                first -= 1
            yield max((self._latest(channel, place) for place in range(first, stop)), key=rank), t_ns.item(start)

    def values(self, where: slice) -> Values:
        """These rows."""
        return self._columns.only(where)

    def counting(self, patient_id: str, channel: str, gone: dict[bytes, int]) -> Values | None:
        """One channel of one patient but what was withdrawn later; None for nothing."""
        span = self._series.get((patient_id, channel))
        if span is None:
            return None
        where = slice(*span)
        values = self.values(where)
        if gone:
            names = identities(self.sheaf.rows[where])
            values = values.only(np.array([gone.get(name, -1) <= self.seq for name in names], np.bool_))
        return values if len(values.t_ns) else None

    def _latest(self, channel: str, place: int) -> Latest:
        row = self.sheaf.rows[place]
        status = tuple(self.sheaf.statuses[row["status"]].split())
        t_ns, value = self._columns.t_ns.item(place), self._columns.value.item(place)
        return Latest(channel, t_ns, value, int(row["decimals"]), status, int(row["stored_ns"]), None)

    def at(self, patient_id: str, t_ns: int) -> Sheaf | None:
        """All that one patient's devices measured at one moment; None for nothing."""
        start, stop = self.spans.get(patient_id, (0, 0))
        places = np.flatnonzero(self._columns.t_ns[start:stop] == t_ns) + start
        return self.sheaf.take(places).alone() if len(places) else None


class View:
    """What one reader sees of one patient beyond the chunks. `gone`: what was withdrawn, and by which row."""

    __slots__ = ("_joined", "_patient_id", "after_seq", "gone", "kept")

    def __init__(self, patient_id: str, after_seq: int, kept: list[Kept], gone: dict[bytes, int]) -> None:
        self.after_seq = after_seq
        self.kept = kept
        self.gone = gone
        self._patient_id = patient_id
        self._joined: dict[str, Values] = {}
        """What was asked for, put together: the same chart is drawn again and again."""

    def values(self, channel: str) -> Values:
        """All that counts of one channel, by time and value."""
        found = self._joined.get(channel)
        if found is None:
            pieces = [one.counting(self._patient_id, channel, self.gone) for one in self.kept]
            found = self._joined[channel] = merged([one for one in pieces if one is not None])
        return found


class Tail:
    """Rows of the journal after `floor`, in order. Not thread-safe: `server.readings.shelf` sees to that."""

    def __init__(self, floor: int) -> None:
        self.floor = floor
        self.kept: list[Kept] = []
        self._of: dict[str, list[Kept]] = {}
        self._gone: dict[str, dict[bytes, int]] = {}
        self._views: dict[str, View] = {}
        """Of those who were asked for and of whom nothing has changed since."""

    def add(self, one: Kept) -> None:
        """The next row."""
        self.kept.append(one)
        for patient in one.spans:
            self._of.setdefault(patient, []).append(one)
        for patient in one.patients:
            self._views.pop(patient, None)
        for withdrawn in one.filed.withdrawn:
            self._gone.setdefault(withdrawn.patient_id, {})[withdrawn.identity] = one.seq

    def drop(self, up_to: int) -> list[Kept]:
        """Forget the rows that are folded; returns them."""
        old = [one for one in self.kept if one.seq <= up_to]
        self.kept = self.kept[len(old) :]
        self.floor = max(self.floor, up_to)
        for patient in {patient for one in old for patient in one.patients}:
            self._views.pop(patient, None)
        for patient in {patient for one in old for patient in one.spans}:
            self._of[patient] = [one for one in self._of[patient] if one.seq > up_to]
            if not self._of[patient]:
                del self._of[patient]
        for one in old:
            for withdrawn in one.filed.withdrawn:
                gone = self._gone.get(withdrawn.patient_id, {})
                if gone.get(withdrawn.identity, up_to + 1) <= up_to:
                    del gone[withdrawn.identity]
        self._gone = {patient: gone for patient, gone in self._gone.items() if gone}
        return old

    def of(self, patient_id: str, after_seq: int) -> View:
        """What one patient has after that row."""
        view = self._views.get(patient_id)
        if view is None or view.after_seq != after_seq:
            view = self._views[patient_id] = self._view(patient_id, after_seq)
        return view

    def _view(self, patient_id: str, after_seq: int) -> View:
        kept = [one for one in self._of.get(patient_id, ()) if one.seq > after_seq]
        gone = self._gone.get(patient_id)
        still = {} if gone is None else {name: seq for name, seq in gone.items() if seq > after_seq}
        return View(patient_id, after_seq, kept, still)


def also(view: View, patient_id: str, more: Iterable[Kept]) -> View:
    """The view with further rows, before or after those it has."""
    kept, gone = list(view.kept), dict(view.gone)
    for one in more:
        if patient_id in one.spans:
            kept.append(one)
        for withdrawn in one.filed.withdrawn:
            if withdrawn.patient_id == patient_id:
                gone[withdrawn.identity] = max(one.seq, gone.get(withdrawn.identity, 0))
    return View(patient_id, view.after_seq, kept, gone)
