"""A dispenser's memory: one append-only log. An entry is kept until it is acknowledged, or memory runs out.

Memory is flash, so what must go when it is full goes by the page: the oldest `page` entries at once, and the first
entry written after says how many were lost.
"""

import struct
from enum import IntEnum

import msgspec


class Type(IntEnum):
    """What an entry is about: the table of the protocol, section 1."""

    DUE = 1
    PRESENTED = 2
    RETRIEVED = 3
    USER_CONFIRMED = 4
    MISSED = 5
    DELAYED = 6
    EARLY = 7
    REFILL = 8
    LOW = 9
    EMPTY = 10
    JAM = 11
    DISPENSE_FAIL = 12
    LID_OPEN = 13
    LID_CLOSE = 14
    TAMPER = 15
    BATTERY_LOW = 16
    MAINS_LOST = 17
    MAINS_RESTORED = 18
    BOOT = 19
    CLOCK_SET = 20
    CLOCK_UNSET = 21
    LOG_OVERFLOW = 22
    ORDER_DONE = 23
    ORDER_REFUSED = 24
    ORDER_UNKNOWN = 25


class Moment(msgspec.Struct, frozen=True):
    """When an entry is written, in the device's own three clocks."""

    boot_id: int
    device_utc: int
    uptime_ms: int


class Entry(msgspec.Struct, frozen=True):
    """One entry of 24 bytes."""

    seq: int
    moment: Moment
    type: int
    compartment: int = 0
    dose_id: int = 0
    count: int = 0
    flags: int = 0
    value: int = 0

    def encode(self) -> bytes:
        """As in the protocol's table; `value` is held at the ends of its range."""
        return struct.pack(
            "<4I2BH2Bh",
            self.seq,
            self.moment.boot_id,
            self.moment.device_utc,
            self.moment.uptime_ms,
            self.type,
            self.compartment,
            self.dose_id,
            self.count,
            self.flags,
            max(-32768, min(32767, self.value)),
        )


class Log(msgspec.Struct):
    """Entries not yet released, oldest first; `next_seq` is the number the next one will have, `acked` the last that
    was ever acknowledged."""

    log_id: int
    entries: list[Entry] = []
    next_seq: int = 1
    capacity: int = 512
    page: int = 64
    acked: int = 0

    @property
    def oldest_seq(self) -> int:
        return self.entries[0].seq if self.entries else self.next_seq

    @property
    def newest_seq(self) -> int:
        return self.next_seq - 1

    def write(
        self,
        moment: Moment,
        type_: Type,
        *,
        compartment: int = 0,
        dose_id: int = 0,
        count: int = 0,
        flags: int = 0,
        value: int = 0,
    ) -> None:
        """Append an entry; where there is no room, a page goes and LOG_OVERFLOW comes first."""
        if len(self.entries) >= self.capacity:
            gone = max(self.page, 2)  # room for two: this entry, and the one that tells of the loss
            lost, self.entries = self.entries[:gone], self.entries[gone:]
            self._append(Entry(self.next_seq, moment, Type.LOG_OVERFLOW, flags=flags & ~1, value=len(lost)))
        self._append(Entry(self.next_seq, moment, type_, compartment, dose_id, count, flags, value))

    def _append(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.next_seq += 1

    def since(self, seq: int) -> list[Entry]:
        """Entries numbered `seq` or later that are still there."""
        return [entry for entry in self.entries if entry.seq >= seq]

    def release(self, seq: int) -> int:
        """Forget everything up to `seq`; returns the last number that is released."""
        self.acked = max(self.acked, seq)
        self.entries = self.since(seq + 1)
        return self.oldest_seq - 1
