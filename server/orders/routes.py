"""Ordering something of a patient's device, and seeing what became of it.

The page draws an order's id when the nurse opens the dialog. So a request that is sent twice, because the answer was
lost, is one order, and two nurses who press at once are two, of which the second is refused.
"""

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException
from msgspec.structs import replace

from server.access.door import Carer
from server.access.store import Account
from server.audit.store import write
from server.fleet.store import DeviceRow, devices_of
from server.house import Here, problems
from server.orders import store
from server.orders.api import OrderLook, OrderNew, OrderView
from server.orders.model import LASTS_S, OPEN, Order, look
from server.orders.views import view
from server.patients.routes import find
from server.patients.store import whose
from vitals.clock import NS
from vitals.errors import WireError
from vitals.schedule import read

router = APIRouter(prefix="/api/patients/{patient_id}/orders", tags=["orders"])

SHOWN = 10

NEEDS = {"dispense": {"compartment"}, "schedule": {"doses"}}
MAY = {"dispense": {"compartment", "dose_id"}, "schedule": {"doses"}}
"""Which particulars a kind of order needs and may have; those that are not named have none."""


@router.get("", operation_id="getOrders", responses=problems(401, 403, 404, 422))
def get_orders(patient_id: str, account: Carer, here: Here) -> list[OrderView]:
    """The patient's latest orders, newest first; those that are not settled are always among them."""
    with here.db.read() as tx:
        find(tx, patient_id)
        return [view(one) for one in store.of_patient(tx, patient_id, SHOWN)]


@router.post("", operation_id="placeOrder", responses=problems(401, 403, 404, 409, 422))
def place_order(patient_id: str, said: OrderNew, account: Carer, here: Here) -> OrderView:
    """Order it. The same order once more (the same id) changes nothing."""
    data = _particulars(said)
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        find(tx, patient_id)
        before = store.get(tx, said.id)
        if before is not None:
            return _again(before, said, patient_id, data)
        if whose(tx, [said.device]).patient_at(said.device, now_ns) != patient_id:
            raise HTTPException(409, f"{said.device} is not this patient's device now; reload the page")
        device = _taking(devices_of(tx, patient_id), said)
        rival = store.rival(tx, said.device, said.kind)
        if rival is not None:
            raise HTTPException(409, _why_not(rival))
        order = Order(
            said.id, patient_id, said.device, device.gateway, said.kind, data, said.why, account.name, now_ns,
            now_ns + round(LASTS_S[said.kind] * NS),
        )  # fmt: skip
        store.place(tx, order)
        _audit(tx, order, account, f"order {said.kind}", now_ns, order.why)
    here.hub.patient_changed(patient_id)
    return view(order)


@router.post("/{order_id}/look", operation_id="lookedAtOrder", responses=problems(401, 403, 404, 409, 422))
def looked_at_order(patient_id: str, order_id: str, said: OrderLook, account: Carer, here: Here) -> OrderView:
    """Say what you found, after looking at the dispenser or calling the patient; that settles an unknown order."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        find(tx, patient_id)
        order = store.get(tx, order_id)
        if order is None or order.patient_id != patient_id:
            raise HTTPException(404, f"there is no order {order_id!r} of this patient; go back to the worklist")
        looked = look(order, account.name, now_ns, said.found, said.note.strip())
        if looked is None:
            who = f"{order.looked_by} has looked already" if order.looked_by else "how it ended is known"
            raise HTTPException(409, f"{who}; read how the order stands now")
        store.save(tx, looked)
        _audit(tx, looked, account, "look at order", now_ns, f"{said.found} {looked.note}".strip())
    here.hub.patient_changed(patient_id)
    return view(looked)


def _particulars(said: OrderNew) -> dict[str, int | str]:
    """What the device needs to know; raises 422 where something is missing or means nothing."""
    if not int(said.id, 16):
        raise HTTPException(422, "id: 0 names no order; draw one at random")
    told = {"compartment": said.compartment, "dose_id": said.dose_id, "doses": said.doses}
    data = {name: value for name, value in told.items() if value is not None}
    if said.doses is not None:
        _check_schedule(said.doses)
    missing = sorted(NEEDS.get(said.kind, set()) - data.keys())
    if missing:
        raise HTTPException(422, f"{', '.join(missing)}: an order to {said.kind} needs it; fill it in")
    beside = sorted(data.keys() - MAY.get(said.kind, set()))
    if beside:
        raise HTTPException(422, f"{', '.join(beside)}: means nothing in an order to {said.kind}; leave it out")
    return data


def _check_schedule(doses: str) -> None:
    try:
        read(doses)
    except WireError as error:
        raise HTTPException(422, f"doses: {error}") from None


def _again(before: Order, said: OrderNew, patient_id: str, data: dict[str, int | str]) -> OrderView:
    """The order that this id names already, if it is the same; else 409: an id names one order for ever."""
    same = replace(before, patient_id=patient_id, device=said.device, kind=said.kind, data=data)
    if same != before:
        raise HTTPException(409, "this id names another order; open the dialog anew and order again")
    return view(before)


def _taking(devices: list[DeviceRow], said: OrderNew) -> DeviceRow:
    """The device, on the gateway that told of it last; raises 409 if it takes no such order."""
    found = [one for one in devices if one.id == said.device and said.kind in one.orders]
    if not found:
        raise HTTPException(409, f"{said.device} takes no order to {said.kind}; choose another device or kind")
    return found[-1]


def _why_not(rival: Order) -> str:
    if rival.state in OPEN:
        return f"{rival.ordered_by} has ordered the same and it is under way; wait for how it ends"
    return "nobody knows whether the last such order was done; look at the dispenser and say what you found first"


def _audit(tx: sa.Connection, order: Order, account: Account, what: str, now_ns: int, why: str) -> None:
    particulars = "".join(f", {name} {value}" for name, value in order.data.items())
    detail = f"order {order.id} to {order.device}{particulars}: {why}"
    write(tx, now_ns, account.id, what, order.patient_id, detail)
