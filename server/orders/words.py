"""What is said of an order that nobody knows the end of."""

from collections.abc import Iterable

from server.orders.model import DANGER, Order
from vitals.alarm import Kind, Reason
from vitals.clock import MS

ASKED = {
    "dispense": ("å gi en ekstra dose", "to give an extra dose"),
    "lock": ("å låse", "to lock"),
    "unlock": ("å låse opp", "to unlock"),
    "test": ("å teste seg selv", "to test itself"),
    "schedule": ("å følge en ny doseplan", "to follow a new schedule"),
}


def reasons(to_look_at: Iterable[Order], kind: Kind, now_ns: int) -> list[Reason]:
    """A reason of `kind` for each order of one patient that a person has to look at."""
    return [_reason(order, now_ns) for order in to_look_at if DANGER[order.kind][0] is kind]


def _reason(order: Order, now_ns: int) -> Reason:
    nb, en = ASKED[order.kind]
    text = {
        "nb": f"Ukjent om dispenseren utførte ordren om {nb}: se på dispenseren, eller ring pasienten",
        "en": f"Unknown whether the dispenser did as ordered, {en}: look at the dispenser, or call the patient",
    }
    # The moment rather than the growing age: the same order is one reason, not a new one with every look.
    because: dict[str, float | None] = {"ordered_ms": float(order.issued_ns // MS)}
    return Reason(f"order_{order.kind}_unknown", "1", DANGER[order.kind][1], because, text, now_ns)
