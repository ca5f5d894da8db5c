"""The one gate a number passes on its way from a packet to a `Block`.

A device says one of two things: a number with a precision, or that it has none and why. The second is never turned
into a number: 2047 % is what becomes of a NaN that was read as one. And a number no instrument could truthfully report
is a fault of the measurement, kept with its bytes for a person to look at, never a finding about the patient.
"""

import msgspec

from drivers.contract import Rx
from vitals.block import Block
from vitals.channels import CHANNELS
from vitals.events import Fault


class Number(msgspec.Struct, frozen=True):
    """A finite value and how many decimals the device reported it with (2.00 is not 2)."""

    value: float
    decimals: int = 0


class Missing(msgspec.Struct, frozen=True):
    """No value, and why; the reason completes "the device sent …"."""

    reason: str


class Stamp(msgspec.Struct, frozen=True):
    """When a reading was taken and what the device calls it; the fields are those of `vitals.block.Block`."""

    t_ns: int
    device_t_ns: int | None = None
    record: str | None = None
    status: tuple[str, ...] = ()


def reading(channel: str, number: Number | Missing, rx: Rx, stamp: Stamp) -> Block | Fault:
    """`number` (in the unit of `channel`) as a Block, or the Fault that says why it is none."""
    if isinstance(number, Missing):
        text = f"{channel}: the device sent {number.reason}"
        return Fault("no value", text, rx.t_ns, rx.pipe, rx.data, channel)
    kind = CHANNELS[channel]
    if not kind.plausible(number.value):
        text = f"{channel} {number.value:g} {kind.unit} is outside {kind.low:g}–{kind.high:g}"
        return Fault("implausible", text, rx.t_ns, rx.pipe, rx.data, channel)
    return Block(
        channel,
        (stamp.t_ns,),
        (number.value,),
        number.decimals,
        stamp.status,
        stamp.record,
        stamp.device_t_ns,
    )
