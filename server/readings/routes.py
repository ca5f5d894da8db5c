"""A patient's readings over time, and the dispenser's log."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from server.access.door import Carer
from server.house import Here, House, problems
from server.patients.routes import find
from server.readings.api import DispenserEvent, Readings
from server.readings.store import Occurrence, events, series
from server.readings.views import HIGH, LOW, bands, label, shown_decimals, unit
from vitals.channels import CHANNELS
from vitals.clock import MS

router = APIRouter(prefix="/api/patients/{patient_id}", tags=["readings"])

USUAL_MS = 7 * 86_400_000
"""How far back, where the question does not say."""
_DISPENSER = "dispenser."

Moment = Annotated[int | None, Query(ge=0, le=2**43, description="milliseconds since 1970")]


def checked_channel(channel: str) -> None:
    """That there is such a channel, or a 422 that says which there are."""
    if channel not in CHANNELS:
        raise HTTPException(422, f"there is no channel {channel!r}; use one of {', '.join(CHANNELS)}")


@router.get("/readings", operation_id="getReadings", responses=problems(401, 403, 404, 422))
def get_readings(
    patient_id: str,
    channel: str,
    account: Carer,
    here: Here,
    from_ms: Moment = None,
    to_ms: Moment = None,
) -> Readings:
    """One channel between two moments; the last seven days if neither is given."""
    checked_channel(channel)
    with here.db.read() as tx:
        record = find(tx, patient_id)
        columns = series(tx, patient_id, channel, *_span_ns(here, from_ms, to_ms))
    limits = here.programmes.limits(record.programme, record.limits)
    return Readings(
        channel=channel,
        label=label(channel),
        unit=unit(channel),
        decimals=shown_decimals(channel, columns.decimals),
        low=limits.get(LOW.get(channel, "")),
        high=limits.get(HIGH.get(channel, "")),
        bands=bands(channel, limits),
        t_ms=[t_ns // MS for t_ns in columns.t_ns],
        value=columns.value,
        good=columns.good,
    )


@router.get("/dispenser", operation_id="getDispenser", responses=problems(401, 403, 404, 422))
def get_dispenser(
    patient_id: str, account: Carer, here: Here, from_ms: Moment = None, to_ms: Moment = None
) -> list[DispenserEvent]:
    """What the dispenser told between two moments; the last seven days if neither is given."""
    with here.db.read() as tx:
        find(tx, patient_id)
        found = events(tx, patient_id, *_span_ns(here, from_ms, to_ms))
    return [_event(one) for one in found if one.kind.startswith(_DISPENSER)]


def _span_ns(here: House, from_ms: int | None, to_ms: int | None) -> tuple[int, int]:
    """Both inclusive, to the last nanosecond of the last millisecond."""
    until_ms = here.clock.now_ns() // MS if to_ms is None else to_ms
    since_ms = until_ms - USUAL_MS if from_ms is None else from_ms
    if since_ms > until_ms:
        raise HTTPException(422, f"from_ms {since_ms} is later than to_ms {until_ms}; exchange them")
    return since_ms * MS, until_ms * MS + MS - 1


def _event(one: Occurrence) -> DispenserEvent:
    data = {key: value for key, value in one.data.items() if key != "dose_id"}
    dose_id = one.data.get("dose_id", 0)
    return DispenserEvent(
        t_ms=one.t_ns // MS, kind=one.kind.removeprefix(_DISPENSER), data=data,
        dose_id=dose_id if isinstance(dose_id, int) else 0,
    )  # fmt: skip
