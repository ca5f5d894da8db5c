"""What one transaction is to store, piled up from message to message and written at the end in one go.

A batch goes onto it in columns (`server.ingest.lane`) or row by row (`server.ingest.filing`); of what was read early
(`server.ingest.early`) the columns are there already. Rows that have come before are left out, and what cannot be filed
is set aside with its bytes.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa

from server.fleet.quarantine import Unfiled, set_aside
from server.held.model import MAY_BE_HELD
from server.held.store import sift
from server.ingest.columns import Columns, in_columns
from server.ingest.come import Come
from server.ingest.correct import Sent, any_shifted, shift_ns
from server.ingest.early import Letter, Section
from server.ingest.filing import Filed, Refused, file
from server.ingest.lane import ordinary, owned, owners_of
from server.ingest.parcel import Message, Parcel, Spoilt
from server.ingest.ranges import runs
from server.patients.store import Whose, assigned
from server.readings.fresh import Fresh
from server.readings.sheaf import Sheaf, join
from server.readings.sheaf import sheaf as sheaf_of
from server.readings.store import Occurrence, Reading
from server.readings.store import file as keep
from vitals.events import Fault
from vitals.seal import Key
from vitals.wire import Ack, Row, down, encode

log = logging.getLogger(__name__)


class Moment(NamedTuple):
    """By our clock, whose speed that is."""

    now_ns: int
    speed: float


class Tally(msgspec.Struct):
    """How much came, to be counted once it is committed.

    `messages` by kind (batch, heartbeat, state, refused), rows that are `new` or had come before (`again`), and what
    was set `aside`, by reason.
    """

    messages: Counter[str] = msgspec.field(default_factory=Counter)
    new: int = 0
    again: int = 0
    aside: Counter[str] = msgspec.field(default_factory=Counter)


class Read(NamedTuple):
    """A batch that was read early and is believed now: its seal fits. `sent`: with what is proved of it."""

    letter: Letter
    key: Key | None
    sent: Sent


class Pile:
    """`tally` counts; `acknowledge` are the answers that may go out once all is committed."""

    def __init__(self, moment: Moment) -> None:
        self.tally = Tally()
        self.acknowledge: list[Message] = []
        self._moment = moment
        self._come = Come()
        self._whose = Whose()
        self._asked: set[str] = set()
        self._sheaves: list[Sheaf] = []
        self._events: list[Occurrence] = []
        self._aside: list[Unfiled] = []

    def set_aside(self, one: Unfiled) -> None:
        """Keep this with its bytes, unacknowledged."""
        self._aside.append(one)

    def ask(self, tx: sa.Connection, devices: AbstractSet[str]) -> None:
        """Learn whose these devices were. Many at once cost hardly more than one."""
        if unknown := devices - self._asked:
            self._whose.add(assigned(tx, unknown))
            self._asked |= unknown

    def file(self, tx: sa.Connection, parcels: Sequence[Parcel]) -> None:
        """Pile up what is new in these, with an acknowledgement for each."""
        if not parcels:
            return
        self.ask(tx, set().union(*(parcel.devices() for parcel in parcels)))
        self._come.recall(tx, {(parcel.gateway, parcel.epoch) for parcel in parcels})
        fresh = []
        for parcel in parcels:
            new = self._new(parcel)
            self.tally.new += len(new.rows)
            self.tally.again += len(parcel.rows) - len(new.rows)
            if new.rows:
                fresh.append(new)
            if numbers := runs(parcel.numbers()):
                ack = Ack(parcel.epoch, numbers, self._moment.now_ns)
                self.acknowledge.append(acknowledgement(parcel.gateway, parcel.key, ack))
        self._file_new(fresh)

    def file_early(self, tx: sa.Connection, sections: Sequence[Section], reads: Mapping[int, Read]) -> list[Read]:
        """The same of batches that were read early: those `reads` of the sections, by their place, that are believed.
        Whose the sections' devices were has been asked (`ask`).

        Returns those that are not ordinary after all, or of which something has come before: they are to be opened and
        filed like any others.
        """
        if not reads:
            return []
        self._come.recall(tx, {(read.letter.gateway, read.letter.epoch) for read in reads.values()})
        return [read for section in sections for read in self._file_section(section, reads)]

    def write(self, tx: sa.Connection) -> tuple[Fresh, set[str]]:
        """Write it all; returns what of it was filed now, and whose questions changed. What is held is stored, but not
        the patient's."""
        kept, now_ns = None, self._moment.now_ns
        patients: set[str] = set()
        self._come.remember(tx)
        if self._sheaves or self._events:
            filed, held, patients = _sifted(tx, join(self._sheaves), now_ns)
            kept = keep(tx, filed, self._events, now_ns, held=held)
        set_aside(tx, self._aside, now_ns)
        self.tally.aside.update(one.reason for one in self._aside)
        return Fresh(kept), patients

    # --- read early

    def _file_section(self, section: Section, reads: Mapping[int, Read]) -> list[Read]:
        """File what is ordinary; returns what is not."""
        owners: dict[str, str] = {}
        given = [reads.get(letter.place) for letter in section.letters]
        chosen = [read is not None and self._is_ordinary(read, owners) for read in given]
        if any(chosen):
            rows = np.repeat(np.array(chosen, np.bool_), [letter.rows for letter in section.letters])
            found = section.columns()
            theirs = found.sheaf if all(chosen) else found.sheaf.take(np.flatnonzero(rows))
            self.tally.new += len(theirs)
            self._put(owned(Columns(theirs, found.devices), owners))
        for read in (read for read, good in zip(given, chosen, strict=True) if read is not None and good):
            ack = Ack(read.letter.epoch, read.letter.ranges, self._moment.now_ns)
            self.acknowledge.append(acknowledgement(read.letter.gateway, read.key, ack))
        return [read for read, good in zip(given, chosen, strict=True) if read is not None and not good]

    def _is_ordinary(self, read: Read, owners: dict[str, str]) -> bool:
        """Whether all of it can be filed in columns as it is; then its rows have come, and `owners` has whose they are.

        A device has one owner in all of a section.
        """
        letter, (now_ns, speed) = read.letter, self._moment
        theirs = owners_of(letter.devices, letter.first_ns, letter.last_ns, self._whose, now_ns)
        if theirs is None or not letter.reckoned.surely_right(read.sent, now_ns, speed):
            return False
        if any(owners.get(device, patient) != patient for device, patient in theirs.items()):
            return False
        if not self._come.all_new((letter.gateway, letter.epoch), letter.ranges):
            return False
        owners.update(theirs)
        return True

    # --- as they come

    def _new(self, parcel: Parcel) -> Parcel:
        """The same with the rows that have not come before, what of it could not be read being set aside.

        A row that cannot be read has not come: a whole copy of it may still be on its way.
        """
        spool = parcel.gateway, parcel.epoch
        for spoilt in parcel.spoilt:
            if spoilt.seq is not None and not self._come.has(spool, spoilt.seq):
                self.set_aside(unfiled(parcel.gateway, spoilt))
        rows = self._come.new(spool, parcel.rows)
        return parcel if rows is parcel.rows else msgspec.structs.replace(parcel, rows=rows)

    def _file_new(self, parcels: Sequence[Parcel]) -> None:
        """File these, whose rows are all new, in the order in which they came."""
        for one in in_columns(parcels, self._ordinary):
            if isinstance(one, Parcel):
                self._file_carefully(one)
            else:
                self._put(one)

    def _ordinary(self, parcels: Sequence[Parcel]) -> Sheaf | None:
        """`ordinary`, but what it stumbles over goes the careful way, which finds the row."""
        try:
            if any(any_shifted(one.rows, one.sent, *self._moment) for one in parcels):
                return None
            return ordinary(parcels, self._whose, self._moment.now_ns)
        except Exception:
            if len(parcels) == 1:
                log.exception("a batch could not be filed in columns and is filed row by row")
            return None

    def _file_carefully(self, parcel: Parcel) -> None:
        """Row by row: what cannot be filed is set aside, and its neighbours are not."""
        readings: list[Reading] = []
        for row in parcel.rows:
            filed = self._filed(row, parcel)
            if isinstance(filed, Refused):
                self.set_aside(_refused(parcel.gateway, row, filed))
            else:
                readings += (one for one in filed if isinstance(one, Reading))
                self._events += (one for one in filed if isinstance(one, Occurrence))
        if readings:
            self._put(sheaf_of(readings, self._moment.now_ns))

    def _filed(self, row: Row, parcel: Parcel) -> Filed:
        """`file`, but a row that it stumbles over is set aside like any other that cannot be filed.

        It must not hold up the rows beside it; the journal and the quarantine have its bytes for whoever mends us.
        """
        try:
            shift = shift_ns(row, parcel.sent, *self._moment)
            return file(row, parcel.gateway, parcel.epoch, self._whose, self._moment.now_ns, shift)
        except Exception as error:
            log.exception("a row could not be filed and is set aside")
            return Refused("server error", f"{type(error).__name__}: {error}")

    def _put(self, sheaf: Sheaf) -> None:
        sheaf.rows["stored_ns"] = self._moment.now_ns
        self._sheaves.append(sheaf)


