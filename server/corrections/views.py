"""Readings that count, and those that do not, as the page sees them."""

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from server.corrections import store
from server.corrections.api import CorrectionView, Invalid, LatestReadings, Measured
from server.corrections.store import Correction, Stored
from server.held.api import HeldValue
from server.readings.api import Channel
from server.readings.model import Reading, is_late
from server.readings.store import measured, newest_moments
from server.readings.views import label, shown_decimals, unit
from vitals.channels import CHANNELS
from vitals.clock import MS

SHOWN = 10


def latest_readings(tx: sa.Connection, patient_id: str, channel: str, now_ns: int) -> LatestReadings:
    """The newest readings of a channel, those that do not count among them."""
    found: list[Measured] = []
    for t_ns in newest_moments(tx, patient_id, channel, SHOWN, now_ns):
        found += _of_channel(measured(tx, patient_id, None, t_ns), channel, None)
    for correction in store.standing(tx, patient_id, channel, SHOWN):
        found += _of_channel(correction.readings, channel, correction)
    newest = sorted(found, key=lambda one: one.t_ms, reverse=True)[:SHOWN]
    return LatestReadings(channel=channel, label=label(channel), unit=unit(channel), readings=newest)


def emptied(tx: sa.Connection, patient_id: str, newest: Collection[str]) -> list[Channel]:
    """The channels of which something was measured and nothing counts; `newest`: those of which something does."""
    gone = store.channels(tx, patient_id).difference(newest)
    return [Channel(channel=name, label=label(name)) for name in CHANNELS if name in gone]


def view(correction: Correction) -> CorrectionView:
    """What was said of which readings."""
    return CorrectionView(
        id=str(correction.id), device=correction.device, readings=[value(one) for one, _ in correction.readings],
        reason=correction.reason, note=correction.note, who=correction.said_by, t_ms=correction.said_ns // MS,
        undone_by=correction.undone_by, undone_why=correction.undone_why,
        undone_ms=None if correction.undone_ns is None else correction.undone_ns // MS,
    )  # fmt: skip


def value(one: Reading) -> HeldValue:
    """One value with its moment."""
    return HeldValue(
        channel=one.channel, label=label(one.channel), value=one.value, unit=unit(one.channel), t_ms=one.t_ns // MS,
        decimals=shown_decimals(one.channel, one.decimals),
    )  # fmt: skip


def _of_channel(pairs: Iterable[Stored], channel: str, correction: Correction | None) -> list[Measured]:
    known = list(pairs)
    return [
        _measured(one, stored_ns, [other for other, _ in known if _beside(one, other)], correction)
        for one, stored_ns in known
        if one.channel == channel
    ]


def _beside(one: Reading, other: Reading) -> bool:
    return other.device == one.device and other.identity != one.identity


def _measured(one: Reading, stored_ns: int, also: Iterable[Reading], correction: Correction | None) -> Measured:
    return Measured(
        id=f"{one.t_ns}.{one.identity.hex()}", value=one.value, decimals=shown_decimals(one.channel, one.decimals),
        t_ms=one.t_ns // MS, arrived_ms=stored_ns // MS, late=is_late(one.t_ns, stored_ns), device=one.device,
        status=list(one.status), also=[value(other) for other in also],
        invalid=None if correction is None else _invalid(correction),
    )  # fmt: skip


def _invalid(correction: Correction) -> Invalid:
    return Invalid(
        correction=str(correction.id), reason=correction.reason, note=correction.note, who=correction.said_by,
        t_ms=correction.said_ns // MS,
    )  # fmt: skip
