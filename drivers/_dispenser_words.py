"""The words of the open dispenser protocol: its messages, an entry's numbers by name, and what becomes of an order.

Source: docs/reference/dispenser-protocol.md, sections 1, 2, 4 and 5.
"""

import msgspec

from drivers._gatt import Reader
from vitals.clock import MS, NS
from vitals.events import DISPENSER, Event

VERSION = 1

HELLO_GET, READ_FROM, ACK_UPTO, TIME_SET = 0x01, 0x02, 0x03, 0x05
SCHEDULE_PUT, SCHEDULE_GET, ORDER, ORDER_GET, SCHEDULE_PART = 0x06, 0x07, 0x08, 0x09, 0x0A
HELLO, EVENT, ACKED, TIME, READ_DONE, SCHEDULE, HEARTBEAT = 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87
ORDER_STATE, ERROR = 0x88, 0xFF

UNKNOWN_TYPE, OTHER_LOG, BUSY = 1, 3, 4
ERRORS = {UNKNOWN_TYPE: "unknown type", 2: "bad body", OTHER_LOG: "another log", BUSY: "busy"}

CLOCK_NOT_TRUSTED = 4
FLAGS = {0: "time_critical", 1: "on_battery", 2: "clock_untrusted"}
# What `value` means, by type. Of the other types it says nothing, and is kept as `value` where it is not 0.
VALUES = {
    3: "after_due_s", 4: "after_due_s", 5: "window_min", 6: "delay_min", 7: "early_min", 8: "doses_inside",
    9: "doses_left", 12: "maker_code", 15: "maker_code", 16: "battery_percent", 19: "reset_cause", 20: "step_s",
    22: "lost_entries", 24: "reason",
}  # fmt: skip

KINDS = {"dispense": 1, "lock": 2, "unlock": 3, "test": 4}
"""Kinds of order, as the device numbers them."""

NEVER_SEEN = 0
ENDS = {2: "done", 3: "refused", 4: "unknown"}
"""State of an order -> how it ended; the others are no end."""

ENTRY_ENDS = {23: "done", 24: "refused", 25: "unknown"}
"""The same by the type of its entry."""

REASONS = {
    1: "it came too late, or for an earlier start of the device",
    2: "the device cannot do that",
    3: "the device is locked",
    4: "no dose is left",
    5: "the mechanism is stuck",
    6: "there is no such compartment",
    7: "the device is doing something else",
}
LOST_POWER = "the device lost power while it was under way"


class Hello(msgspec.Struct, frozen=True):
    """What the device said of itself, and when (`t_ns`, the gateway's clock)."""

    t_ns: int
    log_id: int
    boot_id: int
    oldest: int
    newest: int
    utc: int
    uptime_ms: int
    battery: int

    def uptime_ns(self, t_ns: int) -> int:
        """What its uptime must be at `t_ns`, had it not wrapped."""
        return self.uptime_ms * MS + t_ns - self.t_ns


class Entry(msgspec.Struct, frozen=True):
    """One entry of the log, in the order of the wire."""

    seq: int
    boot_id: int
    utc: int
    uptime_ms: int
    kind: int
    compartment: int
    dose_id: int
    count: int
    flags: int
    value: int

    @property
    def name(self) -> str:
        return DISPENSER.get(self.kind, f"type_{self.kind}")

    @property
    def device_t_ns(self) -> int | None:
        return self.utc * NS if self.utc else None

    @property
    def data(self) -> dict[str, int | float | str]:
        """Its numbers by name; a compartment or dose of 0 is none, and stays out."""
        data: dict[str, int | float | str] = {"count": self.count}
        if self.kind in ENTRY_ENDS:
            kinds = {number: kind for kind, number in KINDS.items()}
            data = {"order_kind": kinds.get(self.count, f"kind_{self.count}")}
        if self.compartment:
            data["compartment"] = self.compartment
        if self.dose_id:
            data["dose_id"] = self.dose_id
        for bit, name in FLAGS.items():
            if self.flags >> bit & 1:
                data[name] = 1
        if self.kind in VALUES:
            data[VALUES[self.kind]] = self.value
        elif self.value:
            data["value"] = self.value
        return data


class OrderState(msgspec.Struct, frozen=True):
    """What the device says of an order; `seq` is the entry of its outcome, 0 where there is none."""

    id: int
    state: int
    reason: int
    seq: int


def hello(packet: Reader, t_ns: int) -> Hello:
    """The body of HELLO after its version."""
    log_id, boot_id, oldest, newest, utc, uptime_ms = (packet.u32() for _ in range(6))
    told = Hello(t_ns, log_id, boot_id, oldest, newest, utc, uptime_ms, packet.u8())
    packet.take(packet.u8())  # the serial number, in words
    packet.end()
    return told


def entry(packet: Reader) -> Entry:
    """The body of EVENT."""
    seq, boot_id, utc, uptime_ms = (packet.u32() for _ in range(4))
    kind, compartment, dose_id = packet.u8(), packet.u8(), packet.u16()
    count, flags, value = packet.u8(), packet.u8(), packet.s16()
    packet.end()
    return Entry(seq, boot_id, utc, uptime_ms, kind, compartment, dose_id, count, flags, value)


def order_state(packet: Reader) -> OrderState:
    """The body of ORDER_STATE."""
    told = OrderState(int.from_bytes(packet.take(8), "little"), packet.u8(), packet.u8(), packet.u32())
    packet.end()
    return told


def outcome(order_id: int, how: str, why: str, t_ns: int, device_t_ns: int | None = None) -> Event:
    """How an order ended. However often and in whichever way it is learned, it has the same record and data."""
    data: dict[str, int | float | str] = {"order": f"{order_id:016x}"}
    if why:
        data["why"] = why
    return Event(f"order.{how}", t_ns, data, f"{order_id:016x}:{how}", device_t_ns)


def why(how: str, reason: int) -> str:
    """The words for an outcome that is not "done"."""
    if how == "unknown":
        return LOST_POWER
    return "" if how == "done" else REASONS.get(reason, f"reason {reason}")


def u32(number: int) -> bytes:
    return (number & 0xFFFFFFFF).to_bytes(4, "little")
