"""Where a row belongs, purely: under whom it is filed, or why it cannot be.

What cannot be filed is set aside with its bytes; it is never dropped, and it never holds up its neighbours.
"""

from typing import cast

import msgspec

from server.ingest.correct import moved
from server.ingest.identity import identity, known_by
from server.patients.store import Whose
from server.readings.store import Occurrence, Reading
from triage.samples import samples_of
from vitals.block import Block
from vitals.channels import CHANNELS
from vitals.clock import NS
from vitals.events import Event, Fault
from vitals.wire import Row

AHEAD_NS = 300 * NS
"""A time of measurement may be so far ahead of the server's clock; two clocks never agree entirely."""

EARLIEST_NS = 1_577_836_800 * NS
"""2020-01-01: an older time is a clock that was never set."""

_INT64 = range(-(2**63) + 1, 2**63)
_DECIMALS = range(-9, 10)


class Refused(msgspec.Struct, frozen=True):
    """It cannot be filed. `reason` is a short word to count by."""

    reason: str
    text: str


Filed = list[Reading] | list[Occurrence] | Refused


def file(row: Row, gateway: str, epoch: str, whose: Whose, now_ns: int, shift_ns: int = 0) -> Filed:
    """What to keep of `row`, which came from `gateway` as number `row.seq` of `epoch`, at `now_ns`.

    A block is filed whole or not at all. `shift_ns` is by how much its times are wrong (`server.ingest.correct`): what
    is filed has the right ones, and the shift beside them.
    """
    filed = _file(moved(row, shift_ns), gateway, epoch, whose, now_ns)
    if shift_ns and not isinstance(filed, Refused):
        return cast(Filed, [msgspec.structs.replace(one, shift_ns=shift_ns) for one in filed])
    return filed


def _file(row: Row, gateway: str, epoch: str, whose: Whose, now_ns: int) -> Filed:
    if row.received_ns not in _INT64:
        return Refused("does not parse", f"received_ns {row.received_ns} is no time")
    what = row.what
    if isinstance(what, Fault):
        return Refused(what.code, what.text)
    if what.device_t_ns is not None and what.device_t_ns not in _INT64:
        return Refused("does not parse", f"device_t_ns {what.device_t_ns} is no time")
    if isinstance(what, Event):
        return _event(row, what, f"{gateway}/{epoch}/{row.seq}", whose, now_ns)
    return _block(row, what, f"{gateway}/{epoch}/{row.seq}", whose, now_ns)


def _block(row: Row, block: Block, transport: str, whose: Whose, now_ns: int) -> Filed:
    refused = _unfit(block)
    if refused:
        return refused
    by = known_by(block, transport)
    readings = []
    for place, (t_ns, value) in enumerate(zip(block.t_ns, block.value, strict=True)):
        patient = _patient(row.device, t_ns, whose, now_ns)
        if isinstance(patient, Refused):
            return patient
        name = identity(row.device, by, block.channel, place, float(value))
        readings.append(
            Reading(
                patient, block.channel, t_ns, name, value, block.decimals, block.status, row.device, block.record,
                block.device_t_ns, row.received_ns,
            )
        )  # fmt: skip
    return readings


def _unfit(block: Block) -> Refused | None:
    """What is wrong with the block itself."""
    channel = CHANNELS.get(block.channel)
    if channel is None:
        return Refused("unknown channel", f"there is no channel {block.channel!r} in vitals.channels")
    if not block.t_ns or len(block.t_ns) != len(block.value):
        return Refused("does not parse", f"{len(block.t_ns)} times and {len(block.value)} values of {channel.name}")
    if block.decimals not in _DECIMALS:
        return Refused("does not parse", f"{block.decimals} decimals of {channel.name}")
    for value in block.value:
        if not channel.plausible(value):
            return Refused(
                "implausible", f"{channel.name} {value:g} is outside {channel.low:g} to {channel.high:g} {channel.unit}"
            )
    return None


def _event(row: Row, event: Event, transport: str, whose: Whose, now_ns: int) -> Filed:
    patient = _patient(row.device, event.t_ns, whose, now_ns)
    if isinstance(patient, Refused):
        return patient
    name = identity(row.device, known_by(event, transport), event.kind, sorted(event.data.items()))
    (sample,) = samples_of(event, row.device)
    return [
        Occurrence(
            patient, event.t_ns, name, event.kind, event.data, sample.channel, sample.value, row.device,
            event.record, event.device_t_ns, row.received_ns,
        )
    ]  # fmt: skip


def _patient(device: str, t_ns: int, whose: Whose, now_ns: int) -> str | Refused:
    if t_ns > now_ns + AHEAD_NS:
        return Refused("future", f"taken {(t_ns - now_ns) / NS:.0f} s ahead of the server's clock")
    if t_ns < EARLIEST_NS:
        return Refused("past", "taken before 2020: the device's clock was not set")
    patient = whose.patient_at(device, t_ns)
    return patient or Refused("no patient", f"device {device!r} belonged to nobody at that time")
