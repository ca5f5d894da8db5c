"""Orders as the page sees them."""

from server.orders.api import OrderView
from server.orders.model import Order
from vitals.clock import MS


def view(order: Order) -> OrderView:
    """One order, with what is known of it."""
    return OrderView.model_validate(
        {
            "id": order.id, "device": order.device, "kind": order.kind, "data": order.data, "why": order.why,
            "ordered_by": order.ordered_by, "issued_ms": order.issued_ns // MS, "expires_ms": order.expires_ns // MS,
            "state": order.state.value, "received_ms": _ms(order.received_ns), "sent_ms": _ms(order.sent_ns),
            "ended_ms": _ms(order.ended_ns), "said": order.said or None, "looked_by": order.looked_by,
            "looked_ms": _ms(order.looked_ns), "found": order.found, "note": order.note or None,
        }
    )  # fmt: skip


def _ms(t_ns: int | None) -> int | None:
    return None if t_ns is None else t_ns // MS
