"""What a device tells that is not a number: a dispenser's log, and faults.

A fault is data, not an exception: bytes that could not be read, with the reason, so that a person can find them.
"""

import msgspec

# The open dispenser protocol's event log (docs/reference/dispenser-protocol.md), code -> name.
# Never "taken": a sensor sees that a dose was lifted out, not that it was swallowed.
DISPENSER = {
    1: "due", 2: "presented", 3: "retrieved", 4: "user_confirmed", 5: "missed", 6: "delayed", 7: "early",
    8: "refill", 9: "low", 10: "empty", 11: "jam", 12: "dispense_fail", 13: "lid_open", 14: "lid_close",
    15: "tamper", 16: "battery_low", 17: "mains_lost", 18: "mains_restored", 19: "boot", 20: "clock_set",
    21: "clock_unset", 22: "log_overflow", 23: "order_done", 24: "order_refused", 25: "order_unknown",
}  # fmt: skip

URGENT = frozenset(
    {
        "dispenser.missed", "dispenser.jam", "dispenser.dispense_fail", "dispenser.tamper", "order.unknown",
        "local.alarm",
    }
)  # fmt: skip
"""Kinds of event that somebody must hear of at once: they go before everything else that waits in a gateway."""


class Event(msgspec.Struct, frozen=True, tag="event", omit_defaults=True):
    """Something that happened at `t_ns`. `kind` is dotted: `dispenser.missed`. `data` holds its numbers and words.

    Times and `record` mean what they mean in `vitals.block.Block`.
    """

    kind: str
    t_ns: int
    data: dict[str, int | float | str] = {}
    record: str | None = None
    device_t_ns: int | None = None


class Fault(msgspec.Struct, frozen=True, tag="fault", omit_defaults=True):
    """Bytes or a value that could not be used. `code` is a short word to count by, `text` the reason in full."""

    code: str
    text: str
    t_ns: int
    pipe: str = ""
    data: bytes = b""
    channel: str = ""


FAULTS = {
    "short packet": "fewer bytes than the flags promise",
    "long packet": "more bytes than the flags promise",
    "bad checksum": "the packet's check value does not fit its bytes",
    "unknown packet": "a packet type this driver does not know",
    "no value": "the device sent a special number: no value, with a reason",
    "implausible": "outside what an instrument could truthfully report",
    "gap": "records were lost before they reached the gateway",
    "refused": "the device did not do what it was asked",
    "driver bug": "the driver failed, or gave what cannot be stored; a fault of ours, please report it",
    "unknown device": "a device that is not in the configuration",
    "unknown recording": "made before the device was known here, so nobody can say whose it is; not told",
}