def acknowledgement(gateway: str, key: Key | None, ack: Ack) -> Message:
    """The message that it is, under the seal that what it answers came with."""
    topic, body = down(gateway, "ack"), encode(ack)
    return topic, key.seal(topic, body) if key else body


def unfiled(gateway: str, spoilt: Spoilt) -> Unfiled:
    """What could not be read, to be set aside."""
    return Unfiled(gateway, spoilt.device, spoilt.reason, spoilt.text, spoilt.data)


def _sifted(tx: sa.Connection, sheaf: Sheaf, now_ns: int) -> tuple[Sheaf, int, set[str]]:
    """What to file, how many readings were held, and whose questions changed."""
    doubtful = [code for code, word in enumerate(sheaf.words) if word in MAY_BE_HELD]
    asked = np.isin(sheaf.rows["channel"], doubtful)
    if not asked.any():
        return sheaf, 0, set()
    sifted = sift(tx, sheaf.take(np.flatnonzero(asked)).readings(), now_ns)
    return join([sheaf.take(np.flatnonzero(~asked)), sheaf_of(sifted.file, now_ns)]), sifted.held, sifted.patients


def _refused(gateway: str, row: Row, refused: Refused) -> Unfiled:
    """A fault's own bytes where the device sent some, else the row as it came."""
    data = row.what.data if isinstance(row.what, Fault) and row.what.data else msgspec.json.encode(row)
    return Unfiled(gateway, row.device, refused.reason, refused.text, data)
